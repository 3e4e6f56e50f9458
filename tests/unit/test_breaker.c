/*
 * The breaker under a scripted clock: every arrow of the drawing in breaker/state.c, for both kinds of window, and the
 * traps others fell into. Half-open is in test_breaker_half_open.c, what operators and reloads do in test_breaker_operator.c; what
 * many threads do to it in tests/thread/test_breaker_threads.c, the pure word in test_state.c.
 */
#include "tests/unit/breaker_world.h"

/* ---- the round trip, for both windows --------------------------------------------------------------------------- */

static void round_trip(enum breaker_window window, uint32_t size)
{
	begin(window, size);
	expect_state(BREAKER_CLOSED);
	calls(19, BREAKER_FAILURE); /* below the minimum nothing happens, whatever the rate */
	expect_state(BREAKER_CLOSED);
	assert_int_equal(look().failure_rate_bp, -1);
	calls(1, BREAKER_FAILURE);
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_FAILURE_RATE);
	assert_int_equal(world.last.calls, 20);
	assert_int_equal(world.last.failures, 20);
	assert_int_equal(world.last.open_for_ms, 5000);
	assert_int_equal(look().open_for_ms, 5000);
	assert_int_equal(look().failure_rate_bp, 10000); /* people see why it is open */

	world.now_ms += 4998;
	rejected();
	world.now_ms++;
	rejected();
	assert_int_equal(world.retry_after_ms, 1);
	assert_int_equal(look().not_permitted, 2); /* since it opened */
	world.now_ms += 1;
	expect_state(BREAKER_OPEN); /* until somebody calls */
	calls(1, BREAKER_SUCCESS);
	expect_last(BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_REASON_OPEN_TIME_OVER);
	calls(3, BREAKER_SUCCESS);
	expect_state(BREAKER_HALF_OPEN);
	assert_int_equal(look().calls, 4);
	calls(1, BREAKER_SUCCESS);
	expect_last(BREAKER_HALF_OPEN, BREAKER_CLOSED, BREAKER_REASON_PROBES_PASSED);
	assert_int_equal(world.last.calls, 5);
	assert_int_equal(world.last.open_for_ms, 0);
	assert_int_equal(look().not_permitted, 0);
	assert_int_equal(look().not_permitted_total, 2);

	/* What came before it closed is forgotten, although the window's time is not over. */
	assert_int_equal(look().calls, 0);
	calls(19, BREAKER_FAILURE);
	expect_state(BREAKER_CLOSED);
	calls(1, BREAKER_FAILURE);
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_FAILURE_RATE);
	assert_int_equal(world.last.open_for_ms, 5000); /* it had closed: no doubling */
	assert_int_equal(look().failures_total, 40);
	assert_int_equal(look().successes_total, 5);
}

static void test_round_trip(void **state)
{
	(void)state;
	round_trip(BREAKER_WINDOW_TIME, 60000);
	round_trip(BREAKER_WINDOW_COUNT, 100);
	round_trip(BREAKER_WINDOW_COUNT, 20);
	round_trip(BREAKER_WINDOW_COUNT, 1000);
}

/* ---- closed ----------------------------------------------------------------------------------------------------- */

static void test_the_rate_is_at_or_above(void **state)
{
	(void)state;
	for (int window = BREAKER_WINDOW_TIME; window <= BREAKER_WINDOW_COUNT; window++) {
		begin((enum breaker_window)window, 10000);
		calls(101, BREAKER_SUCCESS);
		calls(100, BREAKER_FAILURE);
		expect_state(BREAKER_CLOSED); /* 100 of 201 */
		assert_int_equal(look().failure_rate_bp, 4975);
		calls(1, BREAKER_FAILURE);
		expect_state(BREAKER_OPEN); /* 101 of 202 */
	}
}

