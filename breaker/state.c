/*
 * The states of a breaker, and what may be trusted in each.
 *
 *                        state_open: failure or slow rate reached
 *          +--------------------------------------------------------------+
 *          |                                                              v
 *     +--------+                                                      +------+ --+ state_admit unchanged:
 *     | closed |                                                      | open |   | the call is rejected
 *     +--------+                                                      +------+ <-+
 *          ^                                                           |    ^
 *          |                       state_admit: the open time is over, |    | state_review: probes failed,
 *          |                       this call is the first probe        |    | or none in half_open_timeout
 *          |                                                           v    |
 *          |          state_review: probes passed                   +-----------+ --+ state_admit: one more sent
 *          +--------------------------------------------------------| half-open |   | state_settle: one less in flight
 *                                                                   +-----------+ <-+
 *
 *     state_begin_anew leads from open and from half-open to half-open without any probe: the endpoints that failed are gone.
 *     state_force leads from every state to closed, forced-open, disabled and metrics-only; nothing else leads into or
 *     out of the last three.
 *
 * closed        The word says nothing but its generation. The window's slices carry the generation they were counted
 *               under, so "what came after it closed" needs no date: slices of other generations are not ours.
 * open          `until` is final when written: nobody moves it. `reopenings` counts how often in a row half-open
 *               failed before this stay. Nothing is counted, and no permit of this generation is ever a probe.
 * half-open     sent <= half_open_calls, and sent - passed - failed are in flight. A probe whose end says nothing about
 *               the upstream gives its place back (sent - 1), so no place is lost. The verdict falls when
 *               half_open_calls are settled and not before: an early verdict would save a probe or two, but then
 *               "half_open_calls are let through" would hold only sometimes. The one exception is half_open_timeout, which
 *               runs only while a probe is in flight, from the moment when one was sent and no other was out. An upstream
 *               that is rarely called therefore has all the time it needs for its probes: nobody is refused meanwhile.
 *               When it is over, those that are settled decide without those that are not; with none settled it opens
 *               again.
 * forced-open, disabled, metrics-only    the operator's; no value, no way out but the operator's.
 *
 * Every arrow between two boxes (and closing a closed breaker) adds one to the generation; the loops do not. A permit
 * remembers its generation, so an answer that comes after an arrow is recognised as late, whatever the state is now.
 *
 * The word, highest bit first. Half-open needs most of its bits and therefore has a short mark of its own; the other
 * states share the value's place:
 *
 *     63          62........47  46......43   42........28  27..21  20..14  13...7  6....0
 *     half-open=1 generation    reopenings   begun (ticks)  sent    passed  failed  slow
 *
 *     63          62........47  46......43   42..40  39.................................0
 *     half-open=0 generation    reopenings   state   open: until (ms since birth); else 0
 *
 * Every field has a largest value. At that value:
 *
 * generation  wraps after 65536 arrows. A permit would have to outlive exactly that many to be taken for a current one,
 *             while a permit lives as long as a request's timeouts; what it could falsify then is one call's count.
 * reopenings  stops at 15, that is open_for times 32768, usually far above open_for_max.
 * until       40 bits of milliseconds are 34 years since birth; stops there.
 * begun       when a probe was last sent with no other in flight.
 *             15 bits of 64 ms ticks wrap after 35 minutes; read as a distance from now. Distances in the last 33
 *             seconds of the circle are a clock read on another thread a little before the breaker became half-open, so
 *             they count as none. Timeouts are cut to 30 minutes to fit. A half-open breaker with a probe in flight that
 *             nobody asks for 35 minutes looks young again to the next caller and may wait at most one more timeout.
 *             The timeout is never early and at most two ticks late.
 * sent ...    7 bits hold 127; half_open_calls is cut to 100.
 */
#include "breaker/state.h"

#include <assert.h>

#include "breaker/jitter.h"

enum {
	GENERATION_SHIFT = 47,
	REOPENINGS_SHIFT = 43,
	STATE_SHIFT = 40,
	BEGUN_SHIFT = 28,
	SENT_SHIFT = 21,
	PASSED_SHIFT = 14,
	FAILED_SHIFT = 7,
	SLOW_SHIFT = 0,

