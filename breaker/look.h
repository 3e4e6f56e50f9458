/* The view of a breaker for people and for waiting requests. */
#ifndef BREAKER_LOOK_H
#define BREAKER_LOOK_H

#include "breaker/types.h"

/* One load, for log lines. BREAKER_DISABLED when settings say so. */
enum breaker_state breaker_state_now(const struct breaker *breaker, const struct breaker_settings *settings);
/* The state that people and dashboards read. A breaker that only observes refuses nothing, whatever state it keeps: it is in
 * BREAKER_METRICS_ONLY, unless it is disabled. */
enum breaker_state breaker_state_shown(enum breaker_state state, const struct breaker_settings *settings);
/* Does a breaker in this state refuse requests, trials included? Hystrix and its dashboards call that open. */
static inline bool breaker_state_refuses(enum breaker_state state)
{
	return state == BREAKER_OPEN || state == BREAKER_HALF_OPEN || state == BREAKER_FORCED_OPEN;
}
/* A snapshot for people; the figures may be from slightly different moments. */
struct breaker_view breaker_look(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms);

#endif
