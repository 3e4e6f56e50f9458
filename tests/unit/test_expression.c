/*
 * What a path becomes by rewrite.regex. The room is a block of its own with just the bytes that are promised, and so is the path,
 * so that a byte too many is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/config/arena.h"
#include "routes/expression.h"

static struct {
	struct arena *memory;
	char error[200];
	bool is_made; /* using it takes nothing of this memory: threads share it */
	char *room;
} world;

static int setup(void **state)
{
	(void)state;
	world.memory = arena_new();
	world.room = malloc(EXPRESSION_RESULT_MAX);
	return world.memory == NULL || world.room == NULL;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(world.memory);
	free(world.room);
	return 0;
}

static void *allocate(void *memory, size_t size)
{
	assert_false(world.is_made);
	return arena_allocate(memory, size);
}

static struct expression *make(const char *regex, const char *replacement)
{
	return expression_new(regex, replacement, allocate, world.memory, world.error, sizeof(world.error));
}

static struct expression_result rewrite(const struct expression *expression, const char *path, size_t length)
{
	char *copy = malloc(length);
	struct expression_result result;

	assert_non_null(expression);
	assert_non_null(copy);
	memcpy(copy, path, length);
	world.is_made = true;
	result = expression_rewrite(expression, copy, length, world.room);
	world.is_made = false;
	free(copy);
	return result;
}

/* "-": it does not match. */
static void becomes(const char *regex, const char *replacement, const char *path, const char *expected)
{
	const struct expression *expression = make(regex, replacement);
	struct expression_result result;

	if (expression == NULL)
		fail_msg("%s, %s: %s", regex, replacement, world.error);
	result = rewrite(expression, path, strlen(path));
	if (result.verdict == EXPRESSION_REFUSED)
		fail_msg("%s with %s: %s", path, regex, result.why);
	if (expected[0] == '-')
		assert_int_equal(result.verdict, EXPRESSION_NO_MATCH);
	else if (result.verdict != EXPRESSION_MATCHED || result.length != strlen(expected) ||
	         memcmp(world.room, expected, result.length) != 0)
		fail_msg("%s with %s became %.*s, not %s", path, regex, (int)result.length, world.room, expected);
}

static void refuses(const char *regex, const char *replacement, const char *path, const char *why)
{
	struct expression_result result = rewrite(make(regex, replacement), path, strlen(path));

	assert_int_equal(result.verdict, EXPRESSION_REFUSED);
	assert_non_null(strstr(result.why, why));
}

static void is_no_expression(const char *regex, const char *replacement, const char *why)
{
	assert_null(make(regex, replacement));
	if (strstr(world.error, why) == NULL)
		fail_msg("%s, %s: \"%s\", not \"%s\"", regex, replacement, world.error, why);
}

static void test_what_people_write(void **state)
{
	(void)state;
	becomes("^/api/(?<rest>.*)", "/${rest}", "/api/patients/7", "/patients/7");
	becomes("^/api/(?<rest>.*)", "/${rest}", "/api/", "/");
	becomes("^/api/(?<rest>.*)", "/${rest}", "/api", "-");
	becomes("/red/?(?<segment>.*)", "/$\\{segment}", "/red/blue", "/blue");
	becomes("/red/?(?<segment>.*)", "/$${segment}", "/red", "/");
	becomes("/api(?<segment>/?.*)", "$\\{segment}", "/api", "/");
	becomes("/([^/]+)/([^/]+)/(.*)", "/$2/$1/$3", "/a/b/c/d", "/b/a/c/d");
	becomes("^/a/(?<id>\\d+)$", "/patients/${id}/history", "/a/77", "/patients/77/history");
	becomes("^/a/(?<id>\\d+)$", "/patients/${id}/history", "/a/77/x", "-");
	/* Nothing is decoded or encoded again. */
	becomes("^/api(.*)", "/v2$1", "/api/caf%C3%A9/a%20b;v=1", "/v2/caf%C3%A9/a%20b;v=1");
}

/* As in Java: every match, wherever it begins, one of nothing included. */
static void test_all_matches(void **state)
{
	(void)state;
	becomes("old", "new", "/old/x/older", "/new/x/newer");
	becomes("/x", "", "/a/x/b/x", "/a/b");
	becomes("-", "/", "/a-b-c", "/a/b/c");
	becomes("(?<rest>.*)", "/api/${rest}", "/x", "/api/x/api/");
	becomes("^.*$", "/one", "/x/y", "/one");
	becomes("z*", "-", "/ab", "/-/-a-b-");
	becomes("(?=b)", "/", "/ab", "/a/b");
	/* $12 is group 1 and a 2 where there is no group 12; what took no part is nothing. */
	becomes("^/(a)", "/$12", "/ab", "/a2b");
	becomes("^/(?:(a)|(b))", "/[$1][$2]", "/b", "/[][b]");
	becomes("^/(a)?", "$0$1", "/ab", "/aab");
}

