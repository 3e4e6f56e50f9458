/*
 * Active health checks. The gateway asks each endpoint of an upstream with `health_check` over HTTP every interval. An
 * endpoint that fails too often in a row gets no new requests until it is healthy again; if all fail, all serve. The
 * state of an endpoint's health belongs to the endpoint, over DNS refreshes and reloads.
 *
 * The first check of a new endpoint comes at a random moment of its first interval, and every interval is shortened by
 * up to a tenth: so neither the checks of one gateway nor those of the gateways of all nodes come together.
 *
 * At most CHECKS_IN_FLIGHT checks of one upstream are under way: a DNS that gives thousands of dead addresses must not
 * use up all descriptors.
 *
 * All functions are for the control thread.
 */
#ifndef GATEWAY_DISCOVERY_CHECKS_H
#define GATEWAY_DISCOVERY_CHECKS_H

#include "gateway/base/ring.h"
#include "routes/upstream.h"

enum { CHECKS_IN_FLIGHT = 64 };

struct check;
struct event_base;
struct fetcher;
struct random;

/* The checks of one upstream. */
struct checks {
	struct event_base *base;
	struct fetcher **fetcher; /* it exists while an upstream in use has health checks */
	struct random *random;
	const struct upstream_settings *settings; /* as last followed */
	void (*on_changed)(void *context); /* the health of an endpoint has changed */
	void *context;
	struct check **list; /* in the order of addresses; NULL: no health checks */
	size_t count;
	unsigned in_flight;
	struct ring waiting; /* checks that are due while too many are in flight, the oldest first */
};

void checks_init(struct checks *checks, struct event_base *base, struct fetcher **fetcher, struct random *random,
                 void (*on_changed)(void *context), void *context);

/* The endpoints (NULL: none are known yet) or the settings (NULL: not in use) have changed. */
void checks_follow(struct checks *checks, const struct upstream_settings *settings, const struct endpoint_set *known);
/* Ends all checks and forgets their results; tells nobody. */
void checks_stop(struct checks *checks);

#endif
