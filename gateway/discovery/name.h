/*
 * A DNS name that is asked for, whoever needs it: two upstreams on different ports of one service share it, so what a name
 * costs its server does not depend on how often it is written.
 *
 * It is asked for every dns.refresh, whatever its TTL says (swarm says 600 s and means nothing by it), a little earlier so that
 * many gateways don't ask together, and sooner when a worker could not connect. There is never more than one question (A and AAAA
 * are one) under way, and two never begin within NAME_GAP_MS, not even over reloads, failures and denials:
 *
 *   answer            known addresses, until the next one
 *   NXDOMAIN, empty   asked once more; twice in a row: all addresses are missing (a service scaled to 0 answers so, but so does a
 *                     blink of the DNS). From then on addresses that respond stay in use for dns.grace at most; then there are none
 *   SERVFAIL, silence what is known stays: the DNS server is ill, not the service. Asked dns.tries times as often as the gap
 *                     allows, then less and less often; of one family only: the addresses of that family stay
 *
 *   cut answer        when it can't be had over TCP: its addresses are used, those that it lacks are missing
 *
 * Of an answer at most ADDRESSES_MOST addresses are used, and of those that go on changing only some new ones a second.
 * Addresses of the hosts file never take the place of some that DNS gave, as long as these may be used.
 *
 * All functions are for the control thread.
 */
#ifndef GATEWAY_DISCOVERY_NAME_H
#define GATEWAY_DISCOVERY_NAME_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "gateway/discovery/addresses.h"
#include "gateway/discovery/guard.h"
#include "gateway/discovery/naming.h"

enum { NAME_GAP_MS = 500 }; /* or dns.refresh if that is shorter */

struct name {
	struct name *next;
	struct naming *naming;
	char *host;
	unsigned users; /* services, including those that only keep it */
	struct event timer; /* next question */
	struct event grace; /* when it ends, for missing addresses */
	struct resolver_query *query;
	uint64_t asked_ms, last_answer_ms; /* 0: never */
	unsigned denials, failures;        /* in a row */
	uint64_t questions_total, failures_total;
	const char *error;                 /* of the last question; NULL: it was fine */
	bool is_known;                     /* there was an answer, perhaps that the name has no address */
	bool is_from_hosts;                /* the addresses are those of the hosts file */
	bool has_missing;                  /* some address stays in use only while it answers */
	bool leaves_out;                   /* the last answer had more addresses than the gateway uses */
	struct addresses known;
	size_t new_allowed;                /* how many new addresses the name could take at that time */
	uint64_t refilled_ms;
	struct guard *guard; /* NULL: the gateway believes every address */
};

/* The name of this host, or a new one that nobody has asked for yet; counts a use for the caller either way. NULL: out
 * of memory. */
struct name *name_use(struct naming *naming, const char *host);
void name_release(struct name *name);
/* Asks now, or as soon as the gap is over. */
void name_ask(struct name *name);
/* The addresses that may be used, sorted; valid until the end of the loop iteration. False: not known yet. */
bool name_look(const struct name *name, const struct address **addresses, size_t *count);
/* Sets up or removes the guard, as the configuration and the name need it. */
void name_set_guard(struct name *name);
/* As name_stop_asking(), and forgets the addresses: they will be old when the name is used again. */
void name_forget(struct name *name);
/* Asks no more until name_ask(). */
void name_stop_asking(struct name *name);
/* Frees names that nobody uses and whose gap is over. */
void name_forget_unused(struct naming *naming);
void names_free(struct naming *naming); /* after all services */

#endif
