/* Overrides: which entry wins, whatever the clocks say and in whatever order entries come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/admin/overrides.h"

static struct override_entry entry(const char *breaker, enum breaker_state state, uint64_t stamp, const char *origin)
{
	struct override_entry made = { .state = state, .stamp = stamp, .until_ms = state == BREAKER_CLOSED ? 0 : 5000 };

	strcpy(made.breaker, breaker);
	strcpy(made.origin, origin);
	return made;
}

static enum override_taken take(struct overrides *overrides, struct override_entry one)
{
	struct override_entry before;

	return overrides_take(overrides, &one, &before);
}

static void test_a_stamp_is_above_all_that_were_seen(void **state)
{
	struct overrides overrides = { 0 };
	uint64_t first = overrides_next_stamp(&overrides, 1000), second;

	(void)state;
	assert_true(first >> 16 == 1000);
	second = overrides_next_stamp(&overrides, 1000);
	assert_true(second > first);
	assert_true(overrides_next_stamp(&overrides, 400) > second); /* the clock was set back */
	take(&overrides, entry("a", BREAKER_FORCED_OPEN, UINT64_C(9000) << 16, "x"));
	assert_true(overrides_next_stamp(&overrides, 2000) > UINT64_C(9000) << 16); /* another's clock is ahead */
	assert_true(overrides_next_stamp(&overrides, 10000) == UINT64_C(10000) << 16);
	assert_true(overrides_next_stamp(&overrides, UINT64_MAX >> 8) <= OVERRIDE_STAMP_MAX); /* a clock that makes no sense */
	assert_true(override_is_plausible(UINT64_C(1800000000000) << 16, 0)); /* ours was never set */
	assert_true(override_is_plausible(1, UINT64_C(1800000000000)));
	assert_false(override_is_plausible(OVERRIDE_STAMP_MAX, UINT64_C(1800000000000)));
	overrides_destroy(&overrides);
}

static void test_the_newest_wins(void **state)
{
	struct overrides overrides = { 0 };
	struct override_entry before, newer = entry("a", BREAKER_CLOSED, 30, "x");

	(void)state;
	assert_int_equal(take(&overrides, entry("a", BREAKER_FORCED_OPEN, 20, "x")), OVERRIDE_TAKEN);
	assert_int_equal(take(&overrides, entry("a", BREAKER_DISABLED, 10, "x")), OVERRIDE_KNOWN);
	assert_int_equal(take(&overrides, entry("a", BREAKER_FORCED_OPEN, 20, "x")), OVERRIDE_KNOWN);
	assert_int_equal(take(&overrides, entry("b", BREAKER_DISABLED, 1, "x")), OVERRIDE_TAKEN);
	assert_int_equal(overrides_take(&overrides, &newer, &before), OVERRIDE_TAKEN);
	assert_int_equal(before.state, BREAKER_FORCED_OPEN);
	assert_int_equal(overrides_find(&overrides, "a")->state, BREAKER_CLOSED);
	assert_int_equal(overrides_find(&overrides, "b")->state, BREAKER_DISABLED);
	assert_null(overrides_find(&overrides, "c"));
	overrides_destroy(&overrides);
}

/* Whatever order three gateways hear of three entries in, they end alike. */
static void test_order_does_not_matter(void **state)
{
	static const unsigned orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	const struct override_entry entries[3] = { entry("a", BREAKER_FORCED_OPEN, 7, "x"), entry("a", BREAKER_DISABLED, 7, "y"),
		                                   entry("a", BREAKER_CLOSED, 6, "z") };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct overrides overrides = { 0 };

		for (size_t j = 0; j < 3; j++)
			take(&overrides, entries[orders[i][j]]);
		assert_string_equal(overrides_find(&overrides, "a")->origin, "y");
		overrides_destroy(&overrides);
	}
}

static void test_the_end(void **state)
{
	struct overrides overrides = { 0 };
	struct override_entry late = entry("b", BREAKER_DISABLED, 3, "x"), *over;

	(void)state;
	assert_true(overrides_next_end(&overrides) == UINT64_MAX);
	take(&overrides, entry("a", BREAKER_FORCED_OPEN, 2, "x"));
	late.until_ms = 9000;
	take(&overrides, late);
	assert_true(overrides_next_end(&overrides) == 5000);
	assert_null(overrides_expire(&overrides, 4999));
	assert_true(override_holds(overrides_find(&overrides, "a"), 4999));
	over = overrides_expire(&overrides, 5000);
	assert_string_equal(over->breaker, "a");
	assert_false(override_holds(over, 5000));
	assert_null(overrides_expire(&overrides, 5000));
	assert_true(overrides_next_end(&overrides) == 9000);
	/* It stays known, so it can't come back. */
	assert_int_equal(take(&overrides, entry("a", BREAKER_FORCED_OPEN, 2, "x")), OVERRIDE_KNOWN);
	overrides_destroy(&overrides);
}