/* The service is back: whatever is still remembered of the outage, a success is no reason to cut it off. */
static void test_a_success_never_opens(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_COUNT, 100);
	calls(10, BREAKER_FAILURE);
	calls(9, BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
	calls(1, BREAKER_SUCCESS); /* the twentieth */
	expect_state(BREAKER_CLOSED);
	assert_int_equal(look().failure_rate_bp, 5000);
	calls(1, BREAKER_FAILURE);
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_FAILURE_RATE);

	begin(BREAKER_WINDOW_TIME, 10000);
	calls(40, BREAKER_SUCCESS);
	world.now_ms += 5000;
	calls(31, BREAKER_FAILURE);
	expect_state(BREAKER_CLOSED);
	world.now_ms += 1000;
	calls(10, BREAKER_SUCCESS);
	world.now_ms += 4000; /* the forty have left */
	calls(13, BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED); /* 31 failures of 54 */
	assert_int_equal(look().failure_rate_bp, 5740);
	world.now_ms += 5000;
	calls(23, BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
	assert_int_equal(look().failure_rate_bp, 0);
}

/* A slow success is no good news, nor is a failure that comes quickly: both open it for either rate. */
static void test_slow_or_failed_opens(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_COUNT, 100);
	world.settings.slow_call_ms = 100;
	calls(10, BREAKER_FAILURE);
	calls(9, BREAKER_SUCCESS);
	settle_after(admitted(), BREAKER_SUCCESS, 101);
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_FAILURE_RATE);

	begin(BREAKER_WINDOW_COUNT, 100);
	world.settings.slow_call_ms = 100;
	world.settings.slow_rate_bp = 4000;
	for (int i = 0; i < 10; i++)
		settle_after(admitted(), BREAKER_SUCCESS, 101);
	calls(10, BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
	calls(1, BREAKER_FAILURE);
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_SLOW_RATE);
}

static void test_old_failures_leave_the_time_window(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	calls(19, BREAKER_FAILURE);
	world.now_ms += 10000;
	assert_int_equal(look().calls, 0);
	calls(19, BREAKER_FAILURE);
	expect_state(BREAKER_CLOSED);
}

static void test_old_failures_leave_the_count_window(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_COUNT, 20);
	calls(9, BREAKER_FAILURE);
	calls(11, BREAKER_SUCCESS);
	calls(9, BREAKER_SUCCESS);
	assert_int_equal(look().failures, 0);
	calls(9, BREAKER_FAILURE);
	expect_state(BREAKER_CLOSED);
	calls(1, BREAKER_FAILURE);
	expect_state(BREAKER_OPEN);
}

static void test_a_count_window_below_the_minimum_still_opens(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_COUNT, 10);
	calls(9, BREAKER_FAILURE);
	expect_state(BREAKER_CLOSED);
	calls(1, BREAKER_FAILURE);
	expect_state(BREAKER_OPEN);
}

static void test_neither_counts_for_nothing(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	calls(1000, BREAKER_NEITHER);
	calls(19, BREAKER_FAILURE);
	expect_state(BREAKER_CLOSED);
	assert_int_equal(look().calls, 19);
	assert_int_equal(look().neither_total, 1000);
}

static void test_slow_calls(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	world.settings.slow_call_ms = 100;
	for (int i = 0; i < 4; i++)
		settle_after(admitted(), BREAKER_SUCCESS, 100); /* not above */
	for (int i = 0; i < 15; i++)
		settle_after(admitted(), BREAKER_SUCCESS, 101);
	settle_after(admitted(), BREAKER_NEITHER, 5000);
	expect_state(BREAKER_CLOSED);
	settle_after(admitted(), BREAKER_FAILURE, 101); /* slow and failed: in both */
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_SLOW_RATE);
	assert_int_equal(world.last.calls, 20);
	assert_int_equal(world.last.slow_calls, 16);
	assert_int_equal(world.last.failures, 1);
	assert_int_equal(look().slow_total, 16);
	assert_int_equal(look().slow_rate_bp, 8000);
}

