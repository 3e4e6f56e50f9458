/*
 * Names to addresses: the room of c-ares. Lives on the control thread's event loop; all functions are for that thread.
 *
 * One query per name and address family is in flight at most; answers come back through the callback given at birth.
 * The resolver keeps nothing and judges nothing: what a failure means for the endpoints is decided in discovery.
 */
#ifndef GATEWAY_NET_RESOLVER_H
#define GATEWAY_NET_RESOLVER_H

#include <stddef.h>
#include <stdint.h>

#include "routes/address.h"

struct event_base;
struct resolver;

struct resolver_settings {
	const struct address *servers; /* none: resolv.conf */
	size_t server_count;
	uint32_t timeout_ms; /* per try */
	uint32_t tries;
};

enum resolver_verdict {
	RESOLVER_ANSWER,    /* at least one address */
	RESOLVER_NO_NAME,   /* NXDOMAIN, or a good answer without addresses of either family */
	RESOLVER_FAILURE,   /* SERVFAIL, REFUSED, silence, nonsense: says nothing about the name */
};

struct resolver_answer {
	enum resolver_verdict verdict;
	const struct address *addresses; /* sorted, without duplicates, port 0; valid during the callback */
	size_t count;
	const char *error; /* static words when not an answer */
	uint32_t took_ms;
};

typedef void resolver_on_answer(void *context, const struct resolver_answer *answer);

/* NULL: it could not be set up; `error` says why. */
struct resolver *resolver_new(struct event_base *base, const struct resolver_settings *settings, char *error, size_t size);
/* Cancels what is in flight without calling back. */
void resolver_free(struct resolver *resolver);
/* Asks for A and AAAA; calls back exactly once, never before it returns, unless the resolver is freed first. Never
 * searches domains: the name is asked as it stands. */
struct resolver_query; /* a handle, so that one can be called off */
struct resolver_query *resolver_ask(struct resolver *resolver, const char *name, resolver_on_answer *on_answer, void *context);
void resolver_cancel(struct resolver_query *query);

#endif
