/*
 * Which upstreams there are, and which endpoints each has: the memory of the control thread.
 *
 * An upstream with the same name in two configurations is one upstream: it keeps its breaker and its endpoints. When
 * the addresses of its name change (name.h says when it is asked for, and what an answer means), workers get a new set.
 * Endpoints that stay keep their object, and so their counters and ejection.
 *
 * All functions are for the control thread.
 */
#ifndef GATEWAY_DISCOVERY_DISCOVERY_H
#define GATEWAY_DISCOVERY_DISCOVERY_H

#include <event2/event.h>

#include "gateway/discovery/events.h"
#include "routes/config/config.h"

struct service;
struct name;
struct discovery;

/* NULL: out of memory. */
struct discovery *discovery_new(struct event_base *base, const struct discovery_events *events, void *context);
void discovery_free(struct discovery *discovery);

/* Finds or makes the upstream of each of the configuration's upstreams, and asks for new names; on_prepared follows,
 * perhaps before this returns. False with `error`: nothing has changed, except perhaps how names are asked for. */
bool discovery_prepare(struct discovery *discovery, struct config *config, char *error, size_t size);
/* The prepared configuration is in use: stops asking for names that only older ones had. */
void discovery_commit(struct discovery *discovery);
/* Asks for the name of this upstream again, soon. */
void discovery_refresh(struct discovery *discovery, const struct upstream *upstream);

/* The state of one upstream; NULL if it is not in use. */
struct discovery_view {
	struct endpoint_set *known; /* NULL: nothing yet */
	struct endpoint_set *set;   /* of these, how many get requests */
	const struct name *name;  /* NULL: the configuration has an address */
};
struct discovery_view discovery_look(const struct discovery *discovery, const struct upstream *upstream);
/* Addresses of its name that are not used. False: there are fewer. */
bool discovery_quarantined(const struct discovery_view *view, size_t index, char address[ADDRESS_TEXT_MAX], const char **why);

#endif
