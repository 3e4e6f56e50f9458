/*
 * Eight threads on one breaker, one bulkhead, one retry budget, one endpoint, under TSan. What is checked are sums that
 * hold however the threads interleave: nothing lost, nothing counted twice, no limit passed even for a moment.
 *
 * The clock is a shared counter that the threads push on themselves, so breakers live through thousands of transitions
 * in a second and no test waits for time to pass.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "breaker/breaker.h"
#include "breaker/bulkhead.h"
#include "breaker/ejection.h"
#include "breaker/look.h"
#include "tests/unit/in_range.h"

enum { THREADS = 8, ROUNDS = 30000, PROBES = 5, GENERATIONS = 1 << 16, HELD = 4 };

struct worker {
	pthread_t thread;
	struct shared *shared;
	uint32_t seed;
	uint64_t admitted, rejected, successes, failures, neither;
};

/* Everything here that is not atomic is written before the threads start. */
static struct shared {
	struct breaker *breaker;
	struct breaker_settings settings;
	bool has_operator, has_asides;
	_Atomic uint64_t now_ms;
	_Atomic uint32_t transitions;
	_Atomic uint32_t highest_generation;
	_Atomic bool is_wrong;
	_Atomic uint8_t seen[GENERATIONS]; /* generations reported */
	/* By generation; what the threads themselves know about their probes. */
	_Atomic uint32_t in_flight[GENERATIONS], settled[GENERATIONS];
	_Atomic uint8_t is_half_open[GENERATIONS];
	_Atomic uint32_t verdict_calls[GENERATIONS]; /* what the verdict was based on, 0 without one */
} shared;

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void on_transition(void *context, const struct breaker_transition *transition)
{
	struct shared *all = context;
	uint32_t highest = all->highest_generation;

	atomic_fetch_add(&all->transitions, 1);
	if (atomic_exchange(&all->seen[transition->generation], 1) != 0)
		all->is_wrong = true; /* one generation, one report */
	while (highest < transition->generation
	       && !atomic_compare_exchange_weak(&all->highest_generation, &highest, transition->generation))
		continue;
	if (transition->to == BREAKER_HALF_OPEN)
		all->is_half_open[transition->generation] = 1;
	if (transition->reason == BREAKER_REASON_PROBES_PASSED || transition->reason == BREAKER_REASON_PROBES_FAILED)
		all->verdict_calls[transition->generation - 1] = transition->calls;
}

static void begin(uint32_t half_open_timeout_ms, bool observe, enum breaker_window window)
{
	memset(&shared, 0, sizeof(shared));
	shared.settings = (struct breaker_settings){
		.enabled = true,
		.observe = observe,
		.window = window,
		.window_size = 100,
		.minimum_calls = 20,
		.failure_rate_bp = 5000,
		.slow_call_ms = 10,
		.slow_rate_bp = 8000,
		.open_for_ms = 5,
		.open_for_max_ms = 20,
		.half_open_calls = PROBES,
		.half_open_timeout_ms = half_open_timeout_ms,
	};
	shared.breaker = breaker_new(&shared.settings, 0, on_transition, &shared);
	assert_non_null(shared.breaker);
}

static void run(void *(*body)(void *), struct worker workers[THREADS])
{
	memset(workers, 0, THREADS * sizeof(workers[0]));
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i].shared = &shared;
		workers[i].seed = 2463534242u + i * 7919;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	assert_false(shared.is_wrong);
}

/* ---- the breaker ------------------------------------------------------------------------------------------------ */

static void settle(struct worker *worker, struct breaker_permit *permit)
{
	struct shared *all = worker->shared;
	uint32_t random = next_random(&worker->seed);
	enum breaker_verdict verdict = random % 8 == 0   ? BREAKER_NEITHER
	                               : random / 8 % 100 < 60 ? BREAKER_FAILURE
	                                                       : BREAKER_SUCCESS;

	worker->successes += verdict == BREAKER_SUCCESS;
	worker->failures += verdict == BREAKER_FAILURE;
	worker->neither += verdict == BREAKER_NEITHER;
	/* Before it is given back, or another thread could have the place while we still count it as ours. */
	atomic_fetch_sub(&all->in_flight[permit->generation], 1);
	if (verdict != BREAKER_NEITHER)
		atomic_fetch_add(&all->settled[permit->generation], 1);
	breaker_settle(all->breaker, &all->settings, all->now_ms, random, permit, verdict, random % 13);
	if (permit->kind != 0)
		all->is_wrong = true;
}

