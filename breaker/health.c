#include "breaker/health.h"

#include <stddef.h>

bool health_is_good(const struct health_result *result)
{
	return result->error == NULL && result->status / 100 == 2;
}

static void enter(struct health *health, enum health_state state, uint64_t now_ms)
{
	health->state = state;
	health->against = 0;
	health->since_ms = now_ms;
}

bool health_take(struct health *health, const struct health_settings *settings, const struct health_result *result,
                 uint64_t now_ms)
{
	bool is_good = health_is_good(result), is_ill = health->state == HEALTH_UNHEALTHY;

	health->checks_total++;
	health->failures_total += !is_good;
	health->last = *result;
	if (is_good != is_ill) {
		health->against = 0;
		if (health->state == HEALTH_UNCHECKED)
			enter(health, HEALTH_HEALTHY, now_ms);
		return false;
	}
	if (++health->against < (is_ill ? settings->healthy : settings->unhealthy))
		return false;
	enter(health, is_ill ? HEALTH_HEALTHY : HEALTH_UNHEALTHY, now_ms);
	return true;
}

const char *health_state_name(enum health_state state)
{
	switch (state) {
	case HEALTH_UNCHECKED:
		return "unchecked";
	case HEALTH_HEALTHY:
		return "healthy";
	case HEALTH_UNHEALTHY:
		return "unhealthy";
	}
	return "?";
}
