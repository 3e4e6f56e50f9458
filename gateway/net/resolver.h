/*
 * Names to addresses and back: the room of c-ares. Lives on the control thread's event loop; all functions are for that
 * thread.
 *
 * The resolver keeps nothing and judges nothing: what an answer means for the endpoints, and when to ask again, is decided
 * by whoever asks.
 */
#ifndef GATEWAY_NET_RESOLVER_H
#define GATEWAY_NET_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/address.h"

struct event_base;
struct resolver;

struct resolver_settings {
	const struct address *servers; /* none: resolv.conf */
	size_t server_count;
	uint32_t timeout_ms; /* of each server, all of which are tried once */
};

enum resolver_verdict {
	RESOLVER_ANSWER,    /* at least one address, or name */
	RESOLVER_NO_NAME,   /* NXDOMAIN, or a good answer without addresses of either family */
	RESOLVER_FAILURE,   /* SERVFAIL, REFUSED, silence, nonsense: says nothing about the name */
};

struct resolver_answer {
	enum resolver_verdict verdict;
	const struct address *addresses; /* sorted, without duplicates, port 0; valid during the callback */
	size_t count;
	uint8_t failed_family;    /* 4 or 6: of that family's addresses nothing is known, only of the other's; 0: of both */
	const char *const *names; /* of an address; ends with NULL; valid during the callback */
	const char *error;        /* static words when not an answer */
	bool is_second_best;      /* the hosts file's addresses: DNS could not be asked, and may know better ones */
};

typedef void resolver_on_answer(void *context, const struct resolver_answer *answer);

/* NULL: it could not be set up; `error` says why. */
struct resolver *resolver_new(struct event_base *base, const struct resolver_settings *settings, char *error, size_t size);
/* Cancels what is in flight without calling back. */
void resolver_free(struct resolver *resolver);
/* Would they ask the same servers in the same way? */
bool resolver_equals(const struct resolver *a, const struct resolver *b);

struct resolver_query; /* a handle, so that one can be called off */
/* Asks for A and AAAA, and looks into the hosts file when there is neither; calls back exactly once, never before it returns,
 * unless it is called off or the resolver is freed first. Never searches domains: the name is asked as it stands. NULL: memory
 * is short. */
struct resolver_query *resolver_ask(struct resolver *resolver, const char *name, resolver_on_answer *on_answer, void *context);
/* The same for the names of an address (PTR). */
struct resolver_query *resolver_ask_names(struct resolver *resolver, const struct address *address,
                                          resolver_on_answer *on_answer, void *context);
void resolver_cancel(struct resolver_query *query);

#endif