/* Holds a few permits at a time and settles them in a shuffled order, so some come back generations later. */
static void *call(void *argument)
{
	struct worker *worker = argument;
	struct shared *all = worker->shared;
	struct breaker_permit held[HELD] = {{0}};

	for (int round = 0; round < ROUNDS; round++) {
		uint32_t random = next_random(&worker->seed);
		struct breaker_permit *permit = &held[random % HELD];
		uint64_t retry_after_ms = 0;

		if (permit->kind != 0) {
			settle(worker, permit);
		} else if ((all->has_asides && random / 64 % 4 == 0 ? breaker_admit_aside : breaker_admit)(
				   all->breaker, &all->settings, all->now_ms, random, permit, &retry_after_ms)) {
			worker->admitted++;
			if (atomic_fetch_add(&all->in_flight[permit->generation], 1) >= PROBES
			    && all->is_half_open[permit->generation] && !all->settings.observe && !all->has_asides)
				all->is_wrong = true;
		} else {
			worker->rejected++;
			if (retry_after_ms == 0 || permit->kind != 0)
				all->is_wrong = true;
		}
		if (random % 64 == 0)
			atomic_fetch_add(&all->now_ms, 1);
		if (random % 1024 == 1)
			breaker_look(all->breaker, &all->settings, all->now_ms);
		if (all->has_operator && random % 512 == 2)
			breaker_force(all->breaker, random & 1024 ? BREAKER_CLOSED : BREAKER_FORCED_OPEN, all->now_ms);
	}
	for (int i = 0; i < HELD; i++)
		if (held[i].kind != 0)
			settle(worker, &held[i]);
	return NULL;
}

static void expect_conservation(const struct worker workers[THREADS])
{
	struct breaker_view view = breaker_look(shared.breaker, &shared.settings, shared.now_ms);
	uint64_t admitted = 0, rejected = 0, successes = 0, failures = 0, neither = 0;

	for (int i = 0; i < THREADS; i++) {
		admitted += workers[i].admitted;
		rejected += workers[i].rejected;
		successes += workers[i].successes;
		failures += workers[i].failures;
		neither += workers[i].neither;
	}
	/* Permits given are permits settled, and every refusal was counted. */
	assert_int_equal(admitted, successes + failures + neither);
	assert_int_equal(view.successes_total, successes);
	assert_int_equal(view.failures_total, failures);
	assert_int_equal(view.neither_total, neither);
	assert_int_equal(view.not_permitted_total, rejected);
	assert_true(view.not_permitted <= rejected);
	/* Every transition was reported once and is one generation. */
	assert_uint_in_range(shared.transitions, 20, GENERATIONS - 1);
	assert_int_equal(view.generation, shared.transitions);
	assert_int_equal(shared.highest_generation, shared.transitions);
	for (uint32_t i = 1; i <= shared.transitions; i++)
		assert_int_equal(shared.seen[i], 1);
}

/* By how many the verdict was given; `all_wanted`: no time limit gave it early. */
static void expect_exact_probes(bool all_wanted)
{
	int half_open = 0, verdicts = 0;

	for (uint32_t i = 0; i <= shared.highest_generation; i++) {
		if (!shared.is_half_open[i])
			continue;
		half_open++;
		if (!shared.settings.observe && !shared.has_asides)
			assert_true(shared.settled[i] <= PROBES);
		if (shared.verdict_calls[i] == 0)
			continue;
		verdicts++;
		assert_uint_in_range(shared.verdict_calls[i], all_wanted ? PROBES : 1, PROBES);
		if (!shared.settings.observe && !shared.has_asides && all_wanted)
			assert_int_equal(shared.settled[i], PROBES);
	}
	assert_true(half_open > 5);
	assert_true(verdicts > 5);
}

/* No timeout can help here: a lost place would leave the breaker half-open for ever. */
static void run_without_timeout(bool observe, bool has_asides, enum breaker_window window)
{
	struct worker workers[THREADS];

	begin(30 * 60 * 1000, observe, window);
	shared.has_asides = has_asides;
	run(call, workers);
	expect_conservation(workers);
	expect_exact_probes(true);
	/* Whatever it was left in: with time and successes it closes, so no permit is lost. */
	for (int i = 0; i < 100; i++) {
		struct breaker_permit permit = {0};
		uint64_t retry_after_ms;

		shared.now_ms += 5;
		if (breaker_admit(shared.breaker, &shared.settings, shared.now_ms, 0, &permit, &retry_after_ms))
			breaker_settle(shared.breaker, &shared.settings, shared.now_ms, 0, &permit, BREAKER_SUCCESS, 0);
	}
	assert_int_equal(breaker_look(shared.breaker, &shared.settings, shared.now_ms).state, BREAKER_CLOSED);
	breaker_free(shared.breaker);
}

