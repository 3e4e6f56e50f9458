/* The events that discovery reports, and their receivers. */
#ifndef GATEWAY_DISCOVERY_EVENTS_H
#define GATEWAY_DISCOVERY_EVENTS_H

#include "routes/upstream.h"

struct discovery_events {
	/* The set of this upstream has changed; both are borrowed. `none_failed`: no endpoint in it is known to have
	 * had a part in opening the breaker. */
	void (*on_endpoints)(void *context, struct upstream *upstream, struct endpoint_set *set, bool none_failed);
	/* The known addresses of the name of config->peers, after each answer; valid during the call. `error`: of the
	 * last lookup, or NULL. */
	void (*on_peers)(void *context, const struct address *addresses, size_t count, const char *error);
	/* The known addresses of the host of a rate limit's store, after each answer; valid during the call. */
	void (*on_store)(void *context, const char *host, const struct address *addresses, size_t count);
	/* discovery_prepare() has finished: every name has had an answer, or enough time. */
	void (*on_prepared)(void *context);
	/* The breaker of this upstream has changed its state. Any thread; must not block. */
	void (*on_transition)(void *context, struct upstream *upstream, const struct breaker_transition *transition);
};

#endif
