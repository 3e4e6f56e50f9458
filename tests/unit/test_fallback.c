/*
 * The bytes of the fallback, to the letter: they go to clients without another look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/fallback.h"

/* Memory that can be counted out. */
static struct {
	void *blocks[16];
	unsigned count, limit;
} memory = {.limit = 16};

static void *allocate(void *context, size_t size)
{
	assert_ptr_equal(context, &memory);
	if (memory.count >= memory.limit)
		return NULL;
	return memory.blocks[memory.count++] = malloc(size);
}

static void give_back(void)
{
	while (memory.count > 0)
		free(memory.blocks[--memory.count]);
	memory.limit = 16;
}

static void expect(const struct fallback_source *source, const char *head, const char *body)
{
	struct fallback fallback = {.file = "kept"};

	assert_true(fallback_build(&fallback, source, allocate, &memory));
	assert_string_equal(fallback.head, head);
	assert_int_equal(fallback.head_length, strlen(head));
	assert_int_equal(fallback.body_length, strlen(body));
	assert_memory_equal(fallback.body, body, strlen(body));
	assert_int_equal(fallback.status, source->status);
	assert_string_equal(fallback.file, "kept");
	give_back();
}

static void test_usual(void **state)
{
	(void)state;
	expect(&(struct fallback_source){503, "text/plain; charset=utf-8", "gone fishing", 12, NULL, false},
	       "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 12\r\n"
	       "Cache-Control: no-store\r\n",
	       "gone fishing");
	expect(&(struct fallback_source){200, "application/json", "{}", 2, NULL, false},
	       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nCache-Control: no-store\r\n", "{}");
}

static void test_defaults_and_strangers(void **state)
{
	(void)state;
	expect(&(struct fallback_source){503, NULL, NULL, 0, NULL, false},
	       "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n"
	       "Cache-Control: no-store\r\n",
	       "");
	expect(&(struct fallback_source){599, "a/b", "x", 1, NULL, false},
	       "HTTP/1.1 599 Unknown\r\nContent-Type: a/b\r\nContent-Length: 1\r\nCache-Control: no-store\r\n", "x");
}

static void test_a_redirect(void **state)
{
	(void)state;
	expect(&(struct fallback_source){307, NULL, "away", 4, "/x", false},
	       "HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Type: text/plain; charset=utf-8\r\n"
	       "Content-Length: 4\r\nCache-Control: no-store\r\n",
	       "away");
}

static void test_statuses_without_content(void **state)
{
	(void)state;
	expect(&(struct fallback_source){204, "a/b", "body", 4, NULL, false},
	       "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n", "");
	expect(&(struct fallback_source){304, "a/b", "body", 4, NULL, false},
	       "HTTP/1.1 304 Not Modified\r\nCache-Control: no-store\r\n",
	       "");
	expect(&(struct fallback_source){205, "a/b", "body", 4, NULL, false},
	       "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\nCache-Control: no-store\r\n", "");
}

static void test_a_body_may_hold_anything(void **state)
{
	const struct fallback_source source = {503, "application/octet-stream", "\0\r\n\0", 4, NULL, false};
	struct fallback fallback = {0};

	(void)state;
	assert_true(fallback_build(&fallback, &source, allocate, &memory));
	assert_int_equal(fallback.body_length, 4);
	assert_memory_equal(fallback.body, "\0\r\n\0", 4);
	assert_string_equal(fallback.content_type, "application/octet-stream");
	assert_ptr_not_equal(fallback.content_type, source.content_type);
	give_back();
}

static void test_memory_short(void **state)
{
	const struct fallback_source source = {503, "a/b", "x", 1, NULL, false};
	struct fallback fallback = {.status = 1};

	(void)state;
	for (unsigned limit = 0; limit < 3; limit++) {
		memory.limit = limit;
		assert_false(fallback_build(&fallback, &source, allocate, &memory));
		assert_int_equal(fallback.status, 1);
		give_back();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_defaults_and_strangers),
		cmocka_unit_test(test_a_redirect),
		cmocka_unit_test(test_statuses_without_content),
		cmocka_unit_test(test_a_body_may_hold_anything),
		cmocka_unit_test(test_memory_short),
	};

	return cmocka_run_group_tests_name("fallback", tests, NULL, NULL);
}