static void test_time_window(void **state)
{
	(void)state;
	run_without_timeout(false, false, BREAKER_WINDOW_TIME);
}

static void test_count_window(void **state)
{
	(void)state;
	run_without_timeout(false, false, BREAKER_WINDOW_COUNT);
}

static void test_observe(void **state)
{
	(void)state;
	run_without_timeout(true, false, BREAKER_WINDOW_TIME);
}

static void test_asides(void **state)
{
	(void)state;
	run_without_timeout(false, true, BREAKER_WINDOW_TIME);
}

static void test_timeouts_and_an_operator_between(void **state)
{
	struct worker workers[THREADS];

	(void)state;
	begin(1, false, BREAKER_WINDOW_TIME);
	shared.has_operator = true;
	run(call, workers);
	expect_conservation(workers);
	expect_exact_probes(false);
	breaker_free(shared.breaker);
}

/* ---- the window: without transitions every call is in it --------------------------------------------------------- */

static void *call_in_closed(void *argument)
{
	struct worker *worker = argument;
	struct shared *all = worker->shared;

	for (int i = 0; i < ROUNDS / 3; i++) {
		struct breaker_permit permit = {0};
		uint64_t retry_after_ms;

		if (!breaker_admit(all->breaker, &all->settings, all->now_ms, 0, &permit, &retry_after_ms))
			all->is_wrong = true;
		breaker_settle(all->breaker, &all->settings, all->now_ms, 0, &permit,
		               i % 4 == 0 ? BREAKER_FAILURE : BREAKER_SUCCESS, i % 2 == 0 ? 11 : 0);
		/* Slices change under the threads' hands, but all stay within the window. */
		if (worker->seed % THREADS == 0 && i % 1000 == 0)
			atomic_fetch_add(&all->now_ms, 100);
	}
	return NULL;
}

static void test_no_call_is_lost_from_the_window(void **state)
{
	(void)state;
	for (int kind = BREAKER_WINDOW_TIME; kind <= BREAKER_WINDOW_COUNT; kind++) {
		struct worker workers[THREADS];
		struct breaker_view view;
		uint32_t total = THREADS * (ROUNDS / 3);

		begin(1000, false, (enum breaker_window)kind);
		shared.settings.failure_rate_bp = 10000;
		shared.settings.slow_rate_bp = 10000;
		shared.settings.window_size = kind == BREAKER_WINDOW_TIME ? 100000 : 1000000;
		/* The first calls alone could be all failures. */
		shared.settings.minimum_calls = 1000;
		breaker_free(shared.breaker);
		shared.breaker = breaker_new(&shared.settings, 0, on_transition, &shared);
		run(call_in_closed, workers);
		view = breaker_look(shared.breaker, &shared.settings, shared.now_ms);
		assert_int_equal(view.calls, total);
		assert_int_equal(view.failures, total / 4);
		assert_int_equal(view.slow_calls, total / 2);
		assert_int_equal(shared.transitions, 0);
		breaker_free(shared.breaker);
	}
}

/* ---- bulkhead, retry budget, ejection ----------------------------------------------------------------------------- */

static struct bulkhead bulkhead;
static struct retry_budget budget;
static struct ejection ejection;
static _Atomic int32_t inside;
static _Atomic uint64_t granted;

static void *enter_and_leave(void *argument)
{
	struct worker *worker = argument;

	for (int i = 0; i < ROUNDS; i++) {
		if (!bulkhead_enter(&bulkhead, 3)) {
			worker->rejected++;
			continue;
		}
		worker->admitted++;
		if (atomic_fetch_add(&inside, 1) >= 3)
			worker->shared->is_wrong = true;
		if (i % 64 == 0)
			sched_yield(); /* so that they really meet inside */
		atomic_fetch_sub(&inside, 1);
		bulkhead_leave(&bulkhead);
	}
	return NULL;
}

