/* Which endpoint is next. Pure except for the atomics of the endpoints; any thread. */
#ifndef ROUTES_BALANCE_H
#define ROUTES_BALANCE_H

#include "routes/upstream.h"

enum { BALANCE_AVOID_MAX = 8 };

/* The endpoints that one request has tried already. */
struct balance_avoid {
	const struct endpoint *tried[BALANCE_AVOID_MAX];
	unsigned count;
};

bool balance_was_tried(const struct balance_avoid *avoid, const struct endpoint *endpoint);
/* Has the set, which may be NULL, an endpoint that was not tried? */
bool balance_has_untried(const struct endpoint_set *set, const struct balance_avoid *avoid);

/*
 * least_request: of two different random choices, the one with fewer requests in flight over all threads. round_robin: *turn
 * is the caller's counter.
 *
 * Ejected endpoints are passed over, but never more than max_share of the set and never all: if there are too many, those
 * whose ejection ends first serve. Endpoints in `avoid` are chosen only if there is no other, not even an ejected one.
 *
 * A silent endpoint is passed over as well, within max_share: no more than consecutive_failures requests should wait in vain
 * for a replica that hangs, however long it takes until they time out and it is ejected.
 *
 * The share of an endpoint that joined within the last slow_start grows from a tenth to the share of the others. NULL if the
 * set is NULL or empty. `random` is any uniform 64-bit number.
 */
struct endpoint *balance_choose(const struct endpoint_set *set, const struct upstream_settings *settings, uint64_t now_ms,
                                uint64_t random, unsigned *turn, const struct balance_avoid *avoid);
/* Is it ejected while others serve in its place? Then its failures need not count against the upstream. */
bool balance_is_passed_over(const struct endpoint_set *set, const struct ejection_settings *ejection, uint64_t now_ms,
                            const struct endpoint *endpoint);

#endif
