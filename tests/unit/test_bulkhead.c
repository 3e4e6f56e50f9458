/* In-flight limit, queue and retry budget on one thread; that they hold over many is in tests/thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker/bulkhead.h"
#include "breaker/queue.h"
#include "tests/unit/in_range.h"

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

static enum bulkhead_answer wait_at(struct bulkhead *bulkhead, uint64_t now_ms, uint32_t max_in_flight, uint32_t max_waiting)
{
	return bulkhead_wait(bulkhead, &(struct bulkhead_limits){ max_in_flight, max_waiting, .max_wait_ms = 1024 }, now_ms);
}

static void test_waiting(void **state)
{
	struct bulkhead bulkhead = {0};

	(void)state;
	assert_int_equal(wait_at(&bulkhead, 0, 1, 2), BULKHEAD_ENTERED);
	assert_int_equal(wait_at(&bulkhead, 0, 1, 2), BULKHEAD_WAITING);
	assert_int_equal(wait_at(&bulkhead, 0, 1, 2), BULKHEAD_WAITING);
	assert_int_equal(wait_at(&bulkhead, 0, 1, 2), BULKHEAD_FULL);
	assert_int_equal(bulkhead.rejected_total, 1);
	assert_false(bulkhead_must_wake(&bulkhead, 1));
	assert_false(bulkhead_take(&bulkhead, 1));
	assert_true(bulkhead_leave(&bulkhead));
	assert_true(bulkhead_must_wake(&bulkhead, 1));
	/* The place is for those that wait: nobody who comes now overtakes them, not even into the place. */
	assert_false(bulkhead_try(&bulkhead, 1));
	assert_int_equal(wait_at(&bulkhead, 0, 1, 2), BULKHEAD_FULL);
	assert_true(bulkhead_take(&bulkhead, 1));
	assert_int_equal(bulkhead_in_flight(&bulkhead), 1);
	assert_int_equal(bulkhead_waiting(&bulkhead), 1);
	bulkhead_give_up(&bulkhead, false);
	assert_int_equal(bulkhead.rejected_total, 2);
	assert_false(bulkhead_leave(&bulkhead));
	assert_false(bulkhead_must_wake(&bulkhead, 1));
	assert_int_equal(wait_at(&bulkhead, 0, 1, 0), BULKHEAD_ENTERED);
	assert_int_equal(wait_at(&bulkhead, 0, 1, 0), BULKHEAD_FULL);
	assert_int_equal(wait_at(&bulkhead, 0, 2, 0), BULKHEAD_ENTERED);
}

/* ---- overload ------------------------------------------------------------------------------------------------- */

/* One is served each millisecond; max_wait makes a span 32 ms. */
static const struct bulkhead_limits many = { .max_in_flight = 10, .max_waiting = 200, .max_wait_ms = 1024 };

static void fill(struct bulkhead *bulkhead)
{
	for (uint32_t i = 0; i < many.max_in_flight; i++)
		assert_true(bulkhead_try(bulkhead, many.max_in_flight));
}

static void serve_one(struct bulkhead *bulkhead)
{
	bulkhead_leave(bulkhead);
	bulkhead_take(bulkhead, many.max_in_flight);
}

/* For so long, each millisecond so many come and one is served. Returns how long until it is overload, or `for_ms`. */
static uint64_t load(struct bulkhead *bulkhead, uint64_t *now_ms, uint64_t for_ms, int coming)
{
	for (uint64_t passed_ms = 0; passed_ms < for_ms; passed_ms++, ++*now_ms) {
		for (int i = 0; i < coming; i++)
			bulkhead_wait(bulkhead, &many, *now_ms);
		if (bulkhead_is_too_long(bulkhead, &many))
			return passed_ms;
		if (bulkhead_waiting(bulkhead) > 0)
			serve_one(bulkhead);
	}
	return for_ms;
}

static void test_overload_is_seen_soon(void **state)
{
	(void)state;
	for (int coming = 2; coming <= 100; coming *= 2) {
		struct bulkhead bulkhead = {0};
		uint64_t now_ms = UINT64_C(1) << 40;

		fill(&bulkhead);
		/* Long after 5 at the latest, a span of 32, and 10 places + a quarter of 200 more than were served. */
		assert_uint_in_range(load(&bulkhead, &now_ms, 1000, coming), 32, 6 + 33 + 60);
		/* Now half of ten may wait; the oldest have to go. */
		while (bulkhead_is_too_long(&bulkhead, &many))
			bulkhead_give_up(&bulkhead, true);
		assert_int_equal(bulkhead_waiting(&bulkhead), 5);
		assert_int_equal(load(&bulkhead, &now_ms, 1000, coming), 1000);
		assert_uint_in_range(bulkhead_waiting(&bulkhead), 4, 5);
	}
}

static void test_a_burst_is_no_overload(void **state)
{
	struct bulkhead bulkhead = {0};
	uint64_t now_ms = 5000;

	(void)state;
	fill(&bulkhead);
	/* Far more than may wait, within a span; then as many come as are served, for as long as it takes. */
	load(&bulkhead, &now_ms, 30, 10);
	assert_true(bulkhead.rejected_total > 0);
	assert_int_equal(load(&bulkhead, &now_ms, 10000, 1), 10000);
	assert_uint_in_range(bulkhead_waiting(&bulkhead), 150, 200);
	/* Half of them in, another one: it only makes up for those that have gone. */
	for (int i = 0; i < 100; i++)
		serve_one(&bulkhead);
	for (int i = 0; i < 50; i++)
		assert_int_equal(bulkhead_wait(&bulkhead, &many, now_ms), BULKHEAD_WAITING);
	assert_false(bulkhead_is_too_long(&bulkhead, &many));
	/* What came late is not seen as growth when the queue was short in between. */
	while (bulkhead_waiting(&bulkhead) > 0)
		serve_one(&bulkhead);
	for (int bursts = 0; bursts < 10; bursts++) {
		now_ms += 300;
		for (int i = 0; i < 150; i++)
			assert_int_equal(bulkhead_wait(&bulkhead, &many, now_ms), BULKHEAD_WAITING);
		assert_int_equal(load(&bulkhead, &now_ms, 160, 0), 160);
		assert_int_equal(bulkhead_waiting(&bulkhead), 0);
	}
}

