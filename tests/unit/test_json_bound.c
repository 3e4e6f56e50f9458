/* How many objects and lists a text of JSON may have before anybody parses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/json_bound.h"
#include "tests/unit/page.h"

static bool is_bounded(const char *text, size_t most)
{
	return json_is_bounded(page_lay(text, strlen(text)), strlen(text), most);
}

static void test_objects_and_lists_count(void **state)
{
	(void)state;
	assert_true(is_bounded("[{}, [], {\"a\": 1}]", 4));
	assert_false(is_bounded("[{}, [], {\"a\": 1}]", 3));
	assert_false(is_bounded("[[[[", 3));
	assert_false(is_bounded("{{{{", 3));
	assert_true(is_bounded("]}]}]}]}", 0));
	assert_true(is_bounded("7", 0));
	assert_true(is_bounded("", 0));
	assert_true(json_is_bounded(NULL, 0, 0));
}

static void test_texts_count_too(void **state)
{
	(void)state;
	assert_false(is_bounded("\"{[\"", 1));
	assert_true(is_bounded("\"{[\"", 2));
}

static void test_a_nul_ends_nothing(void **state)
{
	(void)state;
	assert_false(json_is_bounded(page_lay("\0[\0[", 4), 4, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects_and_lists_count),
		cmocka_unit_test(test_texts_count_too),
		cmocka_unit_test(test_a_nul_ends_nothing),
	};

	return cmocka_run_group_tests_name("json_bound", tests, NULL, NULL);
}
