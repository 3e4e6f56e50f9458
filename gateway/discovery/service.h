/*
 * One upstream as the control thread knows it, and the registers that give upstreams and endpoints their small indexes. An index
 * is free again when nobody but the register knows its object.
 */
#ifndef GATEWAY_DISCOVERY_SERVICE_H
#define GATEWAY_DISCOVERY_SERVICE_H

#include <event2/event_struct.h>

#include "gateway/base/random.h"
#include "gateway/discovery/discovery.h"
#include "gateway/discovery/name.h"

/* One upstream and what is known of its endpoints. It is the context of its breaker's transitions, so it stays until nobody
 * else has a reference to the upstream. */
struct service {
	struct discovery *discovery;
	struct upstream *upstream;
	struct breaker_settings born_with;
	struct name *name;        /* NULL: the configuration has an address */
	struct endpoint_set *known; /* NULL: nothing is known yet */
	struct endpoint_set *set;   /* of these, those that get requests */
	struct service *predecessor; /* until the configuration is in use: whom to take over from, with a reference to its upstream */
	const struct upstream_settings *settings, *prepared_settings; /* NULL: not in use; not being prepared */
	struct check **checks;      /* of `known`; NULL: health is not checked */
	size_t check_count;
	bool is_unpublished; /* memory was short: `set` is not what `known` and health say */
	bool is_current;  /* named by the configuration in use */
	bool is_prepared; /* named by the one that is being prepared */
};

struct discovery {
	struct event_base *base;
	const struct discovery_events *events;
	void *context;
	struct resolver *resolver;
	struct fetcher *fetcher; /* NULL: no health check needs it */
	struct random random;
	uint32_t refresh_ms, timeout_ms, tries; /* of the configuration that was prepared last */
	bool verifies_service;
	struct name *names;
	struct service **services; /* by upstream->index; NULL: free */
	size_t service_count;
	struct endpoint **endpoints; /* by index, a reference each; NULL: free */
	size_t endpoint_count;
	struct event patience; /* how long on_prepared waits for names */
	bool is_preparing;
};

/* `old`: the service of this name that it will follow, or NULL. NULL: memory is short. */
struct service *service_new(struct discovery *discovery, const struct upstream_settings *settings, struct service *old);
void service_free(struct service *service);
/* Its configuration comes into use: what the old one has learnt of breaker and endpoints goes on. Or it does not. */
void service_take_over(struct service *service);
void service_forget_predecessor(struct service *service);
/* A new set of endpoints, unless it has just these addresses, which are sorted; ports are not looked at. Endpoints that stay keep
 * their object. On shortage the old set stays and the next answer tries again. */
void service_take_addresses(struct service *service, const struct address *addresses, size_t count);
/* Takes those of its name, and sees to it that it is asked for. */
void service_follow_name(struct service *service);

#endif
