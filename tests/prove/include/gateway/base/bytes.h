/*
 * gateway/base/bytes.h for cbmc, which can't compare vectors: one byte wide. Its users compare lane by lane, so what holds for
 * a register of one byte holds for each of the sixteen; and that they load only what is there, they say in multiples of BYTES.
 */
#ifndef GATEWAY_BASE_BYTES_H
#define GATEWAY_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

enum { BYTES = 1 };

typedef unsigned char bytes16;

static inline bytes16 bytes_load(const char *at)
{
	return (bytes16)*at;
}

static inline unsigned bytes_first(unsigned char is_here)
{
	return is_here ? 0 : BYTES;
}

#endif
