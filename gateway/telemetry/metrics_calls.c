#include "gateway/telemetry/metrics_calls.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/telemetry/metrics_lines.h"
#include "gateway/telemetry/metrics_services.h"

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
	                                      series->status >> METRICS_REPLACED_SHIFT & METRICS_REPLACED_MASK);
	struct figures figures = metrics_read_series(series);

	for (unsigned i = 0; i < CALL_EVENTS; i++)
		if ((events & 1U << i) != 0)
			calls->events[i] += figures.count;
	calls->requests += events == 0 ? 0 : figures.count;
	if ((series->status & METRICS_RETRIED) != 0) {
		calls->retried_answers += (events & ANSWERS) == 0 ? 0 : figures.count;
		calls->retried_failures += (events & FAILURES) == 0 ? 0 : figures.count;
	}
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

/* ---- their text ---------------------------------------------------------------------------------------------------- */

/* `is_terminal`: Hystrix' word for what the caller got. */
static const struct {
	const char *name;
	bool is_terminal;
	enum call_event event;
} hystrix_rows[] = {
	{ "success", true, CALL_SUCCESS },
	{ "failure", false, CALL_FAILURE },
	{ "timeout", false, CALL_TIMEOUT },
	{ "bad_request", true, CALL_BAD_REQUEST },
	{ "short_circuited", false, CALL_SHORT_CIRCUITED },
	{ "semaphore_rejected", false, CALL_REJECTED },
	{ "cancelled", true, CALL_CANCELLED },
	{ "fallback_success", true, CALL_FALLBACK },
	{ "fallback_missing", true, CALL_THROWN },
	{ "exception_thrown", false, CALL_THROWN },
};

/* By service. NULL: memory is short. */
static struct metrics_calls *read_calls(const struct metrics_input *input)
{
	struct metrics_calls *calls = calloc(input->service_count + 1, sizeof *calls);

	for (size_t i = 0; calls != NULL && i < input->route_count; i++) {
		const struct metrics_route *route = &input->routes[i];
		const struct metrics_service *service = route->upstream == NULL ? NULL : metrics_find_service(input, route->upstream);

		if (service != NULL)
			metrics_add_calls(route->metrics, &calls[service - input->services]);
	}
	return calls;
}

static void write_executions(const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	for (size_t i = 0; i < sizeof hystrix_rows / sizeof hystrix_rows[0]; i++) {
		fputs("hystrix_execution_total{group=\"" UPSTREAM_HYSTRIX_GROUP "\"", to);
		metrics_label(to, ",key", upstream);
		fprintf(to, ",event=\"%s\",terminal=\"%s\"} %" PRIu64 "\n", hystrix_rows[i].name,
		        hystrix_rows[i].is_terminal ? "true" : "false", calls->events[hystrix_rows[i].event]);
	}
}

static void write_terminals(const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	fputs("hystrix_execution_terminal_total{group=\"" UPSTREAM_HYSTRIX_GROUP "\"", to);
	metrics_label(to, ",key", upstream);
	fprintf(to, "} %" PRIu64 "\n", calls->requests);
}

static void write_kind(const char *family, const char *kind, const char *upstream, uint64_t count, FILE *to)
{
	fprintf(to, "%s{kind=\"%s\"", family, kind);
	metrics_label(to, ",name", upstream);
	fprintf(to, "} %" PRIu64 "\n", count);
}

static uint64_t answers_of(const struct metrics_calls *calls)
{
	return calls->events[CALL_SUCCESS] + calls->events[CALL_BAD_REQUEST];
}

static void write_retried(const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	static const char family[] = "resilience4j_retry_calls_total";
	uint64_t failures = calls->events[CALL_FAILURE] + calls->events[CALL_TIMEOUT];

	write_kind(family, "successful_without_retry", upstream, answers_of(calls) - calls->retried_answers, to);
	write_kind(family, "successful_with_retry", upstream, calls->retried_answers, to);
	write_kind(family, "failed_without_retry", upstream, failures - calls->retried_failures, to);
	write_kind(family, "failed_with_retry", upstream, calls->retried_failures, to);
}

static void write_time_limited(const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	static const char family[] = "resilience4j_timelimiter_calls_total";

	write_kind(family, "successful", upstream, answers_of(calls), to);
	write_kind(family, "failed", upstream, calls->events[CALL_FAILURE], to);
	write_kind(family, "timeout", upstream, calls->events[CALL_TIMEOUT], to);
}

void metrics_write_calls(const struct metrics_input *input, FILE *to)
{
	static const struct {
		const char *name, *help;
		void (*write)(const char *upstream, const struct metrics_calls *calls, FILE *to);
	} families[] = {
		{ "hystrix_execution_total", "What became of requests; one can be several.", write_executions },
		{ "hystrix_execution_terminal_total", "Requests that are over.", write_terminals },
		{ "resilience4j_retry_calls_total", "Calls, by whether they took more than one try.", write_retried },
		{ "resilience4j_timelimiter_calls_total", "Calls, by whether a timeout ended them.", write_time_limited },
	};

	/* Read once, so that the families agree with each other. */
	struct metrics_calls *calls = read_calls(input);

	for (size_t i = 0; calls != NULL && input->service_count > 0 && i < sizeof families / sizeof families[0]; i++) {
		metrics_head(to, families[i].name, "counter", families[i].help);
		for (size_t j = 0; j < input->service_count; j++)
			families[i].write(input->services[j].settings->name, &calls[j], to);
	}
	free(calls);
}
