/* The admin listener's metrics: for Prometheus, and as Spring shows them. */
#include "tests/unit/admin_world.h"

#include <malloc.h>

static void test_metrics(void **state)
{
	(void)state;
	assert_string_equal(get("/metrics", 200), TIMER TIMER_MAX COUNTER("_total") COUNTED GAUGE);
	assert_non_null(strstr(world.reply, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_string_equal(get("/actuator/prometheus?includedNames=gateway_requests,x,process_files_open_files", 200),
	                    COUNTER("_total") COUNTED GAUGE);
	assert_string_equal(get("/metrics?a=b&includedNames=,&includedNames=gateway_requests_seconds_sum", 200), TIMER);
	assert_string_equal(get("/metrics?includedNames=gateway_requests_seconds_max", 200), TIMER_MAX);
	assert_string_equal(get("/metrics?includedNames=", 200), "");
	get("/metrics?includedNames", 400);
	assert_string_equal(get_accepting("/metrics?includedNames=gateway_requests_total", 200,
	                                  "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4"),
	                    COUNTER("") COUNTED "# EOF\n");
	assert_non_null(strstr(world.reply, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
}

/* RFC 9110 section 12.4.2: 0 is "not acceptable". */
static void test_which_metrics_are_wanted(void **state)
{
	static const struct { const char *accept; bool is_openmetrics; } cases[] = {
		{ "application/openmetrics-text", true },
		{ "Application/OpenMetrics-Text ; Q=0.1", true },
		{ "text/plain;q=0.3, application/openmetrics-text; version=1.0.0; q=0.3", true },
		{ "*/*, application/openmetrics-text", true },
		{ "text/plain;q=0, application/openmetrics-text;q=0.001, */*", true },
		{ "application/openmetrics-text;q=0", false },
		{ "application/openmetrics-text; version=1.0.0; q=0.000, */*", false },
		{ "text/plain, application/openmetrics-text;q=0.9", false },
		{ "*/*;q=0.9,application/openmetrics-text;q=0.8", false },
		{ "application/openmetrics-text-not", false },
		{ "x;application/openmetrics-text", false },
		{ "application/*", false },
		{ "*/*", false },
		{ "", false },
		{ ",;q=1,", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		get_accepting("/metrics", 200, cases[i].accept);
		assert_true((strstr(world.reply, "application/openmetrics-text") != NULL) == cases[i].is_openmetrics);
	}
}

static void expect_meter(const char *path, const char *text)
{
	json_t *value = get_json(path, 200), *wanted = json_loads(text, 0, NULL);
	char *found = json_dumps(value, 0);

	assert_non_null(wanted);
	if (!json_equal(value, wanted))
		fail_msg("%s: %s", path, found);
	free(found);
	json_decref(wanted);
	json_decref(value);
}

static void test_meters(void **state)
{
	(void)state;
	expect_meter("/actuator/metrics", "{\"names\": [\"gateway.requests\", \"gateway.requests.total\", \"process.files.open\"]}");
	expect_meter("/actuator/metrics/process.files.open",
	             "{\"name\": \"process.files.open\", \"description\": \"Open.\", \"baseUnit\": \"files\", \"availableTags\": [],"
	             " \"measurements\": [{\"statistic\": \"VALUE\", \"value\": 12.0}]}");
	expect_meter("/actuator/metrics/gateway.requests.total",
	             "{\"name\": \"gateway.requests.total\", \"description\": \"Ends.\","
	             " \"measurements\": [{\"statistic\": \"COUNT\", \"value\": 7.0}],"
	             " \"availableTags\": [{\"tag\": \"outcome\", \"values\": [\"answered\"]}]}");
	expect_meter("/actuator/metrics/gateway.requests",
	             "{\"name\": \"gateway.requests\", \"description\": \"Requests.\", \"baseUnit\": \"seconds\", \"measurements\":"
	             " [{\"statistic\": \"COUNT\", \"value\": 7.0}, {\"statistic\": \"TOTAL_TIME\", \"value\": 0.75},"
	             " {\"statistic\": \"MAX\", \"value\": 0.4}], \"availableTags\": ["
	             "{\"tag\": \"routeId\", \"values\": [\"/a\", \"/b:\\\"\\\\\\n\"]}, {\"tag\": \"status\", \"values\": [\"OK\"]}]}");
	expect_meter("/actuator/metrics/gateway.requests?tag=routeId:/b:%22%5C%0A&x=y&tag=status:OK",
	             "{\"name\": \"gateway.requests\", \"description\": \"Requests.\", \"baseUnit\": \"seconds\", \"measurements\":"
	             " [{\"statistic\": \"COUNT\", \"value\": 4.0}, {\"statistic\": \"TOTAL_TIME\", \"value\": 0.25},"
	             " {\"statistic\": \"MAX\", \"value\": 0.1}], \"availableTags\": []}");
	json_decref(get_json("/actuator/metrics/gateway.requests?tag=routeId:/a&tag=status:%FF", 404));
#define FOUR "tag=status:OK&tag=status:OK&tag=status:OK&tag=status:OK"
	json_decref(get_json("/actuator/metrics/gateway.requests?" FOUR "&" FOUR, 200));
	json_decref(get_json("/actuator/metrics/gateway.requests?" FOUR "&" FOUR "&tag=status:OK", 400));
#undef FOUR
	json_decref(get_json("/actuator/metrics/gateway.requests?tag=routeId", 400));
	json_decref(get_json("/actuator/metrics/gateway.requests?tag", 400));
	json_decref(get_json("/actuator/metrics/gateway", 404));
	json_decref(get_json("/actuator/metrics/gateway_requests", 404));
	json_decref(get_json("/actuator/metrics/gateway.requests.seconds.max", 404));
}

static struct {
	unsigned until_short; /* allocations of jansson's, the last of which fails; 0: none does */
	unsigned freed_count;
	void *freed[256];
} scarce;

static void *scarce_malloc(size_t size)
{
	return scarce.until_short > 0 && --scarce.until_short == 0 ? NULL : malloc(size);
}

/* The sanitizer does not see what jansson reads. An object that is used after this has its table at NULL. */
static void scarce_free(void *memory)
{
	if (memory == NULL)
		return;
	assert_true(scarce.freed_count < sizeof scarce.freed / sizeof scarce.freed[0]);
	memset(memory, 0, malloc_usable_size(memory));
	scarce.freed[scarce.freed_count++] = memory;
}

static void test_meters_when_memory_is_short(void **state)
{
	unsigned which = 0;

	(void)state;
	json_set_alloc_funcs(scarce_malloc, scarce_free);
	do {
		scarce.until_short = ++which;
		ask_raw("GET /actuator/metrics/gateway.requests?tag=routeId:/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
		assert_int_equal(strncmp(world.reply, "HTTP/1.1 ", 9), 0);
		assert_null(strstr(world.reply, "\"value\":7.0")); /* the count of both routes */
		while (scarce.freed_count > 0)
			free(scarce.freed[--scarce.freed_count]);
	} while (scarce.until_short == 0);
	json_set_alloc_funcs(malloc, free);
	assert_true(which > 20);
	assert_int_equal(status_of_reply(), 200);
}

static void test_metrics_with_tags(void **state)
{
	static const struct metrics_tag tags[] = { { "application", "a \"b\"\\\n" }, { "region", "west" } };

	(void)state;
	world.config->metrics_tags = tags;
	world.config->metrics_tag_count = 2;
	get("/metrics", 200);
	assert_non_null(strstr(world.reply, "\nprocess_files_open_files{application=\"a \\\"b\\\"\\\\\\n\",region=\"west\"} 12\n"));
	assert_non_null(strstr(world.reply, "\ngateway_requests_total{application=\"a \\\"b\\\"\\\\\\n\",region=\"west\","
	                                    "outcome=\"answered\"} 7\n"));
	assert_non_null(strstr(world.reply, "\n# TYPE process_files_open_files gauge\n"));
	json_decref(get_json("/actuator/metrics/gateway.requests?tag=region:west&tag=routeId:/a", 200));
	json_decref(get_json("/actuator/metrics/gateway.requests?tag=region:east", 404));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_metrics), TEST(test_which_metrics_are_wanted), TEST(test_meters),
		TEST(test_meters_when_memory_is_short), TEST(test_metrics_with_tags),
	};

	return cmocka_run_group_tests_name("admin metrics", tests, NULL, NULL);
}
