/*
 * Limits that hold exactly over all threads: how many calls an upstream may have in flight, how many may wait for a place,
 * and how many of the recent calls may be retries. queue.h decides which waiting call is next. Any thread; atomics only; time
 * is a parameter.
 */
#ifndef BREAKER_BULKHEAD_H
#define BREAKER_BULKHEAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bulkhead {
	_Atomic uint64_t word; /* in flight in the lower half, waiting in the upper: no two numbers that must agree */
	_Atomic uint32_t pressure; /* 0: no overload; grows with refused calls, falls with calls that found a free place */
	_Atomic uint64_t short_ms; /* when the queue was last seen to be short */
	_Atomic uint64_t least_demand; /* calls that waited or were refused: the least while the queue was long */
	_Atomic uint64_t rejected_total;
};

/* Takes a place, unless `max_in_flight` are in already or others wait for one. */
bool bulkhead_try(struct bulkhead *bulkhead, uint32_t max_in_flight);
/* The same for a call that does not wait: it counts as rejected if this returns false. */
bool bulkhead_enter(struct bulkhead *bulkhead, uint32_t max_in_flight);
/* Counts a call that got no place. */
void bulkhead_reject(struct bulkhead *bulkhead);
/* Gives the place back. True: a call waits and its thread must be woken (queue.h). */
bool bulkhead_leave(struct bulkhead *bulkhead);

enum bulkhead_answer { BULKHEAD_ENTERED, BULKHEAD_WAITING, BULKHEAD_FULL };

struct bulkhead_limits {
	uint32_t max_in_flight, max_waiting, max_wait_ms;
};

/* Takes a place, or a place in the queue, or neither; then the call counts as rejected. */
enum bulkhead_answer bulkhead_wait(struct bulkhead *bulkhead, const struct bulkhead_limits *limits, uint64_t now_ms);
/* Do more calls wait than may in an overload? Then the oldest have to go. */
bool bulkhead_is_too_long(const struct bulkhead *bulkhead, const struct bulkhead_limits *limits);
/* A waiting call takes a place. False: none is free, and the call goes on waiting. */
bool bulkhead_take(struct bulkhead *bulkhead, uint32_t max_in_flight);
/* A call stops waiting. `is_rejected`: because its time is up. */
void bulkhead_give_up(struct bulkhead *bulkhead, bool is_rejected);
/* Is there a free place, and a call that waits for one? */
bool bulkhead_must_wake(const struct bulkhead *bulkhead, uint32_t max_in_flight);

uint32_t bulkhead_in_flight(const struct bulkhead *bulkhead);
uint32_t bulkhead_waiting(const struct bulkhead *bulkhead);

/* Retries may be `share_bp` basis points (hundredths of a percent) of the calls of the last 10 s, and always 3 a second. */
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
bool retry_budget_take(struct retry_budget *budget, uint32_t share_bp, uint64_t now_ms);
/* How many retries it would allow now; for people. */
uint32_t retry_budget_left(const struct retry_budget *budget, uint32_t share_bp, uint64_t now_ms);

#endif
