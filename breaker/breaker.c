/*
 * Where threads meet. state.c knows what the next word is; this file loads the word, asks, and swaps it in if nobody
 * was faster, else asks again with what is there now. Whoever wins a swap that changed the generation reports the
 * transition, so each is reported once; reports of two threads may arrive out of order, the generation tells.
 *
 * What a permit is worth when it comes back:
 *
 *     counted    admitted while closed or metrics-only: goes into the window if the generation is still the same
 *     probe      admitted while half-open: goes into the verdict if the generation is still the same
 *     observed   would have been rejected, but the mode is "observe": only in the totals, never a probe
 *     uncounted  admitted while disabled or switched off: nowhere
 *
 * All but the last go into the totals, late or not: they happened.
 *
 * The path of a healthy upstream: admit loads the word, which stays in every core's cache because nothing writes its
 * line; settle adds to one total and one slice.
 */
#include "breaker/breaker.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "breaker/state.h"
#include "breaker/window.h"

enum permit_kind { PERMIT_NONE, PERMIT_UNCOUNTED, PERMIT_COUNTED, PERMIT_PROBE, PERMIT_OBSERVED };

struct breaker {
	alignas(64) _Atomic uint64_t word;
	/* Fixed at birth, so they may share the word's line. */
	uint64_t born_ms;
	breaker_on_transition *on_transition;
	void *context;

	alignas(64) _Atomic uint64_t successes_total;
	_Atomic uint64_t failures_total;
	_Atomic uint64_t neither_total;
	_Atomic uint64_t slow_total;
	_Atomic uint64_t not_permitted;

	struct window window;
};

/* A worker's clock may be read a little before the breaker was made on another thread. */
static uint64_t since_birth(const struct breaker *breaker, uint64_t now_ms)
{
	return now_ms > breaker->born_ms ? now_ms - breaker->born_ms : 0;
}

/* ---- the word ------------------------------------------------------------------------------------------------- */

/* Swaps `next` in for `*word` and reports if that was a transition. False: somebody was faster, *word is theirs. */
static bool move_on(struct breaker *breaker, uint64_t *word, uint64_t next, enum breaker_reason reason,
                    struct window_sum figures, uint64_t now_ms)
{
	struct breaker_transition transition;

	if (!atomic_compare_exchange_strong(&breaker->word, word, next))
		return false;
	if (state_generation(*word) == state_generation(next))
		return true;
	if (state_of(next) != BREAKER_OPEN) /* while it is open it tells why */
		window_forget_before(&breaker->window, state_generation(next));
	if (breaker->on_transition == NULL)
		return true;
	transition = (struct breaker_transition){
		.from = state_of(*word),
		.to = state_of(next),
		.reason = reason,
		.generation = state_generation(next),
		.calls = figures.calls,
		.failures = figures.failures,
		.slow_calls = figures.slow,
		.at_ms = now_ms,
	};
	if (transition.to == BREAKER_OPEN) {
		uint64_t open_for_ms = state_open_until(next) - since_birth(breaker, now_ms);

		transition.open_for_ms = open_for_ms < UINT32_MAX ? (uint32_t)open_for_ms : UINT32_MAX;
	}
	breaker->on_transition(breaker->context, &transition);
	return true;
}

static struct window_sum probe_figures(uint64_t word)
{
	struct state_probes probes = state_probes(word);

	return (struct window_sum){
		.calls = probes.passed + probes.failed, .failures = probes.failed, .slow = probes.slow};
}

/* The current word, after a half-open breaker whose verdict is due has got it. No timer does this: a breaker that
 * nobody asks need not change. */
static uint64_t review(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                       uint32_t random)
{
	uint64_t word = atomic_load_explicit(&breaker->word, memory_order_acquire);

	while (state_of(word) == BREAKER_HALF_OPEN) {
		enum breaker_reason reason = BREAKER_REASON_HALF_OPEN_TIMEOUT;
		uint64_t next = state_review(word, since_birth(breaker, now_ms), settings, random, &reason);

		if (next == word)
			return word;
		if (move_on(breaker, &word, next, reason, probe_figures(word), now_ms))
			return next;
	}
	return word;
}

