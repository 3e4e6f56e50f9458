/* A time that many gateways share must not end at all of them at once. */
#ifndef BREAKER_JITTER_H
#define BREAKER_JITTER_H

#include <stdint.h>

enum { JITTER_NONE = INT32_MAX }; /* as `random`: the time stays as it is */

/* Up to a fifth more or less, by 32 random bits. Never 0. */
static inline uint64_t jitter_fifth(uint64_t time_ms, uint32_t random)
{
	uint64_t permille = 800 + ((uint64_t)random * 401 >> 32);

	time_ms = time_ms * permille / 1000;
	return time_ms > 0 ? time_ms : 1;
}

#endif
