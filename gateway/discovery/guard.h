/*
 * The wrong-service guard. Before an address of tasks.SERVICE gets requests, and as long as DNS lists it, the gateway
 * asks for the address's own name.
 *
 * Swarm reuses addresses, and its DNS sometimes returns addresses of tasks that are gone, which may belong to another
 * service by now. For a name that does not exist any more it asks an outside server, where anybody may answer. So:
 *
 *   its name is another service's     quarantined
 *   no answer in time, any other name allowed: the guard must not be a way to lose a service
 *   a public address                  only if its name has been this service's
 *
 * In a stack "patient" is called "hospital_patient", and "evil_out_patient" ends in the same way. So the guard learns
 * the whole label of the service: the one that most of the addresses have, for as long as they do.
 *
 * The guard asks for each address again: after GUARD_AGAIN_MS if it did not answer or is quarantined (DNS may be late,
 * not wrong), else after GUARD_RENEW_MS, at most GUARD_RENEWALS of them a second; and after GUARD_DOUBT_MS at the
 * latest if a connection to it was lost. A single answer without information takes nothing back.
 *
 * At most GUARD_ASKING_MAX questions of a name are under way, one per address. New addresses wait for their answers
 * together, each for dns.timeout at most. All functions are for the control thread.
 */
#ifndef GATEWAY_DISCOVERY_GUARD_H
#define GATEWAY_DISCOVERY_GUARD_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "gateway/discovery/identity.h"
#include "gateway/discovery/naming.h"

enum {
	GUARD_ASKING_MAX = 16,
	GUARD_AGAIN_MS = 2000, /* asks again about an address without an answer, or in quarantine, */
	GUARD_RENEW_MS = 5000, /* about any other, */
	GUARD_DOUBT_MS = 500,  /* and about one to which a connection was lost */
	GUARD_RENEWALS = 8,    /* so many addresses in a second */
	GUARD_NAME_MAX = 120,
	GUARD_SAYS_MAX = 160
};

enum guest_state {
	GUEST_GONE,
	GUEST_WAITING, /* for its name */
	GUEST_HEARD,   /* or the time for that is over; not judged yet, because others wait */
	GUEST_ADMITTED,
	GUEST_QUARANTINED
};

/* The set of admitted addresses has changed. */
typedef void guard_on_changed(void *context);

struct guest {
	struct guard *guard;
	struct address address;
	enum guest_state state;
	struct resolver_query *query;
	uint64_t came_ms;
	uint64_t asked_ms;         /* 0: not yet */
	bool is_answered;          /* the last question was */
	bool is_doubted;           /* a connection to it was lost since the guard asked */
	enum identity identity;    /* as the last answer said, until two answers say something else */
	unsigned unknowns;         /* answers in a row that said nothing about an address that was foreign */
	char name[GUARD_NAME_MAX]; /* the name that shows the identity */
	char says[GUARD_SAYS_MAX]; /* why it is quarantined; "": it is not */
};

struct guard {
	const struct naming *naming;
	const char *host;
	guard_on_changed *on_changed;
	void *context;
	struct guest **guests; /* in the order of the name's addresses */
	size_t count, waiting, asking, quarantined;
	size_t renewed;               /* where the next renewals begin */
	char service[GUARD_NAME_MAX]; /* a task's name of the service that was meant; "": not learnt yet */
	struct event deadline;        /* of the first of those that wait, or earlier */
	struct event again;           /* while there are guests: asks again for the next ones */
	struct address *admitted;     /* sorted, as last told */
	size_t admitted_count;
	bool is_known;                /* `admitted` has been decided on */
	uint64_t quarantines_total;
};

/* `host` is borrowed. NULL: out of memory. */
struct guard *guard_new(const struct naming *naming, const char *host, guard_on_changed *on_changed, void *context);
void guard_free(struct guard *guard);
/* The name has these addresses now. If the admitted ones change after this call, on_changed is called. */
void guard_take(struct guard *guard, const struct address *addresses, size_t count);
/* Judges addresses that still wait by what is known; calls nobody back. */
void guard_hurry(struct guard *guard);
/* A connection to this address was lost at that moment: whose is it now? */
void guard_doubt(struct guard *guard, const struct address *address, uint64_t lost_ms);
/* Cancels the questions under way. */
void guard_stop_asking(struct guard *guard);

#endif
