/*
 * The breaker under a scripted clock: every arrow of the drawing in breaker/state.c, for both kinds of window, and the
 * traps others fell into. What many threads do to it is in tests/thread/test_breaker_threads.c, the pure word in
 * tests/unit/test_state.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "breaker/breaker.h"

/* The middle of the jitter's range: times are what the settings say. */
static const uint32_t NO_JITTER = 0x80000000;
static const uint64_t BIRTH = 1000000;

/* The script's world: one breaker, its clock, and what it reported. */
static struct {
	struct breaker_settings settings;
	struct breaker *breaker;
	uint64_t now_ms;
	uint64_t retry_after_ms;
	int transitions;
	struct breaker_transition last;
} world;

static void on_transition(void *context, const struct breaker_transition *transition)
{
	assert_ptr_equal(context, &world);
	world.transitions++;
	world.last = *transition;
}

static void begin(enum breaker_window window, uint32_t size)
{
	breaker_free(world.breaker);
	memset(&world, 0, sizeof(world));
	world.settings = (struct breaker_settings){
		.enabled = true,
		.window = window,
		.window_size = size,
		.minimum_calls = 20,
		.failure_rate_percent = 50,
		.slow_rate_percent = 80,
		.open_for_ms = 5000,
		.open_for_max_ms = 60000,
		.half_open_calls = 5,
		.half_open_timeout_ms = 30000,
	};
	world.now_ms = BIRTH;
	world.breaker = breaker_new(&world.settings, world.now_ms, on_transition, &world);
	assert_non_null(world.breaker);
}

static int teardown(void **state)
{
	(void)state;
	breaker_free(world.breaker);
	world.breaker = NULL;
	return 0;
}

static bool admit(struct breaker_permit *permit)
{
	world.retry_after_ms = 0;
	return breaker_admit(world.breaker, &world.settings, world.now_ms, NO_JITTER, permit, &world.retry_after_ms);
}

static struct breaker_permit admitted(void)
{
	struct breaker_permit permit = {0};

	assert_true(admit(&permit));
	return permit;
}

static void rejected(void)
{
	struct breaker_permit permit = {.kind = 77};

	assert_false(admit(&permit));
	assert_int_equal(permit.kind, 0);
	assert_true(world.retry_after_ms > 0);
}

static void settle_after(struct breaker_permit permit, enum breaker_verdict verdict, uint64_t duration_ms)
{
	breaker_settle(world.breaker, &world.settings, world.now_ms, NO_JITTER, &permit, verdict, duration_ms);
	assert_int_equal(permit.kind, 0);
}

static void settle(struct breaker_permit permit, enum breaker_verdict verdict)
{
	settle_after(permit, verdict, 1);
}

static void calls(int count, enum breaker_verdict verdict)
{
	for (int i = 0; i < count; i++)
		settle(admitted(), verdict);
}

static struct breaker_view look(void)
{
	return breaker_look(world.breaker, &world.settings, world.now_ms);
}

static void expect_state(enum breaker_state state)
{
	assert_string_equal(breaker_state_name(look().state), breaker_state_name(state));
}

static void expect_last(enum breaker_state from, enum breaker_state to, enum breaker_reason reason)
{
	assert_int_equal(world.last.from, from);
	assert_int_equal(world.last.to, to);
	assert_string_equal(breaker_reason_text(world.last.reason), breaker_reason_text(reason));
	assert_int_equal(world.last.at_ms, world.now_ms);
	assert_int_equal(world.last.generation, world.transitions);
	assert_int_equal(look().generation, world.transitions);
}

static void to_open(void)
{
	calls(20, BREAKER_FAILURE);
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_FAILURE_RATE);
}

/* The permits of all five probes. */
static void to_half_open(struct breaker_permit permits[5])
{
	to_open();
	world.now_ms += world.last.open_for_ms;
	for (int i = 0; i < 5; i++)
		permits[i] = admitted();
	assert_int_equal(world.last.to, BREAKER_HALF_OPEN);
}

/* ---- the round trip, for both windows --------------------------------------------------------------------------- */

