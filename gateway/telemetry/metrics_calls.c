#include "gateway/telemetry/metrics_calls.h"

#include <stddef.h>

#include "gateway/telemetry/metrics_lines.h"

enum {
	ANSWERS = 1 << CALL_SUCCESS | 1 << CALL_BAD_REQUEST,
	FAILURES = 1 << CALL_FAILURE | 1 << CALL_TIMEOUT,
};

static unsigned of_replaced(enum replaced replaced)
{
	switch (replaced) {
	case REPLACED_SUCCESS:
		return 1 << CALL_SUCCESS;
	case REPLACED_BAD_REQUEST:
		return 1 << CALL_BAD_REQUEST;
	case REPLACED_UNKNOWN: /* labels ran out; a fallback is for failures */
	case REPLACED_FAILURE:
		break;
	}
	return 1 << CALL_FAILURE;
}

static unsigned of_upstream(unsigned status, enum outcome outcome, enum replaced replaced)
{
	switch (outcome) {
	case OUTCOME_REPLACED:
		return of_replaced(replaced);
	case OUTCOME_BREAKER_OPEN:
		return 1 << CALL_SHORT_CIRCUITED;
	case OUTCOME_OVERLOADED:
		return 1 << CALL_REJECTED;
	case OUTCOME_CONNECT_TIMEOUT:
	case OUTCOME_RESPONSE_TIMEOUT:
		return 1 << CALL_TIMEOUT;
	case OUTCOME_CLIENT_ABORTED:
	case OUTCOME_CLIENT_STALLED:
		return 1 << CALL_CANCELLED;
	default:
		break;
	}
	switch (outcome_table[outcome].verdict) {
	case BREAKER_SUCCESS:
		return status / 100 == 4 ? 1 << CALL_BAD_REQUEST : 1 << CALL_SUCCESS;
	case BREAKER_FAILURE:
		return 1 << CALL_FAILURE;
	case BREAKER_NEITHER:
		break;
	}
	return 0;
}

unsigned metrics_call_events(unsigned status, enum outcome outcome, enum replaced replaced)
{
	unsigned events = of_upstream(status, outcome, replaced);

	if (outcome_table[outcome].answer == ANSWER_FALLBACK)
		events |= 1 << CALL_FALLBACK;
	else if ((events & FAILURES) != 0)
		events |= 1 << CALL_THROWN;
	return events;
}

const char *metrics_call_kind(unsigned events)
{
	if ((events & ANSWERS) != 0)
		return "successful";
	if ((events & FAILURES) != 0)
		return "failed";
	return (events & 1 << CALL_CANCELLED) != 0 ? "ignored" : NULL;
}

static void add_series(struct metrics_calls *calls, const struct series *series)
{
	unsigned events = metrics_call_events(series->status & METRICS_STATUS_MASK, series->outcome,
	                                      series->status >> METRICS_REPLACED_SHIFT);
	struct figures figures = metrics_read_series(series);

	for (unsigned i = 0; i < CALL_EVENTS; i++)
		if ((events & 1U << i) != 0)
			calls->events[i] += figures.count;
	if (metrics_call_kind(events) == NULL)
		return;
	calls->sum_us += figures.sum_us;
	calls->buckets[METRICS_BUCKETS] += figures.count;
	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		calls->buckets[i] += figures.buckets[i];
		calls->buckets[METRICS_BUCKETS] -= figures.buckets[i]; /* the count is never below their sum */
	}
}

void metrics_add_calls(const struct route_metrics *metrics, struct metrics_calls *calls)
{
	for (unsigned i = 0; i < metrics->shard_count; i++) {
		const struct series *series;

		for (size_t j = 0; (series = metrics_series_at(&metrics->shards[i], j)) != NULL; j++)
			add_series(calls, series);
	}
}
