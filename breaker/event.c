#include "breaker/event.h"

const char *breaker_event_name(enum breaker_event event)
{
	static const char *const names[] = {
#define BREAKER_EVENT_NAME(name) [BREAKER_EVENT_##name] = #name,
		BREAKER_EVENTS(BREAKER_EVENT_NAME)
#undef BREAKER_EVENT_NAME
	};

	return names[event];
}

uint64_t breaker_quota_take(struct breaker_quota *quota, uint64_t now_ms)
{
	uint64_t second = now_ms / 1000 + 1, gained = second - quota->second, skipped = quota->skipped; /* second 0 is never */

	if (quota->second == 0 || gained >= BREAKER_QUOTA_BURST || quota->left + gained > BREAKER_QUOTA_BURST)
		quota->left = BREAKER_QUOTA_BURST;
	else
		quota->left += (uint32_t)gained;
	quota->second = second;
	quota->left--;
	quota->skipped = 0;
	quota->empty_until_ms = quota->left == 0 ? second * 1000 : 0;
	return skipped;
}
