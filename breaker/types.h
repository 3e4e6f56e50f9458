/* The words of this folder, as data: states, settings, permits, verdicts, transitions, and what is shown of a breaker. */
#ifndef BREAKER_TYPES_H
#define BREAKER_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct breaker;

/* Set by an operator: forced_open rejects until the operator changes it; disabled admits everything and counts nothing;
 * metrics_only admits everything, counts, and never opens. */
#define BREAKER_STATES(X) \
	X(CLOSED, "closed") \
	X(OPEN, "open") \
	X(HALF_OPEN, "half_open") \
	X(FORCED_OPEN, "forced_open") \
	X(DISABLED, "disabled") \
	X(METRICS_ONLY, "metrics_only")

enum breaker_state {
#define BREAKER_STATE(name, label) BREAKER_##name,
	BREAKER_STATES(BREAKER_STATE)
#undef BREAKER_STATE
};

enum breaker_window {
	BREAKER_WINDOW_TIME,  /* window_size is in milliseconds */
	BREAKER_WINDOW_COUNT, /* window_size is in calls */
};

struct breaker_settings {
	bool enabled; /* false: every call is admitted and nothing is counted */
	bool observe; /* counts and changes state, but never rejects; a call that it would have rejected is not a probe */
	enum breaker_window window;
	uint32_t window_size;
	uint32_t minimum_calls; /* above the size of a count window: that size */
	uint32_t failure_rate_bp; /* basis points: hundredths of a percent */
	uint32_t slow_call_ms; /* 0: slow calls don't matter */
	uint32_t slow_rate_bp;
	uint32_t open_for_ms;
	uint32_t open_for_max_ms;
	uint32_t half_open_calls; /* 1 to 100 */
	uint32_t half_open_timeout_ms; /* runs while a probe is in flight; at most 30 minutes; up to 128 ms late */
};

enum breaker_verdict {
	BREAKER_SUCCESS,
	BREAKER_FAILURE,
	BREAKER_NEITHER, /* says nothing about the upstream: the client left, or the gateway answered by itself */
};

/* Proof that a call was admitted. Zero-initialised: none; settling none is allowed and does nothing. */
struct breaker_permit {
	uint32_t generation;
	uint8_t kind; /* opaque */
};

enum breaker_reason {
	BREAKER_REASON_FAILURE_RATE,
	BREAKER_REASON_SLOW_RATE,
	BREAKER_REASON_OPEN_TIME_OVER,
	BREAKER_REASON_PROBES_PASSED,
	BREAKER_REASON_PROBES_FAILED,
	BREAKER_REASON_HALF_OPEN_TIMEOUT,
	BREAKER_REASON_OPERATOR,
	BREAKER_REASON_NEW_ENDPOINTS,
};

struct breaker_transition {
	enum breaker_state from, to;
	enum breaker_reason reason;
	uint32_t generation; /* after the transition: one more than before, modulo 65536 */
	uint32_t calls, failures, slow_calls; /* the figures of the decision */
	uint32_t open_for_ms;                 /* when `to` is open, jitter included; else 0 */
	uint64_t at_ms;                       /* the caller's `now_ms` */
};

/* Called once for every transition, on the thread that won the compare-and-swap. Must not block. Calls from two threads
 * may come out of order; the generation tells. Closing a closed breaker is a transition, too: it clears the window. */
typedef void breaker_on_transition(void *context, const struct breaker_transition *transition);

struct breaker_view {
	enum breaker_state state; /* BREAKER_DISABLED when settings say so */
	uint32_t generation;
	/* In the window, or of the probes while half-open; while open the figures that opened it. */
	uint32_t calls, failures, slow_calls;
	uint32_t slow_failures; /* in both; while half-open at least so many */
	int32_t failure_rate_bp; /* -1 below minimum_calls, as Resilience4j reports it, or half_open_calls */
	int32_t slow_rate_bp;    /* likewise */
	uint64_t open_for_ms;                 /* the rest of the open time; 0 in other states */
	uint64_t not_permitted;               /* calls rejected since the last transition */
	uint64_t not_permitted_total;         /* ... and since birth */
	uint64_t successes_total, failures_total, neither_total, slow_total; /* settled since birth */
};

#endif
