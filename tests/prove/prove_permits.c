/*
 * breaker/breaker.c over the transitions that prove_state.c proves: what a permit is worth. One call from any state of the
 * breaker in which as many probes are in flight as there are probe permits of its generation leads to such a state again: so
 * none is ever lost, which would keep a breaker half-open, and none is spent twice. The window is any window.
 */
#include "tests/prove/prove.h"

#define state_open proved_state_open
#define state_review proved_state_review
#include "breaker/state.c"
#undef state_open
#undef state_review

/* These two with no more than what prove_state.c proves of them: their arithmetic would be proved again with each call. */
uint64_t state_open(uint64_t word, uint64_t now, const struct breaker_settings *any, uint32_t random)
{
	(void)now, (void)any, (void)random;
	return plain_word(generation_after(word), BREAKER_OPEN, nondet_u8() & STATE_REOPENINGS_MAX, nondet_u64() & UNTIL_MAX);
}

static bool may_be_due;

uint64_t state_review(uint64_t word, uint64_t now, const struct breaker_settings *any, uint32_t random,
                      enum breaker_reason *reason)
{
	if (state_of(word) != BREAKER_HALF_OPEN || !may_be_due || nondet_bool())
		return word;
	*reason = BREAKER_REASON_PROBES_PASSED;
	return nondet_bool() ? plain_word(generation_after(word), BREAKER_CLOSED, 0, 0) : state_open(word, now, any, random);
}

#include "breaker/numbered.h"
#define numbered_add(word, number) nondet_u64() /* whoever else has counted there */

#include "breaker/breaker.c"

void window_init(struct window *window, enum breaker_window kind, uint32_t size)
{
	(void)window, (void)kind, (void)size;
}

void window_add(struct window *window, uint32_t generation, uint64_t now_ms, bool is_failure, bool is_slow)
{
	(void)window, (void)generation, (void)now_ms, (void)is_failure, (void)is_slow;
}

struct window_sum window_sum(const struct window *window, uint32_t generation, uint64_t now_ms)
{
	struct window_sum sum = { .calls = nondet_u32(), .failures = nondet_u32(), .slow = nondet_u32() };

	(void)window, (void)generation, (void)now_ms;
	return sum;
}

void window_sum_slow_failures(const struct window *window, uint32_t generation, uint64_t now_ms, struct window_sum *sum)
{
	(void)window, (void)generation, (void)now_ms;
	sum->slow_failures = nondet_u32();
}

void figures_keep(struct breaker *any, uint32_t generation, struct window_sum figures)
{
	(void)any, (void)generation, (void)figures;
}

static bool is_valid(uint64_t word)
{
	struct state_probes probes = state_probes(word);
	enum breaker_state state = state_of(word);

	if (state == BREAKER_HALF_OPEN)
		return word >> 63 == 1 && probes.sent <= STATE_PROBES_MAX && probes.passed + probes.failed <= probes.sent &&
		       probes.slow <= probes.passed + probes.failed;
	return word >> 63 == 0 && state <= BREAKER_METRICS_ONLY &&
	       (state == BREAKER_OPEN || ((word & UNTIL_MAX) == 0 && state_reopenings(word) == 0));
}

static uint32_t in_flight(uint64_t word)
{
	struct state_probes probes = state_probes(word);

	return probes.sent - probes.passed - probes.failed;
}

static struct breaker breaker;
static struct breaker_settings settings;
static uint64_t now_ms;

static void begin(void)
{
	struct breaker_settings any;

	settings = any;
	ASSUME(settings.failure_rate_bp <= 10000 && settings.slow_rate_bp <= 10000);
	breaker.word = nondet_u64();
	ASSUME(is_valid(breaker.word));
	breaker.born_ms = nondet_u64();
	now_ms = nondet_u64();
	ASSUME(now_ms < UINT64_C(1) << 62);
	breaker.window.kind = nondet_u8() % 2;
	may_be_due = true;
}

/* Between two words that follow each other, when a call was no probe: only a transition takes probes away, and all of them. */
static void prove_untouched(uint64_t before, uint64_t after)
{
	PROVE(is_valid(after));
	PROVE(in_flight(after) == (state_generation(after) == state_generation(before) ? in_flight(before) : 0));
}

void prove_admit(void)
{
	struct breaker_permit permit = { .generation = nondet_u32(), .kind = nondet_u8() };
	uint64_t before, retry_after_ms = 0;
	bool is_admitted;

	begin();
	before = breaker.word;
	is_admitted = nondet_bool() ? breaker_admit_aside(&breaker, &settings, now_ms, nondet_u32(), &permit, &retry_after_ms)
	                            : breaker_admit(&breaker, &settings, now_ms, nondet_u32(), &permit, &retry_after_ms);
	PROVE(is_admitted == (permit.kind != PERMIT_NONE));
	PROVE(is_admitted || retry_after_ms >= 1);
	if (permit.kind == PERMIT_PROBE) {
		bool is_first = state_generation(breaker.word) != state_generation(before);

		PROVE(is_valid(breaker.word) && state_of(breaker.word) == BREAKER_HALF_OPEN);
		PROVE(permit.generation == state_generation(breaker.word));
		PROVE(in_flight(breaker.word) == (is_first ? 1 : in_flight(before) + 1));
		PROVE(state_probes(breaker.word).sent <= probes_wanted(&settings));
	} else {
		prove_untouched(before, breaker.word);
		PROVE(is_admitted || !settings.observe);
		PROVE(permit.kind != PERMIT_COUNTED || state_of(breaker.word) == BREAKER_CLOSED ||
		      state_of(breaker.word) == BREAKER_METRICS_ONLY);
	}
}

void prove_settle(void)
{
	struct breaker_permit permit = { .generation = nondet_u32(), .kind = nondet_u8() };
	uint64_t before;
	bool is_current;

	begin();
	ASSUME(permit.kind <= PERMIT_OBSERVED && permit.generation < STATE_GENERATIONS);
	before = breaker.word;
	is_current = permit.kind == PERMIT_PROBE && permit.generation == state_generation(before);
	/* A probe permit of this generation is one of those in flight. */
	ASSUME(!is_current || in_flight(before) > 0);
	breaker_settle(&breaker, &settings, now_ms, nondet_u32(), &permit, nondet_u8() % 3, nondet_u64());
	PROVE(permit.kind == PERMIT_NONE);
	if (is_current && state_generation(breaker.word) == state_generation(before)) {
		PROVE(is_valid(breaker.word) && in_flight(breaker.word) == in_flight(before) - 1);
	} else {
		prove_untouched(before, breaker.word);
	}
}

/* What is settled under another generation changes nothing, whatever kind it is; only time may decide meanwhile. */
void prove_late(void)
{
	struct breaker_permit permit = { .generation = nondet_u32(), .kind = nondet_u8() };
	uint64_t before;

	begin();
	may_be_due = false;
	before = breaker.word;
	ASSUME(permit.kind <= PERMIT_OBSERVED && permit.generation < STATE_GENERATIONS);
	ASSUME(permit.generation != state_generation(before));
	breaker_settle(&breaker, &settings, now_ms, nondet_u32(), &permit, nondet_u8() % 3, nondet_u64());
	PROVE(breaker.word == before);
}
