/*
 * The circuit breaker of one upstream, shared by all threads.
 *
 * A call asks breaker_admit() for a permit and gives it back with breaker_settle() exactly once. State, generation
 * and value are one 64-bit word (state.h), so every transition is one compare-and-swap. A permit carries the
 * generation it was given under: what is settled after a transition changes nothing.
 *
 * This folder knows no clock, no log and no HTTP: time and randomness are parameters. All functions may be called
 * from any thread; none blocks or allocates except breaker_new().
 */
#ifndef BREAKER_BREAKER_H
#define BREAKER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* Set by an operator: forced_open rejects until told otherwise; disabled admits everything and counts nothing; metrics_only admits
 * everything, counts, and never opens. */
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
	bool observe; /* counts and changes state, but never rejects; what it would have rejected is not a probe */
	enum breaker_window window;
	uint32_t window_size;
	uint32_t minimum_calls; /* above the size of a count window: that size */
	uint32_t failure_rate_percent;
	uint32_t slow_call_ms; /* 0: slow calls are not looked at */
	uint32_t slow_rate_percent;
	uint32_t open_for_ms;
	uint32_t open_for_max_ms;
	uint32_t half_open_calls; /* 1 to 100 */
	uint32_t half_open_timeout_ms; /* at most 30 minutes, more counts as that; up to 128 ms late */
};

enum breaker_verdict {
	BREAKER_SUCCESS,
	BREAKER_FAILURE,
	BREAKER_NEITHER, /* says nothing about the upstream: the client left, or the answer was our own */
};

/* Proof that a call was admitted. Zero-initialised = none held; settling none is allowed and does nothing. */
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
};

struct breaker_transition {
	enum breaker_state from, to;
	enum breaker_reason reason;
	uint32_t generation; /* after the transition: one more than before, modulo 65536 */
	uint32_t calls, failures, slow_calls; /* what the decision was based on */
	uint32_t open_for_ms;                 /* when `to` is open, jitter included; else 0 */
	uint64_t at_ms;                       /* the `now_ms` the caller gave */
};

/* Called once for every transition, on the thread that won the compare-and-swap. Must not block. Calls from two threads
 * may come out of order; the generation tells. Closing a closed breaker is a transition, too: it clears the window. */
typedef void breaker_on_transition(void *context, const struct breaker_transition *transition);

struct breaker_view {
	enum breaker_state state; /* BREAKER_DISABLED when settings say so */
	uint32_t generation;
	/* In the window, or of the probes while half-open; while open those it opened for, until they leave the window. */
	uint32_t calls, failures, slow_calls;
	int32_t failure_rate_percent;         /* -1 below minimum_calls, as Resilience4j reports it */
	int32_t slow_rate_percent;            /* likewise */
	uint64_t open_for_ms;                 /* what is left of the open time; 0 in other states */
	uint64_t not_permitted;               /* calls rejected since birth */
	uint64_t successes_total, failures_total, neither_total, slow_total; /* settled since birth */
};

struct breaker;

/* Born closed. NULL when memory is short. on_transition may be NULL. */
struct breaker *breaker_new(const struct breaker_settings *settings, uint64_t now_ms,
                            breaker_on_transition *on_transition, void *context);
/* When a reload changes the shape of the window: gives a new breaker, which no other thread may know yet, the state of `old` (with
 * what is left of an open time) and its totals. What is settled on the old one later does not reach the new one. */
void breaker_take_over(struct breaker *breaker, struct breaker *old);
void breaker_free(struct breaker *breaker);

/* May this call go to the upstream? True: `permit` must be settled exactly once. False: the breaker will go on rejecting
 * for *retry_after_ms at least, which is never 0; where nobody can know, it is 1 (half-open) or open_for_ms (forced open).
 * `random` is any uniform 32-bit number (jitter).
 * Settings may differ from call to call (a reload), but not in window and window_size: those are fixed at birth. */
bool breaker_admit(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms, uint32_t random,
                   struct breaker_permit *permit, uint64_t *retry_after_ms);

/* The call is done with the upstream. `duration_ms`: to the response head. Clears `permit`. */
void breaker_settle(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms, uint32_t random,
                    struct breaker_permit *permit, enum breaker_verdict verdict, uint64_t duration_ms);

/* Is this permit one of the few that a half-open breaker gives? */
bool breaker_permit_is_probe(const struct breaker_permit *permit);

/* What an operator asks for: BREAKER_CLOSED, BREAKER_FORCED_OPEN, BREAKER_DISABLED or BREAKER_METRICS_ONLY. */
void breaker_force(struct breaker *breaker, enum breaker_state state, uint64_t now_ms);

/* One load, for log lines. BREAKER_DISABLED when settings say so. */
enum breaker_state breaker_state_now(const struct breaker *breaker, const struct breaker_settings *settings);

/* A snapshot for people; the figures may be from slightly different moments. */
struct breaker_view breaker_look(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms);

const char *breaker_state_name(enum breaker_state state);    /* "closed", "open", "half_open", "forced_open", ... */
const char *breaker_reason_text(enum breaker_reason reason); /* "failure rate", ... for logs */

#endif
