#include "gateway/base/siphash.h"

#include <endian.h>
#include <string.h>

#include "gateway/base/random.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline void mix(struct state *state)
{
	state->v0 += state->v1;
	state->v1 = random_rotate(state->v1, 13) ^ state->v0;
	state->v0 = random_rotate(state->v0, 32);
	state->v2 += state->v3;
	state->v3 = random_rotate(state->v3, 16) ^ state->v2;
	state->v0 += state->v3;
	state->v3 = random_rotate(state->v3, 21) ^ state->v0;
	state->v2 += state->v1;
	state->v1 = random_rotate(state->v1, 17) ^ state->v2;
	state->v2 = random_rotate(state->v2, 32);
}

static inline void take(struct state *state, uint64_t word)
{
	state->v3 ^= word;
	mix(state);
	state->v0 ^= word;
}

struct siphash_seed siphash_seed_new(void)
{
	struct random random;
	struct siphash_seed seed;

	random_seed(&random);
	seed.halves[0] = random_next(&random);
	seed.halves[1] = random_next(&random);
	return seed;
}

/* Fewer than eight bytes, the first in the lowest byte. */
static inline uint64_t load_few(const char *bytes, size_t length)
{
	uint32_t first, last;

	if (length >= 4) {
		memcpy(&first, bytes, 4);
		memcpy(&last, bytes + length - 4, 4);
		return le32toh(first) | (uint64_t)le32toh(last) << (8 * (length - 4));
	}
	first = 0;
	for (size_t i = 0; i < length; i++)
		first |= (uint32_t)(unsigned char)bytes[i] << (8 * i);
	return first;
}

uint64_t siphash(const struct siphash_seed *seed, const void *bytes, size_t length)
{
	struct state state = { seed->halves[0] ^ UINT64_C(0x736f6d6570736575), seed->halves[1] ^ UINT64_C(0x646f72616e646f6d),
		               seed->halves[0] ^ UINT64_C(0x6c7967656e657261), seed->halves[1] ^ UINT64_C(0x7465646279746573) };
	const char *at = bytes, *end = at + length / 8 * 8;
	uint64_t word;

	for (; at < end; at += 8) {
		memcpy(&word, at, 8);
		take(&state, le64toh(word));
	}
	take(&state, load_few(at, length % 8) | (uint64_t)length << 56);
	state.v2 ^= 0xff;
	mix(&state);
	mix(&state);
	mix(&state);
	return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}
