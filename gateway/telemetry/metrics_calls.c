#include "gateway/telemetry/metrics_calls.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/telemetry/metrics_lines.h"
#include "gateway/telemetry/metrics_shape.h"

static void add_series(struct metrics_calls *calls, const struct series *series)
{
	unsigned events = metrics_series_events(series->status, series->outcome);
	struct figures figures = metrics_read_series(series);

	for (unsigned i = 0; i < CALL_EVENTS; i++)
		if ((events & 1U << i) != 0)
			calls->events[i] += figures.count;
	calls->requests += events == 0 ? 0 : figures.count;
	if ((series->status & METRICS_RETRIED) != 0) {
		calls->retried_answers += (events & CALL_ANSWERS) == 0 ? 0 : figures.count;
		calls->retried_failures += (events & CALL_FAILURES) == 0 ? 0 : figures.count;
	}
	if (series->is_call)
		calls->latencies.sum_us += figures.sum_us;
}

void metrics_add_calls(const struct route_metrics *metrics, struct metrics_calls *calls)
{
	for (unsigned i = 0; i < metrics->shard_count; i++) {
		const struct series *series;

		for (size_t j = 0; (series = metrics_series_at(&metrics->shards[i], j)) != NULL; j++)
			add_series(calls, series);
		for (size_t j = 0; j < LATENCY_PLACES; j++)
			calls->latencies.places[j] += atomic_load_explicit(&metrics->shards[i].latencies[j], memory_order_relaxed);
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

/* By service. NULL: out of memory. */
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

static void write_total(const char *family, const char *upstream, uint64_t count, FILE *to)
{
	fprintf(to, "%s{group=\"" UPSTREAM_HYSTRIX_GROUP "\"", family);
	metrics_label(to, ",key", upstream);
	fprintf(to, "} %" PRIu64 "\n", count);
}

static void write_terminals(const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	write_total("hystrix_execution_terminal_total", upstream, calls->requests, to);
}

static void write_kind(const char *family, const char *kind, const char *upstream, uint64_t count, FILE *to)
{
	fprintf(to, "%s{", family);
	metrics_label(to, "group", upstream);
	fprintf(to, ",kind=\"%s\"", kind);
	metrics_label(to, ",name", upstream);
	fprintf(to, "} %" PRIu64 "\n", count);
}

/* ---- as Micrometer 1.0 named them, for Spring Boot 2.0 ---- */

static bool is_of_fallback(size_t row)
{
	return strncmp(hystrix_rows[row].name, "fallback_", 9) == 0;
}

static void write_old(const char *family, bool is_fallback, const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	for (size_t i = 0; i < sizeof hystrix_rows / sizeof hystrix_rows[0]; i++) {
		if (is_of_fallback(i) != is_fallback)
			continue;
		fprintf(to, "%s{group=\"" UPSTREAM_HYSTRIX_GROUP "\"", family);
		metrics_label(to, ",key", upstream);
		fprintf(to, ",event=\"%s\"} %" PRIu64 "\n", hystrix_rows[i].name, calls->events[hystrix_rows[i].event]);
	}
}

static void write_old_fallbacks(const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	write_old("hystrix_fallback_total", true, upstream, calls, to);
}

static void write_old_others(const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	write_old("hystrix_command_other_total", false, upstream, calls, to);
}

static void write_old_requests(const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	write_total("hystrix_requests_total", upstream, calls->requests, to);
}

/* In Hystrix' health: what the upstream did, and what it was spared. */
static void write_old_errors(const char *upstream, const struct metrics_calls *calls, FILE *to)
{
	write_total("hystrix_errors_total", upstream,
	            calls->events[CALL_FAILURE] + calls->events[CALL_TIMEOUT] + calls->events[CALL_SHORT_CIRCUITED] +
	                    calls->events[CALL_REJECTED],
	            to);
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
		bool is_old; /* only with METRICS_BOOT2 */
	} families[] = {
		{ "hystrix_execution_total", "Requests by what happened to them; one request can count several times.",
		  write_executions, false },
		{ "hystrix_execution_terminal_total", "Requests that are over.", write_terminals, false },
		{ "resilience4j_retry_calls_total", "Calls, by whether they took more than one try.", write_retried, false },
		{ "resilience4j_timelimiter_calls_total", "Calls, by whether a timeout ended them.", write_time_limited, false },
		{ "hystrix_requests_total", "Requests that are over.", write_old_requests, true },
		{ "hystrix_errors_total", "Requests that failed or that the gateway kept from the upstream.",
		  write_old_errors, true },
		{ "hystrix_fallback_total", "Requests that had a fallback, and failures that had none.", write_old_fallbacks, true },
		{ "hystrix_command_other_total", "Requests by what else happened to them.", write_old_others, true },
	};

	/* Read once, so that the families agree with each other. */
	struct metrics_calls *calls = read_calls(input);

	for (size_t i = 0; calls != NULL && input->service_count > 0 && i < sizeof families / sizeof families[0]; i++) {
		if (families[i].is_old && input->names != METRICS_BOOT2)
			continue;
		metrics_head(to, families[i].name, "counter", families[i].help);
		for (size_t j = 0; j < input->service_count; j++)
			families[i].write(input->services[j].settings->name, &calls[j], to);
	}
	free(calls);
}