/* While closed, while open, and as far as the probes tell. */
static void test_slow_failures(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	world.settings.slow_call_ms = 100;
	for (int i = 0; i < 4; i++)
		settle_after(admitted(), BREAKER_FAILURE, 101);
	settle_after(admitted(), BREAKER_SUCCESS, 101);
	calls(2, BREAKER_FAILURE);
	assert_int_equal(look().slow_failures, 4);
	calls(13, BREAKER_FAILURE);
	expect_state(BREAKER_OPEN);
	assert_int_equal(look().slow_calls, 5);
	assert_int_equal(look().slow_failures, 4);
	world.now_ms += world.last.open_for_ms;
	settle_after(admitted(), BREAKER_SUCCESS, 1);
	assert_int_equal(look().slow_failures, 0);
	settle_after(admitted(), BREAKER_FAILURE, 101); /* perhaps the one that passed was slow */
	assert_int_equal(look().slow_failures, 0);
	settle_after(admitted(), BREAKER_FAILURE, 101);
	assert_int_equal(look().slow_failures, 1);
}

static void test_slow_calls_off(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	for (int i = 0; i < 100; i++)
		settle_after(admitted(), BREAKER_SUCCESS, UINT64_MAX);
	expect_state(BREAKER_CLOSED);
	assert_int_equal(look().slow_total, 0);
}

/* ---- open ------------------------------------------------------------------------------------------------------- */

static void test_reopening_doubles_up_to_the_limit(void **state)
{
	static const uint32_t expected[] = {5000, 10000, 20000, 40000, 60000, 60000};

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	to_open();
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_int_equal(world.last.open_for_ms, expected[i]);
		world.now_ms += expected[i] - 1;
		rejected();
		world.now_ms++;
		calls(5, BREAKER_FAILURE);
		expect_last(BREAKER_HALF_OPEN, BREAKER_OPEN, BREAKER_REASON_PROBES_FAILED);
	}
	world.now_ms += 60000;
	calls(5, BREAKER_SUCCESS);
	to_open();
	assert_int_equal(world.last.open_for_ms, 5000);
}

/* An alarm on the rate must not end while nobody gets through. */
static void test_an_open_breaker_tells_what_it_opened_for(void **state)
{
	struct breaker_permit probes[5];

	(void)state;
	for (int window = BREAKER_WINDOW_TIME; window <= BREAKER_WINDOW_COUNT; window++) {
		begin((enum breaker_window)window, window == BREAKER_WINDOW_TIME ? 1000 : 100);
		world.settings.slow_call_ms = 100;
		calls(8, BREAKER_SUCCESS);
		settle_after(admitted(), BREAKER_FAILURE, 101);
		calls(11, BREAKER_FAILURE);
		expect_state(BREAKER_OPEN);
		world.now_ms += 4999; /* the window's time is long over */
		assert_int_equal(look().calls, 20);
		assert_int_equal(look().failures, 12);
		assert_int_equal(look().failure_rate_bp, 6000);
		assert_int_equal(look().slow_calls, 1);
		assert_int_equal(look().slow_rate_bp, 500);
		world.now_ms += 1;
		for (int i = 0; i < 5; i++)
			probes[i] = admitted();
		for (int i = 0; i < 5; i++)
			settle_after(probes[i], i < 4 ? BREAKER_FAILURE : BREAKER_SUCCESS, i < 2 ? 101 : 1);
		expect_state(BREAKER_OPEN);
		world.now_ms += 9999;
		assert_int_equal(look().calls, 5);
		assert_int_equal(look().failure_rate_bp, 8000);
		assert_int_equal(look().slow_rate_bp, 4000);
		breaker_force(world.breaker, BREAKER_FORCED_OPEN, world.now_ms);
		assert_int_equal(look().failure_rate_bp, -1);
		breaker_force(world.breaker, BREAKER_CLOSED, world.now_ms);
		assert_int_equal(look().failure_rate_bp, -1);
	}
}

/* The window's words know the generation modulo 4096, a count window's position modulo 65536. Whatever number of transitions
 * an outage takes, the breaker that closes after it opens again. */
