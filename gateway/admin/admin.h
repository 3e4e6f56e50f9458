/*
 * The admin listener: health, metrics, breakers, routes, endpoints, for people and their tools. The room of evhttp.
 *
 * Lives on the control thread's loop and sees the gateway through the functions of `struct admin_view`, all called on that
 * thread. It shows snapshots; the only thing it changes is a breaker's state (POST /actuator/circuitbreakers/NAME).
 */
#ifndef GATEWAY_ADMIN_ADMIN_H
#define GATEWAY_ADMIN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "routes/config.h"
#include "routes/upstream.h"

struct event_base;
struct admin;

/* One upstream of the current configuration. Valid during the callback that asked. */
struct admin_service {
	const struct upstream_settings *settings; /* settings->upstream: breaker, bulkhead, budget */
	const struct endpoint_set *set;           /* NULL: nothing is known yet */
	const struct endpoint_set *serving;       /* of these, those that get requests; NULL as above */
	const char *discovery_error;              /* of the last lookup; NULL: it was fine, or the address is literal */
	uint64_t last_answer_ms;                  /* monotonic; 0: never */
};

/* An address that DNS gives for an upstream, and that gets nothing. */
struct admin_quarantined {
	char address[ADDRESS_TEXT_MAX];
	const char *why;
};

struct admin_event { /* a breaker's transition */
	const char *upstream;
	struct breaker_transition transition;
	uint64_t wall_ms;
};

/* What became of the requests of one upstream since the start, and how long those took that got there. Bounds rise; what took
 * longer than the last is in the bucket behind it. */
enum { ADMIN_BOUNDS_MAX = 15 };

struct admin_calls {
	uint64_t successes, failures, timeouts;  /* of calls; each stands in one of them or is a bad request */
	uint64_t bad_requests;                   /* 4xx of the upstream's that are no failure */
	uint64_t short_circuited, rejected;      /* by the breaker, by the bulkhead */
	uint64_t fallbacks;                      /* for whatever reason */
	uint64_t thrown;                         /* failures that no fallback took the place of */
	const uint32_t *bounds_us;
	size_t bound_count;
	uint64_t buckets[ADMIN_BOUNDS_MAX + 1]; /* not cumulative */
	uint64_t sum_us;
};

struct admin_view {
	void *context;
	const struct config *(*config)(void *context);
	bool (*is_live)(void *context);  /* every worker's loop turns */
	bool (*is_ready)(void *context); /* serving, not draining */
	size_t (*service_count)(void *context);
	struct admin_service (*service)(void *context, size_t index);
	size_t (*event_count)(void *context);
	struct admin_event (*event)(void *context, size_t index); /* oldest first */
	void (*write_metrics)(void *context, FILE *to);           /* Prometheus text format 0.0.4 */
	/* False: not known. May be NULL. */
	bool (*calls)(void *context, const char *upstream, struct admin_calls *calls);
	/* False: there are not so many. May be NULL. */
	bool (*quarantined)(void *context, const struct admin_service *service, size_t index,
	                    struct admin_quarantined *quarantined);
};

/* `view` must outlive it. NULL: it can't listen; `error` says why. */
struct admin *admin_new(struct event_base *base, const struct address *address, const struct admin_view *view, char *error,
                        size_t size);
void admin_free(struct admin *admin);

#endif
