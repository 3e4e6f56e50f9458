/*
 * Whether an endpoint is healthy, by its active health checks.
 *
 * An endpoint without a check so far counts as healthy: swarm saw it healthy before it put its address into DNS. `unhealthy`
 * bad results in a row make it unhealthy, `healthy` good ones healthy again. One thread; time is a parameter.
 */
#ifndef BREAKER_HEALTH_H
#define BREAKER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

struct health_settings {
	bool enabled;
	uint32_t healthy, unhealthy;
};

enum health_state { HEALTH_UNCHECKED, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

struct health_result {
	unsigned status;   /* 0: there was no answer */
	const char *error; /* a static text; NULL: there was one */
	uint32_t took_ms;
};

struct health {
	enum health_state state;
	uint32_t against; /* results in a row that contradict the state */
	uint64_t since_ms; /* when the state was entered; 0: it is still the first */
	uint64_t checks_total, failures_total;
	struct health_result last;
};

/* Any 2xx. */
bool health_is_good(const struct health_result *result);
/* True: the endpoint's health has changed. */
bool health_take(struct health *health, const struct health_settings *settings, const struct health_result *result,
                 uint64_t now_ms);
const char *health_state_name(enum health_state state);

#endif
