/*
 * Metrics of upstreams and endpoints. Tables of name, help and a function that gives the figure: a family
 * is written whole, over all upstreams, before the next begins, as the text format wants it.
 */
#include "gateway/telemetry/metrics_services.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "breaker/look.h"
#include "breaker/names.h"
#include "gateway/telemetry/metrics_shape.h"
#include "routes/balance.h"

/* ---- upstreams ----------------------------------------------------------------------------------------------- */

/* One upstream, looked at once for all families. */
struct look {
	const struct upstream_settings *settings;
	const struct upstream *upstream;
	const struct endpoint_set *set;
	const struct metrics_service *service;
	struct breaker_view breaker;
};

static const enum breaker_state states[] = { BREAKER_CLOSED,      BREAKER_OPEN,     BREAKER_HALF_OPEN,
	                                     BREAKER_FORCED_OPEN, BREAKER_DISABLED, BREAKER_METRICS_ONLY };

static double not_permitted(const struct look *look)
{
	return (double)look->breaker.not_permitted_total;
}

static double failed(const struct look *look)
{
	return look->breaker.failures;
}

static double successful(const struct look *look)
{
	return look->breaker.calls > look->breaker.failures ? look->breaker.calls - look->breaker.failures : 0;
}

static double slow_successes(const struct look *look)
{
	return look->breaker.slow_calls - look->breaker.slow_failures;
}

static double slow_failures(const struct look *look)
{
	return look->breaker.slow_failures;
}

static double percent_of(int32_t rate_bp)
{
	return rate_bp < 0 ? -1 : rate_bp / 100.0;
}

static double failure_rate(const struct look *look)
{
	return percent_of(look->breaker.failure_rate_bp);
}

static double slow_rate(const struct look *look)
{
	return percent_of(look->breaker.slow_rate_bp);
}

/* Half-open counts as open, as with Hystrix: its dashboards and alerts mean "not closed". */
static double is_open(const struct look *look)
{
	return breaker_state_refuses(look->breaker.state);
}

static double in_flight(const struct look *look)
{
	return bulkhead_in_flight(&look->upstream->bulkhead);
}

static double waiting(const struct look *look)
{
	return bulkhead_waiting(&look->upstream->bulkhead);
}

static double waited(const struct look *look)
{
	return (double)counter_read(&look->upstream->queue.waited_total);
}

static double max_in_flight(const struct look *look)
{
	return look->settings->bulkhead_max_in_flight;
}

static double available(const struct look *look)
{
	double used = in_flight(look), most = max_in_flight(look);

	return used < most ? most - used : 0; /* a reload may have lowered the limit */
}

static double rejected(const struct look *look)
{
	return (double)counter_read(&look->upstream->bulkhead.rejected_total);
}

static double streams(const struct look *look)
{
	return bulkhead_in_flight(&look->upstream->streams);
}

static double streams_rejected(const struct look *look)
{
	return (double)counter_read(&look->upstream->streams.rejected_total);
}

static double retries_refused(const struct look *look)
{
	return (double)counter_read(&look->upstream->retry_budget.refused_total);
}

static double endpoints(const struct look *look)
{
	return look->set == NULL ? 0 : (double)look->set->count;
}

static double dns_questions(const struct look *look)
{
	return (double)look->service->dns_questions;
}

static double dns_failures(const struct look *look)
{
	return (double)look->service->dns_failures;
}

static double quarantined(const struct look *look)
{
	return (double)look->service->quarantined;
}

static double quarantines(const struct look *look)
{
	return (double)look->service->quarantines;
}