static void round_trip(enum breaker_window window, uint32_t size)
{
	begin(window, size);
	expect_state(BREAKER_CLOSED);
	calls(19, BREAKER_FAILURE); /* below the minimum nothing happens, whatever the rate */
	expect_state(BREAKER_CLOSED);
	assert_int_equal(look().failure_rate_percent, -1);
	calls(1, BREAKER_FAILURE);
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_FAILURE_RATE);
	assert_int_equal(world.last.calls, 20);
	assert_int_equal(world.last.failures, 20);
	assert_int_equal(world.last.open_for_ms, 5000);
	assert_int_equal(look().open_for_ms, 5000);
	assert_int_equal(look().failure_rate_percent, 100); /* people see why it is open */

	world.now_ms += 4999;
	rejected();
	assert_int_equal(world.retry_after_ms, 1);
	assert_int_equal(look().not_permitted, 1);
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
		assert_int_equal(look().failure_rate_percent, 49);
		calls(1, BREAKER_FAILURE);
		expect_state(BREAKER_OPEN); /* 101 of 202 */
	}
}

static void test_a_success_can_be_the_call_that_opens(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_COUNT, 100);
	calls(10, BREAKER_FAILURE);
	calls(9, BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
	calls(1, BREAKER_SUCCESS); /* the twentieth */
	expect_state(BREAKER_OPEN);

	begin(BREAKER_WINDOW_TIME, 10000);
	calls(40, BREAKER_SUCCESS);
	world.now_ms += 5000;
	calls(20, BREAKER_FAILURE);
	expect_state(BREAKER_CLOSED);
	world.now_ms += 5000; /* the forty have left */
	calls(1, BREAKER_SUCCESS);
	expect_state(BREAKER_OPEN);
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
	assert_int_equal(look().slow_rate_percent, 80);
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

/* ---- half-open -------------------------------------------------------------------------------------------------- */

static void test_exactly_so_many_probes(void **state)
{
	struct breaker_permit probes[5];

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	to_half_open(probes);
	rejected();
	assert_int_equal(world.retry_after_ms, 1);
	for (int i = 0; i < 4; i++) {
		settle(probes[i], BREAKER_SUCCESS);
		rejected(); /* a settled probe makes no room: five are five */
	}
	settle(probes[4], BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
}

static void test_the_verdict_waits_for_all_and_takes_the_rate(void **state)
{
	struct breaker_permit probes[5];

	(void)state;
	for (int failures = 0; failures <= 5; failures++) {
		begin(BREAKER_WINDOW_TIME, 10000);
		to_half_open(probes);
		for (int i = 0; i < 5; i++) {
			expect_state(BREAKER_HALF_OPEN);
			assert_int_equal(look().failure_rate_percent, -1);
			settle(probes[i], i < failures ? BREAKER_FAILURE : BREAKER_SUCCESS);
		}
		expect_state(failures >= 3 ? BREAKER_OPEN : BREAKER_CLOSED);
		assert_int_equal(world.last.calls, 5);
		assert_int_equal(world.last.failures, failures);
	}
}

static void test_slow_probes(void **state)
{
	struct breaker_permit probes[5];

	(void)state;
	for (int slow = 3; slow <= 4; slow++) {
		begin(BREAKER_WINDOW_TIME, 10000);
		world.settings.slow_call_ms = 100;
		to_half_open(probes);
		for (int i = 0; i < 5; i++)
			settle_after(probes[i], i == 0 ? BREAKER_FAILURE : BREAKER_SUCCESS, i < slow ? 101 : 1);
		assert_int_equal(world.last.failures, 1);
		assert_int_equal(world.last.slow_calls, slow);
		expect_state(slow == 4 ? BREAKER_OPEN : BREAKER_CLOSED);
	}
}

static void test_a_neutral_probe_gives_its_place_back(void **state)
{
	struct breaker_permit probes[5];

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	to_half_open(probes);
	for (int round = 0; round < 1000; round++) {
		rejected();
		settle(probes[round % 5], BREAKER_NEITHER);
		probes[round % 5] = admitted();
	}
	for (int i = 0; i < 5; i++)
		settle(probes[i], BREAKER_NEITHER);
	expect_state(BREAKER_HALF_OPEN); /* nobody said anything */
	calls(5, BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
}

static void test_a_half_open_breaker_times_out(void **state)
{
	struct breaker_permit probes[5];

	(void)state;
	for (int by = 0; by < 3; by++) { /* admit, look, settle */
		uint64_t half_open_since;

		begin(BREAKER_WINDOW_TIME, 10000);
		to_half_open(probes);
		half_open_since = world.now_ms;
		for (int i = 0; i < 4; i++)
			settle(probes[i], BREAKER_SUCCESS);
		world.now_ms = half_open_since + 29999;
		expect_state(BREAKER_HALF_OPEN); /* never early */
		world.now_ms = half_open_since + 30000 + 128;
		if (by == 0)
			rejected();
		else if (by == 1)
			look();
		else
			settle(probes[4], BREAKER_SUCCESS); /* would have closed it, but too late */
		assert_int_equal(world.last.reason, BREAKER_REASON_HALF_OPEN_TIMEOUT);
		assert_int_equal(world.last.calls, 4);
		assert_in_range(world.last.open_for_ms, 8000, 12000); /* it counts as a re-opening */
		expect_last(BREAKER_HALF_OPEN, BREAKER_OPEN, BREAKER_REASON_HALF_OPEN_TIMEOUT);
		world.now_ms += world.last.open_for_ms;
		calls(5, BREAKER_SUCCESS);
		expect_state(BREAKER_CLOSED);
		settle(probes[4], BREAKER_FAILURE);
		assert_int_equal(look().calls, 0);
	}
}

static void test_a_reload_changes_the_number_of_probes(void **state)
{
	struct breaker_permit probes[5];

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	to_half_open(probes);
	settle(probes[0], BREAKER_SUCCESS);
	settle(probes[1], BREAKER_SUCCESS);
	world.settings.half_open_calls = 2; /* fewer than are settled: the verdict is due now */
	settle(admitted(), BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
	for (int i = 2; i < 5; i++)
		settle(probes[i], BREAKER_FAILURE);
	assert_int_equal(look().calls, 1);

	begin(BREAKER_WINDOW_TIME, 10000);
	to_half_open(probes);
	world.settings.half_open_calls = 6;
	for (int i = 0; i < 5; i++)
		settle(probes[i], BREAKER_SUCCESS);
	expect_state(BREAKER_HALF_OPEN);
	calls(1, BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
}

static void test_a_clock_a_little_behind(void **state)
{
	struct breaker_permit probes[5];

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	world.now_ms = BIRTH - 500; /* another thread's reading */
	calls(1, BREAKER_NEITHER);
	calls(1, BREAKER_FAILURE);
	breaker_force(world.breaker, BREAKER_CLOSED, world.now_ms);
	world.now_ms = BIRTH;
	to_half_open(probes);
	world.now_ms -= 2000;
	expect_state(BREAKER_HALF_OPEN);
	rejected();
	for (int i = 0; i < 5; i++)
		settle(probes[i], BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
}

/* ---- observe, disabled, the operator ---------------------------------------------------------------------------- */

static void test_observe_never_rejects_and_changes_as_enforce_would(void **state)
{
	struct breaker_permit observed[100], probes[5];

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	world.settings.observe = true;
	to_open();
	for (int i = 0; i < 100; i++)
		observed[i] = admitted(); /* enforce would have rejected them */
	world.now_ms += 5000;
	for (int i = 0; i < 5; i++)
		probes[i] = admitted();
	expect_state(BREAKER_HALF_OPEN);
	for (int i = 0; i < 50; i++)
		settle(observed[i], BREAKER_FAILURE);
	calls(50, BREAKER_FAILURE); /* beyond the five: admitted, but no probes */
	expect_state(BREAKER_HALF_OPEN);
	assert_int_equal(look().calls, 0);
	for (int i = 0; i < 5; i++)
		settle(probes[i], BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
	for (int i = 50; i < 100; i++)
		settle(observed[i], BREAKER_FAILURE);
	assert_int_equal(look().calls, 0);
	assert_int_equal(look().failures_total, 20 + 100 + 50);
	assert_int_equal(look().not_permitted, 0);
	breaker_force(world.breaker, BREAKER_FORCED_OPEN, world.now_ms);
	calls(1, BREAKER_SUCCESS);
}

static void test_an_observed_call_counts_for_nothing_in_its_own_generation(void **state)
{
	struct breaker_permit probes[5], observed;

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	world.settings.observe = true;
	to_half_open(probes);
	observed = admitted(); /* same generation as the probes */
	settle(observed, BREAKER_NEITHER);
	settle(probes[0], BREAKER_SUCCESS);
	world.settings.observe = false;
	rejected(); /* it had no place to give back */
}

static void test_switched_off(void **state)
{
	struct breaker_permit permit;

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	world.settings.enabled = false;
	calls(100, BREAKER_FAILURE);
	expect_state(BREAKER_DISABLED);
	assert_int_equal(look().failures_total, 0);
	assert_int_equal(world.transitions, 0);
	permit = admitted();
	world.settings.enabled = true;
	settle(permit, BREAKER_FAILURE);
	expect_state(BREAKER_CLOSED);
	assert_int_equal(look().calls, 0);
}

static void test_no_permit(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	for (int i = 0; i < 100; i++)
		settle((struct breaker_permit){0}, BREAKER_FAILURE);
	assert_int_equal(look().failures_total, 0);
	expect_state(BREAKER_CLOSED);
}

static void test_forced_open(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	breaker_force(world.breaker, BREAKER_FORCED_OPEN, world.now_ms);
	expect_last(BREAKER_CLOSED, BREAKER_FORCED_OPEN, BREAKER_REASON_OPERATOR);
	world.now_ms += UINT64_C(1000) * 86400 * 365;
	rejected();
	assert_int_equal(world.retry_after_ms, 5000);
	breaker_force(world.breaker, BREAKER_FORCED_OPEN, world.now_ms);
	assert_int_equal(world.transitions, 1); /* it was already */
	breaker_force(world.breaker, BREAKER_CLOSED, world.now_ms);
	expect_last(BREAKER_FORCED_OPEN, BREAKER_CLOSED, BREAKER_REASON_OPERATOR);
	calls(1, BREAKER_SUCCESS);
}

static void test_disabled_counts_nothing(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	breaker_force(world.breaker, BREAKER_DISABLED, world.now_ms);
	calls(100, BREAKER_FAILURE);
	expect_state(BREAKER_DISABLED);
	assert_int_equal(look().failures_total, 0);
	assert_int_equal(look().failure_rate_percent, -1);
}

static void test_metrics_only_counts_and_never_opens(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_COUNT, 100);
	breaker_force(world.breaker, BREAKER_METRICS_ONLY, world.now_ms);
	calls(100, BREAKER_FAILURE);
	expect_state(BREAKER_METRICS_ONLY);
	assert_int_equal(look().calls, 100);
	assert_int_equal(look().failure_rate_percent, 100);
	assert_int_equal(look().failures_total, 100);
	breaker_force(world.breaker, BREAKER_CLOSED, world.now_ms);
	assert_int_equal(look().calls, 0);
	calls(19, BREAKER_FAILURE);
	expect_state(BREAKER_CLOSED);
}

static void test_closing_clears_from_every_state(void **state)
{
	struct breaker_permit probes[5], stale;

	(void)state;
	for (int window = BREAKER_WINDOW_TIME; window <= BREAKER_WINDOW_COUNT; window++) {
		begin((enum breaker_window)window, 10000);
		calls(19, BREAKER_FAILURE);
		stale = admitted();
		breaker_force(world.breaker, BREAKER_CLOSED, world.now_ms); /* closed, in the same millisecond */
		expect_last(BREAKER_CLOSED, BREAKER_CLOSED, BREAKER_REASON_OPERATOR);
		settle(stale, BREAKER_FAILURE);
		assert_int_equal(look().calls, 0);
		calls(20, BREAKER_FAILURE);
		breaker_force(world.breaker, BREAKER_CLOSED, world.now_ms); /* open, likewise */
		expect_last(BREAKER_OPEN, BREAKER_CLOSED, BREAKER_REASON_OPERATOR);
		to_half_open(probes);
		settle(probes[0], BREAKER_FAILURE);
		breaker_force(world.breaker, BREAKER_CLOSED, world.now_ms);
		expect_last(BREAKER_HALF_OPEN, BREAKER_CLOSED, BREAKER_REASON_OPERATOR);
		settle(probes[1], BREAKER_FAILURE);
		assert_int_equal(look().calls, 0);
		calls(19, BREAKER_FAILURE);
		expect_state(BREAKER_CLOSED);
	}
}

/* ---- reload ----------------------------------------------------------------------------------------------------- */

static void become_successor(uint32_t window_size, struct breaker **old)
{
	*old = world.breaker;
	world.settings.window_size = window_size;
	world.breaker = breaker_new(&world.settings, world.now_ms, on_transition, &world);
	assert_non_null(world.breaker);
	breaker_take_over(world.breaker, *old);
}

static void test_a_successor_takes_over(void **state)
{
	struct breaker *old;

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	calls(7, BREAKER_NEITHER);
	to_open();
	world.now_ms += 2000;
	rejected();
	become_successor(20000, &old);
	expect_state(BREAKER_OPEN);
	assert_int_equal(look().open_for_ms, 3000);
	assert_int_equal(look().neither_total, 7);
	assert_int_equal(look().failures_total, 20);
	assert_int_equal(look().not_permitted, 1);
	world.now_ms += 3000;
	calls(5, BREAKER_FAILURE);
	expect_last(BREAKER_HALF_OPEN, BREAKER_OPEN, BREAKER_REASON_PROBES_FAILED);
	assert_int_equal(world.last.open_for_ms, 10000); /* the doubling is remembered, too */
	breaker_free(old);
}

static void test_a_successor_loses_no_probe_places(void **state)
{
	struct breaker_permit probes[5];
	struct breaker *old;

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	to_half_open(probes);
	settle(probes[0], BREAKER_SUCCESS);
	become_successor(20000, &old);
	calls(4, BREAKER_SUCCESS); /* the four in flight belong to the old one */
	expect_state(BREAKER_CLOSED);
	for (int i = 1; i < 5; i++)
		breaker_settle(old, &world.settings, world.now_ms, NO_JITTER, &probes[i], BREAKER_FAILURE, 1);
	expect_state(BREAKER_CLOSED);
	breaker_free(old);
}

static void test_no_listener(void **state)
{
	struct breaker_permit permit;
	uint64_t retry_after_ms;

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	breaker_free(world.breaker);
	world.breaker = breaker_new(&world.settings, 0, NULL, NULL);
	for (int i = 0; i < 20; i++) {
		assert_true(breaker_admit(world.breaker, &world.settings, 5, 0, &permit, &retry_after_ms));
		breaker_settle(world.breaker, &world.settings, 5, 0, &permit, BREAKER_FAILURE, 0);
	}
	assert_false(breaker_admit(world.breaker, &world.settings, 5, 0, &permit, &retry_after_ms));
	assert_int_equal(retry_after_ms, 4000); /* the least jitter */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_the_rate_is_at_or_above),
		cmocka_unit_test(test_a_success_can_be_the_call_that_opens),
		cmocka_unit_test(test_old_failures_leave_the_time_window),
		cmocka_unit_test(test_old_failures_leave_the_count_window),
		cmocka_unit_test(test_a_count_window_below_the_minimum_still_opens),
		cmocka_unit_test(test_neither_counts_for_nothing),
		cmocka_unit_test(test_slow_calls),
		cmocka_unit_test(test_slow_calls_off),
		cmocka_unit_test(test_reopening_doubles_up_to_the_limit),
		cmocka_unit_test(test_an_outage_of_any_length),
		cmocka_unit_test(test_however_often_it_was_closed_by_hand),
		cmocka_unit_test(test_late_answers_change_nothing_but_totals),
		cmocka_unit_test(test_exactly_so_many_probes),
		cmocka_unit_test(test_the_verdict_waits_for_all_and_takes_the_rate),
		cmocka_unit_test(test_slow_probes),
		cmocka_unit_test(test_a_neutral_probe_gives_its_place_back),
		cmocka_unit_test(test_a_half_open_breaker_times_out),
		cmocka_unit_test(test_a_reload_changes_the_number_of_probes),
		cmocka_unit_test(test_a_clock_a_little_behind),
		cmocka_unit_test(test_observe_never_rejects_and_changes_as_enforce_would),
		cmocka_unit_test(test_an_observed_call_counts_for_nothing_in_its_own_generation),
		cmocka_unit_test(test_switched_off),
		cmocka_unit_test(test_no_permit),
		cmocka_unit_test(test_forced_open),
		cmocka_unit_test(test_disabled_counts_nothing),
		cmocka_unit_test(test_metrics_only_counts_and_never_opens),
		cmocka_unit_test(test_closing_clears_from_every_state),
		cmocka_unit_test(test_a_successor_takes_over),
		cmocka_unit_test(test_a_successor_loses_no_probe_places),
		cmocka_unit_test(test_no_listener),
	};

	return cmocka_run_group_tests_name("breaker", tests, NULL, teardown);
}
