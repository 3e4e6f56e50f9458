/* The gateway as the pages see it: the functions that the control thread provides, and their results. */
#ifndef GATEWAY_ADMIN_VIEW_H
#define GATEWAY_ADMIN_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "breaker/event.h"
#include "gateway/base/latency.h"
#include "routes/config/settings.h"
#include "routes/upstream.h"

struct timeline;

/* One upstream of the current configuration. Valid during the callback that asked. */
struct admin_service {
	const struct upstream_settings *settings; /* settings->upstream: breaker, bulkhead, budget */
	const struct endpoint_set *set;           /* NULL: nothing is known yet */
	const struct endpoint_set *serving;       /* of these, those that get requests; NULL as above */
	const char *discovery_error;              /* of the last lookup; NULL: it was fine, or the address is literal */
	uint64_t last_answer_ms;                  /* monotonic; 0: never */
};

/* An address that DNS gives for an upstream, but that gets no requests. */
struct admin_quarantined {
	char address[ADDRESS_TEXT_MAX];
	const char *why;
};

struct admin_event {
	const char *upstream;
	uint64_t number; /* rises with each event */
	uint64_t wall_ms;
	enum breaker_event type;
	struct breaker_transition transition; /* of STATE_TRANSITION */
	bool only_observes;                   /* likewise: the breaker rejects nothing, whatever its state */
	struct breaker_call call;             /* of the others */
};

/* `event` is valid during the call. */
typedef void admin_take_event(void *to, const struct admin_event *event);

/* The results of one upstream's requests since the start. */
struct admin_counts {
	uint64_t successes, failures, timeouts; /* of calls; each stands in one of them or is a bad request */
	uint64_t bad_requests;                  /* 4xx of the upstream's that are no failure */
	uint64_t short_circuited, rejected;     /* by the breaker, by the bulkhead */
	uint64_t fallbacks;                     /* for whatever reason */
	uint64_t thrown;                        /* failures that no fallback took the place of */
	uint64_t cancelled;                     /* calls that the client ended */
	uint64_t requests;                      /* all of them, those without an endpoint included */
};

struct admin_calls {
	struct admin_counts counts;
	struct latencies latencies; /* of those that got there */
};

/* This process, as its peers know it. */
struct admin_gateway {
	const char *instance; /* random */
	const char *name;     /* the host's */
	const char *config;   /* digest of the configuration in use; "": none yet */
	const char *state;    /* "starting", "serving", "draining" */
	uint64_t uptime_ms;
};

struct admin_view {
	void *context;
	const struct config *(*config)(void *context);
	bool (*is_live)(void *context);  /* every worker's loop runs */
	bool (*is_ready)(void *context); /* serving, not draining */
	size_t (*service_count)(void *context);
	struct admin_service (*service)(void *context, size_t index);
	void (*events)(void *context, admin_take_event *take, void *to); /* in any order */
	void (*write_metrics)(void *context, FILE *to);           /* Prometheus text format 0.0.4 */
	/* False: not known. May be NULL. */
	bool (*calls)(void *context, const char *upstream, struct admin_calls *calls);
	/* False: there are not so many. May be NULL. */
	bool (*quarantined)(void *context, const struct admin_service *service, size_t index,
	                    struct admin_quarantined *quarantined);
	struct admin_gateway (*gateway)(void *context);
	struct timeline *timeline;
	/* Asks each worker for the requests that it keeps (base/kept.h); admin_take_requests() follows for each. Returns how
	 * many were asked. May be NULL. */
	unsigned (*ask_requests)(void *context, uint64_t question);
	/* cluster_is_settled() is true from now on. May be NULL. */
	void (*on_settled)(void *context);
};

/* False: the configuration has no upstream of this name. */
static inline bool view_find_service(const struct admin_view *view, const char *name, struct admin_service *service)
{
	for (size_t i = 0, count = view->service_count(view->context); i < count; i++) {
		*service = view->service(view->context, i);
		if (strcmp(service->settings->name, name) == 0)
			return true;
	}
	return false;
}

#endif
