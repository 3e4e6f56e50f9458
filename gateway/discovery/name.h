/*
 * A DNS name that is asked for, whoever needs it: two upstreams on different ports of one service share it, so what a name
 * costs its server does not depend on how often it is written.
 *
 * It is asked for every dns.refresh, whatever its TTL says (swarm says 600 s and means nothing by it), a little earlier so that
 * many gateways don't ask together, and sooner when a worker could not connect. There is never more than one question (A and AAAA
 * are one) under way, and two never begin within NAME_GAP_MS, not even over reloads, failures and denials:
 *
 *   answer            known addresses, until the next one
 *   NXDOMAIN, empty   asked once more; twice in a row: no addresses (a service scaled to 0 answers so; one lost race must not)
 *   SERVFAIL, silence what is known stays: the DNS server is ill, not the service. Asked dns.tries times as often as the gap
 *                     allows, then less and less often; of one family only: the addresses of that family stay
 *
 * All functions are for the control thread.
 */
#ifndef GATEWAY_DISCOVERY_NAME_H
#define GATEWAY_DISCOVERY_NAME_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "gateway/discovery/guard.h"
#include "gateway/net/resolver.h"

struct discovery;

enum { NAME_GAP_MS = 500 }; /* or dns.refresh, where that is shorter */

struct name {
	struct name *next;
	struct discovery *discovery;
	char *host;
	unsigned users; /* services, also those that only rest */
	struct event timer; /* next question */
	struct resolver_query *query;
	uint64_t asked_ms, last_answer_ms; /* 0: never */
	unsigned denials, failures;        /* in a row */
	uint64_t questions_total, failures_total;
	const char *error;                 /* of the last question; NULL: it was fine */
	bool is_known;                     /* there was an answer, maybe that there is no address */
	struct address *addresses;         /* sorted, port 0 */
	size_t count;
	struct guard *guard; /* NULL: whatever DNS says is believed */
};

/* The one of this host, or a new one that is not asked for yet; a use for the caller either way. NULL: memory is short. */
struct name *name_use(struct discovery *discovery, const char *host);
void name_release(struct name *name);
/* Now, or as soon as the gap is over. */
void name_ask(struct name *name);
/* Those that may be used, sorted; valid until the loop turns. False: not known yet. */
bool name_look(const struct name *name, const struct address **addresses, size_t *count);
/* Puts the guard on or takes it off, as the configuration and the name want it. */
void name_set_guard(struct name *name);
/* As name_rest(); what it was told will be old when it is used again. */
void name_forget(struct name *name);
/* No more questions until name_ask(). */
void name_rest(struct name *name);
/* Those that nobody uses and whose gap is over go. */
void name_forget_unused(struct discovery *discovery);
void names_free(struct discovery *discovery); /* after all services */

/* discovery.c: a question is over, whatever the answer was, or other addresses may be used. */
void discovery_name_answered(struct discovery *discovery, struct name *name);

#endif
