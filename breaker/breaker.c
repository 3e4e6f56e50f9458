/*
 * Where threads meet. state.c knows what the next word is; this file loads the word, asks, and swaps it in if nobody
 * was faster, else asks again with what is there now. The caller that wins a swap that changed the generation reports the
 * transition, so each is reported once; reports of two threads may arrive out of order, the generation tells.
 *
 * The effect of a permit that comes back:
 *
 *     counted    admitted while closed or metrics-only: goes into the window if the generation is still the same
 *     probe      admitted while half-open: goes into the verdict if the generation is still the same
 *     aside      admitted while half-open, but holds no place of the probes: goes into the verdict if the generation is still
 *                the same, and a place is free for it then
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
#include <stdlib.h>

#include "breaker/figures.h"
#include "breaker/inside.h"
#include "breaker/numbered.h"

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
               "the gateway needs a 64-bit machine: a breaker's word of 64 bits is swapped without a lock");
_Static_assert(sizeof(void *) == 8, "the gateway needs a 64-bit machine: sizes have 64 bits");

enum permit_kind { PERMIT_NONE, PERMIT_UNCOUNTED, PERMIT_COUNTED, PERMIT_PROBE, PERMIT_ASIDE, PERMIT_OBSERVED };

/* ---- the word ------------------------------------------------------------------------------------------------- */

/* Swaps `next` in for `*word`, and reports if that was a transition. False: another thread was faster, and *word is its
 * word. */
static bool move_on(struct breaker *breaker, uint64_t *word, uint64_t next, enum breaker_reason reason,
                    struct window_sum figures, uint64_t now_ms)
{
	struct breaker_transition transition;

