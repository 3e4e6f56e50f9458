/* Files of users and the credentials of RFC 7617: what is taken, and what is said of the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/htpasswd.h"

#define BCRYPT "$2y$05$abcdefghijklmnopqrstuuCPQKfklH8YDQaNkwfXq/wHPX8nLT3Gy"
#define DOTS43 "..........................................."
#define DOTS86 DOTS43 DOTS43

static struct {
	struct htpasswd users;
	void *memory;
	char *text;
	char said[2000];
} world;

static void *allocate(void *context, size_t size)
{
	(void)context;
	return world.memory = malloc(size);
}

static void complain(void *context, size_t line, const char *name, const char *why)
{
	size_t used = strlen(world.said);

	(void)context;
	snprintf(world.said + used, sizeof(world.said) - used, "%zu:%s:%s\n", line, name, why);
}

static int teardown(void **state)
{
	(void)state;
	free(world.memory);
	free(world.text);
	memset(&world, 0, sizeof(world));
	return 0;
}

static void parse_bytes(const char *text, size_t length)
{
	teardown(NULL);
	world.text = malloc(length + 1);
	memcpy(world.text, text, length);
	world.text[length] = '\0';
	assert_true(htpasswd_parse(&world.users, world.text, length, allocate, complain, NULL));
}

static void parse(const char *text)
{
	parse_bytes(text, strlen(text));
}

static void test_users(void **state)
{
	(void)state;
	parse("# made by htpasswd\n\nzoe:" BCRYPT "\r\nadam:$6$salt$" DOTS86 ":comment: and more\n  \nbob:" BCRYPT);
	assert_string_equal(world.said, "");
	assert_int_equal(world.users.count, 3);
	assert_string_equal(world.users.users[0].name, "adam");
	assert_string_equal(htpasswd_find(&world.users, "adam")->hash, "$6$salt$" DOTS86);
	assert_string_equal(htpasswd_find(&world.users, "zoe")->hash, BCRYPT);
	assert_null(htpasswd_find(&world.users, "Zoe"));
	assert_null(htpasswd_find(&world.users, ""));
	parse("");
	assert_int_equal(world.users.count, 0);
	assert_null(htpasswd_find(&world.users, "zoe"));
}

static void test_hashes_that_crypt_knows(void **state)
{
	static const char *const good[] = {
		BCRYPT, "$2b$04$abcdefghijklmnopqrstuuCPQKfklH8YDQaNkwfXq/wHPX8nLT3Gy", "$6$s$" DOTS86, "$6$rounds=1000$salt$" DOTS86,
		"$5$salt$" DOTS43, "$1$saltsalt$......................", "$y$j9T$saltsaltsalt$" DOTS43, "$y$j75$$" DOTS43,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char line[300];

		snprintf(line, sizeof(line), "u:%s\n", good[i]);
		parse(line);
		assert_string_equal(world.said, "");
		assert_int_equal(world.users.count, 1);
	}
}

/* No message shows a hash. */
static void test_what_is_refused(void **state)
{
	static const struct {
		const char *line, *word;
	} cases[] = {
		{"u:$apr1$salt$......................", "htpasswd -B"},
		{"u:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "htpasswd -B"},
		{"u:secret", "mkpasswd"},
		{"u:", "mkpasswd"},
		{"u:rqXexS6ZhobKA", "DES"},
		{"u:$md5$x", "not supported"},
		{"u:$2y$05$short", "cut or damaged"},
		{"u:$2y$31$abcdefghijklmnopqrstuuCPQKfklH8YDQaNkwfXq/wHPX8nLT3Gy", "between 4 and 16"},
		{"u:$2y$5a$abcdefghijklmnopqrstuuCPQKfklH8YDQaNkwfXq/wHPX8nLT3Gy", "cut or damaged"},
		{"u:$6$rounds=999999999$salt$" DOTS86, "rounds"},
		{"u:$6$rounds=-1$salt$" DOTS86, "cut or damaged"},
		{"u:$6$rounds=1000salt$" DOTS86, "cut or damaged"},
		{"u:$6$$" DOTS86, "cut or damaged"},
		{"u:$6$sa lt$" DOTS86, "cut or damaged"},
		{"u:$6$sa*t$" DOTS86, "cut or damaged"},
		{"u:$6$sa\\t$" DOTS86, "cut or damaged"},
		{"u:$6$saltsaltsaltsalts$" DOTS86, "cut or damaged"},
		{"u:$6$salt$" DOTS43, "cut or damaged"},
		{"u:$1$rounds=1000$salt$......................", "cut or damaged"},
		{"u:$y$jFT$salt$" DOTS43, "cost"},
		{"u:$y$j9T$" DOTS43, "cut or damaged"},
		{"no colon", "colon"},
		{":" BCRYPT, "name"},
		{"a\tb:" BCRYPT, "control"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *hash = strchr(cases[i].line, ':');

		parse(cases[i].line);
		if (strstr(world.said, cases[i].word) == NULL)
			fail_msg("%s: %s", cases[i].line, world.said);
		assert_int_equal(world.users.count, 0);
		if (hash != NULL && strlen(hash) > 6)
			assert_null(strstr(world.said, hash + 1));
	}
	parse_bytes("u\0:" BCRYPT, strlen(BCRYPT) + 3);
	assert_non_null(strstr(world.said, "NUL"));
	parse("u:" BCRYPT "\nv:" BCRYPT "\nu:" BCRYPT "\n");
	assert_string_equal(world.said, "3:u:occurs twice\n");
}

static bool is_taken(const char *value, const char *name, const char *password)
{
	struct basic_credentials credentials;

	if (!basic_credentials_parse(&credentials, value, strlen(value)))
		return false;
	assert_string_equal(credentials.name, name);
	assert_string_equal(credentials.password, password);
	return true;
}

static void test_credentials(void **state)
{
	(void)state;
	assert_true(is_taken("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"));
	assert_true(is_taken("bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"));
	assert_true(is_taken("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "Aladdin", "open sesame"));
	assert_true(is_taken("Basic dGVzdDoxMjPCow==", "test", "123\xc2\xa3")); /* the example of RFC 7617 section 2.1 */
	assert_true(is_taken("Basic YTo=", "a", ""));
	assert_true(is_taken("Basic YTpiOmM=", "a", "b:c"));
}

static void test_credentials_that_are_none(void **state)
{
	static const char *const bad[] = {
		"", "Basic", "Basic ", "BasicYTpi", "Bearer YTpi", "Basic YTpi YTpi", "Basic YTpi,", "Basic =", "Basic ====", "Basic YTp",
		"Basic YTo\xc3", "Basic YTpi=", "Basic YTpi====", "Basic Y", "Basic OmI=", "Basic YWI=", "Basic YQBiOmM=", "Basic YTpiAA==",
		"Basic YTpiCg==", "Basic fzpi", "Basic YTpj\tYTpj", "Basic YTp=", "Basic YT-_",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (is_taken(bad[i], "?", "?"))
			fail_msg("taken: %s", bad[i]);
}

/* Each text has one spelling, so a cache or a limit can't be got round by another. */
static void test_credentials_have_one_spelling(void **state)
{
	(void)state;
	assert_true(is_taken("Basic YTo", "a", ""));
	assert_false(is_taken("Basic YTp", "a", ""));
}

static void test_credentials_that_are_long(void **state)
{
	static char value[2000];

	(void)state;
	strcpy(value, "Basic YTpi"); /* a:b and then QUFB, which is AAA */
	for (unsigned groups = 1; groups < 400; groups++) {
		struct basic_credentials credentials;
		bool fits = groups * 3 + 1 <= HTPASSWD_PASSWORD_MAX;

		strcat(value, "QUFB");
		assert_int_equal(basic_credentials_parse(&credentials, value, strlen(value)), fits);
		if (fits)
			assert_int_equal(strlen(credentials.password), groups * 3 + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_users, teardown),
		cmocka_unit_test_teardown(test_hashes_that_crypt_knows, teardown),
		cmocka_unit_test_teardown(test_what_is_refused, teardown),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_credentials_that_are_none),
		cmocka_unit_test(test_credentials_have_one_spelling),
		cmocka_unit_test(test_credentials_that_are_long),
	};

	return cmocka_run_group_tests_name("htpasswd", tests, NULL, NULL);
}