static void test_there_are_not_too_many(void **state)
{
	struct overrides overrides = { 0 };
	char name[OVERRIDE_NAME];

	(void)state;
	for (int i = 0; i < OVERRIDES_MAX; i++) {
		snprintf(name, sizeof name, "breaker-%d", i);
		assert_int_equal(take(&overrides, entry(name, BREAKER_DISABLED, 1, "x")), OVERRIDE_TAKEN);
	}
	assert_int_equal(take(&overrides, entry("one-more", BREAKER_DISABLED, 1, "x")), OVERRIDE_FULL);
	assert_int_equal(take(&overrides, entry("breaker-7", BREAKER_CLOSED, 2, "x")), OVERRIDE_TAKEN);
	overrides_destroy(&overrides);
}

static bool is_breaker_1(const void *context, const char *breaker)
{
	(void)context;
	return strcmp(breaker, "breaker-1") == 0;
}

static bool make_room(struct overrides *overrides, struct override_entry one)
{
	return overrides_make_room(overrides, &one, is_breaker_1, NULL);
}

static void test_the_oldest_that_is_over_gives_way(void **state)
{
	struct overrides overrides = { 0 };
	char name[OVERRIDE_NAME];

	(void)state;
	for (uint64_t i = 0; i < OVERRIDES_MAX; i++) {
		snprintf(name, sizeof name, "breaker-%d", (int)i);
		take(&overrides, entry(name, i < 4 ? BREAKER_CLOSED : BREAKER_DISABLED, 100 + (i ^ 1), "x"));
	}
	/* breaker-1 is the oldest, but somebody needs it: breaker-0 is next */
	assert_false(make_room(&overrides, entry("a", BREAKER_CLOSED, 99, "x")));
	assert_false(make_room(&overrides, entry("a", BREAKER_CLOSED, 101, "x")));
	assert_true(make_room(&overrides, entry("a", BREAKER_CLOSED, 102, "x")));
	assert_null(overrides_find(&overrides, "breaker-0"));
	assert_int_equal(take(&overrides, entry("a", BREAKER_CLOSED, 102, "x")), OVERRIDE_TAKEN);
	assert_string_equal(overrides.list[0].breaker, "breaker-1"); /* the others keep their order */
	assert_string_equal(overrides.list[OVERRIDES_MAX - 1].breaker, "a");
	assert_false(make_room(&overrides, entry("breaker-0", BREAKER_CLOSED, 101, "x"))); /* it comes back */
	/* One that holds takes the place of any that does not, and never that of another that holds. */
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "holds-%d", i);
		assert_true(make_room(&overrides, entry(name, BREAKER_DISABLED, 1, "x")));
		assert_int_equal(take(&overrides, entry(name, BREAKER_DISABLED, 1, "x")), OVERRIDE_TAKEN);
	}
	assert_false(make_room(&overrides, entry("holds-3", BREAKER_DISABLED, 999, "x")));
	assert_non_null(overrides_find(&overrides, "breaker-1"));
	assert_non_null(overrides_expire(&overrides, 5000));
	assert_true(make_room(&overrides, entry("holds-3", BREAKER_DISABLED, 999, "x")));
	overrides_destroy(&overrides);
}

static void test_texts(void **state)
{
	static const char *const bad_stamps[] = { "", "0", "0000000000000000", "ffffffffffffffff", "018bcfe56800000",
		                                  "018BCFE568000000",
		                                  "018bcfe5680000000", " 18bcfe568000000", "-00000000000001" };
	static const char *const bad_spans[] = { "", "15", "m", "0s", "500ms", "25h", "86401s", "1 m", "-1m", "1m ",
		                                 "9999999s", "1.5h" };
	char text[OVERRIDE_STAMP_TEXT];
	enum breaker_state found;
	uint64_t number;

	(void)state;
	override_format_stamp(text, UINT64_C(0x18bcfe568000000));
	assert_string_equal(text, "018bcfe568000000");
	assert_true(override_parse_stamp(text, &number) && number == UINT64_C(0x18bcfe568000000));
	for (size_t i = 0; i < sizeof bad_stamps / sizeof bad_stamps[0]; i++)
		assert_false(override_parse_stamp(bad_stamps[i], &number));
	assert_true(override_parse_span("90s", &number) && number == 90000);
	assert_true(override_parse_span("15m", &number) && number == 900000);
	assert_true(override_parse_span("24h", &number) && number == OVERRIDE_MS_MAX);
	for (size_t i = 0; i < sizeof bad_spans / sizeof bad_spans[0]; i++)
		assert_false(override_parse_span(bad_spans[i], &number));
	assert_true(override_parse_word("METRICS_ONLY", &found) && found == BREAKER_METRICS_ONLY);
	assert_false(override_parse_word("OPEN", &found) || override_parse_word(NULL, &found));
	assert_string_equal(override_word(BREAKER_FORCED_OPEN), "FORCE_OPEN");
	assert_null(override_word(BREAKER_HALF_OPEN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stamp_is_above_all_that_were_seen),
		cmocka_unit_test(test_the_newest_wins),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_the_end),
		cmocka_unit_test(test_there_are_not_too_many),
		cmocka_unit_test(test_the_oldest_that_is_over_gives_way),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests_name("overrides", tests, NULL, NULL);
}
