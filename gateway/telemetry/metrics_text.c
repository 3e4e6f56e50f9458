/*
 * Many series that workers keep become few lines that Prometheus reads.
 *
 *   series (route x worker x method x status x outcome)  --read once-->  samples
 *   samples  --labels of one family, as text-->  lines  --sort, merge equal labels-->  written
 *
 * Labels are rendered first and compared as text, so that one label set can appear only once, whatever falls together:
 * workers, routes with one path, outcomes that a family does not tell apart. Each series is read once, before anything is
 * written: count and buckets of a family come from the same reading, and a writer that goes on can't make them disagree.
 * When memory is short a family is left out rather than written by halves.
 */
#include "gateway/telemetry/metrics_shape.h"
#include "gateway/telemetry/metrics_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "gateway/telemetry/metrics_calls.h"
#include "gateway/telemetry/metrics_lines.h"
#include "gateway/telemetry/metrics_process.h"
#include "gateway/telemetry/metrics_services.h"

struct sample {
	const struct metrics_route *route;
	enum method method;
	unsigned status;
	enum outcome outcome;
	enum replaced replaced;
	struct figures figures;
};

struct samples {
	struct sample *list;
	size_t count;
};

/* ---- reading ------------------------------------------------------------------------------------------------- */

static bool add_sample(struct samples *samples, size_t *room, const struct metrics_route *route, const struct series *series)
{
	if (samples->count == *room) {
		size_t larger_room = *room * 2 + 64;
		struct sample *larger = realloc(samples->list, larger_room * sizeof *larger);

		if (larger == NULL)
			return false;
		samples->list = larger;
		*room = larger_room;
	}
	samples->list[samples->count++] = (struct sample){
		.route = route,
		.method = series->method,
		.status = series->status & METRICS_STATUS_MASK,
		.outcome = series->outcome,
		.replaced = series->status >> METRICS_REPLACED_SHIFT & METRICS_REPLACED_MASK,
		.figures = metrics_read_series(series),
	};
	return true;
}

static bool read_samples(const struct metrics_input *input, struct samples *samples)
{
	size_t room = 0;

	for (size_t i = 0; i < input->route_count; i++) {
		const struct metrics_route *route = &input->routes[i];

		for (unsigned j = 0; j < route->metrics->shard_count; j++) {
			const struct series *series;

			for (size_t k = 0; (series = metrics_series_at(&route->metrics->shards[j], k)) != NULL; k++)
				if (!add_sample(samples, &room, route, series))
					return false;
		}
	}
	return true;
}

/* ---- one family ---------------------------------------------------------------------------------------------- */

static void write_seconds(FILE *to, uint64_t us)
{
	fprintf(to, "%" PRIu64 ".%06u\n", us / 1000000, (unsigned)(us % 1000000));
}

/* Bounds have a point, as OpenMetrics wants them: 1.0. */
static void write_buckets(FILE *to, const char *name, const struct line *line)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		sum += line->figures.buckets[i];
		fprintf(to, "%s_bucket{%s,le=\"%g%s\"} %" PRIu64 "\n", name, line->labels, metrics_bucket_us[i] / 1e6,
		        metrics_bucket_us[i] % 1000000 == 0 ? ".0" : "", sum);
	}
	fprintf(to, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, line->labels, line->figures.count);
}

/* Micrometer's timer: a histogram or a summary, and a gauge for the slowest. */
static void write_timer(FILE *to, const char *name, const char *help, bool is_histogram, const struct lines *lines)
{
	metrics_head(to, name, is_histogram ? "histogram" : "summary", help);
	for (size_t i = 0; i < lines->count; i++) {
		const struct line *line = &lines->list[i];

		if (is_histogram)
			write_buckets(to, name, line);
		fprintf(to, "%s_count{%s} %" PRIu64 "\n%s_sum{%s} ", name, line->labels, line->figures.count, name, line->labels);
		write_seconds(to, line->figures.sum_us);
	}
	fprintf(to, "# HELP %s_max Longest time in the last two to three minutes.\n# TYPE %s_max gauge\n", name, name);
	for (size_t i = 0; i < lines->count; i++) {
		fprintf(to, "%s_max{%s} ", name, lines->list[i].labels);
		write_seconds(to, lines->list[i].figures.max_us);
	}
}

/* ---- the families -------------------------------------------------------------------------------------------- */

static const char *method_name(enum method method)
{
	static const char *const names[] = {
		[METHOD_OTHER] = "UNKNOWN",   [METHOD_GET] = "GET",       [METHOD_HEAD] = "HEAD",
		[METHOD_POST] = "POST",       [METHOD_PUT] = "PUT",       [METHOD_DELETE] = "DELETE",
		[METHOD_OPTIONS] = "OPTIONS", [METHOD_PATCH] = "PATCH",   [METHOD_TRACE] = "TRACE",
		[METHOD_CONNECT] = "CONNECT",
	};

	return names[method];
}

