/*
 * Which upstreams there are and which endpoints each has: the memory of the control thread.
 *
 * An upstream that two configurations name alike is one upstream: its breaker and its endpoints go on. Each name is asked
 * every dns.refresh whatever its TTL says (swarm says 600 s and means nothing by it), and at once, but at most every
 * DISCOVERY_REST_MS, when a worker could not connect.
 *
 *   answer            a new set when it differs; endpoints that stay keep their object, so counters and ejection go on
 *   NXDOMAIN, empty   twice in a row: no endpoints (a service scaled to 0 answers so; one lost race must not)
 *   SERVFAIL, silence the last good set stays: the DNS server is ill, not the service
 *
 * All functions are for the control thread.
 */
#ifndef GATEWAY_DISCOVERY_H
#define GATEWAY_DISCOVERY_H

#include <event2/event.h>

#include "gateway/base/inbox.h"
#include "routes/config.h"
#include "routes/upstream.h"

enum { DISCOVERY_REST_MS = 100 };

struct service;
struct discovery;

struct discovery_events {
	/* The set of this upstream is another now; both are borrowed. */
	void (*on_endpoints)(void *context, struct upstream *upstream, struct endpoint_set *set);
	/* discovery_prepare() is through: every name has had an answer, or its time. */
	void (*on_prepared)(void *context);
};

/* NULL: memory is short. Transitions of breakers are sent to `inbox` as CONTROL_TRANSITION. */
struct discovery *discovery_new(struct event_base *base, struct inbox *inbox, const struct discovery_events *events,
                                void *context);
void discovery_free(struct discovery *discovery);

/* Finds or makes the upstream of each of the configuration's upstreams and asks for names that are new; on_prepared
 * follows, maybe before this returns. False with `error`: nothing has changed. */
bool discovery_prepare(struct discovery *discovery, struct config *config, char *error, size_t size);
/* The prepared configuration is in use: names that only older ones had are asked no more. */
void discovery_commit(struct discovery *discovery);
/* Asks for the names of this upstream again, soon. */
void discovery_refresh(struct discovery *discovery, const struct upstream *upstream);

/* What is known of one upstream; NULL when it is not in use. */
struct discovery_view {
	struct endpoint_set *set; /* NULL: nothing yet */
	const char *error;        /* of the last lookup; NULL: it was fine */
	uint64_t last_answer_ms;  /* 0: never */
};
struct discovery_view discovery_look(const struct discovery *discovery, const struct upstream *upstream);

#endif
