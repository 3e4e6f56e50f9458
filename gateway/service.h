/*
 * One upstream as the control thread knows it, and the registers that give upstreams and endpoints their small indexes. An index
 * is free again when nobody but the register knows its object.
 */
#ifndef GATEWAY_SERVICE_H
#define GATEWAY_SERVICE_H

#include <event2/event_struct.h>

#include "gateway/discovery.h"
#include "gateway/net/resolver.h"

/* One upstream and what is known of its endpoints. It is the context of its breaker's transitions, so it stays until nobody
 * else has a reference to the upstream. */
struct service {
	struct discovery *discovery;
	struct upstream *upstream;
	struct breaker_settings born_with;
	struct endpoint_set *set;
	struct resolver_query *query;
	struct event timer;      /* next question */
	uint64_t asked_ms;
	uint64_t last_answer_ms;
	unsigned no_name_count;  /* in a row */
	const char *error;
	uint32_t refresh_ms;
	bool is_literal;
	bool is_current;  /* named by the configuration in use */
	bool is_prepared; /* named by the one that is being prepared */
};

struct discovery {
	struct event_base *base;
	struct inbox *inbox;
	const struct discovery_events *events;
	void *context;
	struct resolver *resolver;
	struct service **services; /* by upstream->index; NULL: free */
	size_t service_count;
	struct endpoint **endpoints; /* by index, a reference each; NULL: free */
	size_t endpoint_count;
	struct event patience; /* how long on_prepared waits for names */
	bool is_preparing;
};

/* `old`: the service of this name whose breaker is taken over, or NULL. NULL: memory is short. */
struct service *service_new(struct discovery *discovery, const struct upstream_settings *settings, struct service *old);
void service_free(struct service *service);
/* A new set of endpoints from addresses, whose ports are not looked at; those that stay keep their object. On shortage the
 * old set stays and the next answer tries again. */
void service_take_addresses(struct service *service, const struct address *addresses, size_t count);
bool service_has_addresses(const struct service *service, const struct address *addresses, size_t count);
void service_on_timer(evutil_socket_t fd, short what, void *context); /* discovery.c: it is time to ask */

#endif
