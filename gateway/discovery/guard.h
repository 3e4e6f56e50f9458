/*
 * The wrong-service guard: an address that DNS gives for tasks.SERVICE is asked for its own name before it gets requests.
 *
 * Swarm hands addresses out again, and its DNS has been seen to give those of tasks that are gone, which may be another
 * service's by now; a name that does not exist any more is asked for outside, where somebody may answer. So:
 *
 *   its name is another service's     quarantined, and asked again every GUARD_AGAIN_MS: DNS may be late, not wrong
 *   no answer in time, any other name allowed: the guard must not be a way to lose a service
 *   a public address                  only when its name is this service's
 *
 * At most GUARD_ASKING_MAX questions of a name are under way, one per address. New addresses wait for their answers together,
 * dns.timeout at most. All functions are for the control thread.
 */
#ifndef GATEWAY_DISCOVERY_GUARD_H
#define GATEWAY_DISCOVERY_GUARD_H

#include <event2/event_struct.h>
#include <stdbool.h>

#include "gateway/net/resolver.h"

struct name;

enum { GUARD_ASKING_MAX = 16, GUARD_AGAIN_MS = 2000, GUARD_SAYS_MAX = 160 };

enum guest_state { GUEST_GONE, GUEST_WAITING, GUEST_ADMITTED, GUEST_QUARANTINED };

struct guest {
	struct guard *guard;
	struct address address;
	enum guest_state state;
	struct resolver_query *query;
	uint64_t asked_ms;         /* 0: not yet */
	char says[GUARD_SAYS_MAX]; /* why it is quarantined; "": it is not */
};

struct guard {
	struct name *name;
	struct guest **guests; /* in the order of the name's addresses */
	size_t count, waiting, asking, quarantined;
	struct event deadline;        /* of those that wait */
	struct address *admitted;     /* sorted, as last told */
	size_t admitted_count;
	bool is_known;                /* `admitted` has been decided on */
	uint64_t quarantines_total;
};

/* NULL: memory is short. */
struct guard *guard_new(struct name *name);
void guard_free(struct guard *guard);
/* The name has these addresses now. When the admitted ones change after this call, name_guard_changed() is called. */
void guard_take(struct guard *guard, const struct address *addresses, size_t count);
/* Addresses that still wait are judged by what is known; calls nobody back. */
void guard_hurry(struct guard *guard);
/* Calls off what is under way. */
void guard_rest(struct guard *guard);

/* name.c */
void name_guard_changed(struct name *name);

#endif
