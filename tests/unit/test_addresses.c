/* What the answers have told of a name's addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/discovery/addresses.h"

enum { NOW = 1000, GRACE = 100 };

static struct address parsed(const char *text)
{
	struct address address;

	assert_true(address_parse_ip(&address, text));
	return address;
}

static void take(struct addresses *known, const char *const *texts, size_t count, uint8_t kept_family, bool is_cut, uint64_t now_ms)
{
	struct addresses_taken taken;
	struct address found[8];

	for (size_t i = 0; i < count; i++)
		found[i] = parsed(texts[i]);
	assert_true(addresses_take(known,
	                           &(struct addresses_answer){ .list = found, .count = count, .kept_family = kept_family,
		                                               .is_cut = is_cut, .now_ms = now_ms, .new_most = SIZE_MAX },
	                           &taken));
	assert_int_equal(taken.left_out, 0);
}

#define TAKE(known, kept_family, is_cut, now_ms, ...) \
	take((known), (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), \
	     (kept_family), (is_cut), (now_ms))

/* "10.0.0.1 10.0.0.2?": a question mark behind what is missing. */
static void expect(const struct addresses *known, const char *expected)
{
	char text[400] = "", one[ADDRESS_TEXT_MAX];
	size_t used = 0;

	for (size_t i = 0; i < known->count; i++) {
		bool is_missing = addresses_missing_since(known, &known->list[i]) != 0;

		address_format_ip(&known->list[i], one);
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s", i == 0 ? "" : " ", one, is_missing ? "?" : "");
	}
	assert_string_equal(text, expected);
}

static void test_a_whole_answer_takes_the_place_of_the_one_before(void **state)
{
	struct addresses known = { .list = NULL };

	(void)state;
	TAKE(&known, 0, false, NOW, "10.0.0.1", "10.0.0.3");
	TAKE(&known, 0, false, NOW, "10.0.0.2", "10.0.0.3", "10.0.0.4");
	expect(&known, "10.0.0.2 10.0.0.3 10.0.0.4");
	assert_int_equal(addresses_expire(&known, NOW + 10 * GRACE, GRACE), 0);
	expect(&known, "10.0.0.2 10.0.0.3 10.0.0.4");
	addresses_clear(&known);
	expect(&known, "");
}

static void test_a_family_of_which_nothing_was_said_stays(void **state)
{
	struct addresses known = { .list = NULL };

	(void)state;
	TAKE(&known, 0, false, NOW, "10.0.0.1", "fd00::1");
	TAKE(&known, 6, false, NOW, "10.0.0.2");
	expect(&known, "10.0.0.2 fd00::1");
	TAKE(&known, 4, false, NOW, "fd00::2");
	expect(&known, "10.0.0.2 fd00::2");
	addresses_clear(&known);
}

static void test_a_denial_lets_them_stay_for_the_grace(void **state)
{
	struct addresses known = { .list = NULL };

	(void)state;
	TAKE(&known, 0, false, NOW, "10.0.0.1", "10.0.0.2");
	addresses_deny(&known, NOW);
	addresses_deny(&known, NOW + 50); /* a later one does not begin anew */
	expect(&known, "10.0.0.1? 10.0.0.2?");
	assert_int_equal(addresses_expire(&known, NOW + GRACE - 1, GRACE), NOW + GRACE);
	TAKE(&known, 0, false, NOW + GRACE - 1, "10.0.0.2", "10.0.0.3");
	expect(&known, "10.0.0.2 10.0.0.3");
	addresses_deny(&known, NOW + 200);
	assert_int_equal(addresses_expire(&known, NOW + 200 + GRACE, GRACE), 0);
	expect(&known, "");
	addresses_clear(&known);
}

static void test_addresses_that_a_cut_answer_lacks_are_missing(void **state)
{
	struct addresses known = { .list = NULL };

	(void)state;
	TAKE(&known, 0, false, NOW, "10.0.0.1", "10.0.0.2", "10.0.0.3");
	TAKE(&known, 0, true, NOW, "10.0.0.2");
	expect(&known, "10.0.0.1? 10.0.0.2 10.0.0.3?");
	TAKE(&known, 0, true, NOW + 50, "10.0.0.3", "10.0.0.4");
	expect(&known, "10.0.0.1? 10.0.0.2? 10.0.0.3 10.0.0.4");
	assert_int_equal(addresses_expire(&known, NOW + GRACE, GRACE), NOW + 50 + GRACE);
	expect(&known, "10.0.0.2? 10.0.0.3 10.0.0.4");
	addresses_clear(&known);
}

/* 10.NUMBER.x.y in order. */
static void take_many(struct addresses *known, uint8_t number, size_t count, size_t new_most, struct addresses_taken *taken)
{
	static struct address found[ADDRESSES_MOST * 2];

	for (size_t i = 0; i < count; i++)
		found[i] = (struct address){ .family = 4, .ip = { 10, number, (uint8_t)(i >> 8), (uint8_t)i } };
	assert_true(addresses_take(known, &(struct addresses_answer){ .list = found, .count = count, .new_most = new_most }, taken));
}

static void test_no_more_are_taken_than_may_be(void **state)
{
	struct addresses known = { .list = NULL };
	struct addresses_taken taken;

	(void)state;
	take_many(&known, 1, 100, 60, &taken);
	assert_int_equal(taken.new, 60);
	assert_int_equal(taken.left_out, 40);
	take_many(&known, 1, 100, 30, &taken); /* those that are known do not count */
	assert_int_equal(taken.new, 30);
	assert_int_equal(known.count, 90);
	take_many(&known, 1, ADDRESSES_MOST * 2, SIZE_MAX, &taken);
	assert_int_equal(known.count, ADDRESSES_MOST);
	assert_int_equal(taken.left_out, ADDRESSES_MOST);
	take_many(&known, 2, ADDRESSES_MOST, 10, &taken); /* all of them are gone */
	assert_int_equal(known.count, 10);
	take_many(&known, 2, ADDRESSES_MOST, 0, &taken);
	assert_int_equal(known.count, 10);
	addresses_clear(&known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_answer_takes_the_place_of_the_one_before),
		cmocka_unit_test(test_a_family_of_which_nothing_was_said_stays),
		cmocka_unit_test(test_a_denial_lets_them_stay_for_the_grace),
		cmocka_unit_test(test_addresses_that_a_cut_answer_lacks_are_missing),
		cmocka_unit_test(test_no_more_are_taken_than_may_be),
	};

	return cmocka_run_group_tests_name("addresses", tests, NULL, NULL);
}
