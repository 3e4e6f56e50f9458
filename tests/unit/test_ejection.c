/* One endpoint: when it is ejected, for how long, and when that is forgotten. The clock is scripted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker/ejection.h"
#include "breaker/jitter.h"

/* The middle of the jitter's range: 1000 permille. */

static const struct ejection_settings SETTINGS = {
	.enabled = true, .consecutive_failures = 5, .for_ms = 10000, .for_max_ms = 300000, .max_share_bp = 5000};

static bool fail_times(struct ejection *ejection, int times, uint64_t now_ms)
{
	bool is_ejected = false;

	for (int i = 0; i < times; i++) {
		assert_false(is_ejected); /* only the last may do it */
		is_ejected = ejection_failure(ejection, &SETTINGS, now_ms, JITTER_NONE, false, false);
	}
	return is_ejected;
}

static void test_failures_in_a_row(void **state)
{
	struct ejection ejection = {0};

	(void)state;
	assert_false(fail_times(&ejection, 4, 1000));
	ejection_success(&ejection);
	assert_false(fail_times(&ejection, 4, 1000));
	assert_false(ejection_is_ejected(&ejection, 1000));
	assert_true(fail_times(&ejection, 1, 1000));
	assert_true(ejection_is_ejected(&ejection, 1000));
	assert_true(ejection_is_ejected(&ejection, 10999));
	assert_false(ejection_is_ejected(&ejection, 11000));
	assert_int_equal(ejection.ejections_total, 1);
}

static void test_connection_failures_weigh_double(void **state)
{
	struct ejection ejection = {0};

	(void)state;
	assert_false(ejection_failure(&ejection, &SETTINGS, 0, JITTER_NONE, true, false));
	assert_false(ejection_failure(&ejection, &SETTINGS, 0, JITTER_NONE, true, false));
	assert_true(ejection_failure(&ejection, &SETTINGS, 0, JITTER_NONE, true, false)); /* 6 of 5 */
}

static void test_failures_while_resting_count_for_nothing(void **state)
{
	struct ejection ejection = {0};

	(void)state;
	assert_true(fail_times(&ejection, 5, 0));
	assert_false(fail_times(&ejection, 50, 9999));
	assert_int_equal(ejection.ejections_total, 1);
	assert_false(fail_times(&ejection, 4, 10000)); /* begins at nothing again */
	assert_true(fail_times(&ejection, 1, 10000));
}

static void test_rests_grow_to_the_limit(void **state)
{
	struct ejection ejection = {0};
	uint64_t now_ms = 0;

	(void)state;
	for (uint64_t times = 1; times <= 40; times++) {
		uint64_t ejected_ms = times < 30 ? times * 10000 : 300000;

		assert_true(fail_times(&ejection, 5, now_ms));
		assert_true(ejection_is_ejected(&ejection, now_ms + ejected_ms - 1));
		assert_false(ejection_is_ejected(&ejection, now_ms + ejected_ms));
		now_ms += ejected_ms;
	}
}

static void test_rests_shrink_with_quiet_time(void **state)
{
	struct ejection ejection = {0};
	uint64_t now_ms = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_true(fail_times(&ejection, 5, now_ms));
		now_ms = ejection.until_ms;
	}
	assert_int_equal(ejection.times, 4);
	now_ms += 2 * 300000; /* two forgiven, this one added */
	assert_true(fail_times(&ejection, 5, now_ms));
	assert_int_equal(ejection.times, 3);
	assert_int_equal(ejection.until_ms, now_ms + 30000);
	now_ms = ejection.until_ms + UINT64_C(1000) * 300000; /* all forgiven, and no more than all */
	assert_true(fail_times(&ejection, 5, now_ms));
	assert_int_equal(ejection.times, 1);
}

static void test_jitter_is_a_fifth_at_most(void **state)
{
	static const uint32_t randoms[] = {0, 0xffffffff};
	static const uint64_t rests[] = {8000, 12000};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct ejection ejection = {0};

		for (int n = 0; n < 5; n++)
			ejection_failure(&ejection, &SETTINGS, 0, randoms[i], false, false);
		assert_int_equal(ejection.until_ms, rests[i]);
	}
}

static void test_disabled_and_odd_settings(void **state)
{
	struct ejection_settings off = SETTINGS;
	struct ejection_settings odd = {.enabled = true};
	struct ejection ejection = {0};

	(void)state;
	off.enabled = false;
	for (int i = 0; i < 100; i++)
		assert_false(ejection_failure(&ejection, &off, 0, JITTER_NONE, true, false));
	assert_false(ejection_is_ejected(&ejection, 0));
	assert_true(ejection_failure(&ejection, &odd, 7, JITTER_NONE, false, false)); /* limit 0: the first; at least 1 ms */
	assert_int_equal(ejection.until_ms, 8);
}

static void test_the_last_is_only_counted(void **state)
{
	struct ejection ejection = {0};

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_false(ejection_failure(&ejection, &SETTINGS, 0, JITTER_NONE, false, true));
	assert_int_equal(ejection.failures, 20);
	assert_false(ejection_is_ejected(&ejection, 0));
	assert_true(ejection_failure(&ejection, &SETTINGS, 0, JITTER_NONE, false, false)); /* another has come */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures_in_a_row),
		cmocka_unit_test(test_connection_failures_weigh_double),
		cmocka_unit_test(test_failures_while_resting_count_for_nothing),
		cmocka_unit_test(test_rests_grow_to_the_limit),
		cmocka_unit_test(test_rests_shrink_with_quiet_time),
		cmocka_unit_test(test_jitter_is_a_fifth_at_most),
		cmocka_unit_test(test_disabled_and_odd_settings),
		cmocka_unit_test(test_the_last_is_only_counted),
	};

	return cmocka_run_group_tests_name("ejection", tests, NULL, NULL);
}
