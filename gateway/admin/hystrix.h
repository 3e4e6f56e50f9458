/* One upstream as a command of the Hystrix dashboard. Used by stream.c. */
#ifndef GATEWAY_ADMIN_HYSTRIX_H
#define GATEWAY_ADMIN_HYSTRIX_H

#include <jansson.h>

#include "gateway/admin/admin.h"

enum {
	HYSTRIX_TURN_MS = 500,
	HYSTRIX_WINDOW_MS = 10000,
	HYSTRIX_RING = HYSTRIX_WINDOW_MS / HYSTRIX_TURN_MS + 1,
};

/* What there was since the start, at one moment. */
struct hystrix_totals {
	struct admin_calls calls;
	uint32_t in_flight;
};

/* Zero-initialised: nothing yet. */
struct hystrix_history {
	struct hystrix_totals ring[HYSTRIX_RING];
	size_t taken, current; /* snapshots in the ring; the newest */
};

/* Once a turn. NULL: memory is short. */
json_t *hystrix_message(struct hystrix_history *history, const struct admin_view *view,
                        const struct upstream_settings *settings);
/* Takes it from the dashboard's page. */
json_t *hystrix_deletion(const char *name);

#endif
