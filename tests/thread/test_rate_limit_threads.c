/*
 * 64 clients over eight threads against a limit of 1,000 calls a second, under TSan: what was let through is the burst and the
 * rate times the time that passed, neither more nor, by a hundredth, less.
 *
 * Once ten seconds are simulated: a shared clock that the threads push on. Once they are real.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "breaker/rate_limit.h"
#include "tests/unit/in_range.h"

enum { THREADS = 8, CLIENTS = 64, CALLS_PER_S = 1000, BURST = 100, FLOOD = 20000 };
static const uint64_t SPAN_US = 10 * 1000000, BEGIN_US = 1000000;

static struct shared {
	struct rate_table *table;
	struct rate rate;
	unsigned keys;      /* the clients share so many */
	bool is_real;       /* the clock */
	uint64_t begin_us;  /* of it */
	_Atomic uint64_t now_us;
	_Atomic uint64_t allowed[CLIENTS];
} shared;

static uint64_t real_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void *call(void *context)
{
	unsigned first = (unsigned)(uintptr_t)context * CLIENTS / THREADS;

	for (;;) {
		/* Simulated: a round of all clients takes 50 us. */
		uint64_t now_us = shared.is_real ? real_us() : atomic_fetch_add(&shared.now_us, 50) + 50;

		if (now_us >= shared.begin_us + SPAN_US)
			return NULL;
		/* Each thread serves all clients: one that the system does not run must not starve a key. */
		for (unsigned client = 0; client < CLIENTS; client++) {
			unsigned key = (first + client) % shared.keys;

			if (rate_table_take(shared.table, &shared.rate, key + 1, now_us).is_allowed)
				atomic_fetch_add(&shared.allowed[key], 1);
		}
		if (shared.is_real)
			sched_yield();
	}
}

static void run(unsigned keys, bool is_real)
{
	const uint64_t expected = CALLS_PER_S * SPAN_US / 1000000;
	const uint64_t least = is_real ? 1 : expected - expected / 100; /* a busy machine asks too rarely to use all of it */
	pthread_t threads[THREADS];

	shared.table = rate_table_new(CLIENTS * 4);
	shared.rate = rate_of(CALLS_PER_S, 1000, BURST);
	shared.keys = keys;
	shared.is_real = is_real;
	shared.begin_us = is_real ? real_us() : BEGIN_US;
	atomic_store(&shared.now_us, BEGIN_US);
	for (unsigned i = 0; i < CLIENTS; i++)
		atomic_store(&shared.allowed[i], 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < keys; i++)
		assert_uint_in_range(atomic_load(&shared.allowed[i]), least, expected + BURST);
	rate_table_free(shared.table);
}

static void test_one_limit_for_all_simulated(void **state)
{
	(void)state;
	run(1, false);
}

static void test_one_limit_for_each_simulated(void **state)
{
	(void)state;
	run(CLIENTS, false);
}

static void test_one_limit_for_all_in_real_time(void **state)
{
	(void)state;
	run(1, true);
}

/* All threads meet all keys for the first time at the same moment, in a table that has no room for them: no key gets more than its
 * burst from the place that it has. */
static void *flood(void *context)
{
	(void)context;
	for (uint64_t i = 0; i < FLOOD; i++) {
		uint64_t key = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

		if (rate_table_take(shared.table, &shared.rate, key, BEGIN_US).is_allowed)
			atomic_fetch_add(&shared.allowed[0], 1);
	}
	return NULL;
}

static void run_flood(size_t places, uint64_t least, uint64_t most)
{
	pthread_t threads[THREADS];

	shared.table = rate_table_new(places);
	shared.rate = rate_of(1, 1000, 1);
	atomic_store(&shared.allowed[0], 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, flood, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_uint_in_range(atomic_load(&shared.allowed[0]), least, most);
	rate_table_free(shared.table);
}

static void test_each_key_has_one_place(void **state)
{
	(void)state;
	run_flood((size_t)FLOOD * 16, FLOOD, FLOOD);
}

static void test_a_table_that_is_full_stays_sound(void **state)
{
	(void)state;
	run_flood(256, FLOOD, (uint64_t)FLOOD * THREADS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_limit_for_all_simulated),
		cmocka_unit_test(test_one_limit_for_each_simulated),
		cmocka_unit_test(test_one_limit_for_all_in_real_time),
		cmocka_unit_test(test_each_key_has_one_place),
		cmocka_unit_test(test_a_table_that_is_full_stays_sound),
	};

	return cmocka_run_group_tests_name("rate_limit_threads", tests, NULL, NULL);
}
