/* One upstream as a command of the Hystrix dashboard. Used by stream.c. */
#ifndef GATEWAY_ADMIN_HYSTRIX_H
#define GATEWAY_ADMIN_HYSTRIX_H

#include <jansson.h>

#include "gateway/admin/view.h"

enum {
	HYSTRIX_TURN_MS = 500,
	HYSTRIX_WINDOW_MS = 10000,
	HYSTRIX_RING = HYSTRIX_WINDOW_MS / HYSTRIX_TURN_MS + 1,
	HYSTRIX_LATENCIES = 3,
	HYSTRIX_LATENCIES_TURNS = HYSTRIX_WINDOW_MS / HYSTRIX_TURN_MS / (HYSTRIX_LATENCIES - 1),
};

/* The totals since the start, at one moment. */
struct hystrix_totals {
	struct admin_counts counts;
	uint32_t in_flight;
};

/* Zero-initialised: nothing yet. */
struct hystrix_history {
	struct hystrix_totals ring[HYSTRIX_RING];
	struct latencies latencies[HYSTRIX_LATENCIES];
	struct admin_calls latest;
	size_t turns;
};

/* Each HYSTRIX_TURN_MS: takes the totals of now. */
void hystrix_turn(struct hystrix_history *history, const struct admin_view *view, const struct upstream_settings *settings);
/* After the first turn. NULL: out of memory. */
json_t *hystrix_message(const struct hystrix_history *history, const struct upstream_settings *settings);
/* Takes it from the dashboard's page. */
json_t *hystrix_deletion(const char *name);

#endif
