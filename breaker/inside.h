/*
 * The struct behind breaker.h, for breaker.c, figures.c and look.c alone.
 */
#ifndef BREAKER_INSIDE_H
#define BREAKER_INSIDE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "breaker/state.h"
#include "breaker/types.h"
#include "breaker/window.h"

enum { NOT_PERMITTED_BITS = 48 };

struct breaker {
	alignas(64) _Atomic uint64_t word;
	/* Fixed at birth, so they may share the word's line. */
	uint64_t born_ms;
	breaker_on_transition *on_transition;
	void *context;
	/* The figures that it opened for, kept while it is open: see figures_keep(). */
	_Atomic uint64_t opened_for, opened_for_slow;
	_Atomic uint64_t aside; /* numbered by the second: calls that passed beside the probes */

	alignas(64) _Atomic uint64_t successes_total;
	_Atomic uint64_t failures_total;
	_Atomic uint64_t neither_total;
	_Atomic uint64_t slow_total;
	_Atomic uint64_t not_permitted_total;
	_Atomic uint64_t not_permitted; /* in one generation: its number above NOT_PERMITTED_BITS, and the calls */

	struct window window;
};

/* A worker may have read its clock a little before another thread made the breaker. */
static inline uint64_t since_birth(const struct breaker *breaker, uint64_t now_ms)
{
	return now_ms > breaker->born_ms ? now_ms - breaker->born_ms : 0;
}

/* The word has no room for the probes that were both slow and failed: at least those are, for which too few have passed. */
static inline struct window_sum probe_figures(uint64_t word)
{
	struct state_probes probes = state_probes(word);

	return (struct window_sum){
		.calls = probes.passed + probes.failed, .failures = probes.failed, .slow = probes.slow,
		.slow_failures = probes.slow > probes.passed ? probes.slow - probes.passed : 0};
}

/* Fewer calls decide nothing. A count window that can never hold minimum_calls would never open the breaker. */
static inline uint32_t minimum_of(const struct breaker *breaker, const struct breaker_settings *settings)
{
	if (breaker->window.kind == BREAKER_WINDOW_COUNT && settings->minimum_calls > settings->window_size)
		return settings->window_size;
	return settings->minimum_calls;
}

#endif
