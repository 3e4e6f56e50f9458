/*
 * Two lists of the same calls, one by beginning and one by end, are merged: a beginning asks for a permit, an end settles it.
 * A refused call never settles. So a breaker that opens earlier than the one that wrote the log sees fewer of the later
 * calls, as it would in life. It can't see that a service which is left alone may recover sooner.
 */
#include "gateway/replay/simulate.h"

#include <stdlib.h>

#include "breaker/jitter.h"

struct run {
	struct replay *replay;
	int64_t zero_ms; /* what is 1 ms for the breaker, since 1970 */
	uint64_t opened_ms;
	bool is_open;
};

/* NULL: the breaker has not opened yet, or too often for all to be kept. */
static struct episode *current_episode(struct replay *replay)
{
	return replay->opened <= EPISODES_MOST && replay->opened > 0 ? &replay->episodes[replay->opened - 1] : NULL;
}

static void on_transition(void *context, const struct breaker_transition *transition)
{
	struct run *run = context;
	struct replay *replay = run->replay;
	struct episode *episode = current_episode(replay);

	if (transition->to == BREAKER_OPEN && !run->is_open) {
		run->is_open = true;
		run->opened_ms = transition->at_ms;
		replay->opened++;
		if (replay->episode_count < EPISODES_MOST)
			replay->episodes[replay->episode_count++] = (struct episode){
				.from_ms = run->zero_ms + (int64_t)transition->at_ms,
				.reason = transition->reason,
				.calls = transition->calls,
				.failures = transition->failures,
				.slow_calls = transition->slow_calls,
			};
		return;
	}
	if (transition->to == BREAKER_OPEN && episode != NULL)
		episode->reopened++;
	if (transition->to == BREAKER_CLOSED && run->is_open) {
		run->is_open = false;
		replay->open_ms += transition->at_ms - run->opened_ms;
		if (episode != NULL)
			episode->until_ms = run->zero_ms + (int64_t)transition->at_ms;
	}
}

static void count_refused(struct replay *replay, const struct call *call)
{
	struct episode *episode = current_episode(replay);

	if (call->end == CALL_FAILED) {
		replay->spared++;
		replay->waiting_ms += call->duration_ms;
		if (episode != NULL)
			episode->spared++;
	} else if (call->end == CALL_FINE) {
		replay->in_vain++;
		if (episode != NULL)
			episode->in_vain++;
	}
}

enum place { PLACE_TO_COME, PLACE_UNDER_WAY, PLACE_REFUSED };

struct place_of_call {
	struct breaker_permit permit;
	enum place place;
};

static void begin_call(struct run *run, struct breaker *breaker, const struct breaker_settings *settings,
                       const struct call *call, struct place_of_call *place)
{
	uint64_t now_ms = (uint64_t)(call->begin_ms - run->zero_ms), retry_after_ms;

	if (breaker_admit(breaker, settings, now_ms, JITTER_NONE, &place->permit, &retry_after_ms)) {
		place->place = PLACE_UNDER_WAY;
		if (call->end == CALL_UNKNOWN)
			breaker_settle(breaker, settings, now_ms, JITTER_NONE, &place->permit, BREAKER_NEITHER, 0);
	} else {
		place->place = PLACE_REFUSED;
		count_refused(run->replay, call);
	}
}

static void end_call(struct run *run, struct breaker *breaker, const struct breaker_settings *settings,
                     const struct call *call, struct place_of_call *place)
{
	enum breaker_verdict verdict = call->end == CALL_FAILED ? BREAKER_FAILURE
	                               : call->end == CALL_FINE ? BREAKER_SUCCESS
	                                                        : BREAKER_NEITHER;

	if (place->place == PLACE_UNDER_WAY)
		breaker_settle(breaker, settings, (uint64_t)(call->end_ms - run->zero_ms), JITTER_NONE, &place->permit, verdict,
		               call->response_ms);
}

bool simulate(const struct calls *calls, size_t from, size_t until, const struct breaker_settings *settings,
              struct replay *replay)
{
	size_t count = until - from, begun = 0, ended = 0;
	struct run run = { .replay = replay };
	struct place_of_call *places = calloc(count, sizeof(*places));
	struct breaker *breaker;
	uint64_t last_ms;

	*replay = (struct replay){ 0 };
	if (count == 0 || places == NULL) {
		free(places);
		return count == 0;
	}
	run.zero_ms = calls->list[calls->by_begin[from]].begin_ms - 1;
	breaker = breaker_new(settings, 0, on_transition, &run);
	if (breaker == NULL) {
		free(places);
		return false;
	}
	while (ended < count) {
		const struct call *end = &calls->list[from + ended];
		const struct call *begin = begun < count ? &calls->list[calls->by_begin[from + begun]] : NULL;

		if (begin == NULL || (places[ended].place != PLACE_TO_COME && end->end_ms <= begin->begin_ms)) {
			end_call(&run, breaker, settings, end, &places[ended]);
			ended++;
		} else {
			begin_call(&run, breaker, settings, begin, &places[calls->by_begin[from + begun] - from]);
			begun++;
		}
	}
	last_ms = (uint64_t)(calls->list[until - 1].end_ms - run.zero_ms);
	if (run.is_open)
		replay->open_ms += last_ms - run.opened_ms;
	breaker_free(breaker);
	free(places);
	return true;
}
