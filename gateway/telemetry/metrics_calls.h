/* Requests that had a route: calls of its upstream and fallbacks, counted and as text. */
#ifndef GATEWAY_TELEMETRY_METRICS_CALLS_H
#define GATEWAY_TELEMETRY_METRICS_CALLS_H

#include <stdio.h>

#include "gateway/telemetry/metrics_input.h"

struct metrics_calls {
	uint64_t events[CALL_EVENTS];
	uint64_t requests; /* that were at least one of them */
	uint64_t retried_answers, retried_failures; /* of the calls, those that took more than one try */
	struct latencies latencies; /* of those that got to the upstream, or should have */
};

/* Adds the requests of a route. */
void metrics_add_calls(const struct route_metrics *metrics, struct metrics_calls *calls);

void metrics_write_calls(const struct metrics_input *input, FILE *to);

#endif
