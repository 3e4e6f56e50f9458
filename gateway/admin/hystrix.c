/*
 * One upstream as a command of the Hystrix dashboard.
 *
 * The dashboard wants figures of the last ten seconds; what there is are totals since the start. While anybody watches,
 * totals are kept for ten seconds back in a ring, one snapshot a turn, and what is shown is the newest less the oldest.
 *
 *   current                                 oldest
 *   [t-0.0] [t-0.5] [t-1.0] ... [t-9.5] [t-10.0]
 *
 * The first who watches is not shown a service without requests: what the breaker's own window remembers of them counts as
 * come in these ten seconds.
 */
#include "gateway/admin/hystrix.h"

#include <stdlib.h>

#include "gateway/base/clock.h"

/* ---- the last ten seconds ---------------------------------------------------------------------------------------- */

static uint64_t risen(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static struct admin_calls risen_calls(const struct admin_calls *from, const struct admin_calls *to)
{
	struct admin_calls risen_by = {
		.successes = risen(from->successes, to->successes),
		.failures = risen(from->failures, to->failures),
		.timeouts = risen(from->timeouts, to->timeouts),
		.bad_requests = risen(from->bad_requests, to->bad_requests),
		.short_circuited = risen(from->short_circuited, to->short_circuited),
		.rejected = risen(from->rejected, to->rejected),
		.fallbacks = risen(from->fallbacks, to->fallbacks),
		.thrown = risen(from->thrown, to->thrown),
		.bounds_us = to->bounds_us,
		.bound_count = to->bound_count,
		.sum_us = risen(from->sum_us, to->sum_us),
	};

	for (size_t i = 0; i <= to->bound_count; i++)
		risen_by.buckets[i] = risen(from->buckets[i], to->buckets[i]);
	return risen_by;
}

/* Takes `recent` calls out of two totals, as many of each as there are of each since the start: the breaker's window knows no
 * more than their sum. */
static void take_out(uint64_t recent, uint64_t *first, uint64_t *second)
{
	uint64_t sum = *first + *second, of_first;

	if (recent > sum)
		recent = sum;
	of_first = sum == 0 ? 0 : recent * *first / sum;
	*first -= of_first;
	*second -= recent - of_first;
}

static void begin_ring(struct hystrix_history *history, const struct hystrix_totals *now, const struct breaker_view *breaker)
{
	struct hystrix_totals before = *now;

	take_out(breaker->failures, &before.calls.failures, &before.calls.timeouts);
	take_out(risen(breaker->failures, breaker->calls), &before.calls.successes, &before.calls.bad_requests);
	history->ring[history->current] = before;
	history->taken = 1;
}

/* Takes the totals of now; gives what came in the last ten seconds, and the most that were in flight at a turn. */
static struct hystrix_totals turn_ring(struct hystrix_history *history, const struct hystrix_totals *now)
{
	struct hystrix_totals rolling = { .in_flight = now->in_flight };
	size_t oldest = 0;

	history->current = (history->current + 1) % HYSTRIX_RING;
	history->ring[history->current] = *now;
	if (history->taken < HYSTRIX_RING)
		history->taken++;
	for (size_t i = 0; i < history->taken; i++) {
		oldest = (history->current + HYSTRIX_RING - i) % HYSTRIX_RING;
		if (history->ring[oldest].in_flight > rolling.in_flight)
			rolling.in_flight = history->ring[oldest].in_flight;
	}
	rolling.calls = risen_calls(&history->ring[oldest].calls, &now->calls);
	return rolling;
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

/* The bound under which `share_percent` of them lie, in milliseconds; straight lines between the bounds. */
static uint64_t latency_at(const struct admin_calls *calls, uint64_t count, double share_percent)
{
	double wanted = (double)count * share_percent / 100, below = 0, from_us = 0;

	for (size_t i = 0; i < calls->bound_count; i++) {
		double here = (double)calls->buckets[i], until_us = calls->bounds_us[i];

		if (here > 0 && below + here >= wanted)
			return (uint64_t)((from_us + (until_us - from_us) * (wanted - below) / here) / 1000 + 0.5);
		below += here;
		from_us = until_us;
	}
	return count == 0 ? 0 : (uint64_t)(from_us / 1000); /* above the last bound nobody knows */
}

static void set_latencies(json_t *message, const struct admin_calls *calls)
{
	static const char *const shares[] = { "0", "25", "50", "75", "90", "95", "99", "99.5", "100" };
	static const char *const keys[] = { "latencyExecute", "latencyTotal" };
	uint64_t count = 0;

	for (size_t i = 0; i <= calls->bound_count; i++)
		count += calls->buckets[i];
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		json_t *values = json_object();
		char mean[32];

		for (size_t j = 0; j < sizeof shares / sizeof shares[0]; j++)
			set_number(values, shares[j], latency_at(calls, count, strtod(shares[j], NULL)));
		snprintf(mean, sizeof mean, "%s_mean", keys[i]);
		set_number(message, mean, count == 0 ? 0 : calls->sum_us / count / 1000);
		json_object_set_new(message, keys[i], values);
	}
}

static void set_rolling(json_t *message, const struct admin_calls *calls)
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
	set_number(message, "propertyValue_circuitBreakerErrorThresholdPercentage", settings->breaker.failure_rate_percent);
	set_truth(message, "propertyValue_circuitBreakerEnabled", settings->breaker.enabled);
	set_truth(message, "propertyValue_circuitBreakerForceOpen", state == BREAKER_FORCED_OPEN);
	set_truth(message, "propertyValue_circuitBreakerForceClosed",
	          state == BREAKER_DISABLED || state == BREAKER_METRICS_ONLY || settings->breaker.observe);
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

json_t *hystrix_message(struct hystrix_history *history, const struct admin_view *view,
                        const struct upstream_settings *settings)
{
	struct breaker_view breaker = breaker_look(settings->upstream->breaker, &settings->breaker, clock_now_ms());
	struct hystrix_totals now = { .in_flight = bulkhead_in_flight(&settings->upstream->bulkhead) }, rolling;
	json_t *message = json_pack("{s:s, s:s, s:s, s:s, s:I, s:i}", "type", "HystrixCommand", "name", settings->name, "group",
	                            UPSTREAM_HYSTRIX_GROUP, "threadPool", UPSTREAM_HYSTRIX_GROUP, "currentTime",
	                            (json_int_t)clock_wall_ms(), "reportingHosts", 1);

	if (view->calls == NULL || !view->calls(view->context, settings->name, &now.calls))
		now.calls = (struct admin_calls){ 0 };
	if (history->taken == 0 && settings->breaker.window == BREAKER_WINDOW_TIME)
		begin_ring(history, &now, &breaker);
	rolling = turn_ring(history, &now);
	set_truth(message, "isCircuitBreakerOpen",
	          breaker.state == BREAKER_OPEN || breaker.state == BREAKER_HALF_OPEN || breaker.state == BREAKER_FORCED_OPEN);
	set_number(message, "currentConcurrentExecutionCount", now.in_flight);
	set_number(message, "rollingMaxConcurrentExecutionCount", rolling.in_flight);
	set_rolling(message, &rolling.calls);
	set_latencies(message, &rolling.calls);
	set_properties(message, settings, breaker.state);
	return message;
}

json_t *hystrix_deletion(const char *name)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "type", "HystrixCommand", "name", name, "group", UPSTREAM_HYSTRIX_GROUP,
	                 "deleteData", "true");
}