static void outage_of(enum breaker_window window, int cycles)
{
	begin(window, window == BREAKER_WINDOW_COUNT ? 100 : 10000);
	world.settings.half_open_calls = 1;
	world.settings.open_for_ms = world.settings.open_for_max_ms = 1000;
	for (int second = 0; second < 200; second++) { /* every place of the ring is taken */
		world.now_ms += 1000;
		calls(1, BREAKER_SUCCESS);
	}
	world.now_ms += 10000;
	while (look().state == BREAKER_CLOSED)
		calls(1, BREAKER_FAILURE);
	for (int cycle = 1; cycle < cycles; cycle++) {
		world.now_ms += world.last.open_for_ms;
		calls(1, BREAKER_FAILURE);
	}
	world.now_ms += world.last.open_for_ms;
	calls(1, BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
	calls(20, BREAKER_FAILURE);
	expect_state(BREAKER_OPEN);
}

static void test_an_outage_of_any_length(void **state)
{
	(void)state;
	for (int cycles = 2043; cycles < 2050; cycles++) {
		outage_of(BREAKER_WINDOW_TIME, cycles);
		outage_of(BREAKER_WINDOW_COUNT, cycles);
	}
	for (int cycles = 32639; cycles < 32770; cycles += 26)
		outage_of(BREAKER_WINDOW_COUNT, cycles);
}

/* An operator, or a job of his, closes it again and again. */
static void test_however_often_it_was_closed_by_hand(void **state)
{
	(void)state;
	for (int closes = 4088; closes < 4100; closes++) {
		begin(BREAKER_WINDOW_TIME, 10000);
		for (int call = 0; call < 1300; call++) {
			world.now_ms += 100;
			calls(1, call % 10 == 0 ? BREAKER_FAILURE : BREAKER_SUCCESS);
		}
		for (int close = 0; close < closes; close++)
			breaker_force(world.breaker, BREAKER_CLOSED, world.now_ms);
		calls(20, BREAKER_FAILURE);
		expect_state(BREAKER_OPEN);
	}
}

static void test_late_answers_change_nothing_but_totals(void **state)
{
	struct breaker_permit early[30], probes[5];

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	for (int i = 0; i < 30; i++)
		early[i] = admitted();
	to_half_open(probes);
	/* Resilience4j took such answers for the probes'. */
	for (int i = 0; i < 15; i++)
		settle(early[i], i % 2 == 0 ? BREAKER_FAILURE : BREAKER_SUCCESS);
	expect_state(BREAKER_HALF_OPEN);
	assert_int_equal(look().calls, 0);
	for (int i = 0; i < 5; i++)
		settle(probes[i], BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
	for (int i = 15; i < 30; i++)
		settle(early[i], BREAKER_FAILURE);
	assert_int_equal(look().calls, 0); /* closed again, but they are not of this closing */
	assert_int_equal(look().failures_total, 20 + 8 + 15);
	assert_int_equal(look().successes_total, 7 + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_the_rate_is_at_or_above),
		cmocka_unit_test(test_a_success_never_opens), cmocka_unit_test(test_slow_or_failed_opens),
		cmocka_unit_test(test_old_failures_leave_the_time_window),
		cmocka_unit_test(test_old_failures_leave_the_count_window),
		cmocka_unit_test(test_a_count_window_below_the_minimum_still_opens),
		cmocka_unit_test(test_neither_counts_for_nothing), cmocka_unit_test(test_slow_calls),
		cmocka_unit_test(test_slow_failures),
		cmocka_unit_test(test_slow_calls_off), cmocka_unit_test(test_reopening_doubles_up_to_the_limit),
		cmocka_unit_test(test_an_open_breaker_tells_what_it_opened_for),
		cmocka_unit_test(test_an_outage_of_any_length),
		cmocka_unit_test(test_however_often_it_was_closed_by_hand),
		cmocka_unit_test(test_late_answers_change_nothing_but_totals),
	};

	return cmocka_run_group_tests_name("breaker", tests, NULL, teardown);
}
