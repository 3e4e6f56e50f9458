/* In-flight limit and retry budget on one thread; that they hold over many is in tests/thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker/bulkhead.h"

static void test_in_flight_limit(void **state)
{
	struct bulkhead bulkhead = {0};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(bulkhead_enter(&bulkhead, 3));
	assert_false(bulkhead_enter(&bulkhead, 3));
	assert_int_equal(bulkhead.in_flight, 3);
	assert_int_equal(bulkhead.rejected_total, 1);
	bulkhead_leave(&bulkhead);
	assert_true(bulkhead_enter(&bulkhead, 3));
	/* A reload lowers the limit: nobody is thrown out, nobody comes in until it is below. */
	bulkhead_leave(&bulkhead);
	assert_false(bulkhead_enter(&bulkhead, 2));
	bulkhead_leave(&bulkhead);
	assert_true(bulkhead_enter(&bulkhead, 2));
	assert_false(bulkhead_enter(&bulkhead, 0));
	assert_int_equal(bulkhead.rejected_total, 3);
}

static int take_all(struct retry_budget *budget, uint32_t percent, uint64_t now_ms)
{
	int taken = 0;

	while (retry_budget_take(budget, percent, now_ms))
		taken++;
	return taken;
}

static void test_three_a_second_always(void **state)
{
	struct retry_budget budget = {0};

	(void)state;
	for (uint64_t second = 0; second < 40; second++)
		assert_int_equal(take_all(&budget, 20, second * 1000 + 500), 3);
	assert_int_equal(budget.refused_total, 40);
}

static void test_a_share_of_the_calls_of_ten_seconds(void **state)
{
	struct retry_budget budget = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		retry_budget_count_call(&budget, 100000 + (uint64_t)(i % 10) * 1000);
	assert_int_equal(take_all(&budget, 20, 109999), 200);
	/* The first second's calls have left, the retries have not: only the minimum. */
	assert_int_equal(take_all(&budget, 20, 110000), 3);
	/* At 119 s the 200 retries of 109 s have left, and so have all calls. */
	assert_int_equal(take_all(&budget, 20, 119000), 3);
	for (int i = 0; i < 100; i++)
		retry_budget_count_call(&budget, 119500);
	/* 20 of 100, of which 3 at 110 s have just slipped out at 120 s, and 3 at 119 s are taken. */
	assert_int_equal(take_all(&budget, 20, 120000), 17);
}

static void test_a_refused_retry_is_not_counted(void **state)
{
	struct retry_budget budget = {0};

	(void)state;
	assert_int_equal(take_all(&budget, 20, 0), 3);
	for (int i = 0; i < 100; i++)
		assert_false(retry_budget_take(&budget, 20, 0));
	for (int i = 0; i < 20; i++)
		retry_budget_count_call(&budget, 0);
	assert_int_equal(take_all(&budget, 20, 0), 1); /* the fourth of twenty */
}

static void test_a_long_silence(void **state)
{
	struct retry_budget budget = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		retry_budget_count_call(&budget, 5000);
	assert_int_equal(take_all(&budget, 20, 5000), 200);
	assert_int_equal(take_all(&budget, 20, 5000 + UINT64_C(10) * 1000 * 1000 * 1000), 3);
	/* A thread that is a whole turn late takes nothing and disturbs nobody. */
	assert_false(retry_budget_take(&budget, 20, 5000 + UINT64_C(10) * 1000 * 1000 * 1000 - 10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_flight_limit),
		cmocka_unit_test(test_three_a_second_always),
		cmocka_unit_test(test_a_share_of_the_calls_of_ten_seconds),
		cmocka_unit_test(test_a_refused_retry_is_not_counted),
		cmocka_unit_test(test_a_long_silence),
	};

	return cmocka_run_group_tests_name("bulkhead", tests, NULL, NULL);
}
