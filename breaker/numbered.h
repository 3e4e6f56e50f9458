/*
 * A count that knows what it counts: the number of a slice and a count share one 64-bit word, so a reader never takes
 * an old slice's count for a new one's, and a writer overwrites an old slice and begins the new one in a single
 * compare-and-swap. Slices are therefore never cleared, and nobody has to watch the clock to do so.
 *
 *     63......................26 25...........0
 *     number of the slice        count
 *
 * Numbers are compared modulo 2^38. A word whose number is a little ahead of ours belongs to threads that are already
 * further on (we slept for a whole turn of the ring): our count is dropped, it is too old to matter. Any other number
 * is the past and is overwritten. "A little" is NUMBERED_AHEAD, so that a word from so long ago that the numbers have
 * gone round is not mistaken for the future. The count stops at its most, 67 million in one slice.
 */
#ifndef BREAKER_NUMBERED_H
#define BREAKER_NUMBERED_H

#include <stdatomic.h>
#include <stdint.h>

enum { NUMBERED_COUNT_BITS = 26, NUMBERED_NUMBER_BITS = 38, NUMBERED_AHEAD = 4096 };

#define NUMBERED_COUNT_MAX ((UINT64_C(1) << NUMBERED_COUNT_BITS) - 1)
#define NUMBERED_NUMBER_MASK ((UINT64_C(1) << NUMBERED_NUMBER_BITS) - 1)

/* What has been counted under `number`; 0 when the word speaks of another. */
static inline uint64_t numbered_count(const _Atomic uint64_t *word, uint64_t number)
{
	uint64_t seen = atomic_load(word);

	return seen >> NUMBERED_COUNT_BITS == (number & NUMBERED_NUMBER_MASK) ? seen & NUMBERED_COUNT_MAX : 0;
}

/* Counts one and returns the count with it, 0 if it was not counted: the word is full or has moved on. */
static inline uint64_t numbered_add(_Atomic uint64_t *word, uint64_t number)
{
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
	uint64_t next;

	number &= NUMBERED_NUMBER_MASK;
	do {
		uint64_t ahead = ((seen >> NUMBERED_COUNT_BITS) - number) & NUMBERED_NUMBER_MASK;

		if (ahead == 0 && (seen & NUMBERED_COUNT_MAX) == NUMBERED_COUNT_MAX)
			return 0;
		if (ahead > 0 && ahead <= NUMBERED_AHEAD)
			return 0;
		next = ahead == 0 ? seen + 1 : number << NUMBERED_COUNT_BITS | 1;
	} while (!atomic_compare_exchange_weak(word, &seen, next));
	return next & NUMBERED_COUNT_MAX;
}

/* Takes back what numbered_add() counted, unless the word has moved on since. */
static inline void numbered_take_back(_Atomic uint64_t *word, uint64_t number)
{
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

	number &= NUMBERED_NUMBER_MASK;
	do {
		if (seen >> NUMBERED_COUNT_BITS != number || (seen & NUMBERED_COUNT_MAX) == 0)
			return;
	} while (!atomic_compare_exchange_weak(word, &seen, seen - 1));
}

#endif
