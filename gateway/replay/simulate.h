/* Calls of one upstream through the real breaker, at the log's times. */
#ifndef GATEWAY_REPLAY_SIMULATE_H
#define GATEWAY_REPLAY_SIMULATE_H

#include "gateway/replay/calls.h"

enum { EPISODES_MOST = 20 };

/* From the first opening until it is closed again. */
struct episode {
	int64_t from_ms, until_ms; /* since 1970; until 0: it was still open at the end of the log */
	enum breaker_reason reason;
	uint32_t calls, failures, slow_calls, reopened;
	uint64_t spared, in_vain;
};

struct replay {
	uint64_t opened, open_ms; /* how often, and how long in all */
	uint64_t spared,
		waiting_ms;   /* failed calls that it would not have let through, and how long their clients waited */
	uint64_t in_vain; /* calls that were fine, and would have been refused */
	struct episode episodes[EPISODES_MOST];
	size_t episode_count;
};

/* Calls `from` to `until` of the sorted list, which belong to one upstream. False: memory is short. */
bool simulate(const struct calls *calls, size_t from, size_t until, const struct breaker_settings *settings,
              struct replay *replay);

#endif
