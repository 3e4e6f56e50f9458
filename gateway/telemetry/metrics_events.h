/* The fate of a request in the words of Hystrix and Resilience4j. */
#ifndef GATEWAY_TELEMETRY_METRICS_EVENTS_H
#define GATEWAY_TELEMETRY_METRICS_EVENTS_H

#include <stdbool.h>

#include "gateway/exchange/outcome.h"

/* With OUTCOME_REPLACED: what the fallback took the place of, and so what the breaker heard. */
enum replaced { REPLACED_UNKNOWN, REPLACED_SUCCESS, REPLACED_BAD_REQUEST, REPLACED_FAILURE };

/* Flags above the status that the client got, in one word, so that other requests pay no comparison: `enum replaced`,
 * and whether the request took more than one try. */
enum { METRICS_STATUS_MASK = 0xffff, METRICS_REPLACED_SHIFT = 16, METRICS_REPLACED_MASK = 3, METRICS_RETRIED = 1 << 18 };

/* As HystrixEventType has them; one request can be several. */
enum call_event {
	CALL_SUCCESS,
	CALL_FAILURE,
	CALL_TIMEOUT,
	CALL_BAD_REQUEST, /* a 4xx of the upstream's that is no failure: the client's fault */
	CALL_SHORT_CIRCUITED,
	CALL_REJECTED,
	CALL_CANCELLED, /* by the client */
	CALL_FALLBACK,
	CALL_THROWN, /* a failure that had no fallback */
	CALL_EVENTS,
};

/* Those of an answer by the upstream; those of a failure. */
enum {
	CALL_ANSWERS = 1 << CALL_SUCCESS | 1 << CALL_BAD_REQUEST,
	CALL_FAILURES = 1 << CALL_FAILURE | 1 << CALL_TIMEOUT,
};

/* Bits: 1 << CALL_SUCCESS and so on. `replaced` counts with OUTCOME_REPLACED only. */
unsigned metrics_call_events(unsigned status, enum outcome outcome, enum replaced replaced);
/* Resilience4j's: "successful", "failed", "ignored"; NULL: it was no call of the upstream. */
const char *metrics_call_kind(unsigned events);
/* By what a series keeps as its status: the status and the flags above it. */
unsigned metrics_series_events(unsigned status, enum outcome outcome);
bool metrics_is_call(unsigned status, enum outcome outcome);

#endif
