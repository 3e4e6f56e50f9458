/* SipHash-1-3 (Aumasson and Bernstein), a hash that nobody can predict without its seed: for tables whose keys clients
 * choose. */
#ifndef GATEWAY_BASE_SIPHASH_H
#define GATEWAY_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_seed {
	uint64_t halves[2];
};

/* From the kernel's generator. */
struct siphash_seed siphash_seed_new(void);
uint64_t siphash(const struct siphash_seed *seed, const void *bytes, size_t length);

#endif
