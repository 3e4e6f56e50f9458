/*
 * Durations, counted so finely that every percentile is known within 3 %: sixteen places for each doubling, of 64 us each
 * below a millisecond, up to four minutes. A longer duration goes to the last place.
 */
#ifndef GATEWAY_BASE_LATENCY_H
#define GATEWAY_BASE_LATENCY_H

#include <stdint.h>

enum { LATENCY_UNIT_BITS = 6, LATENCY_STEP_BITS = 4, LATENCY_STEPS = 1 << LATENCY_STEP_BITS, LATENCY_PLACES = 19 * LATENCY_STEPS };

struct latencies {
	uint64_t sum_us;
	uint32_t places[LATENCY_PLACES]; /* totals that wrap around: what counts is how much they have risen */
};

static inline unsigned latency_place(uint64_t us)
{
	uint64_t units = us >> LATENCY_UNIT_BITS;
	unsigned shift, place;

	if (units < LATENCY_STEPS)
		return (unsigned)units;
	shift = 63 - (unsigned)__builtin_clzll(units) - LATENCY_STEP_BITS;
	place = shift * LATENCY_STEPS + (unsigned)(units >> shift);
	return place < LATENCY_PLACES ? place : LATENCY_PLACES - 1;
}

/* Where the place begins; LATENCY_PLACES: where the last one ends. */
static inline uint64_t latency_from_us(unsigned place)
{
	unsigned shift = place < LATENCY_STEPS ? 0 : place / LATENCY_STEPS - 1;

	return (uint64_t)(place - shift * LATENCY_STEPS) << shift << LATENCY_UNIT_BITS;
}

#endif