	COUNT_MASK = 0x7f,
	TICKS = 1 << 15,
	TICKS_BEHIND = 512, /* the last part of the circle: a clock that lags, not 35 minutes */
};

static const uint64_t HALF_OPEN = UINT64_C(1) << 63;
static const uint64_t UNTIL_MAX = (UINT64_C(1) << STATE_SHIFT) - 1;

static uint64_t generation_after(uint64_t word)
{
	return (uint64_t)((state_generation(word) + 1) % STATE_GENERATIONS) << GENERATION_SHIFT;
}

static uint64_t plain_word(uint64_t generation, enum breaker_state state, uint32_t reopenings, uint64_t until)
{
	return generation | (uint64_t)reopenings << REOPENINGS_SHIFT | (uint64_t)state << STATE_SHIFT | until;
}

static uint32_t count_at(uint64_t word, int shift)
{
	return word >> shift & COUNT_MASK;
}

static uint32_t probes_wanted(const struct breaker_settings *settings)
{
	uint32_t wanted = settings->half_open_calls;

	return wanted < 1 ? 1 : wanted > STATE_PROBES_MAX ? STATE_PROBES_MAX : wanted;
}

/* Doubled for every re-opening in a row, up to the limit; with jitter, so that gateways which lost an upstream together do not
 * come back to it together. */
static uint64_t open_time(uint32_t reopenings, const struct breaker_settings *settings, uint32_t random)
{
	uint64_t time_ms = (uint64_t)settings->open_for_ms << reopenings;
	uint64_t limit_ms = settings->open_for_max_ms > settings->open_for_ms ? settings->open_for_max_ms
	                                                                       : settings->open_for_ms;

	return jitter_fifth(time_ms < limit_ms ? time_ms : limit_ms, random);
}

static bool is_timed_out(uint64_t word, uint64_t now, const struct breaker_settings *settings)
{
	struct state_probes probes = state_probes(word);
	uint32_t begun = word >> BEGUN_SHIFT & (TICKS - 1);
	uint32_t ticks = ((uint32_t)(now / STATE_TICK_MS) - begun) & (TICKS - 1);
	uint32_t timeout_ms = settings->half_open_timeout_ms;

	if (timeout_ms > STATE_HALF_OPEN_TIMEOUT_MAX_MS)
		timeout_ms = STATE_HALF_OPEN_TIMEOUT_MAX_MS;
	if (probes.sent == probes.passed + probes.failed || ticks == 0 || ticks >= TICKS - TICKS_BEHIND)
		return false;
	/* Both ends are rounded down: of n ticks only n - 1 have surely passed. */
	return (ticks - 1) * STATE_TICK_MS >= timeout_ms;
}

enum breaker_state state_of(uint64_t word)
{
	return word & HALF_OPEN ? BREAKER_HALF_OPEN : (enum breaker_state)(word >> STATE_SHIFT & 7);
}

uint32_t state_generation(uint64_t word)
{
	return word >> GENERATION_SHIFT & (STATE_GENERATIONS - 1);
}

uint32_t state_reopenings(uint64_t word)
{
	return word >> REOPENINGS_SHIFT & STATE_REOPENINGS_MAX;
}

uint64_t state_open_until(uint64_t word)
{
	return state_of(word) == BREAKER_OPEN ? word & UNTIL_MAX : 0;
}

struct state_probes state_probes(uint64_t word)
{
	if (state_of(word) != BREAKER_HALF_OPEN)
		return (struct state_probes){0};
	return (struct state_probes){
		.sent = count_at(word, SENT_SHIFT),
		.passed = count_at(word, PASSED_SHIFT),
		.failed = count_at(word, FAILED_SHIFT),
		.slow = count_at(word, SLOW_SHIFT),
	};
}

bool state_reaches(uint64_t part, uint64_t whole, uint32_t rate_bp)
{
	return part > 0 && part * 10000 >= whole * rate_bp;
}

uint64_t state_born(void)
{
	return plain_word(0, BREAKER_CLOSED, 0, 0);
}

static uint64_t begun_at(uint64_t now)
{
	return (now / STATE_TICK_MS & (TICKS - 1)) << BEGUN_SHIFT;
}