/* ---- admit ---------------------------------------------------------------------------------------------------- */

static bool grant(struct breaker_permit *permit, enum permit_kind kind, uint64_t word)
{
	*permit = (struct breaker_permit){.generation = state_generation(word), .kind = (uint8_t)kind};
	return true;
}

static bool refuse(struct breaker *breaker, const struct breaker_settings *settings, uint64_t word, uint64_t now,
                   struct breaker_permit *permit, uint64_t *retry_after_ms)
{
	uint64_t wait_ms = 1; /* half-open: a place may be free with the next probe that ends */

	if (settings->observe)
		return grant(permit, PERMIT_OBSERVED, word);
	atomic_fetch_add_explicit(&breaker->not_permitted, 1, memory_order_relaxed);
	if (state_of(word) == BREAKER_OPEN)
		wait_ms = state_open_until(word) - now;
	else if (state_of(word) == BREAKER_FORCED_OPEN && settings->open_for_ms > 0)
		wait_ms = settings->open_for_ms; /* nobody knows when the operator closes it */
	*permit = (struct breaker_permit){0};
	*retry_after_ms = wait_ms;
	return false;
}

static bool admit_unless_closed(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                                uint32_t random, struct breaker_permit *permit, uint64_t *retry_after_ms)
{
	uint64_t now = since_birth(breaker, now_ms);

	for (;;) {
		uint64_t word = review(breaker, settings, now_ms, random);
		uint64_t next;

		switch (state_of(word)) {
		case BREAKER_CLOSED:
		case BREAKER_METRICS_ONLY:
			return grant(permit, PERMIT_COUNTED, word);
		case BREAKER_DISABLED:
			return grant(permit, PERMIT_UNCOUNTED, word);
		case BREAKER_OPEN:
		case BREAKER_HALF_OPEN:
		case BREAKER_FORCED_OPEN:
			break;
		}
		next = state_admit(word, now, settings);
		if (next == word)
			return refuse(breaker, settings, word, now, permit, retry_after_ms);
		if (move_on(breaker, &word, next, BREAKER_REASON_OPEN_TIME_OVER, (struct window_sum){0}, now_ms))
			return grant(permit, PERMIT_PROBE, next);
	}
}

bool breaker_admit(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms, uint32_t random,
                   struct breaker_permit *permit, uint64_t *retry_after_ms)
{
	uint64_t word = atomic_load_explicit(&breaker->word, memory_order_acquire);

	if (!settings->enabled)
		return grant(permit, PERMIT_UNCOUNTED, word);
	if (state_of(word) == BREAKER_CLOSED)
		return grant(permit, PERMIT_COUNTED, word);
	return admit_unless_closed(breaker, settings, now_ms, random, permit, retry_after_ms);
}

/* ---- settle --------------------------------------------------------------------------------------------------- */

static void count_totals(struct breaker *breaker, enum breaker_verdict verdict, bool is_slow)
{
	_Atomic uint64_t *total = verdict == BREAKER_SUCCESS   ? &breaker->successes_total
	                          : verdict == BREAKER_FAILURE ? &breaker->failures_total
	                                                       : &breaker->neither_total;

	atomic_fetch_add_explicit(total, 1, memory_order_relaxed);
	if (is_slow)
		atomic_fetch_add_explicit(&breaker->slow_total, 1, memory_order_relaxed);
}

/* Fewer calls say nothing. A count window that can never hold minimum_calls would never open the breaker. */
static uint32_t minimum_of(const struct breaker *breaker, const struct breaker_settings *settings)
{
	if (breaker->window.kind == BREAKER_WINDOW_COUNT && settings->minimum_calls > settings->window_size)
		return settings->window_size;
	return settings->minimum_calls;
}

