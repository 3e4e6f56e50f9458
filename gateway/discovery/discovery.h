/*
 * Which upstreams there are and which endpoints each has: the memory of the control thread.
 *
 * An upstream that two configurations name alike is one upstream: its breaker and its endpoints go on. When the addresses of
 * its name (name.h: when that is asked, what an answer means) differ from those it has, workers get a new set; endpoints that
 * stay keep their object, so counters and ejection go on.
 *
 * All functions are for the control thread.
 */
#ifndef GATEWAY_DISCOVERY_DISCOVERY_H
#define GATEWAY_DISCOVERY_DISCOVERY_H

#include <event2/event.h>

#include "routes/config.h"
#include "routes/upstream.h"

struct service;
struct name;
struct discovery;

struct discovery_events {
	/* The set of this upstream has changed; both are borrowed. */
	void (*on_endpoints)(void *context, struct upstream *upstream, struct endpoint_set *set);
	/* discovery_prepare() is through: every name has had an answer, or time enough. */
	void (*on_prepared)(void *context);
	/* The breaker of this upstream has changed its state. Any thread; must not block. */
	void (*on_transition)(void *context, struct upstream *upstream, const struct breaker_transition *transition);
};

/* NULL: memory is short. */
struct discovery *discovery_new(struct event_base *base, const struct discovery_events *events, void *context);
void discovery_free(struct discovery *discovery);

/* Finds or makes the upstream of each of the configuration's upstreams and asks for names that are new; on_prepared
 * follows, maybe before this returns. False with `error`: nothing has changed, but perhaps how names are asked for. */
bool discovery_prepare(struct discovery *discovery, struct config *config, char *error, size_t size);
/* The prepared configuration is in use: names that only older ones had are asked no more. */
void discovery_commit(struct discovery *discovery);
/* Asks for the names of this upstream again, soon. */
void discovery_refresh(struct discovery *discovery, const struct upstream *upstream);

/* What is known of one upstream; NULL when it is not in use. */
struct discovery_view {
	struct endpoint_set *known; /* NULL: nothing yet */
	struct endpoint_set *set;   /* of these, those that get requests */
	const struct name *name;  /* NULL: it has an address */
};
struct discovery_view discovery_look(const struct discovery *discovery, const struct upstream *upstream);
/* Addresses of its name that are not used. False: there are not so many. */
bool discovery_quarantined(const struct discovery_view *view, size_t index, char address[ADDRESS_TEXT_MAX], const char **why);

#endif
