/* A half-open breaker: its probes, the calls beside them, and endpoints that are new. */
#include "tests/unit/breaker_world.h"
#include "tests/unit/in_range.h"

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
			assert_int_equal(look().failure_rate_bp, -1);
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
	for (int by = 0; by < 2; by++) { /* admit, look */
		uint64_t half_open_since;

		begin(BREAKER_WINDOW_TIME, 10000);
		to_half_open(probes);
		half_open_since = world.now_ms;
		world.now_ms = half_open_since + 29999;
		expect_state(BREAKER_HALF_OPEN); /* never early */
		world.now_ms = half_open_since + 30000 + 128;
		if (by == 0)
			rejected();
		else
			look();
		assert_int_equal(world.last.reason, BREAKER_REASON_HALF_OPEN_TIMEOUT);
		assert_int_equal(world.last.calls, 0);
		assert_uint_in_range(world.last.open_for_ms, 8000, 12000); /* it counts as a re-opening */
		expect_last(BREAKER_HALF_OPEN, BREAKER_OPEN, BREAKER_REASON_HALF_OPEN_TIMEOUT);
		world.now_ms += world.last.open_for_ms;
		calls(5, BREAKER_SUCCESS);
		expect_state(BREAKER_CLOSED);
		settle(probes[4], BREAKER_FAILURE);
		assert_int_equal(look().calls, 0);
	}
}

/* A service that is called rarely comes back like any other. */
static void test_half_open_has_time_while_no_probe_is_out(void **state)
{
	(void)state;
	for (uint32_t every_ms = 1000; every_ms <= 3600 * 1000; every_ms += every_ms / 3) {
		begin(BREAKER_WINDOW_TIME, 10000);
		to_open();
		world.now_ms += world.last.open_for_ms;
		for (int call = 0; call < 5; call++) {
			calls(1, BREAKER_SUCCESS);
			world.now_ms += every_ms;
			if (call < 4)
				expect_state(BREAKER_HALF_OPEN);
		}
		expect_state(BREAKER_CLOSED);
		assert_int_equal(look().not_permitted, 0);
	}
}

static void test_the_time_limit_begins_with_the_probe_that_leaves_alone(void **state)
{
	struct breaker_permit lonely;

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	to_open();
	world.now_ms += world.last.open_for_ms;
	calls(1, BREAKER_NEITHER);
	world.now_ms += 29000;
	lonely = admitted();
	world.now_ms += 20000;
	calls(1, BREAKER_NEITHER); /* beside another: changes nothing */
	world.now_ms += 9999;
	expect_state(BREAKER_HALF_OPEN);
	world.now_ms += 129;
	expect_state(BREAKER_OPEN);
	assert_int_equal(world.last.reason, BREAKER_REASON_HALF_OPEN_TIMEOUT);
	settle(lonely, BREAKER_SUCCESS);
	expect_state(BREAKER_OPEN);
}

/* Whoever holds the others back holds back their verdict, not that of those that were answered. */
static void test_at_the_time_limit_those_that_are_settled_decide(void **state)
{
	struct breaker_permit probes[5];

	(void)state;
	for (int settled = 1; settled < 5; settled++) {
		for (int failures = 0; failures <= settled; failures++) {
			begin(BREAKER_WINDOW_TIME, 10000);
			to_half_open(probes);
			for (int i = 0; i < settled; i++)
				settle(probes[i], i < failures ? BREAKER_FAILURE : BREAKER_SUCCESS);
			world.now_ms += 29999;
			expect_state(BREAKER_HALF_OPEN);
			world.now_ms += 129;
			expect_state(failures * 2 >= settled ? BREAKER_OPEN : BREAKER_CLOSED);
			assert_int_equal(world.last.calls, settled);
			assert_int_equal(world.last.failures, failures);
		}
	}
}

/* ---- aside --------------------------------------------------------------------------------------------------------- */