/* Rows with the same name stand together; `more` are labels beside the upstream's. */
static const struct {
	const char *name, *type, *help, *key, *more;
	double (*figure)(const struct look *look);
} service_rows[] = {
	{ "resilience4j_circuitbreaker_not_permitted_calls_total", "counter", "Calls that the breaker rejected.", "name",
	  ",kind=\"not_permitted\"", not_permitted },
	{ "resilience4j_circuitbreaker_buffered_calls", "gauge", "Calls in the breaker's window.", "name",
	  ",kind=\"failed\"", failed },
	{ "resilience4j_circuitbreaker_buffered_calls", "gauge", "", "name", ",kind=\"successful\"", successful },
	{ "resilience4j_circuitbreaker_slow_calls", "gauge", "Slow calls in the breaker's window.", "name",
	  ",kind=\"successful\"", slow_successes },
	{ "resilience4j_circuitbreaker_slow_calls", "gauge", "", "name", ",kind=\"failed\"", slow_failures },
	{ "resilience4j_circuitbreaker_failure_rate", "gauge", "Failed calls in per cent; -1: too few calls.", "name", "",
	  failure_rate },
	{ "resilience4j_circuitbreaker_slow_call_rate", "gauge", "Slow calls in per cent; -1: too few calls.", "name", "",
	  slow_rate },
	{ "resilience4j_bulkhead_available_concurrent_calls", "gauge", "Further requests the upstream may get at once.",
	  "name", "", available },
	{ "resilience4j_bulkhead_max_allowed_concurrent_calls", "gauge", "Requests the upstream may get at once.", "name", "",
	  max_in_flight },
	{ "resilience4j_ratelimiter_available_permissions", "gauge", "Free places in the bulkhead.", "name", "", available },
	{ "resilience4j_ratelimiter_waiting_threads", "gauge", "Requests that wait for a place in the bulkhead.", "name",
	  "", waiting },
	{ "hystrix_circuit_breaker_open", "gauge", "1: the breaker is open, forced open or half-open.", "key",
	  ",group=\"" UPSTREAM_HYSTRIX_GROUP "\"", is_open },
	{ "hystrix_concurrent_execution_current", "gauge", "Requests in flight to the upstream.", "key",
	  ",group=\"" UPSTREAM_HYSTRIX_GROUP "\"", in_flight },
	{ "hystrix_concurrent_execution_rolling_max", "gauge",
	  "Requests in flight to the upstream now: the gateway keeps no maximum.", "key",
	  ",group=\"" UPSTREAM_HYSTRIX_GROUP "\"", in_flight },
	{ "gateway_bulkhead_in_flight", "gauge", "Requests in flight to the upstream.", "upstream", "", in_flight },
	{ "gateway_bulkhead_waiting", "gauge", "Requests that wait for a place in the bulkhead.", "upstream", "", waiting },
	{ "gateway_bulkhead_waited_total", "counter", "Requests that waited and got a place.", "upstream", "", waited },
	{ "gateway_bulkhead_rejected_total", "counter", "Requests that got no place in the bulkhead.", "upstream", "", rejected },
	{ "gateway_bulkhead_streams", "gauge", "Tunnels and event streams that are open.", "upstream", "", streams },
	{ "gateway_bulkhead_streams_rejected_total", "counter", "Tunnels and event streams above bulkhead.max_streams.", "upstream",
	  "", streams_rejected },
	{ "gateway_retry_budget_refused_total", "counter", "Retries that the budget did not allow.", "upstream", "",
	  retries_refused },
	{ "gateway_upstream_endpoints", "gauge", "Known addresses of the upstream.", "upstream", "", endpoints },
	{ "gateway_dns_questions_total", "counter",
	  "DNS queries for the upstream's name; A and AAAA together count as one.", "upstream", "", dns_questions },
	{ "gateway_dns_failures_total", "counter", "DNS queries that got no usable answer.", "upstream", "", dns_failures },
	{ "gateway_addresses_quarantined", "gauge", "Addresses of the name that belong to another service.", "upstream",
	  "", quarantined },
	{ "gateway_quarantines_total", "counter", "Times that the gateway quarantined an address.", "upstream", "", quarantines },
};

/* Spring Cloud's label beside Resilience4j's own: the breaker's name again, unless somebody groups breakers. */
static void write_group(FILE *to, const char *key, const char *upstream)
{
	if (strcmp(key, "name") == 0)
		metrics_label(to, ",group", upstream);
}

static void write_service_rows(const struct look *looks, size_t count, FILE *to)
{
	for (size_t i = 0; i < sizeof service_rows / sizeof service_rows[0]; i++) {
		if (i == 0 || strcmp(service_rows[i].name, service_rows[i - 1].name) != 0)
			metrics_head(to, service_rows[i].name, service_rows[i].type, service_rows[i].help);
		for (size_t j = 0; j < count; j++) {
			fprintf(to, "%s{", service_rows[i].name);
			metrics_label(to, service_rows[i].key, looks[j].settings->name);
			write_group(to, service_rows[i].key, looks[j].settings->name);
			fprintf(to, "%s} %.15g\n", service_rows[i].more, service_rows[i].figure(&looks[j]));
		}
	}
}

static void write_states(const char *name, const char *key, const struct look *looks, size_t count, FILE *to)
{
	metrics_head(to, name, "gauge", "1 for the state that the breaker is in; metrics_only also if its mode is observe.");
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < sizeof states / sizeof states[0]; j++) {
			fprintf(to, "%s{", name);
			metrics_label(to, key, looks[i].settings->name);
			write_group(to, key, looks[i].settings->name);
			metrics_label(to, ",state", breaker_state_name(states[j]));
			fprintf(to, "} %d\n", looks[i].breaker.state == states[j]);
		}
	}
}

/* ---- endpoints ----------------------------------------------------------------------------------------------- */

