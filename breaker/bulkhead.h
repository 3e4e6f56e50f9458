/*
 * Two limits that hold exactly over all threads: how many calls an upstream may have in flight, and how many of the
 * recent calls may be retries. Any thread; atomics only; time is a parameter.
 */
#ifndef BREAKER_BULKHEAD_H
#define BREAKER_BULKHEAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bulkhead {
	_Atomic uint32_t in_flight;
	_Atomic uint64_t rejected_total;
};

/* False, and counted as rejected, when `max_in_flight` are in already. */
bool bulkhead_enter(struct bulkhead *bulkhead, uint32_t max_in_flight);
void bulkhead_leave(struct bulkhead *bulkhead);

/* Retries may be `percent` of the calls of the last 10 s, and 3 a second always. */
enum { RETRY_BUDGET_SLICES = 10, RETRY_BUDGET_SLICE_MS = 1000, RETRY_BUDGET_MINIMUM_PER_SECOND = 3 };

struct retry_budget {
	struct {
		_Atomic uint64_t numbered_calls;   /* slice number and count in one word */
		_Atomic uint64_t numbered_retries; /* likewise */
	} slices[RETRY_BUDGET_SLICES];
	_Atomic uint64_t refused_total;
};

void retry_budget_count_call(struct retry_budget *budget, uint64_t now_ms);
/* True: the retry may be made and has been counted. */
bool retry_budget_take(struct retry_budget *budget, uint32_t percent, uint64_t now_ms);

#endif
