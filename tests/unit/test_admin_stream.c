/* The admin listener's stream for the Hystrix dashboard. */
#include "tests/unit/admin_world.h"

#include "gateway/admin/history.h"
#include "gateway/admin/hystrix.h"
#include "gateway/admin/trend.h"
#include "tests/unit/in_range.h"

static json_t *message_of(const char *name)
{
	char begin[100];
	char *from, *end;
	json_t *value;

	snprintf(begin, sizeof begin, "\"name\":\"%s\"", name);
	from = strstr(world.reply, begin);
	assert_non_null(from);
	while (strncmp(from, "data: ", 6) != 0)
		from--;
	end = strstr(from, "\n\n");
	assert_non_null(end);
	*end = '\0';
	value = json_loads(from + 6, 0, NULL);
	*end = '\n';
	assert_non_null(value);
	return value;
}

/* Within 5 %. A dot in the key is one of its own. */
static void expect_near(json_t *value, const char *key, json_int_t expected)
{
	const char *dot = strchr(key, '.');
	char object[40];
	json_int_t found;

	snprintf(object, sizeof object, "%.*s", (int)(dot - key), key);
	found = json_integer_value(json_object_get(json_object_get(value, object), dot + 1));
	if (found < expected * 95 / 100 || found > (expected * 105 + 99) / 100)
		fail_msg("%s is %lld, not %lld", key, (long long)found, (long long)expected);
}

static void test_stream(void **state)
{
	/* What the dashboard's validateData asks for. */
	static const char *const keys[] = {
		"reportingHosts", "type", "name", "group", "isCircuitBreakerOpen", "errorPercentage", "errorCount", "requestCount",
		"rollingCountCollapsedRequests", "rollingCountExceptionsThrown", "rollingCountFailure", "rollingCountFallbackFailure",
		"rollingCountFallbackRejection", "rollingCountFallbackSuccess", "rollingCountResponsesFromCache",
		"rollingCountSemaphoreRejected", "rollingCountShortCircuited", "rollingCountSuccess", "rollingCountThreadPoolRejected",
		"rollingCountTimeout", "rollingCountBadRequests", "currentConcurrentExecutionCount", "latencyExecute_mean",
		"latencyExecute", "propertyValue_circuitBreakerRequestVolumeThreshold",
		"propertyValue_circuitBreakerSleepWindowInMilliseconds", "propertyValue_circuitBreakerErrorThresholdPercentage",
		"propertyValue_circuitBreakerForceOpen", "propertyValue_circuitBreakerForceClosed",
		"propertyValue_executionIsolationStrategy", "propertyValue_executionIsolationThreadTimeoutInMilliseconds",
		"propertyValue_executionIsolationThreadInterruptOnTimeout",
		"propertyValue_executionIsolationSemaphoreMaxConcurrentRequests",
		"propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests", "propertyValue_requestCacheEnabled",
		"propertyValue_requestLogEnabled", "propertyValue_metricsRollingStatisticalWindowInMilliseconds",
	};
	size_t used;
	int fd = watch(&used);
	json_t *value;

	(void)state;
	assert_true(listen_to(fd, &used, "\"name\":\"reception\""));
	assert_int_equal(status_of_reply(), 200);
	assert_non_null(strstr(world.reply, "Content-Type: text/event-stream;charset=UTF-8\r\n"));
	value = message_of("patient");
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (json_object_get(value, keys[i]) == NULL)
			fail_msg("%s is missing", keys[i]);
	assert_true(json_is_false(at(value, "isCircuitBreakerOpen")));
	expect_number(value, "requestCount", 0);
	expect_number(value, "latencyExecute.99", 0);
	json_decref(value);
	fail_calls(7);
	world.calls.counts = (struct admin_counts){
		.successes = 90, .failures = 3, .timeouts = 1, .bad_requests = 7, .short_circuited = 4, .rejected = 6, .fallbacks = 12,
		.thrown = 2,
	};
	world.calls.latencies.sum_us = 0;
	for (uint32_t i = 1; i <= 1000; i++) { /* up to a second, evenly */
		world.calls.latencies.sum_us += i * 1000;
		world.calls.latencies.places[latency_place(i * 1000)]++;
	}
	used = 0;
	assert_true(listen_to(fd, &used, "\"name\":\"reception\""));
	value = message_of("patient");
	assert_true(json_is_true(at(value, "isCircuitBreakerOpen")));
	expect_number(value, "requestCount", 100); /* without bad requests and what was short-circuited */
	expect_number(value, "errorCount", 10);
	expect_number(value, "errorPercentage", 10);
	expect_number(value, "rollingCountSuccess", 90);
	expect_number(value, "rollingCountFailure", 3);
	expect_number(value, "rollingCountTimeout", 1);
	expect_number(value, "rollingCountBadRequests", 7);
	expect_number(value, "rollingCountShortCircuited", 4);
	expect_number(value, "rollingCountSemaphoreRejected", 6);
	expect_number(value, "rollingCountFallbackSuccess", 12);
	expect_number(value, "rollingCountFallbackMissing", 2);
	expect_number(value, "rollingCountExceptionsThrown", 2);
	expect_near(value, "latencyExecute.25", 250);
	expect_near(value, "latencyExecute.50", 500);
	expect_near(value, "latencyExecute.90", 900);
	expect_near(value, "latencyExecute.99", 990);
	expect_near(value, "latencyTotal.99.5", 995);
	expect_near(value, "latencyTotal.100", 1000);
	expect_number(value, "latencyTotal_mean", 500);
	json_decref(value);
	world.is_empty = true;
	used = 0;
	assert_true(listen_to(fd, &used, "\"deleteData\":\"true\""));
	used = 0;
	assert_true(listen_to(fd, &used, "ping: "));
	world.is_empty = false;
	used = 0;
	assert_true(listen_to(fd, &used, "\"name\":\"reception\""));
	value = message_of("patient");
	expect_number(value, "requestCount", 0); /* it is a new one */
	json_decref(value);
	world.is_empty = true;
	close(fd);
}

