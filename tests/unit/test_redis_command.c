/* Commands as Redis reads them, and where a store is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/net/redis_command.h"
#include "routes/config/complaints.h"
#include "routes/config/config.h"

static void expect(const struct slice *words, unsigned count, const char *expected, size_t length)
{
	size_t room = redis_command_room(words, count);
	char *text = malloc(room); /* of just that size: a byte too many is seen */

	assert_int_equal(redis_command_write(text, words, count), length);
	assert_memory_equal(text, expected, length);
	free(text);
}

static void test_commands(void **state)
{
	static const char long_word[200];

	(void)state;
	expect((struct slice[]){ SLICE("PING") }, 1, "*1\r\n$4\r\nPING\r\n", 14);
	expect((struct slice[]){ SLICE("AUTH"), SLICE("a\r\nb"), { NULL, 0 } }, 3,
	       "*3\r\n$4\r\nAUTH\r\n$4\r\na\r\nb\r\n$0\r\n\r\n", 30);
	for (unsigned length = 0; length < sizeof long_word; length++) {
		const struct slice words[] = { { long_word, length }, { long_word, length } };
		char *text = malloc(redis_command_room(words, 2));

		assert_true(redis_command_write(text, words, 2) < redis_command_room(words, 2));
		free(text);
	}
}

static const struct store_settings *read(const char *url, struct config **config)
{
	char text[500];
	struct complaints complaints;

	snprintf(text, sizeof text, "upstreams: { a: { url: \"http://a.b\" } }\n"
	         "routes: [ { path: /, upstream: a, rate_limit: { rate: 1/s, store: \"%s\" } } ]\n", url);
	*config = config_parse("f", text, strlen(text), &complaints);
	complaints_free(&complaints);
	return *config == NULL ? NULL : (*config)->routes[0].rate_limit.store;
}

static void expect_store(const char *url, const char *host, uint16_t port, const char *user, const char *password,
                         uint32_t database)
{
	struct config *config;
	const struct store_settings *store = read(url, &config);

	assert_non_null(store);
	assert_string_equal(store->host, host);
	assert_int_equal(store->port, port);
	assert_int_equal(store->database, database);
	assert_true((user == NULL) == (store->user == NULL) && (user == NULL || strcmp(user, store->user) == 0));
	assert_true((password == NULL) == (store->password == NULL) && (password == NULL || strcmp(password, store->password) == 0));
	assert_string_equal(store->written, url);
	config_release(config);
}

static void test_stores(void **state)
{
	static const char *const bad[] = {
		"redis", "redis:", "http://a", "redis://", "redis:///0", "redis://:6379", "redis://a:", "redis://a:x",
		"redis://a:70000", "redis://a/1/2", "redis://a/99999", "redis://u@a", "redis://:%0@a", "redis://:%00@a",
		"redis://[::1]x", "redis://[10.0.0.1]", "redis://10.0.0.256", "redis://a b", "redis://-a", "rediss://a",
	};
	struct config *config;

	(void)state;
	expect_store("redis://redis", "redis", 6379, NULL, NULL, 0);
	expect_store("redis://tasks.redis:1/", "tasks.redis", 1, NULL, NULL, 0);
	expect_store("redis://:p%40%3a@10.0.0.1:65535/15", "10.0.0.1", 65535, NULL, "p@:", 15);
	expect_store("redis://u%20:p:q@[fd00::1]:7/2", "fd00::1", 7, "u ", "p:q", 2);
	expect_store("redis://:@localhost", "localhost", 6379, NULL, NULL, 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (read(bad[i], &config) != NULL || config != NULL)
			fail_msg("taken: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_commands), cmocka_unit_test(test_stores) };

	return cmocka_run_group_tests_name("redis_command", tests, NULL, NULL);
}