static void test_no_way_out(void **state)
{
	char path[EXPRESSION_PATH_MAX + 2];

	(void)state;
	/* No second reading of what came out: not another host, and nothing above the prefix. */
	becomes("^/api(?<rest>/?.*)", "/${rest}", "/api/evil.example", "/evil.example");
	becomes("^/api/(?<rest>.*)", "${rest}", "/api/evil.example", "/evil.example");
	refuses("^/f(?<rest>.*)", "/files/${rest}", "/f../secret", "dot segments");
	refuses("^/f(?<rest>.*)", "/files/${rest}", "/f.", "dot segments");
	refuses("^/f(?<rest>.*)", "/files/${rest}", "/f..;x/secret", "dot segment");
	refuses("^/f(?<rest>.*)", "/${rest}", "/f..", "above the root");
	refuses("25", "", "/a%252E%252E/b", "percent-encoding");
	refuses("25", "", "/a%252Fb", "encoded slash");
	refuses("..$", "", "/a%20", "bad percent-encoding");
	/* Parameters, which a service may pass over, do not keep it from matching. */
	refuses("^/api/(?<rest>.*)", "/${rest}", "/api;x/y", "parameters");
	refuses("^/api/a$", "/b", "/api/a%3Bx", "parameters");
	becomes("^/api/(?<rest>.*)", "/${rest}", "/api/y;x", "/y;x");
	becomes("^/api/(?<rest>.*)", "/${rest}", "/else;x/y", "-");
	/* Sizes. */
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	refuses("^/x", "/y", path, "too long");
	path[EXPRESSION_PATH_MAX] = '\0';
	becomes("^/x", "/y", path, "-");
	refuses("^.*$", "/$0$0$0", path, "rewritten path is too long");
}

/* Each would take the library seconds to years. */
static void test_catastrophes(void **state)
{
	static const char *const EXPRESSIONS[] = {
		"(/?[a-z]+)+$", "^(([a-z/])+.)+[A-Z]([a-z/])+$", "(a*)*b", "(a|aa)+$", "(.*)*(.*)*(.*)*x", "(.*)(.*)(.*)(.*)(.*)x",
		"((a+)+)+$", "(?:a+){2,}b", "^(?:.?.?.?.?){50}b", "(a+)\\1+b", "a*[ab]*a*[ab]*c", "(?=(a+))*\\1b", "(?:(?:a|b|/)*)*!",
	};
	char path[EXPRESSION_PATH_MAX + 1];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	for (size_t i = 0; i < sizeof(EXPRESSIONS) / sizeof(EXPRESSIONS[0]); i++) {
		const struct expression *expression = make(EXPRESSIONS[i], "/x");

		for (size_t length = 40; length <= EXPRESSION_PATH_MAX; length *= 2) {
			struct expression_result result;

			path[length - 1] = '-';
			result = rewrite(expression, path, length);
			path[length - 1] = 'a';
			if (result.verdict == EXPRESSION_REFUSED)
				assert_non_null(strstr(result.why, "takes too long"));
			else
				assert_true(result.verdict == EXPRESSION_NO_MATCH || result.verdict == EXPRESSION_MATCHED);
		}
	}
	refuses("(/?[a-z]+)+$", "/x", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-", "takes too long");
	/* What is merely thorough may be as long as a path may. */
	for (size_t i = 1; i < EXPRESSION_PATH_MAX; i += 2)
		path[i] = '/';
	path[EXPRESSION_PATH_MAX - 1] = 'a';
	assert_int_equal(rewrite(make("^(?:/[^/]*)*$", "/x"), path, EXPRESSION_PATH_MAX).verdict, EXPRESSION_MATCHED);
	assert_int_equal(rewrite(make("a", "b"), path, EXPRESSION_PATH_MAX).verdict, EXPRESSION_MATCHED);
}

static void test_mistakes(void **state)
{
	(void)state;
	is_no_expression("^/a(", "/b", "regex: missing closing parenthesis at character 5");
	is_no_expression("(*UTF)/a", "/b", "regex: using UTF is disabled");
	is_no_expression("/(?<a>.*)", "/${b}", "regex has no group \"b\"");
	is_no_expression("/(.*)", "/$2", "regex has no group 2");
	is_no_expression("/(.*)", "/$a", "a group is written ${name} or $1");
	is_no_expression("/(.*)", "/${a", "a group is written");
	is_no_expression("/(.*)", "/$", "a group is written");
	is_no_expression("/(.*)", "/../$1", "replacement: dot segments");
	is_no_expression("/(.*)", "/a/./$1", "replacement: the rewritten path has dot segments");
	is_no_expression("/(.*)", "/$1?x", "replacement: byte in the path");
	is_no_expression("/(.*)", "/$1#x", "replacement: fragment");
	is_no_expression("/(.*)", "/a%2f$1", "replacement: encoded slash");
	is_no_expression("/(.*)", "/%$1", "replacement: bad percent-encoding");
	is_no_expression("/(.*)", "/a b$1", "replacement: byte in the path that must be encoded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_people_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_matches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_way_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_catastrophes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
