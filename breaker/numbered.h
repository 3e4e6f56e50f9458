/*
 * A count that knows what it counts: the number of a slice and a count share one 64-bit word, so a reader never takes
 * an old slice's count for a new one's, and a writer overwrites an old slice and begins the new one in a single
 * compare-and-swap. Slices are therefore never cleared, and nobody has to watch the clock to do so.
 *
 *     63.........52 51............26 25...........0
 *     epoch         slice            count             epoch and slice together: the slice's number
 *
 * A word that is a little ahead of ours belongs to threads that are further on: in a later epoch, or in a later slice
 * because we slept for a whole turn of the ring. Then our count is dropped: it is too old to matter, and overwriting the
 * word would spoil theirs. Any other number is the past and is overwritten. Both parts wrap around, which is why "ahead"
 * means only a little ahead: a word left from long ago must not be taken for the future. A word that counts nothing never
 * is. The count stops at its maximum, 67 million in one slice.
 */
#ifndef BREAKER_NUMBERED_H
#define BREAKER_NUMBERED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	NUMBERED_COUNT_BITS = 26,
	NUMBERED_SLICE_BITS = 26,
	NUMBERED_EPOCH_BITS = 12,
	NUMBERED_NUMBER_BITS = NUMBERED_SLICE_BITS + NUMBERED_EPOCH_BITS,
	NUMBERED_SLICES_AHEAD = 4096,
	NUMBERED_EPOCHS_AHEAD = 4,
};

#define NUMBERED_COUNT_MAX ((UINT64_C(1) << NUMBERED_COUNT_BITS) - 1)
#define NUMBERED_NUMBER_MASK ((UINT64_C(1) << NUMBERED_NUMBER_BITS) - 1)

/* The count under `number`; 0 when the word belongs to another number. */
static inline uint64_t numbered_count(const _Atomic uint64_t *word, uint64_t number)
{
	uint64_t seen = atomic_load(word);

	return seen >> NUMBERED_COUNT_BITS == (number & NUMBERED_NUMBER_MASK) ? seen & NUMBERED_COUNT_MAX : 0;
}

static inline bool numbered_is_ahead(uint64_t word, uint64_t number)
{
	uint64_t theirs = word >> NUMBERED_COUNT_BITS;
	uint64_t epochs = ((theirs >> NUMBERED_SLICE_BITS) - (number >> NUMBERED_SLICE_BITS))
	                  & ((1u << NUMBERED_EPOCH_BITS) - 1);
	uint64_t slices = (theirs - number) & ((1u << NUMBERED_SLICE_BITS) - 1);

	if ((word & NUMBERED_COUNT_MAX) == 0)
		return false;
	return epochs == 0 ? slices > 0 && slices <= NUMBERED_SLICES_AHEAD : epochs <= NUMBERED_EPOCHS_AHEAD;
}

/* Counts one and returns the count with it, 0 if it was not counted: the word is full or further on. */
static inline uint64_t numbered_add(_Atomic uint64_t *word, uint64_t number)
{
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
	uint64_t next;

	number &= NUMBERED_NUMBER_MASK;
	do {
		bool is_ours = seen >> NUMBERED_COUNT_BITS == number;

		if (numbered_is_ahead(seen, number) || (is_ours && (seen & NUMBERED_COUNT_MAX) == NUMBERED_COUNT_MAX))
			return 0;
		next = is_ours ? seen + 1 : number << NUMBERED_COUNT_BITS | 1;
	} while (!atomic_compare_exchange_weak(word, &seen, next));
	return next & NUMBERED_COUNT_MAX;
}

/* Removes what is left of the epochs before this one: after a whole round of epochs it would be ahead again. */
static inline void numbered_forget_before(_Atomic uint64_t *word, uint64_t epoch)
{
	const uint64_t mask = (1u << NUMBERED_EPOCH_BITS) - 1;
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

	while (seen != 0 && (((seen >> (NUMBERED_COUNT_BITS + NUMBERED_SLICE_BITS)) - epoch) & mask) > NUMBERED_EPOCHS_AHEAD &&
	       !atomic_compare_exchange_weak(word, &seen, 0))
		;
}

/* Removes what was counted under an earlier number, before that number comes round again; what is further on stays. */
static inline void numbered_forget_earlier(_Atomic uint64_t *word, uint64_t number)
{
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

	number &= NUMBERED_NUMBER_MASK;
	while (seen != 0 && seen >> NUMBERED_COUNT_BITS != number && !numbered_is_ahead(seen, number) &&
	       !atomic_compare_exchange_weak(word, &seen, 0))
		;
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
