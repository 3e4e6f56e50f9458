/*
 * The calls that a closed breaker decides on: those of the last window_size milliseconds (time window), or the last
 * window_size calls (count window), in a ring of slices. Any thread; atomics only; `now` is in milliseconds since the
 * breaker's birth.
 *
 * Granularity: a time window has 10 slices of window_size / 10 (rounded up), the newest still filling: it looks back
 * between nine and ten tenths of its size. A count window has slices of one call up to 100 calls and is exact;
 * above, slices of ceil(window_size / 100) calls: it holds the last window_size calls and less than two slices more,
 * at most 2 % too many.
 */
#ifndef BREAKER_WINDOW_H
#define BREAKER_WINDOW_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "breaker/types.h"

enum {
	WINDOW_RING = 128, /* slices kept; more than are summed, so that a thread that lags does not reach the newest */
	WINDOW_TIME_SLICES = 10,
	WINDOW_COUNT_SLICES = 100,
};

/* Separate rings rather than one ring of structs: if nothing fails, all but `calls` are never written and cause no memory
 * traffic. `slow_failures` is for people only: no decision reads it. */
struct window {
	enum breaker_window kind;
	uint32_t summed;    /* slices in the window */
	uint64_t per_slice; /* milliseconds or calls */
	alignas(64) _Atomic uint64_t failures[WINDOW_RING];
	alignas(64) _Atomic uint64_t slow[WINDOW_RING];
	alignas(64) _Atomic uint64_t slow_failures[WINDOW_RING]; /* also in both rings above */
	alignas(64) _Atomic uint64_t calls[WINDOW_RING];
	alignas(64) _Atomic uint64_t position; /* count window: generation and calls counted under it */
};

struct window_sum {
	uint32_t calls, failures, slow; /* failures and slow are never above calls */
	uint32_t slow_failures;         /* never above failures and slow */
};

void window_init(struct window *window, enum breaker_window kind, uint32_t size);

/* Counts a settled call under `generation`, the breaker's generation when the call was admitted. */
void window_add(struct window *window, uint32_t generation, uint64_t now, bool is_failure, bool is_slow);

/* Removes the counts of generations before `generation`. Call it at least once in 4000 generations: a count that stays longer
 * would look like the future, and nothing would be counted in its slot. */
void window_forget_before(struct window *window, uint32_t generation);

/* The calls under `generation` that are still in the window; slow_failures stays 0. */
struct window_sum window_sum(const struct window *window, uint32_t generation, uint64_t now);
/* Sets their slow_failures, too: for people, not for each call. */
void window_sum_slow_failures(const struct window *window, uint32_t generation, uint64_t now, struct window_sum *sum);

#endif
