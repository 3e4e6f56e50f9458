/*
 * Whether an endpoint is well, by what active health checks say of it.
 *
 * One that nobody has checked yet counts as well: swarm has seen it healthy before it gave its address. So many bad results in a
 * row as `unhealthy` says make it ill, so many good ones as `healthy` says well again. One thread; time is a parameter.
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
	const char *error; /* static words; NULL: there was one */
	uint32_t took_ms;
};

struct health {
	enum health_state state;
	uint32_t against; /* results in a row that speak against the state */
	uint64_t since_ms; /* when it was entered; 0: never left the first one */
	uint64_t checks_total, failures_total;
	struct health_result last;
};

/* Any 2xx. */
bool health_is_good(const struct health_result *result);
/* True when the endpoint is to be treated otherwise from now on. */
bool health_take(struct health *health, const struct health_settings *settings, const struct health_result *result,
                 uint64_t now_ms);
const char *health_state_name(enum health_state state);

#endif