static uint64_t endpoint_in_flight(const struct look *look, const struct endpoint *endpoint, uint64_t now_ms)
{
	(void)look, (void)now_ms;
	return atomic_load_explicit((_Atomic uint32_t *)&endpoint->in_flight, memory_order_relaxed);
}

static uint64_t endpoint_ejected(const struct look *look, const struct endpoint *endpoint, uint64_t now_ms)
{
	return balance_is_passed_over(look->service->serving, &look->settings->ejection, now_ms, endpoint);
}

static uint64_t endpoint_ejections(const struct look *look, const struct endpoint *endpoint, uint64_t now_ms)
{
	(void)look, (void)now_ms;
	return counter_read(&endpoint->ejection.ejections_total);
}

static uint64_t endpoint_failures(const struct look *look, const struct endpoint *endpoint, uint64_t now_ms)
{
	(void)look, (void)now_ms;
	return counter_read(&endpoint->failures_total);
}

static uint64_t endpoint_requests(const struct look *look, const struct endpoint *endpoint, uint64_t now_ms)
{
	(void)look, (void)now_ms;
	return counter_read(&endpoint->requests_total);
}

static uint64_t endpoint_healthy(const struct look *look, const struct endpoint *endpoint, uint64_t now_ms)
{
	(void)look, (void)now_ms;
	return endpoint->health.state != HEALTH_UNHEALTHY;
}

static uint64_t endpoint_checks(const struct look *look, const struct endpoint *endpoint, uint64_t now_ms)
{
	(void)look, (void)now_ms;
	return endpoint->health.checks_total;
}

static uint64_t endpoint_check_failures(const struct look *look, const struct endpoint *endpoint, uint64_t now_ms)
{
	(void)look, (void)now_ms;
	return endpoint->health.failures_total;
}

static const struct {
	const char *name, *type, *help;
	uint64_t (*figure)(const struct look *look, const struct endpoint *endpoint, uint64_t now_ms);
} endpoint_rows[] = {
	{ "gateway_endpoint_in_flight", "gauge", "Requests in flight to the endpoint.", endpoint_in_flight },
	{ "gateway_endpoint_ejected", "gauge",
	  "1: the endpoint is ejected after failures, and others serve in its place.", endpoint_ejected },
	{ "gateway_endpoint_ejections_total", "counter", "Ejections of the endpoint.", endpoint_ejections },
	{ "gateway_endpoint_requests_total", "counter", "Requests sent to the endpoint.", endpoint_requests },
	{ "gateway_endpoint_failures_total", "counter", "Failures of the endpoint.", endpoint_failures },
	{ "gateway_endpoint_healthy", "gauge", "1; 0 while the endpoint's health checks fail.", endpoint_healthy },
	{ "gateway_endpoint_health_checks_total", "counter", "Health checks of the endpoint.", endpoint_checks },
	{ "gateway_endpoint_health_check_failures_total", "counter", "Failed health checks of the endpoint.", endpoint_check_failures },
};

static void write_endpoints(const struct look *look, size_t row, uint64_t now_ms, FILE *to)
{
	for (size_t i = 0; look->set != NULL && i < look->set->count; i++) {
		fprintf(to, "%s{", endpoint_rows[row].name);
		metrics_label(to, "upstream", look->settings->name);
		metrics_label(to, ",endpoint", look->set->endpoints[i]->text);
		fprintf(to, "} %" PRIu64 "\n", endpoint_rows[row].figure(look, look->set->endpoints[i], now_ms));
	}
}

void metrics_write_services(const struct metrics_input *input, FILE *to)
{
	struct look *looks = calloc(input->service_count + 1, sizeof *looks);
	size_t count = 0;

	for (size_t i = 0; looks != NULL && i < input->service_count; i++) {
		const struct upstream_settings *settings = input->services[i].settings;

		if (settings->upstream == NULL)
			continue;
		looks[count] = (struct look){ settings, settings->upstream, input->services[i].set, &input->services[i],
			                      breaker_look(settings->upstream->breaker, &settings->breaker, input->now_ms) };
		looks[count].breaker.state = breaker_state_shown(looks[count].breaker.state, &settings->breaker);
		count++;
	}
	if (count > 0) {
		write_states("resilience4j_circuitbreaker_state", "name", looks, count, to);
		write_states("gateway_breaker_state", "upstream", looks, count, to);
		write_service_rows(looks, count, to);
		for (size_t i = 0; i < sizeof endpoint_rows / sizeof endpoint_rows[0]; i++) {
			metrics_head(to, endpoint_rows[i].name, endpoint_rows[i].type, endpoint_rows[i].help);
			for (size_t j = 0; j < count; j++)
				write_endpoints(&looks[j], i, input->now_ms, to);
		}
	}
	free(looks);
}
