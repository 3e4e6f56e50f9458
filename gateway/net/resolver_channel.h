/*
 * One channel of c-ares on an event loop: libevent watches its sockets and its clock. For the files resolver*.c alone.
 */
#ifndef GATEWAY_NET_RESOLVER_CHANNEL_H
#define GATEWAY_NET_RESOLVER_CHANNEL_H

#include <event2/event_struct.h>

#include "gateway/net/resolver.h"

struct ares_channeldata;
struct watch;

struct channel {
	struct event_base *base;
	struct ares_channeldata *ares;
	struct event timer;
	struct watch *watches;
	uint32_t timeout_ms;
};

/* False: it could not be set up; `error` says why. */
bool channel_init(struct channel *channel, struct event_base *base, const struct resolver_settings *settings, char *error,
                  size_t size);
/* Queries that are under way end, and are told so. */
void channel_destroy(struct channel *channel);
/* After every call that asks: c-ares may want to be woken sooner. */
void channel_set_timer(struct channel *channel);
/* Do they have the same servers in the same order, with the same timeout? */
bool channel_equals(const struct channel *a, const struct channel *b);

#endif
