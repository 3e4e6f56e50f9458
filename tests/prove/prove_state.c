/*
 * The transitions of breaker/state.c, one step from any word that the essay there allows, under any settings, at any time
 * and with any luck. A step leads to such a word again; so whatever number of steps leads there from the first one.
 */
#include "breaker/state.c"
#include "tests/prove/prove.h"

/* What the essay promises of every word there ever is. */
static bool is_valid(uint64_t word)
{
	struct state_probes probes = state_probes(word);
	enum breaker_state state = state_of(word);

	if (state == BREAKER_HALF_OPEN)
		return word >> 63 == 1 && probes.sent <= STATE_PROBES_MAX && probes.passed + probes.failed <= probes.sent &&
		       probes.slow <= probes.passed + probes.failed;
	if (word >> 63 == 1 || state > BREAKER_METRICS_ONLY)
		return false;
	return state == BREAKER_OPEN || ((word & UNTIL_MAX) == 0 && state_reopenings(word) == 0);
}

static uint64_t any_word(void)
{
	uint64_t word = nondet_u64();

	ASSUME(is_valid(word));
	return word;
}

/* As the configuration limits them, and beyond: a reload may bring others with every call. */
static struct breaker_settings any_settings(void)
{
	struct breaker_settings settings;

	ASSUME(settings.failure_rate_bp <= 10000 && settings.slow_rate_bp <= 10000);
	return settings;
}

static uint64_t any_time(void)
{
	uint64_t now = nondet_u64();

	ASSUME(now < UINT64_C(1) << 62);
	return now;
}

static uint32_t in_flight(uint64_t word)
{
	struct state_probes probes = state_probes(word);

	return probes.sent - probes.passed - probes.failed;
}

static uint64_t begun_of(uint64_t word)
{
	return word & (uint64_t)(TICKS - 1) << BEGUN_SHIFT;
}

static bool is_next_generation(uint64_t next, uint64_t word)
{
	return state_generation(next) == (state_generation(word) + 1) % STATE_GENERATIONS;
}

void prove_born(void)
{
	PROVE(is_valid(state_born()));
	PROVE(state_of(state_born()) == BREAKER_CLOSED);
}

void prove_admit(void)
{
	uint64_t word = any_word(), now = any_time(), next;
	struct breaker_settings settings = any_settings();
	struct state_probes before = state_probes(word), after;
	uint32_t wanted = probes_wanted(&settings);

	next = state_admit(word, now, &settings);
	after = state_probes(next);
	PROVE(is_valid(next));
	PROVE(wanted >= 1 && wanted <= STATE_PROBES_MAX);
	if (next == word) {
		PROVE(state_of(word) != BREAKER_OPEN || now < state_open_until(word));
		PROVE(state_of(word) != BREAKER_HALF_OPEN || before.sent >= wanted);
		return;
	}
	PROVE(state_of(next) == BREAKER_HALF_OPEN);
	PROVE(state_reopenings(next) == state_reopenings(word));
	if (state_of(word) == BREAKER_HALF_OPEN) {
		PROVE(state_generation(next) == state_generation(word));
		PROVE(after.sent == before.sent + 1 && after.sent <= wanted);
		PROVE(after.passed == before.passed && after.failed == before.failed && after.slow == before.slow);
		PROVE(begun_of(next) == (in_flight(word) == 0 ? begun_at(now) : begun_of(word)));
	} else {
		PROVE(state_of(word) == BREAKER_OPEN && now >= state_open_until(word) && is_next_generation(next, word));
		PROVE(after.sent == 1 && after.passed == 0 && after.failed == 0 && after.slow == 0);
		PROVE(begun_of(next) == begun_at(now));
	}
}

/* A permit that comes back is one less in flight: none is lost, none is counted twice. */
void prove_settle(void)
{
	uint64_t word = any_word(), next;
	enum breaker_verdict verdict = nondet_u8() % 3;
	bool is_slow = nondet_bool();
	struct state_probes before = state_probes(word), after;

	ASSUME(verdict != BREAKER_NEITHER || !is_slow); /* as breaker_settle() calls it */
	next = state_settle(word, verdict, is_slow);
	after = state_probes(next);
	PROVE(is_valid(next));
	PROVE(state_of(next) == state_of(word) && state_generation(next) == state_generation(word));
	PROVE(state_reopenings(next) == state_reopenings(word));
	if (in_flight(word) == 0) {
		PROVE(next == word);
		return;
	}
	PROVE(in_flight(next) == in_flight(word) - 1);
	PROVE(after.passed == before.passed + (verdict == BREAKER_SUCCESS));
	PROVE(after.failed == before.failed + (verdict == BREAKER_FAILURE));
	PROVE(after.slow == before.slow + is_slow);
	PROVE(begun_of(next) == begun_of(word));
}

