/* Which endpoint next. Pure but for the atomics of the endpoints; any thread. */
#ifndef ROUTES_BALANCE_H
#define ROUTES_BALANCE_H

#include "routes/upstream.h"

enum { BALANCE_AVOID_MAX = 8 };

/* What one request has tried already. */
struct balance_avoid {
	const struct endpoint *tried[BALANCE_AVOID_MAX];
	unsigned count;
};

/*
 * least_request: two different random choices, the one with fewer in flight wins, exact over all threads. round_robin: *turn
 * is the caller's counter. Endpoints that rest are passed over, unless more than max_share of the set rests (then
 * the share that rested first returns), and never so that none is left; those in `avoid` only when nothing else is there, who
 * rests included.
 * One that has fallen silent is passed over as well, within max_share: no more than consecutive_failures requests should
 * wait in vain for a replica that hangs, however long it takes until they time out and it is ejected.
 * One that joined within the last slow_start gets a share that grows from a tenth to all of what the others get.
 * NULL when the set is NULL or empty. `random` is any uniform 64-bit number.
 */
struct endpoint *balance_choose(const struct endpoint_set *set, const struct upstream_settings *settings, uint64_t now_ms,
                                uint64_t random, unsigned *turn, const struct balance_avoid *avoid);
/* Does it rest, and others serve in its place? Then it need not be held against the upstream. */
bool balance_is_passed_over(const struct endpoint_set *set, const struct ejection_settings *ejection, uint64_t now_ms,
                            const struct endpoint *endpoint);

#endif