/* A client that went away got no status; after labels have run out none is known. */
static bool has_status(const struct sample *sample)
{
	return sample->status != 0 && sample->outcome != OUTCOME_CLIENT_ABORTED && sample->outcome != OUTCOME_CLIENT_STALLED;
}

static const char *outcome_series(const struct sample *sample, const char *success)
{
	static const char *const names[] = { "INFORMATIONAL", "", "REDIRECTION", "CLIENT_ERROR", "SERVER_ERROR" };
	unsigned hundreds = sample->status / 100;

	if (!has_status(sample) || hundreds < 1 || hundreds > 5)
		return "UNKNOWN";
	return hundreds == 2 ? success : names[hundreds - 1];
}

/* The error, by the outcome's name; Spring has the name of a class there. */
static const char *error_of(const struct sample *sample, const char *none)
{
	const struct outcome_row *row = &outcome_table[sample->outcome];

	return row->answer == ANSWER_PASSED || row->answer == ANSWER_ALLOW ? none : row->name;
}

static void write_server_requests(const struct metrics_input *input, const struct samples *samples, FILE *to)
{
	bool is_boot2 = input->names == METRICS_BOOT2;
	struct lines lines;

	lines_begin(&lines);
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->list[i];
		char status[16] = "UNKNOWN";
		FILE *text;

		if (sample->route->is_of_detoured)
			continue;
		text = lines_add(&lines, &sample->figures);
		if (text == NULL)
			break;
		if (has_status(sample))
			snprintf(status, sizeof status, "%u", sample->status);
		if (!is_boot2)
			metrics_label(text, "error", error_of(sample, "none"));
		metrics_label(text, is_boot2 ? "exception" : ",exception", error_of(sample, is_boot2 ? "None" : "none"));
		metrics_label(text, ",method", method_name(sample->method));
		metrics_label(text, ",outcome", outcome_series(sample, "SUCCESS"));
		metrics_label(text, ",status", status);
		metrics_label(text, ",uri", sample->outcome == OUTCOME_NOT_FOUND ? "NOT_FOUND" : sample->route->uri);
	}
	if (lines_merge(&lines))
		write_timer(to, "http_server_requests_seconds", "Requests, by what the client got.", true, &lines);
	lines_free(&lines);
}

static const char *url_of(const struct metrics_input *input, const char *upstream)
{
	const struct metrics_service *service = metrics_find_service(input, upstream);

	return service == NULL ? upstream : service->settings->url;
}

/* As Spring Cloud Gateway's GatewayHttpTagsProvider: CUSTOM stands for a status without a name there, and for no status. */
static void write_spring_requests(const struct metrics_input *input, const struct samples *samples, FILE *to)
{
	struct lines lines;

	lines_begin(&lines);
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->list[i];
		char code[16] = "NA", status[32] = "CUSTOM";
		const char *outcome = "CUSTOM";
		FILE *text;

		if (sample->route->upstream == NULL || sample->route->is_of_detoured)
			continue;
		text = lines_add(&lines, &sample->figures);
		if (text == NULL)
			break;
		if (has_status(sample)) {
			snprintf(code, sizeof code, "%u", sample->status);
			if (metrics_status_name(status, sizeof status, sample->status))
				outcome = outcome_series(sample, "SUCCESSFUL");
		}
		metrics_label(text, "httpMethod", method_name(sample->method));
		metrics_label(text, ",httpStatusCode", code);
		metrics_label(text, ",outcome", outcome);
		metrics_label(text, ",routeId", sample->route->route);
		metrics_label(text, ",routeUri", url_of(input, sample->route->upstream));
		metrics_label(text, ",status", status);
	}
	if (lines_merge(&lines)) {
		write_timer(to, "spring_cloud_gateway_requests_seconds", "Requests that had a route.", false, &lines);
		write_timer(to, "gateway_requests_seconds",
		            "Requests that had a route, under the name that Spring Cloud Gateway 2 gave them.", false, &lines);
	}
	lines_free(&lines);
}

/* metrics_call_kind(): NULL where it was no call of the upstream. */
static const char *kind_of(const struct sample *sample)
{
	return metrics_call_kind(metrics_call_events(sample->status, sample->outcome, sample->replaced));
}

/* As Spring Cloud Gateway's own HTTP client reports them: requests that got to an upstream, by what that said. */
static void write_client_requests(const struct metrics_input *input, const struct samples *samples, FILE *to)
{
	struct lines lines;

	lines_begin(&lines);
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->list[i];
		bool is_passed = outcome_table[sample->outcome].answer == ANSWER_PASSED && has_status(sample);
		char status[16] = "UNKNOWN";
		FILE *text;

		if (sample->route->upstream == NULL || kind_of(sample) == NULL)
			continue;
		text = lines_add(&lines, &sample->figures);
		if (text == NULL)
			break;
		if (is_passed)
			snprintf(status, sizeof status, "%u", sample->status);
		metrics_label(text, "error", error_of(sample, "none"));
		metrics_label(text, ",http_method", method_name(sample->method));
		metrics_label(text, ",http_status_code", status);
		metrics_label(text, ",spring_cloud_gateway_route_id", sample->route->route);
		metrics_label(text, ",spring_cloud_gateway_route_uri", url_of(input, sample->route->upstream));
	}
	if (lines_merge(&lines))
		write_timer(to, "http_client_requests_seconds", "Requests that got to an upstream, as their client saw them.", false,
		            &lines);
	lines_free(&lines);
}

