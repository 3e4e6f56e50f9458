/* One upstream as the control thread knows it, and the state that all upstreams share. */
#ifndef GATEWAY_DISCOVERY_SERVICE_H
#define GATEWAY_DISCOVERY_SERVICE_H

#include <event2/event_struct.h>

#include "gateway/discovery/checks.h"
#include "gateway/discovery/events.h"
#include "gateway/discovery/name.h"
#include "gateway/discovery/register.h"

/* One upstream and its known endpoints. It is the context of its breaker's transitions, so it stays until nobody else
 * has a reference to the upstream. */
struct service {
	struct discovery *discovery;
	struct upstream *upstream;
	struct breaker_settings born_with;
	struct name *name;        /* NULL: the configuration has an address */
	struct endpoint_set *known; /* NULL: nothing is known yet */
	struct endpoint_set *set;   /* of these, how many get requests */
	struct service *predecessor; /* whom to take over from when the configuration comes into use; a reference */
	const struct upstream_settings *settings, *prepared_settings; /* NULL: not in use; not being prepared */
	struct checks checks; /* of `known` */
	struct event publication; /* of what they found */
	bool is_current;  /* the configuration in use names it */
	bool is_prepared; /* the configuration that is being prepared names it */
	uint64_t doubted_ms; /* when the service last looked for lost connections */
	/* Workers write these. They stand apart: gcc reads the two above, and what is next to them, at once. */
	_Atomic uint64_t opened_ms; /* when its breaker last opened from closed; 0: never */
	_Atomic bool has_opened_slow; /* for slow calls, which endpoints don't count */
};

struct discovery {
	const struct discovery_events *events;
	void *context;
	struct naming naming;
	struct name *peers; /* of the configuration that was prepared last; NULL: it has none, or an address */
	struct name **stores; /* the same for rate limits' stores; no name twice */
	size_t store_count;
	struct fetcher *fetcher; /* NULL: no health check needs it */
	struct service **services; /* by upstream->index; NULL: free */
	size_t service_count;
	struct endpoint_register endpoints;
	struct event prepare_timer; /* limits how long on_prepared waits for names */
	bool is_preparing;
};

/* `old`: the service of this name that it will replace, or NULL. NULL: out of memory. */
struct service *service_new(struct discovery *discovery, const struct upstream_settings *settings, struct service *old);
void service_free(struct service *service);
/* The configuration in use names it, or the one that is being prepared. Of any other one workers must hear nothing more. */
bool service_is_wanted(const struct service *service);
/* Its configuration comes into use: it keeps what the old service knew of breaker and endpoints. Or its configuration
 * does not. */
void service_take_over(struct service *service);
void service_forget_predecessor(struct service *service);
/* A new set of endpoints, unless it has just these addresses. They are sorted; their ports are ignored. Endpoints that
 * stay keep their object. If memory is short, here or in a worker, the old set stays, and the next call tries again. */
void service_take_addresses(struct service *service, const struct address *addresses, size_t count);
/* Has the guard check the addresses to which connections were lost. */
void service_doubt_lost(struct service *service);
/* Takes the addresses of its name, and makes sure that the name is asked for. */
void service_follow_name(struct service *service);

#endif