static void test_bulkhead_is_exact(void **state)
{
	struct worker workers[THREADS];
	uint64_t tried = 0, rejected = 0;

	(void)state;
	run(enter_and_leave, workers);
	for (int i = 0; i < THREADS; i++) {
		tried += workers[i].admitted + workers[i].rejected;
		rejected += workers[i].rejected;
	}
	assert_int_equal(tried, (uint64_t)THREADS * ROUNDS);
	assert_true(rejected > 0);
	assert_int_equal(bulkhead.rejected_total, rejected);
	assert_int_equal(bulkhead_in_flight(&bulkhead), 0);
}

static void *take_retries(void *argument)
{
	struct worker *worker = argument;

	for (int i = 0; i < ROUNDS / 3; i++)
		if (retry_budget_take(&budget, 2000, 50000 + worker->seed % 2 * worker->shared->now_ms))
			atomic_fetch_add(&granted, 1);
	return NULL;
}

static void test_retry_budget_is_exact(void **state)
{
	struct worker workers[THREADS];

	(void)state;
	/* First one second for all; then half the threads are in the next, to which its first three are due always. */
	for (uint64_t ahead_ms = 0; ahead_ms <= 1000; ahead_ms += 1000) {
		memset(&budget, 0, sizeof(budget));
		granted = 0;
		shared.now_ms = ahead_ms;
		for (int i = 0; i < 10000; i++)
			retry_budget_count_call(&budget, 45000 + (uint64_t)i % 5 * 1000);
		run(take_retries, workers);
		assert_uint_in_range(granted, 2000, ahead_ms == 0 ? 2000 : 2000 + RETRY_BUDGET_MINIMUM_PER_SECOND);
		assert_int_equal(budget.refused_total, (uint64_t)THREADS * (ROUNDS / 3) - granted);
	}
}

static void *fail_together(void *argument)
{
	static const struct ejection_settings settings = {
		.enabled = true, .consecutive_failures = 5, .for_ms = 20, .for_max_ms = 40};
	struct worker *worker = argument;
	struct shared *all = worker->shared;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t random = next_random(&worker->seed);

		if (random % 16 == 0)
			ejection_success(&ejection);
		else if (ejection_failure(&ejection, &settings, all->now_ms, random, random % 2, false))
			worker->failures++;
		ejection_is_ejected(&ejection, all->now_ms);
		if (random % 8 == 0)
			atomic_fetch_add(&all->now_ms, 1);
	}
	return NULL;
}

static void test_ejections_are_as_far_apart_as_their_rests(void **state)
{
	struct worker workers[THREADS];
	uint64_t ejections = 0;

	(void)state;
	shared.now_ms = 1000;
	run(fail_together, workers);
	for (int i = 0; i < THREADS; i++)
		ejections += workers[i].failures;
	assert_int_equal(ejection.ejections_total, ejections);
	/* No rest is shorter than four fifths of 20 ms, so there cannot have been more. */
	assert_uint_in_range(ejections, 2, (shared.now_ms - 1000) / 16 + 1);
}

static struct ejection endpoints[ROUNDS];

/* Every endpoint gets its last straw from all threads at about the same time. */
static void *fail_each(void *argument)
{
	static const struct ejection_settings settings = {
		.enabled = true, .consecutive_failures = 1, .for_ms = 20, .for_max_ms = 40};
	struct worker *worker = argument;

	for (int i = 0; i < ROUNDS; i++)
		worker->failures += ejection_failure(&endpoints[i], &settings, 1000, 0, false, false);
	return NULL;
}

static void test_one_ejection_has_one_winner(void **state)
{
	struct worker workers[THREADS];
	uint64_t ejections = 0;

	(void)state;
	run(fail_each, workers);
	for (int i = 0; i < THREADS; i++)
		ejections += workers[i].failures;
	assert_int_equal(ejections, ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		assert_int_equal(endpoints[i].ejections_total, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_window),
		cmocka_unit_test(test_count_window),
		cmocka_unit_test(test_observe),
		cmocka_unit_test(test_asides),
		cmocka_unit_test(test_timeouts_and_an_operator_between),
		cmocka_unit_test(test_no_call_is_lost_from_the_window),
		cmocka_unit_test(test_bulkhead_is_exact),
		cmocka_unit_test(test_retry_budget_is_exact),
		cmocka_unit_test(test_ejections_are_as_far_apart_as_their_rests),
		cmocka_unit_test(test_one_ejection_has_one_winner),
	};

	return cmocka_run_group_tests_name("breaker, many threads", tests, NULL, NULL);
}
