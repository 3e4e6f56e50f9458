#include "gateway/telemetry/metrics_events.h"

#include <stddef.h>

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
	else if ((events & CALL_FAILURES) != 0)
		events |= 1 << CALL_THROWN;
	return events;
}

const char *metrics_call_kind(unsigned events)
{
	if ((events & CALL_ANSWERS) != 0)
		return "successful";
	if ((events & CALL_FAILURES) != 0)
		return "failed";
	return (events & 1 << CALL_CANCELLED) != 0 ? "ignored" : NULL;
}

unsigned metrics_series_events(unsigned status, enum outcome outcome)
{
	return metrics_call_events(status & METRICS_STATUS_MASK, outcome, status >> METRICS_REPLACED_SHIFT & METRICS_REPLACED_MASK);
}

bool metrics_is_call(unsigned status, enum outcome outcome)
{
	return metrics_call_kind(metrics_series_events(status, outcome)) != NULL;
}
