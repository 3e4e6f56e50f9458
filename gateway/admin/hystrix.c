/*
 * One upstream as a command of the Hystrix dashboard.
 *
 * The dashboard wants figures of the last ten seconds, but counters hold totals since the start. So a ring keeps one snapshot
 * of the totals per interval, for ten seconds, whether anybody watches or not; the dashboard gets the newest less the oldest.
 *
 *   current                                 oldest
 *   [t-0.0] [t-0.5] [t-1.0] ... [t-9.5] [t-10.0]
 *
 * Latencies take more room and are kept for three moments only, five seconds apart: their percentiles are those of the last
 * ten to fifteen seconds. (Hystrix' are those of a minute.)
 */
#include "gateway/admin/hystrix.h"

#include <stdlib.h>

#include "breaker/look.h"
#include "gateway/base/clock.h"

/* ---- the last ten seconds ---------------------------------------------------------------------------------------- */

static uint64_t risen(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static struct admin_counts risen_counts(const struct admin_counts *from, const struct admin_counts *to)
{
	return (struct admin_counts){
		.successes = risen(from->successes, to->successes),
		.failures = risen(from->failures, to->failures),
		.timeouts = risen(from->timeouts, to->timeouts),
		.bad_requests = risen(from->bad_requests, to->bad_requests),
		.short_circuited = risen(from->short_circuited, to->short_circuited),
		.rejected = risen(from->rejected, to->rejected),
		.fallbacks = risen(from->fallbacks, to->fallbacks),
		.thrown = risen(from->thrown, to->thrown),
	};
}

static struct latencies risen_latencies(const struct latencies *from, const struct latencies *to)
{
	struct latencies risen_by = { .sum_us = risen(from->sum_us, to->sum_us) };

	for (size_t i = 0; i < LATENCY_PLACES; i++)
		risen_by.places[i] = to->places[i] - from->places[i];
	return risen_by;
}

void hystrix_turn(struct hystrix_history *history, const struct admin_view *view, const struct upstream_settings *settings)
{
	struct admin_calls *latest = &history->latest;

	if (view->calls == NULL || !view->calls(view->context, settings->name, latest))
		*latest = (struct admin_calls){ 0 };
	if (history->turns % HYSTRIX_LATENCIES_TURNS == 0)
		history->latencies[history->turns / HYSTRIX_LATENCIES_TURNS % HYSTRIX_LATENCIES] = latest->latencies;
	history->ring[history->turns % HYSTRIX_RING] = (struct hystrix_totals){
		.counts = latest->counts, .in_flight = bulkhead_in_flight(&settings->upstream->bulkhead)
	};
	history->turns++;
}

static struct hystrix_totals rolling_totals(const struct hystrix_history *history)
{
	size_t kept = history->turns < HYSTRIX_RING ? history->turns : HYSTRIX_RING;
	const struct hystrix_totals *oldest = &history->ring[(history->turns - kept) % HYSTRIX_RING];
	struct hystrix_totals rolling = { .counts = risen_counts(&oldest->counts, &history->latest.counts) };

	for (size_t i = 0; i < kept; i++)
		if (history->ring[i].in_flight > rolling.in_flight)
			rolling.in_flight = history->ring[i].in_flight;
	return rolling;
}

static struct latencies rolling_latencies(const struct hystrix_history *history)
{
	size_t taken = (history->turns - 1) / HYSTRIX_LATENCIES_TURNS + 1;
	size_t oldest = taken < HYSTRIX_LATENCIES ? 0 : taken % HYSTRIX_LATENCIES;

	return risen_latencies(&history->latencies[oldest], &history->latest.latencies);
}

/* ---- one message ----------------------------------------------------------------------------------------------- */

static void set_number(json_t *message, const char *key, uint64_t value)
{
	json_object_set_new(message, key, json_integer((json_int_t)value));
}

static void set_truth(json_t *message, const char *key, bool value)
{
	json_object_set_new(message, key, json_boolean(value));
}

/* The latency that `share_percent` of them do not exceed, in milliseconds: the middle of its place. */
static uint64_t latency_at(const struct latencies *latencies, uint64_t count, double share_percent)
{
	uint64_t below = 0;

	for (unsigned i = 0; i < LATENCY_PLACES && count > 0; i++) {
		below += latencies->places[i];
		if (latencies->places[i] > 0 && (double)below >= (double)count * share_percent / 100)
			return ((latency_from_us(i) + latency_from_us(i + 1)) / 2 + 500) / 1000;
	}
	return 0;
}

static void set_latencies(json_t *message, const struct latencies *latencies)
{
	static const char *const shares[] = { "0", "25", "50", "75", "90", "95", "99", "99.5", "100" };
	static const char *const keys[] = { "latencyExecute", "latencyTotal" };
	uint64_t count = 0;

	for (size_t i = 0; i < LATENCY_PLACES; i++)
		count += latencies->places[i];
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		json_t *values = json_object();
		char mean[32];

		for (size_t j = 0; j < sizeof shares / sizeof shares[0]; j++)
			set_number(values, shares[j], latency_at(latencies, count, strtod(shares[j], NULL)));
		snprintf(mean, sizeof mean, "%s_mean", keys[i]);
		set_number(message, mean, count == 0 ? 0 : latencies->sum_us / count / 1000);
		json_object_set_new(message, keys[i], values);
	}
}

