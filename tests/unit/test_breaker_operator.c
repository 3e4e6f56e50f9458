/* A breaker that observes, that is switched off, that an operator or a reload changes. */
#include "tests/unit/breaker_world.h"

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
	assert_int_equal(look().failure_rate_bp, -1);
}

static void test_metrics_only_counts_and_never_opens(void **state)
{
	(void)state;
	begin(BREAKER_WINDOW_COUNT, 100);
	breaker_force(world.breaker, BREAKER_METRICS_ONLY, world.now_ms);
	calls(100, BREAKER_FAILURE);
	expect_state(BREAKER_METRICS_ONLY);
	assert_int_equal(look().calls, 100);
	assert_int_equal(look().failure_rate_bp, 10000);
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
	assert_int_equal(look().failure_rate_bp, 10000);
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
		breaker_settle(old, &world.settings, world.now_ms, JITTER_NONE, &probes[i], BREAKER_FAILURE, 1);
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
		cmocka_unit_test(test_observe_never_rejects_and_changes_as_enforce_would),
		cmocka_unit_test(test_an_observed_call_counts_for_nothing_in_its_own_generation),
		cmocka_unit_test(test_switched_off), cmocka_unit_test(test_no_permit),
		cmocka_unit_test(test_forced_open), cmocka_unit_test(test_disabled_counts_nothing),
		cmocka_unit_test(test_metrics_only_counts_and_never_opens),
		cmocka_unit_test(test_closing_clears_from_every_state), cmocka_unit_test(test_a_successor_takes_over),
		cmocka_unit_test(test_a_successor_loses_no_probe_places), cmocka_unit_test(test_no_listener),
	};

	return cmocka_run_group_tests_name("breaker operator", tests, NULL, teardown);
}
