/*
 * Both limits are shared by all workers instead of being split among them: a share per worker would refuse on one what
 * another has room for, or let through together more than was allowed.
 *
 * The retry budget's words are numbered by the second they count (numbered.h); epoch and slice together are 38
 * bits of seconds and never come round.
 */
#include "breaker/bulkhead.h"

#include <assert.h>

#include "breaker/numbered.h"

bool bulkhead_enter(struct bulkhead *bulkhead, uint32_t max_in_flight)
{
	uint32_t in_flight = atomic_load_explicit(&bulkhead->in_flight, memory_order_relaxed);

	/* Not add and take back: then a call that is refused would for a moment hold a place another could have had. */
	do {
		if (in_flight >= max_in_flight) {
			atomic_fetch_add_explicit(&bulkhead->rejected_total, 1, memory_order_relaxed);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&bulkhead->in_flight, &in_flight, in_flight + 1));
	return true;
}

void bulkhead_leave(struct bulkhead *bulkhead)
{
	uint32_t before = atomic_fetch_sub(&bulkhead->in_flight, 1);

	assert(before > 0);
	(void)before;
}

void retry_budget_count_call(struct retry_budget *budget, uint64_t now_ms)
{
	uint64_t second = now_ms / RETRY_BUDGET_SLICE_MS;

	numbered_add(&budget->slices[second % RETRY_BUDGET_SLICES].numbered_calls, second);
}

bool retry_budget_take(struct retry_budget *budget, uint32_t percent, uint64_t now_ms)
{
	uint64_t second = now_ms / RETRY_BUDGET_SLICE_MS;
	_Atomic uint64_t *ours = &budget->slices[second % RETRY_BUDGET_SLICES].numbered_retries;
	uint64_t calls = 0, retries = 0;
	/* Counted first, judged after: of several that want the last place at once, none can overlook another. They may all
	 * be refused, which errs on the upstream's side. */
	uint64_t place = numbered_add(ours, second);

	if (place > 0) {
		uint64_t first = second >= RETRY_BUDGET_SLICES - 1 ? second - (RETRY_BUDGET_SLICES - 1) : 0;

		/* These are never taken back, so each second gives out the first three places once and always. */
		if (place <= RETRY_BUDGET_MINIMUM_PER_SECOND)
			return true;
		/* One second more than we know of: at the turn of a second other threads are in the next one already. */
		for (uint64_t slice = first; slice <= second + 1; slice++) {
			retries += numbered_count(&budget->slices[slice % RETRY_BUDGET_SLICES].numbered_retries, slice);
			calls += numbered_count(&budget->slices[slice % RETRY_BUDGET_SLICES].numbered_calls, slice);
		}
		if (retries * 100 <= calls * percent)
			return true;
		numbered_take_back(ours, second);
	}
	atomic_fetch_add_explicit(&budget->refused_total, 1, memory_order_relaxed);
	return false;
}
