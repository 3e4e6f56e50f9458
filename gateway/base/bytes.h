/*
 * Sixteen bytes at a time in one register: where in a text is the first byte of some kind? Comparisons of two `bytes16`, or of
 * one with a character, give a mask of as many bytes, all bits set where it holds; masks may be or'ed. (GCC's and clang's vectors:
 * SSE2, NEON, or plain registers where there is neither.)
 */
#ifndef GATEWAY_BASE_BYTES_H
#define GATEWAY_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { BYTES = 16 };

typedef unsigned char bytes16 __attribute__((vector_size(BYTES)));
typedef signed char bytes_mask __attribute__((vector_size(BYTES))); /* what a comparison gives */

/* The bytes at these indexes in two vectors, one after the other. GCC knows clang's name for it since version 12. */
#if defined __clang__ || __GNUC__ >= 12
#define BYTES_SHUFFLE(first, second, ...) __builtin_shufflevector((first), (second), __VA_ARGS__)
#else
#define BYTES_SHUFFLE(first, second, ...) __builtin_shuffle((first), (second), (bytes16){ __VA_ARGS__ })
#endif

static inline bytes16 bytes_load(const char *at)
{
	bytes16 loaded;

	memcpy(&loaded, at, sizeof loaded);
	return loaded;
}

/* In line, unlike memcmp(): for texts that are short. */
static inline bool bytes_equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
	uint64_t first[2], last[2];
	size_t at = 0;

	if (a_length != b_length)
		return false;
	if (a_length < 8)
		return memcmp(a, b, a_length) == 0;
	for (; at + 8 < a_length; at += 8) {
		memcpy(&first[0], a + at, 8);
		memcpy(&first[1], b + at, 8);
		if (first[0] != first[1])
			return false;
	}
	memcpy(&last[0], a + a_length - 8, 8);
	memcpy(&last[1], b + a_length - 8, 8);
	return last[0] == last[1];
}

/* The two halves of each byte of `packed` as it lies in memory, the upper one first. */
static inline bytes16 bytes_halves(uint64_t packed)
{
	const uint64_t lower = UINT64_C(0x0f0f0f0f0f0f0f0f);
	uint64_t upper_halves[2] = { packed >> 4 & lower }, lower_halves[2] = { packed & lower };

	return BYTES_SHUFFLE(bytes_load((const char *)upper_halves), bytes_load((const char *)lower_halves),
	                     0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/* Index of the first byte that holds; BYTES when none does. */
static inline unsigned bytes_first(bytes_mask mask)
{
#ifdef __SSE2__
	unsigned bits = (unsigned)__builtin_ia32_pmovmskb128((char __attribute__((vector_size(BYTES))))mask);

	return (unsigned)__builtin_ctz(bits | 1u << BYTES);
#else
	uint64_t half[2];

	memcpy(half, &mask, sizeof half);
	if (half[0] != 0)
		return (unsigned)__builtin_ctzll(le64toh(half[0])) / 8;
	return half[1] != 0 ? 8 + (unsigned)__builtin_ctzll(le64toh(half[1])) / 8 : BYTES;
#endif
}

#endif
