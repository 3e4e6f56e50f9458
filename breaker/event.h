/*
 * The events of a breaker, besides its figures: transitions, and calls that were not a plain success. Names and meaning are
 * Resilience4j's; SLOW is our own: a success that took longer than slow_call.
 *
 * A storm of failures must neither cost much nor push everything else out of the list of the last events. So each worker
 * reports the first few calls of a kind, and then one a second with the number of those in between.
 */
#ifndef BREAKER_EVENT_H
#define BREAKER_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_EVENTS(X) \
	X(STATE_TRANSITION) \
	X(ERROR) \
	X(IGNORED_ERROR) \
	X(NOT_PERMITTED) \
	X(SLOW)

enum breaker_event {
#define BREAKER_EVENT(name) BREAKER_EVENT_##name,
	BREAKER_EVENTS(BREAKER_EVENT)
#undef BREAKER_EVENT
	BREAKER_EVENT_COUNT,
};

const char *breaker_event_name(enum breaker_event event); /* "ERROR", ... */

struct breaker_call {
	enum breaker_event event; /* any but STATE_TRANSITION */
	const char *outcome, *why; /* static text; why: for people */
	unsigned status;           /* the upstream's, when it reported the failure; 0: none */
	uint64_t duration_ms;
	uint64_t skipped; /* calls of this kind in between that were not reported */
};

enum { BREAKER_QUOTA_BURST = 10 };

/* The state of one thread for one breaker and kind. Zero-initialised: nothing was reported yet. */
struct breaker_quota {
	uint64_t empty_until_ms; /* 0: there is some left */
	uint64_t second;
	uint32_t left;
	uint64_t skipped;
};

/* All that most calls in a storm cost. */
static inline bool breaker_quota_skips(struct breaker_quota *quota, uint64_t now_ms)
{
	bool skips = now_ms < quota->empty_until_ms;

	quota->skipped += skips;
	return skips;
}

/* After breaker_quota_skips() said no: takes one from the quota, and returns how many were skipped before it. */
uint64_t breaker_quota_take(struct breaker_quota *quota, uint64_t now_ms);

#endif
