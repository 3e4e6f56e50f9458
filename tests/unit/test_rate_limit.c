/* The limits over many keys: what is let through, when the next is, and what a table forgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "breaker/rate_limit.h"
#include "tests/unit/in_range.h"

static const uint64_t BEGIN_US = UINT64_C(1000) * 3600 * 1000000;

/* Keys as the hash makes them: all bits by chance. */
static uint64_t key_of(uint64_t number)
{
	uint64_t hash = number + UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
	return hash ^ hash >> 31;
}

static unsigned take_until_refused(struct rate_table *table, const struct rate *rate, uint64_t key, uint64_t now_us)
{
	unsigned count = 0;

	while (rate_table_take(table, rate, key, now_us).is_allowed)
		count++;
	return count;
}

static void test_lets_the_burst_through_then_the_rate(void **state)
{
	struct rate_table *table = rate_table_new(100);
	struct rate rate = rate_of(10, 1000, 20);

	(void)state;
	assert_int_equal(take_until_refused(table, &rate, 7, BEGIN_US), 20);
	for (unsigned i = 1; i <= 50; i++) {
		assert_int_equal(take_until_refused(table, &rate, 7, BEGIN_US + i * 100000 - 1), 0);
		assert_int_equal(take_until_refused(table, &rate, 7, BEGIN_US + i * 100000), 1);
	}
	/* After a rest the whole burst is there again, and no more. */
	assert_int_equal(take_until_refused(table, &rate, 7, BEGIN_US + 3600 * UINT64_C(1000000)), 20);
	rate_table_free(table);
}

static void test_keys_do_not_disturb_each_other(void **state)
{
	struct rate_table *table = rate_table_new(100);
	struct rate rate = rate_of(1, 1000, 1);

	(void)state;
	assert_int_equal(take_until_refused(table, &rate, 0, BEGIN_US), 1); /* the key that stands for "free" is one, too */
	for (uint64_t key = 2; key < 10; key++)
		assert_int_equal(take_until_refused(table, &rate, key_of(key), BEGIN_US), 1);
	for (uint64_t key = 2; key < 10; key++)
		assert_false(rate_table_take(table, &rate, key_of(key), BEGIN_US).is_allowed);
	rate_table_free(table);
}

/* For all rates: after the wait that was named the next call is let through, and a microsecond before it is not. */
static void test_wait_is_true(void **state)
{
	static const struct {
		uint32_t calls;
		uint64_t period_ms;
		uint32_t burst;
	} cases[] = { { 1, 1000, 1 }, { 3, 1000, 5 }, { 7, 1000, 1 }, { 1000, 1000, 1 }, { 1000000, 1000, 1000 },
		      { 100, 60000, 3 }, { 1, 86400000, 2 }, { 999983, 1000, 17 } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rate_table *table = rate_table_new(1);
		struct rate rate = rate_of(cases[i].calls, cases[i].period_ms, cases[i].burst);
		uint64_t now_us = BEGIN_US;

		for (unsigned round = 0; round < 100; round++) {
			struct rate_verdict verdict;
			uint64_t wait_us;

			take_until_refused(table, &rate, 1, now_us);
			verdict = rate_table_take(table, &rate, 1, now_us);
			assert_false(verdict.is_allowed);
			assert_true(verdict.wait_ns > 0);
			assert_true(verdict.wait_ns <= rate.interval_ns);
			wait_us = (verdict.wait_ns + 999) / 1000;
			assert_false(rate_table_take(table, &rate, 1, now_us + wait_us - 1).is_allowed);
			now_us += wait_us;
			assert_true(rate_table_take(table, &rate, 1, now_us).is_allowed);
		}
		rate_table_free(table);
	}
}

static void test_remaining_counts_down(void **state)
{
	struct rate_table *table = rate_table_new(1);
	struct rate rate = rate_of(10, 1000, 5);
	struct rate_verdict verdict;

	(void)state;
	for (unsigned i = 5; i-- > 0;) {
		verdict = rate_table_take(table, &rate, 1, BEGIN_US);
		assert_true(verdict.is_allowed);
		assert_int_equal(rate_remaining(&rate, &verdict), i);
		assert_int_equal(verdict.ahead_ns, (5 - i) * UINT64_C(100000000));
	}
	verdict = rate_table_take(table, &rate, 1, BEGIN_US);
	assert_false(verdict.is_allowed);
	assert_int_equal(rate_remaining(&rate, &verdict), 0);
	assert_int_equal(verdict.ahead_ns, 500000000);
	rate_table_free(table);
}