static void set_rolling(json_t *message, const struct admin_counts *calls)
{
	static const char *const nothing[] = {
		"rollingCountCollapsedRequests", "rollingCountEmit", "rollingCountFallbackEmit", "rollingCountFallbackFailure",
		"rollingCountFallbackRejection", "rollingCountResponsesFromCache", "rollingCountThreadPoolRejected",
	};
	uint64_t errors = calls->failures + calls->timeouts + calls->rejected, requests = calls->successes + errors;

	for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
		set_number(message, nothing[i], 0);
	set_number(message, "requestCount", requests);
	set_number(message, "errorCount", errors);
	set_number(message, "errorPercentage", requests == 0 ? 0 : errors * 100 / requests);
	set_number(message, "rollingCountSuccess", calls->successes);
	set_number(message, "rollingCountFailure", calls->failures);
	set_number(message, "rollingCountTimeout", calls->timeouts);
	set_number(message, "rollingCountBadRequests", calls->bad_requests);
	set_number(message, "rollingCountShortCircuited", calls->short_circuited);
	set_number(message, "rollingCountSemaphoreRejected", calls->rejected);
	set_number(message, "rollingCountFallbackSuccess", calls->fallbacks);
	set_number(message, "rollingCountFallbackMissing", calls->thrown);
	set_number(message, "rollingCountExceptionsThrown", calls->thrown);
}

static void set_properties(json_t *message, const struct upstream_settings *settings, enum breaker_state state)
{
	set_number(message, "propertyValue_circuitBreakerRequestVolumeThreshold", settings->breaker.minimum_calls);
	set_number(message, "propertyValue_circuitBreakerSleepWindowInMilliseconds", settings->breaker.open_for_ms);
	set_number(message, "propertyValue_circuitBreakerErrorThresholdPercentage", (settings->breaker.failure_rate_bp + 50) / 100);
	set_truth(message, "propertyValue_circuitBreakerEnabled", settings->breaker.enabled);
	set_truth(message, "propertyValue_circuitBreakerForceOpen", state == BREAKER_FORCED_OPEN);
	set_truth(message, "propertyValue_circuitBreakerForceClosed", state == BREAKER_DISABLED || state == BREAKER_METRICS_ONLY);
	json_object_set_new(message, "propertyValue_executionIsolationStrategy", json_string("SEMAPHORE"));
	set_number(message, "propertyValue_executionIsolationThreadTimeoutInMilliseconds", settings->response_timeout_ms);
	set_number(message, "propertyValue_executionTimeoutInMilliseconds", settings->response_timeout_ms);
	set_truth(message, "propertyValue_executionIsolationThreadInterruptOnTimeout", true);
	json_object_set_new(message, "propertyValue_executionIsolationThreadPoolKeyOverride", json_null());
	set_number(message, "propertyValue_executionIsolationSemaphoreMaxConcurrentRequests", settings->bulkhead_max_in_flight);
	/* A fallback is never refused. */
	set_number(message, "propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests", INT32_MAX);
	set_number(message, "propertyValue_metricsRollingStatisticalWindowInMilliseconds", HYSTRIX_WINDOW_MS);
	set_truth(message, "propertyValue_requestCacheEnabled", false);
	set_truth(message, "propertyValue_requestLogEnabled", false);
}

json_t *hystrix_message(const struct hystrix_history *history, const struct upstream_settings *settings)
{
	struct breaker_view breaker = breaker_look(settings->upstream->breaker, &settings->breaker, clock_now_ms());
	enum breaker_state state = breaker_state_shown(breaker.state, &settings->breaker);
	struct hystrix_totals rolling = rolling_totals(history);
	struct latencies latencies = rolling_latencies(history);
	json_t *message = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i}", "type", "HystrixCommand", "name", settings->name, "group",
	                            UPSTREAM_HYSTRIX_GROUP, "threadPool", UPSTREAM_HYSTRIX_GROUP, "currentTime",
	                            (json_int_t)clock_wall_ms(), "reportingHosts", 1);

	set_truth(message, "isCircuitBreakerOpen", breaker_state_refuses(state));
	set_number(message, "currentConcurrentExecutionCount", history->ring[(history->turns - 1) % HYSTRIX_RING].in_flight);
	set_number(message, "rollingMaxConcurrentExecutionCount", rolling.in_flight);
	set_rolling(message, &rolling.counts);
	set_latencies(message, &latencies);
	set_properties(message, settings, state);
	return message;
}

json_t *hystrix_deletion(const char *name)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "type", "HystrixCommand", "name", name, "group", UPSTREAM_HYSTRIX_GROUP,
	                 "deleteData", "true");
}
