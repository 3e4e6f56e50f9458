/*
 * The view of a breaker for people.
 *
 * An open one still shows the figures that opened it, of a window or of probes: a rate that vanished while nobody gets
 * through would end alarms in the middle of an outage.
 */
#include "breaker/look.h"

#include "breaker/breaker.h"
#include "breaker/figures.h"
#include "breaker/inside.h"

enum breaker_state breaker_state_now(const struct breaker *breaker, const struct breaker_settings *settings)
{
	return settings->enabled ? state_of(atomic_load_explicit(&breaker->word, memory_order_relaxed)) : BREAKER_DISABLED;
}

enum breaker_state breaker_state_shown(enum breaker_state state, const struct breaker_settings *settings)
{
	return settings->observe && state != BREAKER_DISABLED ? BREAKER_METRICS_ONLY : state;
}

/* A look has no random number of its own and rarely needs one; any spread will do. */
static uint32_t spread(uint64_t word, uint64_t now_ms)
{
	return (uint32_t)((word ^ now_ms) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static int32_t rate_of(uint32_t part, uint32_t whole, uint32_t minimum)
{
	return whole == 0 || whole < minimum ? -1 : (int32_t)((uint64_t)part * 10000 / whole);
}

static struct window_sum figures_of(const struct breaker *breaker, uint64_t word, uint64_t now)
{
	struct window_sum sum;

	switch (state_of(word)) {
	case BREAKER_CLOSED:
	case BREAKER_METRICS_ONLY:
		sum = window_sum(&breaker->window, state_generation(word), now);
		window_sum_slow_failures(&breaker->window, state_generation(word), now, &sum);
		return sum;
	case BREAKER_OPEN:
		return figures_kept(breaker, state_generation(word));
	case BREAKER_HALF_OPEN:
		return probe_figures(word);
	case BREAKER_FORCED_OPEN:
	case BREAKER_DISABLED:
		break;
	}
	return (struct window_sum){0};
}

static uint64_t refused_in(const struct breaker *breaker, uint32_t generation)
{
	uint64_t seen = atomic_load_explicit(&breaker->not_permitted, memory_order_relaxed);

	return seen >> NOT_PERMITTED_BITS == generation ? seen & ((UINT64_C(1) << NOT_PERMITTED_BITS) - 1) : 0;
}

struct breaker_view breaker_look(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms)
{
	uint64_t now = since_birth(breaker, now_ms);
	uint64_t word = breaker_review(breaker, settings, now_ms, spread(atomic_load(&breaker->word), now_ms));
	uint64_t until = state_open_until(word);
	struct window_sum figures = figures_of(breaker, word, now);
	uint32_t minimum = minimum_of(breaker, settings);

	if (state_of(word) == BREAKER_HALF_OPEN)
		minimum = settings->half_open_calls;
	else if (state_of(word) == BREAKER_OPEN)
		minimum = 0; /* they were enough to open it */
	return (struct breaker_view){
		.state = settings->enabled ? state_of(word) : BREAKER_DISABLED,
		.generation = state_generation(word),
		.calls = figures.calls,
		.failures = figures.failures,
		.slow_calls = figures.slow,
		.slow_failures = figures.slow_failures,
		.failure_rate_bp = rate_of(figures.failures, figures.calls, minimum),
		.slow_rate_bp = rate_of(figures.slow, figures.calls, minimum),
		.open_for_ms = until > now ? until - now : 0,
		.not_permitted = refused_in(breaker, state_generation(word)),
		.not_permitted_total = atomic_load_explicit(&breaker->not_permitted_total, memory_order_relaxed),
		.successes_total = atomic_load_explicit(&breaker->successes_total, memory_order_relaxed),
		.failures_total = atomic_load_explicit(&breaker->failures_total, memory_order_relaxed),
		.neither_total = atomic_load_explicit(&breaker->neither_total, memory_order_relaxed),
		.slow_total = atomic_load_explicit(&breaker->slow_total, memory_order_relaxed),
	};
}