static bool admit_aside(struct breaker_permit *permit)
{
	world.retry_after_ms = 0;
	return breaker_admit_aside(world.breaker, &world.settings, world.now_ms, JITTER_NONE, permit, &world.retry_after_ms);
}

static struct breaker_permit admitted_aside(void)
{
	struct breaker_permit permit = {0};

	assert_true(admit_aside(&permit));
	return permit;
}

static void test_a_call_let_in_aside_takes_no_place(void **state)
{
	struct breaker_permit aside[5], permit = {0};

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	to_open();
	assert_false(admit_aside(&permit));
	assert_int_equal(world.retry_after_ms, 5000);
	world.now_ms += world.last.open_for_ms;
	for (int i = 0; i < 5; i++)
		aside[i] = admitted_aside();
	expect_last(BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_REASON_OPEN_TIME_OVER);
	assert_true(breaker_permit_is_probe(&aside[0]));
	assert_false(admit_aside(&permit)); /* as many in a second as there are probes */
	assert_true(world.retry_after_ms > 0);
	world.now_ms += 3600 * 1000; /* nobody waits for them */
	expect_state(BREAKER_HALF_OPEN);
	calls(5, BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
	for (int i = 0; i < 5; i++)
		settle(aside[i], BREAKER_FAILURE);
	assert_int_equal(look().calls, 0);
}

static void test_a_call_let_in_aside_is_heard(void **state)
{
	struct breaker_permit aside[5], probes[5], permit = {0};

	(void)state;
	for (int verdict = BREAKER_SUCCESS; verdict <= BREAKER_FAILURE; verdict++) {
		begin(BREAKER_WINDOW_TIME, 10000);
		to_open();
		world.now_ms += world.last.open_for_ms;
		for (int i = 0; i < 5; i++)
			aside[i] = admitted_aside();
		for (int i = 0; i < 5; i++) {
			expect_state(BREAKER_HALF_OPEN);
			assert_int_equal(look().calls, i);
			settle(aside[i], (enum breaker_verdict)verdict);
		}
		expect_state(verdict == BREAKER_SUCCESS ? BREAKER_CLOSED : BREAKER_OPEN);
		assert_int_equal(world.last.calls, 5);
	}
	/* But not before those whose places are taken. */
	begin(BREAKER_WINDOW_TIME, 10000);
	to_open();
	world.now_ms += world.last.open_for_ms;
	aside[0] = admitted_aside();
	for (int i = 0; i < 5; i++)
		probes[i] = admitted();
	assert_false(admit_aside(&permit));
	settle(aside[0], BREAKER_FAILURE);
	assert_int_equal(look().calls, 0);
	for (int i = 0; i < 5; i++)
		settle(probes[i], BREAKER_SUCCESS);
	expect_state(BREAKER_CLOSED);
}

static void test_going_aside_in_other_states_is_going(void **state)
{
	struct breaker_permit permit = {0};

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	for (int i = 0; i < 20; i++)
		settle(admitted_aside(), BREAKER_FAILURE);
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_FAILURE_RATE);
	world.settings.observe = true;
	settle(admitted_aside(), BREAKER_SUCCESS);
	world.settings.observe = false;
	breaker_force(world.breaker, BREAKER_FORCED_OPEN, world.now_ms);
	assert_false(admit_aside(&permit));
	world.settings.enabled = false;
	settle(admitted_aside(), BREAKER_FAILURE);
	assert_int_equal(world.transitions, 2);
}

/* Its answer is there, so nothing has to be decided without it. */
static void test_a_probe_that_answers_late_counts(void **state)
{
	(void)state;
	for (int verdict = BREAKER_SUCCESS; verdict <= BREAKER_FAILURE; verdict++) {
		struct breaker_permit probes[5];

		begin(BREAKER_WINDOW_TIME, 10000);
		to_half_open(probes);
		for (int i = 0; i < 5; i++) {
			world.now_ms += i == 4 ? 60000 : 0;
			settle(probes[i], (enum breaker_verdict)verdict);
		}
		expect_state(verdict == BREAKER_SUCCESS ? BREAKER_CLOSED : BREAKER_OPEN);
		assert_int_equal(world.last.calls, 5);
	}
}