static void settle_counted(struct breaker *breaker, const struct breaker_settings *settings, uint64_t word,
                           uint64_t now_ms, uint32_t random, bool is_failure, bool is_slow)
{
	uint32_t generation = state_generation(word);
	uint64_t now = since_birth(breaker, now_ms);
	enum breaker_reason reason;
	struct window_sum sum;

	window_add(&breaker->window, generation, now, is_failure, is_slow);
	if (state_of(word) != BREAKER_CLOSED)
		return;
	/* A success can open it too: as the call that reaches the minimum, or after old successes left the window. */
	if (!is_failure && !is_slow && window_is_clean(&breaker->window, generation, now))
		return;
	sum = window_sum(&breaker->window, generation, now);
	if (sum.calls < minimum_of(breaker, settings))
		return;
	if (state_reaches(sum.failures, sum.calls, settings->failure_rate_percent))
		reason = BREAKER_REASON_FAILURE_RATE;
	else if (state_reaches(sum.slow, sum.calls, settings->slow_rate_percent))
		reason = BREAKER_REASON_SLOW_RATE;
	else
		return;
	/* A closed word changes only by a transition: if this fails, somebody else decided. */
	move_on(breaker, &word, state_open(word, now, settings, random), reason, sum, now_ms);
}

static void settle_probe(struct breaker *breaker, const struct breaker_settings *settings, uint64_t word,
                         uint64_t now_ms, uint32_t random, enum breaker_verdict verdict, bool is_slow)
{
	uint32_t generation = state_generation(word);

	while (state_generation(word) == generation) {
		enum breaker_reason reason = BREAKER_REASON_PROBES_PASSED;
		uint64_t settled = state_settle(word, verdict, is_slow);
		uint64_t next = state_review(settled, since_birth(breaker, now_ms), settings, random, &reason);

		/* One swap for both: nobody ever sees all probes settled and no verdict. */
		if (move_on(breaker, &word, next, reason, probe_figures(settled), now_ms))
			return;
	}
}

void breaker_settle(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms, uint32_t random,
                    struct breaker_permit *permit, enum breaker_verdict verdict, uint64_t duration_ms)
{
	struct breaker_permit held = *permit;
	bool is_slow = verdict != BREAKER_NEITHER && settings->slow_call_ms > 0 && duration_ms > settings->slow_call_ms;
	uint64_t word;

	*permit = (struct breaker_permit){0};
	if (held.kind == PERMIT_NONE || held.kind == PERMIT_UNCOUNTED)
		return;
	count_totals(breaker, verdict, is_slow);
	word = review(breaker, settings, now_ms, random);
	if (state_generation(word) != held.generation)
		return; /* late: the breaker has decided without it */
	if (held.kind == PERMIT_PROBE)
		settle_probe(breaker, settings, word, now_ms, random, verdict, is_slow);
	else if (held.kind == PERMIT_COUNTED && verdict != BREAKER_NEITHER)
		settle_counted(breaker, settings, word, now_ms, random, verdict == BREAKER_FAILURE, is_slow);
}

bool breaker_permit_is_probe(const struct breaker_permit *permit)
{
	return permit->kind == PERMIT_PROBE;
}

/* ---- force, look ---------------------------------------------------------------------------------------------- */

void breaker_force(struct breaker *breaker, enum breaker_state state, uint64_t now_ms)
{
	uint64_t word = atomic_load_explicit(&breaker->word, memory_order_acquire);
	uint64_t next;

	do {
		next = state_force(word, state);
		if (next == word)
			return;
	} while (!move_on(breaker, &word, next, BREAKER_REASON_OPERATOR, probe_figures(word), now_ms));
}

enum breaker_state breaker_state_now(const struct breaker *breaker, const struct breaker_settings *settings)
{
	return settings->enabled ? state_of(atomic_load_explicit(&breaker->word, memory_order_relaxed)) : BREAKER_DISABLED;
}