	if (state_of(next) == BREAKER_OPEN)
		figures_keep(breaker, state_generation(next), figures);
	if (!atomic_compare_exchange_strong(&breaker->word, word, next))
		return false;
	if (state_generation(*word) == state_generation(next))
		return true;
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

uint64_t breaker_review(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
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

/* A thread that is late with an earlier generation counts nothing. */
static void count_refused(struct breaker *breaker, uint32_t generation)
{
	uint64_t seen = atomic_load_explicit(&breaker->not_permitted, memory_order_relaxed), next;

	do {
		uint32_t ahead = (generation - (uint32_t)(seen >> NOT_PERMITTED_BITS)) % STATE_GENERATIONS;

		if (ahead >= STATE_GENERATIONS / 2)
			return;
		next = ahead == 0 ? seen + 1 : (uint64_t)generation << NOT_PERMITTED_BITS | 1;
	} while (!atomic_compare_exchange_strong(&breaker->not_permitted, &seen, next));
}

static bool refuse(struct breaker *breaker, const struct breaker_settings *settings, uint64_t word, uint64_t now,
                   struct breaker_permit *permit, uint64_t *retry_after_ms)
{
	uint64_t wait_ms = 1; /* half-open: the next probe that ends may free a place */

	if (settings->observe)
		return grant(permit, PERMIT_OBSERVED, word);
	atomic_fetch_add_explicit(&breaker->not_permitted_total, 1, memory_order_relaxed);
	count_refused(breaker, state_generation(word));
	if (state_of(word) == BREAKER_OPEN && now < state_open_until(word))
		wait_ms = state_open_until(word) - now;
	else if (state_of(word) == BREAKER_FORCED_OPEN && settings->open_for_ms > 0)
		wait_ms = settings->open_for_ms; /* nobody knows when the operator closes it */
	*permit = (struct breaker_permit){0};
	*retry_after_ms = wait_ms;
	return false;
}

static bool may_go_aside(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now)
{
	uint64_t count = numbered_add(&breaker->aside, now / 1000);

	return count > 0 && count <= settings->half_open_calls;
}

static bool admit_unless_closed(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                                uint32_t random, bool is_aside, struct breaker_permit *permit,
                                uint64_t *retry_after_ms)
{
	uint64_t now = since_birth(breaker, now_ms);

	for (;;) {
		uint64_t word = atomic_load_explicit(&breaker->word, memory_order_acquire);
		uint64_t next;

		if (state_of(word) == BREAKER_OPEN && now < state_open_until(word))
			return refuse(breaker, settings, word, now, permit, retry_after_ms);
		if (state_of(word) == BREAKER_HALF_OPEN)
			word = breaker_review(breaker, settings, now_ms, random);
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
		if (next == word || (is_aside && !may_go_aside(breaker, settings, now)))
			return refuse(breaker, settings, word, now, permit, retry_after_ms);
		if (is_aside)
			next = state_settle(next, BREAKER_NEITHER, false); /* gives the place back at once */
		if (move_on(breaker, &word, next, BREAKER_REASON_OPEN_TIME_OVER, (struct window_sum){0}, now_ms))
			return grant(permit, is_aside ? PERMIT_ASIDE : PERMIT_PROBE, next);
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
	return admit_unless_closed(breaker, settings, now_ms, random, false, permit, retry_after_ms);
}

bool breaker_admit_aside(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                         uint32_t random, struct breaker_permit *permit, uint64_t *retry_after_ms)
{
	if (!settings->enabled)
		return grant(permit, PERMIT_UNCOUNTED, atomic_load_explicit(&breaker->word, memory_order_acquire));
	return admit_unless_closed(breaker, settings, now_ms, random, true, permit, retry_after_ms);
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

static void settle_counted(struct breaker *breaker, const struct breaker_settings *settings, uint64_t word,
                           uint64_t now_ms, uint32_t random, bool is_failure, bool is_slow)
{
	uint32_t generation = state_generation(word);
	uint64_t now = since_birth(breaker, now_ms);
	enum breaker_reason reason;
	struct window_sum sum;

	window_add(&breaker->window, generation, now, is_failure, is_slow);
	/* A success that is not slow opens nothing. It can raise the rate, as the call that reaches the minimum, or because
	 * older successes left the window; but it is the latest news of the upstream, and good. */
	if (state_of(word) != BREAKER_CLOSED || (!is_failure && !is_slow))
		return;
	sum = window_sum(&breaker->window, generation, now);
	if (sum.calls < minimum_of(breaker, settings))
		return;
	if (state_reaches(sum.failures, sum.calls, settings->failure_rate_bp))
		reason = BREAKER_REASON_FAILURE_RATE;
	else if (state_reaches(sum.slow, sum.calls, settings->slow_rate_bp))
		reason = BREAKER_REASON_SLOW_RATE;
	else
		return;
	window_sum_slow_failures(&breaker->window, generation, now, &sum);
	/* A closed word changes only by a transition: if this fails, another thread has decided. */
	move_on(breaker, &word, state_open(word, now, settings, random), reason, sum, now_ms);
}

static void settle_probe(struct breaker *breaker, const struct breaker_settings *settings, uint64_t word,
                         uint64_t now_ms, uint32_t random, bool is_aside, enum breaker_verdict verdict, bool is_slow)
{
	uint32_t generation = state_generation(word);
	uint64_t now = since_birth(breaker, now_ms);

	while (state_generation(word) == generation) {
		enum breaker_reason reason = BREAKER_REASON_PROBES_PASSED;
		uint64_t sent = is_aside ? state_admit(word, now, settings) : word, settled, next;

		if (is_aside && sent == word)
			return; /* all places are taken: those calls decide */
		settled = state_settle(sent, verdict, is_slow);
		next = state_review(settled, now, settings, random, &reason);

		/* One swap for both, so that no thread ever sees all probes settled and no verdict. */
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
	word = atomic_load_explicit(&breaker->word, memory_order_acquire);
	if (state_generation(word) != held.generation)
		return; /* late: the breaker has decided without it */
	if (held.kind == PERMIT_PROBE || (held.kind == PERMIT_ASIDE && verdict != BREAKER_NEITHER))
		settle_probe(breaker, settings, word, now_ms, random, held.kind == PERMIT_ASIDE, verdict, is_slow);
	else if (held.kind == PERMIT_COUNTED && verdict != BREAKER_NEITHER)
		settle_counted(breaker, settings, word, now_ms, random, verdict == BREAKER_FAILURE, is_slow);
}

bool breaker_permit_is_probe(const struct breaker_permit *permit)
{
	return permit->kind == PERMIT_PROBE || permit->kind == PERMIT_ASIDE;
}

/* ---- probe_now, force ------------------------------------------------------------------------------------------- */

void breaker_probe_now(struct breaker *breaker, uint64_t now_ms)
{
	uint64_t word = atomic_load_explicit(&breaker->word, memory_order_acquire);
	uint64_t next;

	do {
		next = state_begin_anew(word);
		if (next == word)
			return;
	} while (!move_on(breaker, &word, next, BREAKER_REASON_NEW_ENDPOINTS, probe_figures(word), now_ms));
}

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
	atomic_init(&breaker->opened_for, 0);
	atomic_init(&breaker->opened_for_slow, 0);
	atomic_init(&breaker->aside, 0);
	atomic_init(&breaker->successes_total, 0);
	atomic_init(&breaker->failures_total, 0);
	atomic_init(&breaker->neither_total, 0);
	atomic_init(&breaker->slow_total, 0);
	atomic_init(&breaker->not_permitted_total, 0);
	atomic_init(&breaker->not_permitted, 0);
	window_init(&breaker->window, settings->window, settings->window_size);
	return breaker;
}

void breaker_take_over(struct breaker *breaker, struct breaker *old)
{
	/* The word's times count from the breaker's birth, so the word and the birth go together. */
	breaker->born_ms = old->born_ms;
	atomic_init(&breaker->word, state_inherit(atomic_load(&old->word)));
	atomic_init(&breaker->opened_for, atomic_load(&old->opened_for));
	atomic_init(&breaker->opened_for_slow, atomic_load(&old->opened_for_slow));
	atomic_init(&breaker->successes_total, atomic_load(&old->successes_total));
	atomic_init(&breaker->failures_total, atomic_load(&old->failures_total));
	atomic_init(&breaker->neither_total, atomic_load(&old->neither_total));
	atomic_init(&breaker->slow_total, atomic_load(&old->slow_total));
	atomic_init(&breaker->not_permitted_total, atomic_load(&old->not_permitted_total));
	atomic_init(&breaker->not_permitted, atomic_load(&old->not_permitted));
}

void breaker_free(struct breaker *breaker)
{
	free(breaker);
}
