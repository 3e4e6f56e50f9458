/*
 * The channels of c-ares on an event loop: libevent watches their sockets and timers. For the files resolver*.c alone.
 *
 * From 1.32 on c-ares does not wait as long as its options say, but as long as it has learnt that answers take: it
 * would never hear a server that becomes slower. So when a query has timed out in a channel, the channel gets no more
 * queries, and is freed after its last one.
 */
#ifndef GATEWAY_NET_RESOLVER_CHANNEL_H
#define GATEWAY_NET_RESOLVER_CHANNEL_H

#include <event2/event_struct.h>

#include "gateway/net/resolver_settings.h"

struct ares_channeldata;
struct channels;
struct watch;

struct channel {
	struct channel *next;
	struct channels *channels;
	struct ares_channeldata *ares;
	struct event timer;
	struct watch *watches;
	bool is_tcp;
	unsigned pending; /* queries under way */
};

struct channels {
	struct event_base *base;
	struct resolver_settings settings; /* its servers are ours */
	struct channel *list; /* the newest channels of UDP and of TCP are in use */
	struct event sweep;   /* frees the others */
};

/* False: it could not be set up; `error` says why. */
bool channels_init(struct channels *channels, struct event_base *base, const struct resolver_settings *settings, char *error,
                   size_t size);
/* Not from within a callback of c-ares. Queries under way end, and their callers are told. */
void channels_destroy(struct channels *channels);
/* The channel for the next query. Over UDP it hands a truncated answer over as it came. NULL: out of memory. */
struct channel *channels_use(struct channels *channels, bool is_tcp);
/* A query of this channel has ended. */
void channel_leave(struct channel *channel, bool has_timed_out);
/* Call this after every query: c-ares may want to be woken sooner. */
void channel_set_timer(struct channel *channel);
/* Do they have the same servers in the same order, with the same timeout? */
bool channels_equal(const struct channels *a, const struct channels *b);

#endif