/* It is open only in name: Hystrix would call it forced closed. */
static void test_a_breaker_that_only_observes(void **state)
{
	struct upstream_settings *settings = &world.config->upstreams[0];
	struct hystrix_history history = { 0 };
	json_t *value;

	(void)state;
	settings->breaker.observe = true;
	fail_calls(7);
	hystrix_turn(&history, &world.view, settings);
	value = hystrix_message(&history, settings);
	assert_true(json_is_false(at(value, "isCircuitBreakerOpen")));
	assert_true(json_is_true(at(value, "propertyValue_circuitBreakerForceClosed")));
	json_decref(value);
}

/* Everything shown is of the last ten seconds. */
static void test_shown_figures_fall_again(void **state)
{
	const struct upstream_settings *settings = &world.config->upstreams[0];
	struct hystrix_history history = { 0 };

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		bulkhead_enter(&settings->upstream->bulkhead, 10);
	for (unsigned i = 0; i < HYSTRIX_RING + 2; i++) {
		json_t *value;

		hystrix_turn(&history, &world.view, settings);
		value = hystrix_message(&history, settings);
		expect_number(value, "currentConcurrentExecutionCount", i == 0 ? 7 : 0);
		expect_number(value, "rollingMaxConcurrentExecutionCount", i < HYSTRIX_RING ? 7 : 0);
		expect_number(value, "requestCount", i >= 1 && i < HYSTRIX_RING ? 5 : 0);
		json_decref(value);
		for (unsigned j = 0; i == 0 && j < 7; j++)
			bulkhead_leave(&settings->upstream->bulkhead);
		world.calls.counts.successes = 5;
	}
}

/* Ten requests a second of 60 ms each: whoever begins to watch, whenever, sees that, and that they come no faster later. */
static void test_whoever_begins_to_watch_sees_the_last_ten_seconds(void **state)
{
	const struct upstream_settings *settings = &world.config->upstreams[0];
	struct hystrix_history history = { 0 };

	(void)state;
	hystrix_turn(&history, &world.view, settings);
	for (unsigned turns = 1; turns <= 100; turns++) {
		json_t *value;

		world.calls.counts.successes += 5;
		world.calls.latencies.places[latency_place(turns <= 50 ? 500000 : 60000)] += 5;
		world.calls.latencies.sum_us += turns <= 50 ? 2500000 : 300000;
		hystrix_turn(&history, &world.view, settings);
		value = hystrix_message(&history, settings);
		expect_number(value, "requestCount", turns < 20 ? turns * 5 : 100);
		if (turns <= 50 || turns > 80) {
			expect_near(value, "latencyExecute.50", turns <= 50 ? 500 : 60);
			expect_near(value, "latencyExecute.90", turns <= 50 ? 500 : 60);
			expect_number(value, "latencyExecute_mean", turns <= 50 ? 500 : 60);
		}
		json_decref(value);
	}
}

/* Pages and peers go on from the newest second that they have. */
static void test_the_second_is_that_of_the_newest_sample(void **state)
{
	struct history *history = history_new(&world.view);

	(void)state;
	assert_non_null(history);
	for (int turn = 0; turn < 10; turn++) {
		history_turn(history, NULL);
		assert_int_equal(history_seconds(history), history_trend(history, "patient")->seconds);
	}
	history_free(history);
}

static void test_percentiles_are_known_within_three_percent(void **state)
{
	(void)state;
	for (uint64_t us = 0; us < UINT64_C(300000000); us += us / 50 + 1) {
		unsigned place = latency_place(us);
		uint64_t middle = (latency_from_us(place) + latency_from_us(place + 1)) / 2;

		if (us >= latency_from_us(LATENCY_PLACES)) {
			assert_int_equal(place, LATENCY_PLACES - 1);
			continue;
		}
		assert_uint_in_range(us, latency_from_us(place), latency_from_us(place + 1) - 1);
		if (us >= 1024)
			assert_uint_in_range(middle, us * 96 / 100, us * 104 / 100);
	}
}

static void test_streams_are_few(void **state)
{
	int fds[5];
	size_t used;

	(void)state;
	for (int i = 0; i < 5; i++) {
		fds[i] = watch(&used);
		assert_true(listen_to(fds[i], &used, "data: "));
	}
	get("/actuator/hystrix.stream", 503);
	close(fds[2]);
	for (int i = 0; i < 20; i++)
		turn();
	fds[2] = watch(&used);
	assert_true(listen_to(fds[2], &used, "data: "));
	/* One that speaks on is not listened to. */
	for (int i = 0; i < 100; i++) {
		char noise[1000] = { 0 };

		(void)send(fds[0], noise, sizeof noise, MSG_DONTWAIT | MSG_NOSIGNAL);
		turn();
	}
	json_decref(get_json("/livez", 200));
	close(fds[0]);
	close(fds[1]);
	for (int i = 0; i < 20; i++)
		turn();
	/* The others are still there when the listener goes. */
	admin_free(world.admin);
	world.admin = NULL;
	for (int i = 2; i < 5; i++)
		close(fds[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_stream), TEST(test_a_breaker_that_only_observes), TEST(test_shown_figures_fall_again),
		TEST(test_whoever_begins_to_watch_sees_the_last_ten_seconds),
		TEST(test_the_second_is_that_of_the_newest_sample), TEST(test_percentiles_are_known_within_three_percent),
		TEST(test_streams_are_few),
	};

	return cmocka_run_group_tests_name("admin stream", tests, NULL, NULL);
}