static void add_call(struct lines *lines, const char *upstream, const char *kind, const struct figures *figures)
{
	FILE *text = lines_add(lines, figures);

	if (text == NULL)
		return;
	metrics_label(text, "group", upstream);
	metrics_label(text, ",kind", kind);
	metrics_label(text, ",name", upstream);
}

static void write_breaker_calls(const struct metrics_input *input, const struct samples *samples, FILE *to)
{
	static const char *const kinds[] = { "successful", "failed", "ignored" };
	struct lines lines;

	lines_begin(&lines);
	for (size_t i = 0; i < input->service_count; i++)
		for (size_t j = 0; j < sizeof kinds / sizeof kinds[0]; j++)
			add_call(&lines, input->services[i].settings->name, kinds[j], &(struct figures){ 0 });
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->list[i];
		const char *kind = kind_of(sample);

		if (sample->route->upstream != NULL && kind != NULL)
			add_call(&lines, sample->route->upstream, kind, &sample->figures);
	}
	if (lines_merge(&lines))
		write_timer(to, "resilience4j_circuitbreaker_calls_seconds", "Calls that the breaker let through.", true, &lines);
	lines_free(&lines);
}

static void add_latency(struct lines *lines, const char *upstream, const struct figures *figures)
{
	FILE *text = lines_add(lines, figures);

	if (text == NULL)
		return;
	fputs("group=\"" UPSTREAM_HYSTRIX_GROUP "\"", text);
	metrics_label(text, ",key", upstream);
}

static void write_hystrix_latencies(const struct metrics_input *input, const struct samples *samples, FILE *to)
{
	struct lines lines;

	lines_begin(&lines);
	for (size_t i = 0; i < input->service_count; i++)
		add_latency(&lines, input->services[i].settings->name, &(struct figures){ 0 });
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->list[i];

		if (sample->route->upstream != NULL && kind_of(sample) != NULL)
			add_latency(&lines, sample->route->upstream, &sample->figures);
	}
	if (lines_merge(&lines)) {
		write_timer(to, "hystrix_latency_execution_seconds", "Calls of the upstream.", false, &lines);
		write_timer(to, "hystrix_latency_total_seconds", "Calls of the upstream; there is no thread to wait for.", false,
		            &lines);
	}
	lines_free(&lines);
}

static void add_outcome(struct lines *lines, const struct metrics_route *route, const char *outcome, uint64_t count)
{
	FILE *text;

	if (route->is_of_detoured || (count == 0 && route->is_removed))
		return;
	text = lines_add(lines, &(struct figures){ .count = count });
	if (text == NULL)
		return;
	metrics_label(text, "outcome", outcome);
	metrics_label(text, ",route", route->route);
	metrics_label(text, ",upstream", route->upstream == NULL ? "" : route->upstream);
}

/* Every outcome of every route, seen or not: an alert on a rate needs the zero before the first. A route that a reload
 * removed will have no first any more, and there may be many reloads. */
static void write_outcomes(const struct metrics_input *input, const struct samples *samples, FILE *to)
{
	struct lines lines;

	lines_begin(&lines);
	for (size_t i = 0; i < input->route_count; i++) {
		const struct metrics_route *route = &input->routes[i];

		for (size_t j = 0; j < OUTCOME_COUNT; j++)
			add_outcome(&lines, route, outcome_table[j].name, 0);
		for (unsigned j = 0; j < route->metrics->shard_count; j++)
			add_outcome(&lines, route, "uncounted", counter_read(&route->metrics->shards[j].lost));
	}
	for (size_t i = 0; i < samples->count; i++)
		add_outcome(&lines, samples->list[i].route, outcome_table[samples->list[i].outcome].name,
		            samples->list[i].figures.count);
	if (lines_merge(&lines)) {
		metrics_head(to, "gateway_requests_total", "counter", "Requests that are over, by how they ended.");
		for (size_t i = 0; i < lines.count; i++)
			fprintf(to, "gateway_requests_total{%s} %" PRIu64 "\n", lines.list[i].labels, lines.list[i].figures.count);
	}
	lines_free(&lines);
}

void metrics_write(const struct metrics_input *input, FILE *to)
{
	struct samples samples = { 0 };

	if (read_samples(input, &samples)) {
		write_server_requests(input, &samples, to);
		write_spring_requests(input, &samples, to);
		if (input->names == METRICS_BOOT3)
			write_client_requests(input, &samples, to);
		write_breaker_calls(input, &samples, to);
		write_hystrix_latencies(input, &samples, to);
		write_outcomes(input, &samples, to);
	}
	free(samples.list);
	metrics_write_calls(input, to);
	metrics_write_services(input, to);
	metrics_write_process(input, to);
}