/* A rate over a long time is met to a ten-thousandth, whatever number it is. */
static void test_rate_is_met_over_an_hour(void **state)
{
	static const uint32_t rates[] = { 1, 3, 7, 60, 999, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		struct rate_table *table = rate_table_new(1);
		struct rate rate = rate_of(rates[i], 1000, 10);
		uint64_t count = 0, expected = (uint64_t)rates[i] * 3600;

		for (uint64_t now_us = BEGIN_US; now_us < BEGIN_US + 3600 * UINT64_C(1000000); now_us += 997)
			count += rate_table_take(table, &rate, 1, now_us).is_allowed;
		assert_uint_in_range(count, expected - expected / 10000, expected + 10 + expected / 10000);
		rate_table_free(table);
	}
}

static void test_share_divides_rate_and_burst(void **state)
{
	struct rate_table *table = rate_table_new(1);
	struct rate whole = rate_of(100, 1000, 40), quarter = rate_share(&whole, 4), tiny = rate_share(&whole, 1000);
	unsigned count = 0;

	(void)state;
	assert_int_equal(take_until_refused(table, &quarter, 1, BEGIN_US), 10);
	for (uint64_t now_us = BEGIN_US; now_us < BEGIN_US + 10 * UINT64_C(1000000); now_us += 1000)
		count += rate_table_take(table, &quarter, 1, now_us).is_allowed;
	assert_uint_in_range(count, 249, 250);
	assert_int_equal(take_until_refused(table, &tiny, 1, BEGIN_US + 3600 * UINT64_C(1000000)), 1);
	rate_table_free(table);
}

/* A million keys leave the table as large as it was. Those that no longer count make room without a loss. */
static void test_a_million_idle_keys_evict_nothing(void **state)
{
	struct rate_table *table = rate_table_new(1 << 12);
	struct rate rate = rate_of(10, 1000, 1);
	size_t bytes = rate_table_bytes(table);
	uint64_t now_us = BEGIN_US, evicted = 0;

	(void)state;
	assert_true(bytes < (1 << 17));
	for (uint64_t i = 0; i < 1000000; i++, now_us += 1000) { /* a thousand new ones a second, each counts for 100 ms */
		struct rate_verdict verdict = rate_table_take(table, &rate, key_of(i), now_us);

		assert_true(verdict.is_allowed);
		evicted += verdict.has_evicted;
		assert_false(rate_table_take(table, &rate, key_of(i), now_us).is_allowed);
	}
	assert_int_equal(evicted, 0);
	assert_int_equal(rate_table_bytes(table), bytes);
	rate_table_free(table);
}

/* When all places count, the one that would be free first goes, and it is said. */
static void test_a_flood_of_busy_keys_is_told(void **state)
{
	struct rate_table *table = rate_table_new(1 << 12);
	struct rate rate = rate_of(1, 60000, 2);
	uint64_t evicted = 0, heavy = key_of(UINT64_C(1) << 40);

	(void)state;
	assert_int_equal(take_until_refused(table, &rate, heavy, BEGIN_US), 2);
	for (uint64_t i = 0; i < 1000000; i++) {
		struct rate_verdict verdict = rate_table_take(table, &rate, key_of(i), BEGIN_US);

		assert_true(verdict.is_allowed);
		evicted += verdict.has_evicted;
		/* A key that has used up its burst stays before those that called once. */
		assert_false(rate_table_take(table, &rate, heavy, BEGIN_US).is_allowed);
	}
	assert_uint_in_range(evicted, 1000000 - (1 << 12), 1000000);
	rate_table_free(table);
}

/* The largest numbers that the configuration allows. */
static void test_extremes_do_not_overflow(void **state)
{
	struct rate_table *table = rate_table_new(1);
	struct rate rate = rate_of(1, 24 * 3600 * 1000, 7), share = rate_share(&rate, 100000), fast = rate_of(4000000, 1000, 1);
	uint64_t late_us = UINT64_C(100) * 365 * 24 * 3600 * 1000000;

	(void)state;
	assert_int_equal(rate.window_ns, RATE_WINDOW_MAX_NS);
	assert_int_equal(take_until_refused(table, &rate, 1, late_us), 7);
	assert_int_equal(take_until_refused(table, &share, 2, late_us), 1);
	assert_false(rate_table_take(table, &share, 2, late_us + 1000).is_allowed);
	assert_int_equal(fast.interval_ns, 250);
	rate_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lets_the_burst_through_then_the_rate),
		cmocka_unit_test(test_keys_do_not_disturb_each_other),
		cmocka_unit_test(test_wait_is_true),
		cmocka_unit_test(test_remaining_counts_down),
		cmocka_unit_test(test_rate_is_met_over_an_hour),
		cmocka_unit_test(test_share_divides_rate_and_burst),
		cmocka_unit_test(test_a_million_idle_keys_evict_nothing),
		cmocka_unit_test(test_a_flood_of_busy_keys_is_told),
		cmocka_unit_test(test_extremes_do_not_overflow),
	};

	return cmocka_run_group_tests_name("rate_limit", tests, NULL, NULL);
}
