/* The names of states and reasons, as logs and metrics have them. */
#include "breaker/names.h"

const char *breaker_state_name(enum breaker_state state)
{
	static const char *const names[] = {
#define BREAKER_STATE_LABEL(name, label) [BREAKER_##name] = (label),
		BREAKER_STATES(BREAKER_STATE_LABEL)
#undef BREAKER_STATE_LABEL
	};

	return names[state];
}

const char *breaker_reason_text(enum breaker_reason reason)
{
	static const char *const texts[] = {
		[BREAKER_REASON_FAILURE_RATE] = "failure rate",
		[BREAKER_REASON_SLOW_RATE] = "slow rate",
		[BREAKER_REASON_OPEN_TIME_OVER] = "open time over",
		[BREAKER_REASON_PROBES_PASSED] = "probes passed",
		[BREAKER_REASON_PROBES_FAILED] = "probes failed",
		[BREAKER_REASON_HALF_OPEN_TIMEOUT] = "half-open timeout",
		[BREAKER_REASON_OPERATOR] = "operator",
		[BREAKER_REASON_NEW_ENDPOINTS] = "new endpoints",
	};

	return texts[reason];
}