/* ---- the endpoints that failed are gone -------------------------------------------------------------------------- */

static void test_probes_go_out_at_once(void **state)
{
	struct breaker_permit stale[5];

	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	breaker_probe_now(world.breaker, world.now_ms); /* closed */
	assert_int_equal(world.transitions, 0);
	to_open();
	world.now_ms += world.last.open_for_ms;
	calls(5, BREAKER_FAILURE); /* now it would be open for twice as long */
	rejected();
	breaker_probe_now(world.breaker, world.now_ms);
	expect_last(BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_REASON_NEW_ENDPOINTS);
	breaker_probe_now(world.breaker, world.now_ms); /* nothing was sent since */
	assert_int_equal(world.last.generation, look().generation);
	world.now_ms += 3600 * 1000;
	for (int i = 0; i < 5; i++)
		stale[i] = admitted();
	rejected();
	breaker_probe_now(world.breaker, world.now_ms); /* replaced once more */
	expect_last(BREAKER_HALF_OPEN, BREAKER_HALF_OPEN, BREAKER_REASON_NEW_ENDPOINTS);
	for (int i = 0; i < 5; i++) {
		struct breaker_permit permit = admitted();

		settle(stale[i], BREAKER_FAILURE); /* of those that are gone */
		settle(permit, BREAKER_SUCCESS);
	}
	expect_state(BREAKER_CLOSED);
}

static void test_the_new_ones_do_not_atone_for_those_before(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_TIME, 10000);
	to_open();
	for (int i = 0; i < 4; i++) {
		world.now_ms += world.last.open_for_ms;
		calls(5, BREAKER_FAILURE);
	}
	assert_int_equal(world.last.open_for_ms, 60000);
	breaker_probe_now(world.breaker, world.now_ms);
	calls(5, BREAKER_FAILURE);
	expect_last(BREAKER_HALF_OPEN, BREAKER_OPEN, BREAKER_REASON_PROBES_FAILED);
	assert_int_equal(world.last.open_for_ms, 10000);
}

static void test_an_operators_setting_stays(void **state)
{
	static const enum breaker_state states[] = { BREAKER_FORCED_OPEN, BREAKER_DISABLED, BREAKER_METRICS_ONLY };

	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		begin(BREAKER_WINDOW_TIME, 10000);
		breaker_force(world.breaker, states[i], world.now_ms);
		breaker_probe_now(world.breaker, world.now_ms);
		expect_state(states[i]);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exactly_so_many_probes),
		cmocka_unit_test(test_the_verdict_waits_for_all_and_takes_the_rate),
		cmocka_unit_test(test_slow_probes), cmocka_unit_test(test_a_neutral_probe_gives_its_place_back),
		cmocka_unit_test(test_a_half_open_breaker_times_out),
		cmocka_unit_test(test_half_open_has_time_while_no_probe_is_out),
		cmocka_unit_test(test_the_time_limit_begins_with_the_probe_that_leaves_alone),
		cmocka_unit_test(test_at_the_time_limit_those_that_are_settled_decide),
		cmocka_unit_test(test_a_call_let_in_aside_takes_no_place),
		cmocka_unit_test(test_a_call_let_in_aside_is_heard),
		cmocka_unit_test(test_going_aside_in_other_states_is_going),
		cmocka_unit_test(test_a_probe_that_answers_late_counts), cmocka_unit_test(test_probes_go_out_at_once),
		cmocka_unit_test(test_the_new_ones_do_not_atone_for_those_before),
		cmocka_unit_test(test_an_operators_setting_stays),
		cmocka_unit_test(test_a_reload_changes_the_number_of_probes),
		cmocka_unit_test(test_a_clock_a_little_behind),
	};

	return cmocka_run_group_tests_name("breaker half-open", tests, NULL, teardown);
}
