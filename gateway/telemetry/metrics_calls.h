/* What became of requests that had a route, in the words of Hystrix and Resilience4j: calls of its upstream and fallbacks. */
#ifndef GATEWAY_TELEMETRY_METRICS_CALLS_H
#define GATEWAY_TELEMETRY_METRICS_CALLS_H

#include "gateway/telemetry/metrics.h"

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

struct metrics_calls {
	uint64_t events[CALL_EVENTS];
	uint64_t requests; /* that were at least one of them */
	uint64_t retried_answers, retried_failures; /* of the calls, those that took more than one try */
	/* How long those took that got to the upstream; what is above the last bound goes last. */
	uint64_t buckets[METRICS_BUCKETS + 1], sum_us;
};

/* Bits: 1 << CALL_SUCCESS and so on. `replaced` counts with OUTCOME_REPLACED only. */
unsigned metrics_call_events(unsigned status, enum outcome outcome, enum replaced replaced);
/* Resilience4j's: "successful", "failed", "ignored"; NULL: it was no call of the upstream. */
const char *metrics_call_kind(unsigned events);
/* Adds the requests of a route. */
void metrics_add_calls(const struct route_metrics *metrics, struct metrics_calls *calls);

#endif
