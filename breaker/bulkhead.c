/*
 * All workers share both limits. If each worker had a share, one would refuse calls for which another has room, or together
 * they would let through more than is allowed.
 *
 * The retry budget's words are numbered by the second that they count (numbered.h); epoch and slice together are 38 bits of
 * seconds and never wrap.
 */
#include "breaker/bulkhead.h"

#include <assert.h>

#include "breaker/numbered.h"

/* ---- in flight, waiting --------------------------------------------------------------------------------------- */

/*
 * A queue that absorbs a burst is good; one that stays full only makes everybody late: with places for 16 calls of 50 ms
 * and 256 in front of them each would wait 0.8 s, and not one call more would be served than with a short queue. So in an
 * overload only as many may wait as half the places: enough that none stays empty, and the wait is about half of what a
 * call takes, whatever that is.
 *
 *     waiting or refused
 *       |                 overload   The queue of a burst is long for a moment and then gets shorter, the overload's goes on
 *       |              /             growing. So the queue has to be long for a span, in which a burst may come, and then
 *       |       |  | /               so many more have to come than go as there are places, and a quarter of max_waiting:
 *       |       |/ |                 the dice make queues grow, too. A refused request counts as if it still waited, or a
 *       |     / |  |__least          full queue could not grow.
 *  half |---/---|----------
 *       |_/__span__________          It is over when more found a place free than were refused.
 */
enum { OVERLOAD_PRESSURE = 100, PRESSURE_MOST = 200, SPANS_OF_MAX_WAIT = 32 };

static const uint64_t ONE_WAITING = UINT64_C(1) << 32;

static uint32_t in_flight_of(uint64_t word)
{
	return (uint32_t)word;
}

