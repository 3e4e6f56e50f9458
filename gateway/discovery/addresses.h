/*
 * The addresses of a name, as its answers have listed them so far. Pure: time is a parameter.
 *
 * An address that an answer leaves out is dropped at once, with two exceptions: an answer that denies the name or has
 * no address at all may be a short failure of the DNS, and a truncated answer may have held the address. Then the
 * address is missing: it stays in use while its replica answers, for at most the grace.
 *
 * Known addresses stay known, however many new ones come.
 */
#ifndef GATEWAY_DISCOVERY_ADDRESSES_H
#define GATEWAY_DISCOVERY_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/address.h"

/* More replicas than any service has: further addresses of a broken or hostile DNS must not become endpoints. */
enum { ADDRESSES_MOST = 1024 };

struct addresses {
	struct address *list; /* sorted, port 0 */
	uint64_t *missing_ms; /* since when each is missing; 0: the last answer had it */
	size_t count;
};

struct addresses_answer {
	const struct address *list; /* sorted, without duplicates */
	size_t count;
	uint8_t kept_family; /* 4 or 6: the answer says nothing about this family; 0: neither */
	bool is_cut;         /* known addresses that are not in the list are missing, not dropped */
	uint64_t now_ms;
	size_t new_most; /* take at most so many new ones, and no more than ADDRESSES_MOST allows */
};

struct addresses_taken {
	size_t new, left_out;
};

/* False: out of memory, and nothing has changed. */
bool addresses_take(struct addresses *known, const struct addresses_answer *answer, struct addresses_taken *taken);
/* All become missing at this time, unless they have been for longer. */
void addresses_deny(struct addresses *known, uint64_t since_ms);
/* Removes addresses that have been missing for `grace_ms`. Returns when to call it again; 0: none is missing. */
uint64_t addresses_expire(struct addresses *known, uint64_t now_ms, uint64_t grace_ms);
/* Since when the address has been missing; 0: it is not, or it is unknown. */
uint64_t addresses_missing_since(const struct addresses *known, const struct address *address);
void addresses_clear(struct addresses *known);

#endif
