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
 * least_request: two different random choices, of which the one with fewer in flight wins, exactly over all threads.
 * round_robin: *turn is the caller's counter.
 *
 * Endpoints that rest are passed over, but never more than max_share of the set and never all: of those too many, the ones whose
 * rest ends first serve. Endpoints in `avoid` are chosen only when there is no other, not even one that rests.
 * An endpoint that has fallen silent is passed over as well, within max_share: no more than consecutive_failures requests should
 * wait in vain for a replica that hangs, however long it takes until they time out and it is ejected.
 * One that joined within the last slow_start gets a share that grows from a tenth to all of what the others get.
 * NULL when the set is NULL or empty. `random` is any uniform 64-bit number.
 */
struct endpoint *balance_choose(const struct endpoint_set *set, const struct upstream_settings *settings, uint64_t now_ms,
                                uint64_t random, unsigned *turn, const struct balance_avoid *avoid);
/* Does it rest while others serve in its place? Then its failures need not be held against the upstream. */
bool balance_is_passed_over(const struct endpoint_set *set, const struct ejection_settings *ejection, uint64_t now_ms,
                            const struct endpoint *endpoint);

#endif
