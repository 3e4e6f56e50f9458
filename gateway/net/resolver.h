/*
 * From names to addresses and back. This is the room of c-ares. It lives on the control thread's event loop; all functions
 * are for that thread.
 *
 * The resolver keeps nothing and judges nothing: the caller decides what an answer means for the endpoints, and when to ask
 * again.
 */
#ifndef GATEWAY_NET_RESOLVER_H
#define GATEWAY_NET_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/net/resolver_settings.h"

struct event_base;
struct resolver;

enum resolver_verdict {
	RESOLVER_ANSWER,    /* at least one address, or name */
	RESOLVER_NO_NAME,   /* NXDOMAIN, or a good answer without addresses of either family */
	RESOLVER_FAILURE,   /* SERVFAIL, REFUSED, silence, nonsense: says nothing about the name */
};

struct resolver_answer {
	enum resolver_verdict verdict;
	const struct address *addresses; /* sorted, without duplicates, port 0; valid during the callback */
	size_t count;
	uint8_t failed_family;    /* 4 or 6: the addresses of that family are unknown; 0: neither is */
	const char *const *names; /* of an address; ends with NULL; valid during the callback */
	enum resolver_verdict dns_verdict; /* without those of the hosts file, for names without an address in DNS */
	bool is_from_hosts;
	bool is_cut;       /* DNS has more, but they did not fit */
	const char *error; /* a static text if DNS gave no answer, or a truncated one */
};

typedef void resolver_on_answer(void *context, const struct resolver_answer *answer);

/* NULL: it could not be set up; `error` says why. */
struct resolver *resolver_new(struct event_base *base, const struct resolver_settings *settings, char *error, size_t size);
/* Cancels what is in flight without calling back. */
void resolver_free(struct resolver *resolver);
/* Would both ask the same servers in the same way? */
bool resolver_equals(const struct resolver *a, const struct resolver *b);

struct resolver_query; /* a handle for resolver_cancel() */
/* Asks for A and AAAA, and looks into the hosts file if there is neither. Calls back exactly once, never before it returns,
 * unless the query is cancelled or the resolver is freed first. It searches no domains: it asks for the name as it stands.
 * NULL: memory is short. */
struct resolver_query *resolver_ask(struct resolver *resolver, const char *name, resolver_on_answer *on_answer, void *context);
/* The same for the names of an address (PTR). */
struct resolver_query *resolver_ask_names(struct resolver *resolver, const struct address *address,
                                          resolver_on_answer *on_answer, void *context);
void resolver_cancel(struct resolver_query *query);

#endif
