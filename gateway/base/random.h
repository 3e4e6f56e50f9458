/* Fast random numbers for one thread: balancing, jitter, ids. Not for secrets. (xoshiro256**, Blackman and Vigna.) */
#ifndef GATEWAY_BASE_RANDOM_H
#define GATEWAY_BASE_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t s[4];
};

/* From the kernel's generator. */
void random_seed(struct random *random);

static inline uint64_t random_rotate(uint64_t number, int bits)
{
	return number << bits | number >> (64 - bits);
}

static inline uint64_t random_next(struct random *random)
{
	uint64_t *s = random->s, result = random_rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = random_rotate(s[3], 45);
	return result;
}

/* Shorter by up to a tenth, so that gateways or checks which began together do not go on together. */
static inline uint64_t random_shorten(struct random *random, uint64_t wait_ms)
{
	return wait_ms - random_next(random) % (wait_ms / 10 + 1);
}

#endif
