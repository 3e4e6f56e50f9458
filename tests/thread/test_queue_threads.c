/*
 * Four threads before one bulkhead, under TSan: each with its own list of those that wait, as workers have them, and a
 * mark for the calls of the others. They come, go, give up and let in the next in an order that chance decides; now and then
 * it becomes overload, and those that wait longest have to go. If a wake-up could be lost somebody would wait beside a
 * free place until another came by; so there are many episodes, each of a few calls, and after the last nobody comes by:
 * then the test does not end, and the alarm ends it.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "breaker/bulkhead.h"
#include "breaker/queue.h"

enum { THREADS = 4, EPISODES = 10000, ARRIVALS = 12, PLACES = 2, WAITING_MOST = 20, GUARD_S = 300 };

static const struct bulkhead_limits limits = { PLACES, WAITING_MOST, .max_wait_ms = 20 };

static struct bulkhead bulkhead;
static struct queue queue;
static _Atomic int called[THREADS];
static _Atomic uint32_t inside;
static _Atomic uint64_t now_ms; /* one with each that comes */
static _Atomic bool is_wrong;
static _Atomic int ready;

struct worker {
	pthread_t thread;
	unsigned line;
	uint32_t seed;
	uint64_t list[WAITING_MOST]; /* tickets, the oldest first */
	unsigned count, held;
	uint64_t entered, waited, refused, gave_up, turned_away, calls;
};

static uint32_t next_random(struct worker *worker)
{
	worker->seed = worker->seed * 1664525u + 1013904223u;
	return worker->seed >> 8;
}

static void hold(struct worker *worker)
{
	worker->held++;
	if (atomic_fetch_add(&inside, 1) >= PLACES)
		is_wrong = true;
}

static void take_out(struct worker *worker, unsigned index)
{
	worker->count--;
	memmove(&worker->list[index], &worker->list[index + 1], (worker->count - index) * sizeof(worker->list[0]));
	if (index == 0)
		queue_show(&queue, worker->line, worker->count > 0 ? worker->list[0] : 0);
}

static void let_in(struct worker *worker)
{
	while (bulkhead_must_wake(&bulkhead, PLACES)) {
		unsigned line = queue_next(&queue);

		if (line != worker->line) {
			if (line != QUEUE_LINES && queue_wake(&queue, line)) {
				worker->calls++;
				atomic_store(&called[line], 1);
			}
			return;
		}
		if (bulkhead_is_too_long(&bulkhead, &limits)) {
			take_out(worker, 0);
			bulkhead_give_up(&bulkhead, true);
			worker->turned_away++;
			continue;
		}
		if (!bulkhead_take(&bulkhead, PLACES))
			return;
		take_out(worker, 0);
		hold(worker);
		worker->waited++;
	}
}

static void come(struct worker *worker)
{
	uint64_t ticket;
	bool is_first = worker->count == 0;

	if (bulkhead_try(&bulkhead, PLACES)) {
		hold(worker);
		worker->entered++;
		return;
	}
	ticket = queue_ticket(&queue);
	if (is_first)
		queue_show(&queue, worker->line, ticket);
	switch (bulkhead_wait(&bulkhead, &limits, ++now_ms)) {
	case BULKHEAD_ENTERED:
		hold(worker);
		worker->entered++;
		break;
	case BULKHEAD_WAITING:
		if (bulkhead_waiting(&bulkhead) > WAITING_MOST)
			is_wrong = true;
		worker->list[worker->count++] = ticket;
		return;
	case BULKHEAD_FULL:
		worker->refused++;
		break;
	}
	if (is_first)
		queue_show(&queue, worker->line, 0);
}

/* True: somebody may have to be called. */
static bool leave(struct worker *worker)
{
	if (worker->held == 0)
		return false;
	worker->held--;
	atomic_fetch_sub(&inside, 1);
	return bulkhead_leave(&bulkhead);
}

static void give_up(struct worker *worker)
{
	if (worker->count == 0)
		return;
	take_out(worker, next_random(worker) % worker->count);
	bulkhead_give_up(&bulkhead, false);
	worker->gave_up++;
}

static void play(struct worker *worker)
{
	int arrivals = 0;

	while (arrivals < ARRIVALS || worker->held > 0 || bulkhead_waiting(&bulkhead) > 0) {
		uint32_t random = next_random(worker) % 16;
		bool must_look = random % 4 == 0 && atomic_exchange(&called[worker->line], 0) != 0; /* mail takes its time */

		if (must_look)
			queue_woken(&queue, worker->line);
		if (arrivals < ARRIVALS && random < 7) {
			come(worker);
			arrivals++;
			must_look |= bulkhead_must_wake(&bulkhead, PLACES);
		} else if (random == 7 && (arrivals < ARRIVALS || called[worker->line] != 0)) {
			give_up(worker);
			must_look |= bulkhead_must_wake(&bulkhead, PLACES);
		} else if (random < 15) {
			must_look |= leave(worker);
		} else {
			sched_yield();
		}
		/* As a worker does: only then, or a lost call would never be missed. */
		if (must_look)
			let_in(worker);
	}
}

static void *run(void *argument)
{
	for (int episode = 0; episode < EPISODES; episode++) {
		/* All begin at once: by sleeping and waking they would play one after the other. */
		atomic_fetch_add(&ready, 1);
		while (ready < (episode + 1) * THREADS)
			sched_yield();
		atomic_store(&bulkhead.pressure, 0); /* it would be overload for ever: most are refused */
		play(argument);
	}
	return NULL;
}

static void test_nobody_waits_beside_a_free_place(void **state)
{
	static struct worker workers[THREADS];
	struct worker sum = {0};

	(void)state;
	alarm(GUARD_S);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].line = i;
		workers[i].seed = 12345 + i * 7919;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		sum.entered += workers[i].entered;
		sum.waited += workers[i].waited;
		sum.refused += workers[i].refused;
		sum.gave_up += workers[i].gave_up;
		sum.turned_away += workers[i].turned_away;
		sum.calls += workers[i].calls;
	}
	assert_false(is_wrong);
	assert_int_equal(sum.entered + sum.waited + sum.refused + sum.gave_up + sum.turned_away,
	                 (uint64_t)THREADS * EPISODES * ARRIVALS);
	print_message("%llu entered, %llu waited, %llu refused, %llu turned away, %llu calls\n", (unsigned long long)sum.entered,
	              (unsigned long long)sum.waited, (unsigned long long)sum.refused, (unsigned long long)sum.turned_away,
	              (unsigned long long)sum.calls);
	assert_true(sum.waited > 1000 && sum.gave_up > 100 && sum.calls > 100 && sum.turned_away > 100);
	assert_int_equal(bulkhead.rejected_total, sum.refused + sum.turned_away);
	assert_int_equal(bulkhead_in_flight(&bulkhead), 0);
	assert_int_equal(bulkhead_waiting(&bulkhead), 0);
	assert_int_equal(queue_next(&queue), QUEUE_LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_waits_beside_a_free_place),
	};

	return cmocka_run_group_tests_name("queue threads", tests, NULL, NULL);
}
