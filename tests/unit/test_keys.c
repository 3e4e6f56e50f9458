/*
 * One truth about the keys: the table of routes/config/keys.h, the annotated gateway.yml and what is printed say the same. In
 * gateway.yml a key without a default stands behind a "#"; taken out of the comment it must be right, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/config/complaints.h"
#include "routes/config/config.h"
#include "routes/config/keys.h"
#include "routes/config/print.h"
#include "routes/config/yaml.h"

static struct {
	void *pieces[2000];
	size_t count;
	char *text; /* of gateway.yml, with what is commented out */
	const struct yaml_node *root;
} world;

static void *allocate(void *context, size_t size)
{
	(void)context;
	assert_true(world.count < sizeof(world.pieces) / sizeof(world.pieces[0]));
	return world.pieces[world.count++] = malloc(size);
}

static void complain(void *context, size_t line, size_t column, const char *text)
{
	(void)context;
	fail_msg("%zu:%zu: %s", line, column, text);
}

enum { COMMENT_COLUMN = 20 }; /* what stands further right is a comment that goes on */

/* "    #   strip_prefix: /x" to "      strip_prefix: /x": whole lines of comment that are indented as routes are. */
static char *uncomment(const char *file, const char *const *without)
{
	FILE *from = fopen(file, "r");
	char line[400], *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(from);
	while (fgets(line, sizeof(line), from) != NULL) {
		size_t indent = strspn(line, " ");

		if (indent >= 4 && indent < COMMENT_COLUMN && strncmp(line + indent, "# ", 2) == 0)
			memmove(line + indent, line + indent + 2, strlen(line + indent + 2) + 1);
		for (const char *const *key = without; key != NULL && *key != NULL; key++)
			if (strncmp(line + strspn(line, " "), *key, strlen(*key)) == 0)
				line[0] = '\0';
		fputs(line, to);
	}
	fclose(from);
	fclose(to);
	return text;
}

static int setup(void **state)
{
	struct yaml_reading reading = {allocate, complain, NULL};

	(void)state;
	world.text = uncomment("gateway.yml", NULL);
	world.root = yaml_read(world.text, strlen(world.text), &reading);
	return world.root == NULL;
}

static int teardown(void **state)
{
	(void)state;
	while (world.count > 0)
		free(world.pieces[--world.count]);
	free(world.text);
	world.text = NULL;
	return 0;
}

static const struct yaml_node *route(const struct yaml_node *root)
{
	const struct yaml_node *node = yaml_find(root, "routes")->first;

	while (node->next != NULL)
		node = node->next;
	return node;
}

/* Where the keys of a scope are in a tree that has them all. */
static const struct yaml_node *place(const struct yaml_node *root, enum key_scope scope, bool is_print)
{
	const struct yaml_node *upstream = is_print ? yaml_find(root, "upstreams")->first : yaml_find(root, "defaults");
	size_t count;
	const struct key *keys = keys_all(&count);

	if (scope == SCOPE_ROOT)
		return root;
	if (scope == SCOPE_UPSTREAM)
		return upstream;
	if (scope == SCOPE_ROUTE)
		return route(root);
	if (scope == SCOPE_JWT && is_print) /* of a route of its own: none has two kinds of credentials */
		return yaml_find(yaml_find(yaml_find(root, "routes")->first, "auth"), "jwt");
	for (size_t i = 0; i < count; i++)
		if (keys[i].child == scope)
			return yaml_find(place(root, keys[i].scope, is_print), keys[i].name);
	return NULL;
}

/* A scalar, or a list as the table writes it. */
static void expect_text(const struct yaml_node *node, const char *expected)
{
	char text[200] = "[";

	if (node->kind == YAML_SCALAR) {
		assert_string_equal(node->text, expected);
		return;
	}
	assert_int_equal(node->kind, YAML_SEQUENCE);
	for (node = node->first; node != NULL; node = node->next)
		strcat(strcat(text, node->text), node->next != NULL ? ", " : "");
	assert_string_equal(strcat(text, "]"), expected);
}

static void test_reference_has_every_key(void **state)
{
	size_t count;
	const struct key *keys = keys_all(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *node = yaml_find(place(world.root, keys[i].scope, false), keys[i].name);

		if (keys[i].kind == KIND_URL)
			node = yaml_find(yaml_find(world.root, "upstreams")->first, "url");
		if (node == NULL)
			fail_msg("gateway.yml does not show %s", keys[i].name);
		if (keys[i].default_text[0] != '\0')
			expect_text(node, keys[i].default_text);
	}
}

/* Valid as it stands, and with all that is commented out but what can't be there beside the rest. */
static void test_reference_is_right(void **state)
{
	static const char *const without[] = {"file:", "redirect:", "regex:", "replacement:", "basic:", "realm:", NULL};
	struct complaints complaints;
	struct config *config = config_read("gateway.yml", &complaints);
	char *text = uncomment("gateway.yml", without);

	(void)state;
	complaints_print(&complaints, "gateway.yml", stderr);
	assert_non_null(config);
	assert_int_equal(complaints.count, 0);
	config_release(config);
	config = config_parse("gateway.yml", text, strlen(text), &complaints);
	complaints_print(&complaints, "gateway.yml, uncommented", stderr);
	assert_non_null(config);
	assert_int_equal(complaints.count, 0);
	assert_non_null(config->routes[1].host);
	config_release(config);
	free(text);
}