static void prove_opened(uint64_t next, uint64_t word, uint64_t now)
{
	PROVE(is_valid(next) && state_of(next) == BREAKER_OPEN && is_next_generation(next, word));
	PROVE(state_open_until(next) > now || state_open_until(next) == UNTIL_MAX);
	if (state_of(word) == BREAKER_HALF_OPEN)
		PROVE(state_reopenings(next) == state_reopenings(word) + (state_reopenings(word) < STATE_REOPENINGS_MAX));
	else
		PROVE(state_reopenings(next) == state_reopenings(word));
}

void prove_open(void)
{
	uint64_t word = any_word(), now = any_time();
	struct breaker_settings settings = any_settings();

	ASSUME(state_of(word) == BREAKER_CLOSED || state_of(word) == BREAKER_HALF_OPEN);
	prove_opened(state_open(word, now, &settings, nondet_u32()), word, now);
}

void prove_begin_anew(void)
{
	uint64_t word = any_word(), next = state_begin_anew(word);
	struct state_probes probes = state_probes(next);

	PROVE(is_valid(next));
	if (next == word) {
		PROVE(state_of(word) != BREAKER_OPEN && (state_of(word) != BREAKER_HALF_OPEN || probes.sent == 0));
		return;
	}
	PROVE(state_of(word) == BREAKER_OPEN || state_of(word) == BREAKER_HALF_OPEN);
	PROVE(state_of(next) == BREAKER_HALF_OPEN && is_next_generation(next, word) && state_reopenings(next) == 0);
	PROVE(probes.sent == 0 && probes.passed == 0 && probes.failed == 0 && probes.slow == 0);
}

/* Only half-open decides, and not before every wanted probe is settled, unless one in flight takes too long. */
void prove_review(void)
{
	uint64_t word = any_word(), now = any_time(), next;
	struct breaker_settings settings = any_settings();
	struct state_probes probes = state_probes(word);
	enum breaker_reason reason = BREAKER_REASON_OPERATOR;
	bool is_settled = probes.passed + probes.failed >= probes_wanted(&settings);

	next = state_review(word, now, &settings, nondet_u32(), &reason);
	if (next == word) {
		PROVE(reason == BREAKER_REASON_OPERATOR);
		PROVE(state_of(word) != BREAKER_HALF_OPEN || !is_settled);
		return;
	}
	PROVE(state_of(word) == BREAKER_HALF_OPEN);
	PROVE(is_settled || in_flight(word) > 0);
	PROVE((reason == BREAKER_REASON_HALF_OPEN_TIMEOUT) == (probes.passed + probes.failed == 0));
	if (state_of(next) == BREAKER_CLOSED) {
		PROVE(is_valid(next) && is_next_generation(next, word) && reason == BREAKER_REASON_PROBES_PASSED);
		PROVE(settings.failure_rate_bp == 0 || probes.failed < probes.passed + probes.failed ||
		      settings.failure_rate_bp > 10000);
	} else {
		prove_opened(next, word, now);
	}
}

void prove_force(void)
{
	static const enum breaker_state states[] = { BREAKER_CLOSED, BREAKER_FORCED_OPEN, BREAKER_DISABLED, BREAKER_METRICS_ONLY };
	uint64_t word = any_word(), next;
	enum breaker_state wanted = states[nondet_u8() % 4];

	next = state_force(word, wanted);
	PROVE(is_valid(next) && state_of(next) == wanted);
	PROVE(next == word ? wanted != BREAKER_CLOSED : is_next_generation(next, word));
}

/* Probes in flight stay with the old breaker: the new one can't wait for them for ever. */
void prove_inherit(void)
{
	uint64_t word = any_word(), next = state_inherit(word);

	PROVE(is_valid(next) && in_flight(next) == 0);
	PROVE(state_of(next) == state_of(word) && state_generation(next) == state_generation(word));
	PROVE(state_open_until(next) == state_open_until(word));
}
