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

#include "breaker/breaker.h"

enum {
	WINDOW_RING = 128, /* slices kept; more than are summed, so that a thread that lags does not meet the front */
	WINDOW_TIME_SLICES = 10,
	WINDOW_COUNT_SLICES = 100,
};

/* Three rings rather than one ring of threes: where nothing fails, `failures`, `slow` and `latest_bad` are never written, every
 * core keeps its own copy of them, and asking whether anything failed costs no memory traffic. */
struct window {
	enum breaker_window kind;
	uint32_t summed;    /* slices that make the window */
	uint64_t per_slice; /* milliseconds or calls */
	_Atomic uint64_t latest_bad; /* numbered: the last slice with a failure or a slow call */
	alignas(64) _Atomic uint64_t failures[WINDOW_RING];
	alignas(64) _Atomic uint64_t slow[WINDOW_RING];
	alignas(64) _Atomic uint64_t calls[WINDOW_RING];
	alignas(64) _Atomic uint64_t position; /* count window: generation and calls counted under it */
};

struct window_sum {
	uint32_t calls, failures, slow; /* failures and slow are never above calls */
};

void window_init(struct window *window, enum breaker_window kind, uint32_t size);

/* Counts a settled call under `generation`, the breaker's at the time. */
void window_add(struct window *window, uint32_t generation, uint64_t now, bool is_failure, bool is_slow);

/* Removes what was counted before `generation`. To be called at least once in 4000 generations: what stays in the window for
 * longer is taken for the future, and nothing is counted in its place. */
void window_forget_before(struct window *window, uint32_t generation);

/* What was counted under `generation` and is still in the window. */
struct window_sum window_sum(const struct window *window, uint32_t generation, uint64_t now);

/* Nothing failed and nothing was slow: the short answer for the many calls that need no sum. In doubt, when others are ahead
 * of `now`, it says no. */
bool window_is_clean(const struct window *window, uint32_t generation, uint64_t now);

#endif