static uint64_t send_probe(uint64_t word, uint64_t now)
{
	struct state_probes probes = state_probes(word);

	if (probes.sent == probes.passed + probes.failed)
		word = (word & ~((uint64_t)(TICKS - 1) << BEGUN_SHIFT)) | begun_at(now);
	return word + (UINT64_C(1) << SENT_SHIFT);
}

uint64_t state_admit(uint64_t word, uint64_t now, const struct breaker_settings *settings)
{
	switch (state_of(word)) {
	case BREAKER_OPEN:
		if (now < state_open_until(word))
			return word;
		return send_probe(HALF_OPEN | generation_after(word) | (uint64_t)state_reopenings(word) << REOPENINGS_SHIFT, now);
	case BREAKER_HALF_OPEN:
		if (count_at(word, SENT_SHIFT) >= probes_wanted(settings))
			return word;
		return send_probe(word, now);
	default:
		return word;
	}
}

uint64_t state_begin_anew(uint64_t word)
{
	enum breaker_state state = state_of(word);

	if (state != BREAKER_OPEN && (state != BREAKER_HALF_OPEN || count_at(word, SENT_SHIFT) == 0))
		return word;
	return HALF_OPEN | generation_after(word);
}

uint64_t state_open(uint64_t word, uint64_t now, const struct breaker_settings *settings, uint32_t random)
{
	uint32_t reopenings = state_reopenings(word);
	uint64_t until;

	assert(state_of(word) == BREAKER_CLOSED || state_of(word) == BREAKER_HALF_OPEN);
	if (state_of(word) == BREAKER_HALF_OPEN && reopenings < STATE_REOPENINGS_MAX)
		reopenings++;
	until = now + open_time(reopenings, settings, random);
	return plain_word(generation_after(word), BREAKER_OPEN, reopenings, until < UNTIL_MAX ? until : UNTIL_MAX);
}

uint64_t state_settle(uint64_t word, enum breaker_verdict verdict, bool is_slow)
{
	struct state_probes probes = state_probes(word);

	/* Nothing is in flight: this is not a probe of this generation, but one of 65536 generations ago. It must not borrow
	 * a bit from the neighbouring field. */
	if (probes.sent <= probes.passed + probes.failed)
		return word;
	if (verdict == BREAKER_NEITHER)
		return word - (UINT64_C(1) << SENT_SHIFT);
	word += UINT64_C(1) << (verdict == BREAKER_FAILURE ? FAILED_SHIFT : PASSED_SHIFT);
	return is_slow ? word + (UINT64_C(1) << SLOW_SHIFT) : word;
}

uint64_t state_review(uint64_t word, uint64_t now, const struct breaker_settings *settings, uint32_t random,
                      enum breaker_reason *reason)
{
	struct state_probes probes = state_probes(word);
	uint32_t settled = probes.passed + probes.failed;

	if (state_of(word) != BREAKER_HALF_OPEN)
		return word;
	if (settled >= probes_wanted(settings) || (settled > 0 && is_timed_out(word, now, settings))) {
		/* "At least": after a reload, more probes may have been sent than are wanted now. */
		if (state_reaches(probes.failed, settled, settings->failure_rate_bp)
		    || state_reaches(probes.slow, settled, settings->slow_rate_bp)) {
			*reason = BREAKER_REASON_PROBES_FAILED;
			return state_open(word, now, settings, random);
		}
		*reason = BREAKER_REASON_PROBES_PASSED;
		return plain_word(generation_after(word), BREAKER_CLOSED, 0, 0);
	}
	if (is_timed_out(word, now, settings)) {
		*reason = BREAKER_REASON_HALF_OPEN_TIMEOUT;
		return state_open(word, now, settings, random);
	}
	return word;
}

uint64_t state_force(uint64_t word, enum breaker_state state)
{
	assert(state == BREAKER_CLOSED || state == BREAKER_FORCED_OPEN || state == BREAKER_DISABLED
	       || state == BREAKER_METRICS_ONLY);
	if (state == state_of(word) && state != BREAKER_CLOSED)
		return word;
	return plain_word(generation_after(word), state, 0, 0);
}

uint64_t state_inherit(uint64_t word)
{
	struct state_probes probes = state_probes(word);
	uint64_t in_flight = probes.sent - probes.passed - probes.failed;

	return word - (in_flight << SENT_SHIFT);
}