static uint32_t waiting_of(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

/* Never below 0: the number would wrap to the highest pressure. */
static void relieve(struct bulkhead *bulkhead)
{
	uint32_t pressure = atomic_load_explicit(&bulkhead->pressure, memory_order_relaxed);

	while (pressure > 0 && !atomic_compare_exchange_weak_explicit(&bulkhead->pressure, &pressure, pressure - 1,
	                                                              memory_order_relaxed, memory_order_relaxed))
		continue;
}

void bulkhead_reject(struct bulkhead *bulkhead)
{
	uint32_t pressure = atomic_load_explicit(&bulkhead->pressure, memory_order_relaxed);

	atomic_fetch_add_explicit(&bulkhead->rejected_total, 1, memory_order_relaxed);
	while (pressure > 0 && pressure < PRESSURE_MOST &&
	       !atomic_compare_exchange_weak_explicit(&bulkhead->pressure, &pressure, pressure + 1, memory_order_relaxed,
	                                              memory_order_relaxed))
		continue;
}

bool bulkhead_try(struct bulkhead *bulkhead, uint32_t max_in_flight)
{
	uint64_t word = atomic_load_explicit(&bulkhead->word, memory_order_relaxed);

	/* Never add first and take back later: a refused call would for a moment hold a place that another could have had. */
	do {
		if (in_flight_of(word) >= max_in_flight || waiting_of(word) > 0)
			return false;
	} while (!atomic_compare_exchange_weak(&bulkhead->word, &word, word + 1));
	relieve(bulkhead);
	return true;
}

bool bulkhead_enter(struct bulkhead *bulkhead, uint32_t max_in_flight)
{
	if (bulkhead_try(bulkhead, max_in_flight))
		return true;
	bulkhead_reject(bulkhead);
	return false;
}

bool bulkhead_leave(struct bulkhead *bulkhead)
{
	uint64_t before = atomic_fetch_sub(&bulkhead->word, 1);

	assert(in_flight_of(before) > 0);
	return waiting_of(before) > 0;
}

static uint32_t half_of(uint32_t max_in_flight)
{
	return max_in_flight / 2 + max_in_flight % 2;
}

static uint32_t room_to_wait(const struct bulkhead *bulkhead, const struct bulkhead_limits *limits)
{
	uint32_t half = half_of(limits->max_in_flight);

	if (atomic_load_explicit(&bulkhead->pressure, memory_order_relaxed) == 0)
		return limits->max_waiting;
	return half < limits->max_waiting ? half : limits->max_waiting;
}

/* Threads may overwrite each other's notes, and their clocks differ a little: then overload is noticed a little later. */
static void watch(struct bulkhead *bulkhead, uint32_t waiting, const struct bulkhead_limits *limits, uint64_t now_ms)
{
	uint64_t demand = waiting + atomic_load_explicit(&bulkhead->rejected_total, memory_order_relaxed);
	uint64_t least = atomic_load_explicit(&bulkhead->least_demand, memory_order_relaxed);
	uint64_t span_over_ms = atomic_load_explicit(&bulkhead->short_ms, memory_order_relaxed) +
	                        limits->max_wait_ms / SPANS_OF_MAX_WAIT;

	if (waiting <= half_of(limits->max_in_flight)) {
		atomic_store_explicit(&bulkhead->short_ms, now_ms, memory_order_relaxed);
		atomic_store_explicit(&bulkhead->least_demand, UINT64_MAX, memory_order_relaxed);
	} else if (now_ms <= span_over_ms) {
		return;
	} else if (demand < least) {
		atomic_store_explicit(&bulkhead->least_demand, demand, memory_order_relaxed);
	} else if (demand - least >= (uint64_t)limits->max_in_flight + limits->max_waiting / 4) {
		atomic_store_explicit(&bulkhead->pressure, OVERLOAD_PRESSURE, memory_order_relaxed);
	}
}

enum bulkhead_answer bulkhead_wait(struct bulkhead *bulkhead, const struct bulkhead_limits *limits, uint64_t now_ms)
{
	uint64_t word = atomic_load_explicit(&bulkhead->word, memory_order_relaxed), next;
	uint32_t room = room_to_wait(bulkhead, limits);

	do {
		bool is_free = in_flight_of(word) < limits->max_in_flight && waiting_of(word) == 0;

		if (!is_free && waiting_of(word) >= room) {
			bulkhead_reject(bulkhead);
			watch(bulkhead, waiting_of(word), limits, now_ms);
			return BULKHEAD_FULL;
		}
		next = is_free ? word + 1 : word + ONE_WAITING;
	} while (!atomic_compare_exchange_weak(&bulkhead->word, &word, next));
	if (waiting_of(next) == waiting_of(word))
		return BULKHEAD_ENTERED;
	watch(bulkhead, waiting_of(next), limits, now_ms);
	return BULKHEAD_WAITING;
}

bool bulkhead_is_too_long(const struct bulkhead *bulkhead, const struct bulkhead_limits *limits)
{
	return atomic_load_explicit(&bulkhead->pressure, memory_order_relaxed) != 0 &&
	       bulkhead_waiting(bulkhead) > room_to_wait(bulkhead, limits);
}

bool bulkhead_take(struct bulkhead *bulkhead, uint32_t max_in_flight)
{
	uint64_t word = atomic_load_explicit(&bulkhead->word, memory_order_relaxed);

	do {
		assert(waiting_of(word) > 0);
		if (in_flight_of(word) >= max_in_flight)
			return false;
	} while (!atomic_compare_exchange_weak(&bulkhead->word, &word, word + 1 - ONE_WAITING));
	return true;
}

void bulkhead_give_up(struct bulkhead *bulkhead, bool is_rejected)
{
	uint64_t before = atomic_fetch_sub(&bulkhead->word, ONE_WAITING);

	assert(waiting_of(before) > 0);
	(void)before;
	if (is_rejected)
		bulkhead_reject(bulkhead);
}

bool bulkhead_must_wake(const struct bulkhead *bulkhead, uint32_t max_in_flight)
{
	uint64_t word = atomic_load(&bulkhead->word);

	return waiting_of(word) > 0 && in_flight_of(word) < max_in_flight;
}

uint32_t bulkhead_in_flight(const struct bulkhead *bulkhead)
{
	return in_flight_of(atomic_load_explicit(&bulkhead->word, memory_order_relaxed));
}

uint32_t bulkhead_waiting(const struct bulkhead *bulkhead)
{
	return waiting_of(atomic_load_explicit(&bulkhead->word, memory_order_relaxed));
}

/* ---- retries -------------------------------------------------------------------------------------------------- */

void retry_budget_count_call(struct retry_budget *budget, uint64_t now_ms)
{
	uint64_t second = now_ms / RETRY_BUDGET_SLICE_MS;

	numbered_add(&budget->slices[second % RETRY_BUDGET_SLICES].numbered_calls, second);
}

/* The slices that count in this second, up to the one of `last`. */
static void sum_slices(const struct retry_budget *budget, uint64_t second, uint64_t last, uint64_t *calls, uint64_t *retries)
{
	uint64_t first = second >= RETRY_BUDGET_SLICES - 1 ? second - (RETRY_BUDGET_SLICES - 1) : 0;

	*calls = *retries = 0;
	for (uint64_t at = first; at <= last; at++) {
		*retries += numbered_count(&budget->slices[at % RETRY_BUDGET_SLICES].numbered_retries, at);
		*calls += numbered_count(&budget->slices[at % RETRY_BUDGET_SLICES].numbered_calls, at);
	}
}

bool retry_budget_take(struct retry_budget *budget, uint32_t share_bp, uint64_t now_ms)
{
	uint64_t second = now_ms / RETRY_BUDGET_SLICE_MS;
	_Atomic uint64_t *ours = &budget->slices[second % RETRY_BUDGET_SLICES].numbered_retries;
	uint64_t calls, retries;
	/* Counts first and judges afterwards: if several threads want the last place at once, none can overlook another. All
	 * of them may be refused, which errs on the upstream's side. */
	uint64_t place = numbered_add(ours, second);

	if (place > 0) {
		/* These are never taken back, so each second gives out its first three places exactly once. */
		if (place <= RETRY_BUDGET_MINIMUM_PER_SECOND)
			return true;
		/* One second more than this thread knows of: when a second ends, other threads are in the next one
		 * already. */
		sum_slices(budget, second, second + 1, &calls, &retries);
		if (retries * 10000 <= calls * share_bp)
			return true;
		numbered_take_back(ours, second);
	}
	atomic_fetch_add_explicit(&budget->refused_total, 1, memory_order_relaxed);
	return false;
}

uint32_t retry_budget_left(const struct retry_budget *budget, uint32_t share_bp, uint64_t now_ms)
{
	uint64_t second = now_ms / RETRY_BUDGET_SLICE_MS, calls, retries, allowed, now;

	sum_slices(budget, second, second, &calls, &retries);
	now = numbered_count(&budget->slices[second % RETRY_BUDGET_SLICES].numbered_retries, second);
	allowed = calls * share_bp / 10000 > retries ? calls * share_bp / 10000 - retries : 0;
	if (now < RETRY_BUDGET_MINIMUM_PER_SECOND && allowed < RETRY_BUDGET_MINIMUM_PER_SECOND - now)
		allowed = RETRY_BUDGET_MINIMUM_PER_SECOND - now;
	return allowed > UINT32_MAX ? UINT32_MAX : (uint32_t)allowed;
}
