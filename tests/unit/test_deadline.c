#include "gateway/base/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static unsigned fired;

static void on_due(struct deadline *deadline)
{
	(void)deadline;
	fired++;
}

/* Sleeps from one wake-up to the next, as the loop does, until `until_ms`; returns when the deadline came due. */
static uint64_t run_until_due(struct deadlines *deadlines, uint64_t now_ms, uint64_t until_ms)
{
	fired = 0;
	while (now_ms <= until_ms) {
		uint64_t next_ms = deadlines_next_ms(deadlines);

		assert_int_not_equal(next_ms, UINT64_MAX); /* it would be forgotten */
		now_ms = next_ms > now_ms ? next_ms : now_ms + 1;
		deadlines_run(deadlines, now_ms);
		if (fired > 0)
			return now_ms;
	}
	fail();
	return 0;
}

static void check_due(uint64_t start_ms, uint64_t asleep_ms, uint64_t wait_ms)
{
	struct deadlines deadlines;
	struct deadline deadline;
	uint64_t now_ms = start_ms + asleep_ms, due_ms;

	deadlines_init(&deadlines, start_ms);
	deadline_init(&deadline, on_due);
	deadline_set(&deadlines, &deadline, now_ms + wait_ms);
	deadlines_run(&deadlines, now_ms);
	due_ms = run_until_due(&deadlines, now_ms, now_ms + wait_ms + 100);
	assert_true(due_ms >= now_ms + wait_ms);
	assert_true(due_ms <= now_ms + wait_ms + 2 * DEADLINE_TICK_MS);
	assert_int_equal(fired, 1);
	assert_int_equal(deadlines_next_ms(&deadlines), UINT64_MAX);
}

static void test_due_at_its_time(void **state)
{
	static const uint64_t waits_ms[] = { 1, 4, 5, 100, 4091, 4092, 4096, 4097, 60000 };

	(void)state;
	for (size_t i = 0; i < sizeof waits_ms / sizeof *waits_ms; i++)
		for (uint64_t start_ms = 0; start_ms < 5000; start_ms += 7)
			check_due(start_ms, 0, waits_ms[i]);
}

/* Nothing was to be done for longer than a turn of the wheel; then one is set, before the wheel has caught up. */
static void test_set_after_a_long_sleep(void **state)
{
	(void)state;
	for (uint64_t asleep_ms = 0; asleep_ms < 3 * DEADLINE_SLOTS * DEADLINE_TICK_MS; asleep_ms += DEADLINE_TICK_MS)
		check_due(1000000, asleep_ms, 2000);
}

static void test_moved_and_removed(void **state)
{
	struct deadlines deadlines;
	struct deadline deadline;

	(void)state;
	deadlines_init(&deadlines, 1000);
	deadline_init(&deadline, on_due);
	deadline_set(&deadlines, &deadline, 2000);
	deadline_set(&deadlines, &deadline, 9000);
	assert_true(run_until_due(&deadlines, 1000, 10000) >= 9000);
	deadline_set(&deadlines, &deadline, 20000);
	deadline_set(&deadlines, &deadline, 12000);
	assert_true(run_until_due(&deadlines, 9100, 13000) < 12000 + 2 * DEADLINE_TICK_MS + 1);
	deadline_set(&deadlines, &deadline, 20000);
	deadline_remove(&deadlines, &deadline);
	fired = 0;
	deadlines_run(&deadlines, 40000);
	assert_int_equal(fired, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_due_at_its_time),
		cmocka_unit_test(test_set_after_a_long_sleep),
		cmocka_unit_test(test_moved_and_removed),
	};

	return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