static void test_overload_is_over_when_most_find_a_place_free(void **state)
{
	struct bulkhead bulkhead = {0};
	uint64_t now_ms = 5000;

	(void)state;
	fill(&bulkhead);
	load(&bulkhead, &now_ms, 1000, 4);
	while (bulkhead_waiting(&bulkhead) > 5)
		bulkhead_give_up(&bulkhead, true);
	/* Not because one finds a place free by chance. */
	for (int i = 0; i < 5; i++)
		bulkhead_give_up(&bulkhead, false);
	for (int i = 0; i < 300; i++) {
		bulkhead_leave(&bulkhead);
		assert_true(bulkhead_try(&bulkhead, 10));
		assert_false(bulkhead_enter(&bulkhead, 10));
	}
	for (int i = 0; i < 6; i++)
		assert_int_equal(bulkhead_wait(&bulkhead, &many, now_ms), i < 5 ? BULKHEAD_WAITING : BULKHEAD_FULL);
	for (int i = 0; i < 5; i++)
		bulkhead_give_up(&bulkhead, false);
	for (int i = 0; i < 201; i++) {
		bulkhead_leave(&bulkhead);
		assert_true(bulkhead_try(&bulkhead, 10));
	}
	/* And refusals alone are none. */
	for (int i = 0; i < 300; i++)
		assert_false(bulkhead_enter(&bulkhead, 10));
	for (int i = 0; i < 200; i++)
		assert_int_equal(bulkhead_wait(&bulkhead, &many, now_ms), BULKHEAD_WAITING);
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
	assert_true(queue_wake(&queue, 0));
	assert_false(queue_wake(&queue, 0));
	assert_true(queue_wake(&queue, 7));
	queue_woken(&queue, 0);
	assert_true(queue_wake(&queue, 0));
}

static int take_all(struct retry_budget *budget, uint32_t share_bp, uint64_t now_ms)
{
	int taken = 0;

	while (retry_budget_take(budget, share_bp, now_ms))
		taken++;
	return taken;
}

static void test_three_a_second_always(void **state)
{
	struct retry_budget budget = {0};

	(void)state;
	for (uint64_t second = 0; second < 40; second++)
		assert_int_equal(take_all(&budget, 2000, second * 1000 + 500), 3);
	assert_int_equal(budget.refused_total, 40);
}

static void test_a_share_of_the_calls_of_ten_seconds(void **state)
{
	struct retry_budget budget = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		retry_budget_count_call(&budget, 100000 + (uint64_t)(i % 10) * 1000);
	assert_int_equal(take_all(&budget, 2000, 109999), 200);
	/* The first second's calls have left, the retries have not: only the minimum. */
	assert_int_equal(take_all(&budget, 2000, 110000), 3);
	/* At 119 s the 200 retries of 109 s have left, and so have all calls. */
	assert_int_equal(take_all(&budget, 2000, 119000), 3);
	for (int i = 0; i < 100; i++)
		retry_budget_count_call(&budget, 119500);
	/* 20 of 100, of which 3 at 110 s have just slipped out at 120 s, and 3 at 119 s are taken. */
	assert_int_equal(take_all(&budget, 2000, 120000), 17);
}

static void test_a_refused_retry_is_not_counted(void **state)
{
	struct retry_budget budget = {0};

	(void)state;
	assert_int_equal(take_all(&budget, 2000, 0), 3);
	for (int i = 0; i < 100; i++)
		assert_false(retry_budget_take(&budget, 2000, 0));
	for (int i = 0; i < 20; i++)
		retry_budget_count_call(&budget, 0);
	assert_int_equal(take_all(&budget, 2000, 0), 1); /* the fourth of twenty */
}

static void test_a_long_silence(void **state)
{
	struct retry_budget budget = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		retry_budget_count_call(&budget, 5000);
	assert_int_equal(take_all(&budget, 2000, 5000), 200);
	assert_int_equal(take_all(&budget, 2000, 5000 + UINT64_C(10) * 1000 * 1000 * 1000), 3);
	/* A thread that is a whole turn late takes nothing and disturbs nobody. */
	assert_false(retry_budget_take(&budget, 2000, 5000 + UINT64_C(10) * 1000 * 1000 * 1000 - 10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_flight_limit),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_overload_is_seen_soon),
		cmocka_unit_test(test_a_burst_is_no_overload),
		cmocka_unit_test(test_overload_is_over_when_most_find_a_place_free),
		cmocka_unit_test(test_the_oldest_of_all_lines),
		cmocka_unit_test(test_three_a_second_always),
		cmocka_unit_test(test_a_share_of_the_calls_of_ten_seconds),
		cmocka_unit_test(test_a_refused_retry_is_not_counted),
		cmocka_unit_test(test_a_long_silence),
	};

	return cmocka_run_group_tests_name("bulkhead", tests, NULL, NULL);
}