/* A look has no random number of its own and rarely needs one; any spread will do. */
static uint32_t spread(uint64_t word, uint64_t now_ms)
{
	return (uint32_t)((word ^ now_ms) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static int32_t rate_of(uint32_t part, uint32_t whole, uint32_t minimum)
{
	return whole == 0 || whole < minimum ? -1 : (int32_t)((uint64_t)part * 100 / whole);
}

static struct window_sum figures_of(const struct breaker *breaker, uint64_t word, uint64_t now)
{
	switch (state_of(word)) {
	case BREAKER_CLOSED:
	case BREAKER_METRICS_ONLY:
		return window_sum(&breaker->window, state_generation(word), now);
	case BREAKER_OPEN:
		/* Why it opened, as long as the window still holds that. Nothing if it opened from half-open. */
		return window_sum(&breaker->window, state_generation(word) - 1, now);
	case BREAKER_HALF_OPEN:
		return probe_figures(word);
	case BREAKER_FORCED_OPEN:
	case BREAKER_DISABLED:
		break;
	}
	return (struct window_sum){0};
}

struct breaker_view breaker_look(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms)
{
	uint64_t now = since_birth(breaker, now_ms);
	uint64_t word = review(breaker, settings, now_ms, spread(atomic_load(&breaker->word), now_ms));
	uint64_t until = state_open_until(word);
	struct window_sum figures = figures_of(breaker, word, now);
	uint32_t minimum = minimum_of(breaker, settings);

	if (state_of(word) == BREAKER_HALF_OPEN)
		minimum = settings->half_open_calls;
	return (struct breaker_view){
		.state = settings->enabled ? state_of(word) : BREAKER_DISABLED,
		.generation = state_generation(word),
		.calls = figures.calls,
		.failures = figures.failures,
		.slow_calls = figures.slow,
		.failure_rate_percent = rate_of(figures.failures, figures.calls, minimum),
		.slow_rate_percent = rate_of(figures.slow, figures.calls, minimum),
		.open_for_ms = until > now ? until - now : 0,
		.not_permitted = atomic_load_explicit(&breaker->not_permitted, memory_order_relaxed),
		.successes_total = atomic_load_explicit(&breaker->successes_total, memory_order_relaxed),
		.failures_total = atomic_load_explicit(&breaker->failures_total, memory_order_relaxed),
		.neither_total = atomic_load_explicit(&breaker->neither_total, memory_order_relaxed),
		.slow_total = atomic_load_explicit(&breaker->slow_total, memory_order_relaxed),
	};
}

/* ---- birth and death ------------------------------------------------------------------------------------------- */

struct breaker *breaker_new(const struct breaker_settings *settings, uint64_t now_ms,
                            breaker_on_transition *on_transition, void *context)
{
	static_assert(sizeof(struct breaker) % 64 == 0, "aligned_alloc takes whole lines");
	struct breaker *breaker = aligned_alloc(64, sizeof(*breaker));

	if (breaker == NULL)
		return NULL;
	atomic_init(&breaker->word, state_born());
	breaker->born_ms = now_ms;
	breaker->on_transition = on_transition;
	breaker->context = context;
	atomic_init(&breaker->successes_total, 0);
	atomic_init(&breaker->failures_total, 0);
	atomic_init(&breaker->neither_total, 0);
	atomic_init(&breaker->slow_total, 0);
	atomic_init(&breaker->not_permitted, 0);
	window_init(&breaker->window, settings->window, settings->window_size);
	return breaker;
}

void breaker_take_over(struct breaker *breaker, struct breaker *old)
{
	/* The word's times count from birth, so the word and the birth go together. */
	breaker->born_ms = old->born_ms;
	atomic_init(&breaker->word, state_inherit(atomic_load(&old->word)));
	atomic_init(&breaker->successes_total, atomic_load(&old->successes_total));
	atomic_init(&breaker->failures_total, atomic_load(&old->failures_total));
	atomic_init(&breaker->neither_total, atomic_load(&old->neither_total));
	atomic_init(&breaker->slow_total, atomic_load(&old->slow_total));
	atomic_init(&breaker->not_permitted, atomic_load(&old->not_permitted));
}

void breaker_free(struct breaker *breaker)
{
	free(breaker);
}