static void test_printed_defaults(void **state)
{
	static const char SMALLEST[] = "upstreams: { a: { url: \"http://a.b\", health_check: on }, b: { url: \"http://b.b\" } }\n"
	                               "routes: [ { path: /jwt, upstream: a,\n"
	                               "    auth: { jwt: { issuer: i, audiences: a, jwks: \"http://i\" } } },\n"
	                               "  { path: /, upstream: a, cors: { origins: \"*\" }, rate_limit: { rate: 10/s },\n"
	                               "    auth: { basic: { file: tests/unit/data/users.htpasswd },\n"
	                               "        forward: { upstream: b, path: /x } } } ]\n";
	struct yaml_reading reading = {allocate, complain, NULL};
	struct complaints complaints;
	struct config *config = config_parse("x", SMALLEST, strlen(SMALLEST), &complaints);
	char *text = NULL;
	size_t length, count;
	FILE *to = open_memstream(&text, &length);
	const struct key *keys = keys_all(&count);
	const struct yaml_node *root;

	(void)state;
	assert_non_null(config);
	config_print(config, to);
	fclose(to);
	root = yaml_read(text, length, &reading);
	for (size_t i = 0; i < count; i++)
		if (keys[i].default_text[0] != '\0')
			expect_text(yaml_find(place(root, keys[i].scope, true), keys[i].name), keys[i].default_text);
	config_release(config);
	free(text);
}

static void test_table(void **state)
{
	size_t count;
	const struct key *keys = keys_all(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_true(strlen(keys[i].help) > 0 && strlen(keys[i].help) < 80);
		assert_true(keys[i].least <= keys[i].most);
		assert_ptr_equal(keys_find(keys[i].scope, keys[i].name), &keys[i]);
		assert_true(keys[i].size == 0 || keys[i].kind >= KIND_STATUSES || keys[i].size == 1 || keys[i].size == 4 ||
		            keys[i].size == 8);
		/* What is kept in 32 bits must fit. */
		assert_true(keys[i].size != 4 || keys[i].most <= UINT32_MAX);
	}
	assert_null(keys_find(SCOPE_DEFAULTS, "url"));
	assert_non_null(keys_find(SCOPE_DEFAULTS, "breaker"));
}

static void test_suggestions(void **state)
{
	(void)state;
	assert_string_equal(keys_suggest(SCOPE_BREAKER, "failure_rat"), "failure_rate");
	assert_string_equal(keys_suggest(SCOPE_BREAKER, "failure-rate"), "failure_rate");
	assert_string_equal(keys_suggest(SCOPE_BREAKER, "wnidow"), "window");
	assert_string_equal(keys_suggest(SCOPE_ROOT, "upstream"), "upstreams");
	assert_null(keys_suggest(SCOPE_ROOT, "health_check"));
	assert_null(keys_suggest(SCOPE_DEFAULTS, "ulr"));
	assert_null(keys_suggest(SCOPE_ROOT, ""));
	assert_null(keys_suggest(SCOPE_FALLBACK,
	                         "a-very-long-name-that-is-longer-than-any-key-could-be-and-then-some-more-x"));
}

static void expect_format(enum key_scope scope, const char *name, uint64_t value, const char *expected)
{
	char text[KEY_VALUE_TEXT_MAX];

	assert_string_equal(key_format(keys_find(scope, name), value, text), expected);
}

static void test_format(void **state)
{
	(void)state;
	expect_format(SCOPE_LIMITS, "idle_timeout", 60000, "60s");
	expect_format(SCOPE_LIMITS, "idle_timeout", 24 * 3600000, "24h");
	expect_format(SCOPE_LIMITS, "idle_timeout", 1500, "1500ms");
	expect_format(SCOPE_DNS, "timeout", 60000, "1m");
	expect_format(SCOPE_DRAIN, "delay", 0, "0s");
	expect_format(SCOPE_LIMITS, "request_body", UINT64_MAX, "none");
	expect_format(SCOPE_LIMITS, "request_body", 0, "0B");
	expect_format(SCOPE_LIMITS, "request_body", 1 << 20, "1MiB");
	expect_format(SCOPE_LIMITS, "request_body", (1 << 20) + 1, "1048577B");
	expect_format(SCOPE_LIMITS, "connections", 0, "auto");
	expect_format(SCOPE_BREAKER, "slow_call", 0, "off");
	expect_format(SCOPE_BREAKER, "mode", 1, "observe");
	expect_format(SCOPE_RETRY, "budget", 0, "0%");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reference_has_every_key, setup, teardown),
		cmocka_unit_test(test_reference_is_right),
		cmocka_unit_test_teardown(test_printed_defaults, teardown),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_suggestions),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
