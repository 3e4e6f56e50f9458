/*
 * Eight bytes at a time in one register: where in a text is the first byte of some kind?
 *
 * A mask has the high bit of a byte set where it holds. Masks of bytes_below() and bytes_equal() are right up to and
 * including the first byte that holds; beyond it there may be borrows, which bytes_first() never looks at. They may be or'ed.
 */
#ifndef GATEWAY_BASE_BYTES_H
#define GATEWAY_BASE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BYTES_ALL(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The first byte of the text is the lowest of the word. */
static inline uint64_t bytes_load(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return le64toh(word);
}

static inline void bytes_store(char *to, uint64_t word)
{
	word = htole64(word);
	memcpy(to, &word, sizeof word);
}

/* `limit` is 1 to 128. */
static inline uint64_t bytes_below(uint64_t word, unsigned char limit)
{
	return (word - BYTES_ALL(limit)) & ~word & BYTES_ALL(0x80);
}

static inline uint64_t bytes_equal(uint64_t word, unsigned char byte)
{
	return bytes_below(word ^ BYTES_ALL(byte), 1);
}

/* Outside ASCII. */
static inline uint64_t bytes_high(uint64_t word)
{
	return word & BYTES_ALL(0x80);
}

/* From `first` to `last`, both ASCII; right in every byte. */
static inline uint64_t bytes_between(uint64_t word, unsigned char first, unsigned char last)
{
	uint64_t low = word & BYTES_ALL(0x7f);

	return (low + BYTES_ALL(0x80 - first)) & ~(low + BYTES_ALL(0x7f - last)) & ~word & BYTES_ALL(0x80);
}

/* Index of the first byte that holds; the mask is not 0. */
static inline unsigned bytes_first(uint64_t mask)
{
	return (unsigned)__builtin_ctzll(mask) / 8;
}

#endif
