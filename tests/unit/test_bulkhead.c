/* In-flight limit, queue and retry budget on one thread; that they hold over many is in tests/thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker/bulkhead.h"
#include "breaker/queue.h"

static void test_in_flight_limit(void **state)
{
	struct bulkhead bulkhead = {0};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(bulkhead_enter(&bulkhead, 3));
	assert_false(bulkhead_enter(&bulkhead, 3));
	assert_int_equal(bulkhead_in_flight(&bulkhead), 3);
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

static void test_waiting(void **state)
{
	struct bulkhead bulkhead = {0};

	(void)state;
	assert_int_equal(bulkhead_wait(&bulkhead, 1, 2), BULKHEAD_ENTERED);
	assert_int_equal(bulkhead_wait(&bulkhead, 1, 2), BULKHEAD_WAITING);
	assert_int_equal(bulkhead_wait(&bulkhead, 1, 2), BULKHEAD_WAITING);
	assert_int_equal(bulkhead_wait(&bulkhead, 1, 2), BULKHEAD_FULL);
	assert_int_equal(bulkhead.rejected_total, 1);
	assert_false(bulkhead_must_call(&bulkhead, 1));
	assert_false(bulkhead_take(&bulkhead, 1));
	assert_true(bulkhead_leave(&bulkhead));
	assert_true(bulkhead_must_call(&bulkhead, 1));
	/* The place is for those that wait: nobody who comes now overtakes them, not even into the place. */
	assert_false(bulkhead_try(&bulkhead, 1));
	assert_int_equal(bulkhead_wait(&bulkhead, 1, 2), BULKHEAD_FULL);
	assert_true(bulkhead_take(&bulkhead, 1));
	assert_int_equal(bulkhead_in_flight(&bulkhead), 1);
	assert_int_equal(bulkhead_waiting(&bulkhead), 1);
	bulkhead_give_up(&bulkhead, false);
	assert_int_equal(bulkhead.rejected_total, 2);
	assert_false(bulkhead_leave(&bulkhead));
	assert_false(bulkhead_must_call(&bulkhead, 1));
	assert_int_equal(bulkhead_wait(&bulkhead, 1, 0), BULKHEAD_ENTERED);
	assert_int_equal(bulkhead_wait(&bulkhead, 1, 0), BULKHEAD_FULL);
	assert_int_equal(bulkhead_wait(&bulkhead, 2, 0), BULKHEAD_ENTERED);
}

static void test_lasting_overload_shortens_the_queue(void **state)
{
	struct bulkhead bulkhead = {0};

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(bulkhead_try(&bulkhead, 5));
	for (int i = 0; i < 10; i++)
		assert_int_equal(bulkhead_wait(&bulkhead, 5, 10), BULKHEAD_WAITING);
	for (int i = 0; i < 98; i++)
		assert_int_equal(bulkhead_wait(&bulkhead, 5, 10), BULKHEAD_FULL);
	/* A queue in which some waited in vain is overload, too. Those that are in it stay. */
	bulkhead_give_up(&bulkhead, true);
	assert_int_equal(bulkhead_wait(&bulkhead, 5, 10), BULKHEAD_WAITING);
	bulkhead_give_up(&bulkhead, true);
	for (int waiting = 9; waiting > 3; waiting--) {
		assert_int_equal(bulkhead_wait(&bulkhead, 5, 10), BULKHEAD_FULL);
		bulkhead_leave(&bulkhead);
		assert_true(bulkhead_take(&bulkhead, 5));
	}
	assert_int_equal(bulkhead_wait(&bulkhead, 5, 10), BULKHEAD_FULL);
	bulkhead_give_up(&bulkhead, false);
	assert_int_equal(bulkhead_wait(&bulkhead, 5, 10), BULKHEAD_WAITING); /* three: half of five */
	assert_int_equal(bulkhead_wait(&bulkhead, 5, 2), BULKHEAD_FULL);
	/* It does not end because one finds a place free by chance, but when that is what happens mostly. */
	for (int i = 0; i < 3; i++)
		bulkhead_give_up(&bulkhead, false);
	for (int i = 0; i < 10; i++) {
		bulkhead_leave(&bulkhead);
		assert_true(bulkhead_try(&bulkhead, 5));
		assert_int_equal(bulkhead_wait(&bulkhead, 5, 0), BULKHEAD_FULL);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(bulkhead_wait(&bulkhead, 5, 10), i < 3 ? BULKHEAD_WAITING : BULKHEAD_FULL);
	for (int i = 0; i < 3; i++)
		bulkhead_give_up(&bulkhead, false);
	for (int i = 0; i < 300; i++) {
		bulkhead_leave(&bulkhead);
		assert_true(bulkhead_try(&bulkhead, 5));
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(bulkhead_wait(&bulkhead, 5, 0), BULKHEAD_FULL);
	bulkhead_leave(&bulkhead);
	assert_true(bulkhead_try(&bulkhead, 5));
	for (int i = 0; i < 10; i++)
		assert_int_equal(bulkhead_wait(&bulkhead, 5, 10), BULKHEAD_WAITING);
}

static void test_the_oldest_of_all_lines(void **state)
{
	static struct queue queue;
	uint64_t first, second, third;

	(void)state;
	assert_int_equal(queue_next(&queue), QUEUE_LINES);
	first = queue_ticket(&queue);
	second = queue_ticket(&queue);
	third = queue_ticket(&queue);
	queue_show(&queue, 7, second);
	assert_int_equal(queue_next(&queue), 7);
	queue_show(&queue, QUEUE_LINES - 1, first);
	queue_show(&queue, 0, third);
	assert_int_equal(queue_next(&queue), QUEUE_LINES - 1);
	queue_show(&queue, QUEUE_LINES - 1, 0);
	assert_int_equal(queue_next(&queue), 7);
	queue_show(&queue, 7, queue_ticket(&queue));
	assert_int_equal(queue_next(&queue), 0);
	/* One call is enough until it is answered. */
	assert_true(queue_call(&queue, 0));
	assert_false(queue_call(&queue, 0));
	assert_true(queue_call(&queue, 7));
	queue_answer(&queue, 0);
	assert_true(queue_call(&queue, 0));
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
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_lasting_overload_shortens_the_queue),
		cmocka_unit_test(test_the_oldest_of_all_lines),
		cmocka_unit_test(test_three_a_second_always),
		cmocka_unit_test(test_a_share_of_the_calls_of_ten_seconds),
		cmocka_unit_test(test_a_refused_retry_is_not_counted),
		cmocka_unit_test(test_a_long_silence),
	};

	return cmocka_run_group_tests_name("bulkhead", tests, NULL, NULL);
}
