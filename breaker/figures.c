#include "breaker/figures.h"

#include "breaker/inside.h"

/*
 * Two words, written before the swap that opens the breaker, so whoever finds it open finds them:
 *
 *     opened_for        generation (16)   calls (24)      failures (24)
 *     opened_for_slow   generation (16)   slow calls (24)  failures among these (24)
 *
 * A thread whose swap fails afterwards may leave the figures that it would have opened for. They are of the same moment.
 */
enum { FIGURE_BITS = 24, FIGURES_GENERATION_SHIFT = 48 };

static const uint64_t FIGURE_MAX = (UINT64_C(1) << FIGURE_BITS) - 1;

void figures_keep(struct breaker *breaker, uint32_t generation, struct window_sum figures)
{
	uint64_t name = (uint64_t)generation << FIGURES_GENERATION_SHIFT;

	while (figures.calls > FIGURE_MAX) { /* their shares are what counts */
		figures.calls /= 2;
		figures.failures /= 2;
		figures.slow /= 2;
		figures.slow_failures /= 2;
	}
	atomic_store_explicit(&breaker->opened_for_slow, name | (uint64_t)figures.slow << FIGURE_BITS | figures.slow_failures,
	                      memory_order_relaxed);
	atomic_store_explicit(&breaker->opened_for, name | (uint64_t)figures.calls << FIGURE_BITS | figures.failures,
	                      memory_order_relaxed);
}

struct window_sum figures_kept(const struct breaker *breaker, uint32_t generation)
{
	uint64_t calls = atomic_load_explicit(&breaker->opened_for, memory_order_relaxed);
	uint64_t slow = atomic_load_explicit(&breaker->opened_for_slow, memory_order_relaxed);
	struct window_sum figures = {0};

	if (calls >> FIGURES_GENERATION_SHIFT != generation || slow >> FIGURES_GENERATION_SHIFT != generation)
		return figures; /* it has opened again meanwhile */
	figures.calls = calls >> FIGURE_BITS & FIGURE_MAX;
	figures.failures = calls & FIGURE_MAX;
	figures.slow = slow >> FIGURE_BITS & FIGURE_MAX;
	figures.slow_failures = slow & FIGURE_MAX;
	if (figures.slow > figures.calls)
		figures.slow = figures.calls;
	if (figures.slow_failures > figures.slow)
		figures.slow_failures = figures.slow;
	if (figures.slow_failures > figures.failures)
		figures.slow_failures = figures.failures;
	return figures;
}
