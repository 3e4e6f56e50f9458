/*
 * The text is read back as Prometheus would read it, by rules and not by comparison: no series twice, every family announced
 * once and in one piece, buckets that rise up to the count, outcomes that add up to the requests received.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ctype.h>
#include <pthread.h>

#include "breaker/look.h"
#include "gateway/telemetry/metrics_calls.h"
#include "gateway/telemetry/metrics_text.h"
#include "routes/config/complaints.h"

enum { SERIES_MAX = 20000 };

static struct {
	char *text;
	size_t size;
	struct {
		char *series; /* with labels */
		double value;
	} list[SERIES_MAX];
	size_t count;
} read_back;

static struct {
	struct upstream_settings settings[2];
	struct metrics_service services[2];
	struct endpoint_set *set;
	struct route_metrics *metrics[4];
	struct metrics_route routes[4];
	struct worker_counters counters[2];
	const struct worker_counters *workers[2];
	struct metrics_input input;
} world;

/* ---- the world ------------------------------------------------------------------------------------------------------- */

static void make_upstream(unsigned index, const char *name, const char *url)
{
	struct upstream_settings *settings = &world.settings[index];

	*settings = (struct upstream_settings){
		.ejection = { .enabled = true, .max_share_bp = 5000 },
		.name = name,
		.url = url,
		.host = "h",
		.port = 1,
		.bulkhead_max_in_flight = 10,
		.breaker = { .enabled = true, .window = BREAKER_WINDOW_TIME, .window_size = 10000, .minimum_calls = 2,
		             .failure_rate_bp = 5000, .slow_rate_bp = 8000, .open_for_ms = 5000, .open_for_max_ms = 60000,
		             .half_open_calls = 5, .half_open_timeout_ms = 30000 },
	};
	settings->upstream = upstream_new(settings, index, 1000, NULL, NULL);
	assert_non_null(settings->upstream);
	world.services[index].settings = settings;
}

static void make_endpoints(void)
{
	struct endpoint *endpoints[2];
	struct address address;

	for (unsigned i = 0; i < 2; i++) {
		assert_true(address_parse(&address, i == 1 ? "10.0.0.2:80" : "10.0.0.1:80", 0));
		endpoints[i] = endpoint_new(&address, i, 1000, "dns");
		assert_non_null(endpoints[i]);
	}
	world.set = endpoint_set_new(endpoints, 2);
	for (unsigned i = 0; i < 2; i++)
		endpoint_release(endpoints[i]);
	world.services[0].set = world.services[0].serving = world.set;
}

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	make_upstream(0, "patient", "http://tasks.patient:2222");
	make_upstream(1, "strange \"one\"\\\n", "http://odd:1");
	make_endpoints();
	for (unsigned i = 0; i < 4; i++) {
		world.metrics[i] = metrics_new(2);
		assert_non_null(world.metrics[i]);
	}
	world.routes[0] = (struct metrics_route){ "/patient", "/patient", "patient", world.metrics[0], false, false };
	world.routes[1] =
		(struct metrics_route){ "/patient", "a.example/patient", "strange \"one\"\\\n", world.metrics[1], false, false };
	world.routes[2] = (struct metrics_route){ "UNKNOWN", "UNKNOWN", NULL, world.metrics[2], false, false };
	world.routes[3] = (struct metrics_route){ "/a\"b\\c\nd", "/patient", "gone", world.metrics[3], false, false };
	world.workers[0] = &world.counters[0];
	world.workers[1] = &world.counters[1];
	world.input = (struct metrics_input){
		.routes = world.routes, .route_count = 4, .services = world.services, .service_count = 2, .workers = world.workers,
		.worker_count = 2, .now_ms = 5000, .started_ms = 1000, .ready_ms = 1250, .started_wall_ms = 1700000000123,
		.reloads = 3, .reload_failures = 1, .config_wall_ms = 1700000001000,
	};
	return 0;
}

static void forget_text(void)
{
	for (size_t i = 0; i < read_back.count; i++)
		free(read_back.list[i].series);
	free(read_back.text);
	memset(&read_back, 0, sizeof read_back);
}

static int teardown(void **state)
{
	(void)state;
	forget_text();
	for (unsigned i = 0; i < 4; i++)
		metrics_free(world.metrics[i]);
	endpoint_set_release(world.set);
	upstream_release(world.settings[0].upstream);
	upstream_release(world.settings[1].upstream);
	return 0;
}

static void count(unsigned route, unsigned worker, enum method method, unsigned status, enum outcome outcome, uint64_t us)
{
	metrics_count(world.metrics[route], worker, method, status, outcome, us);
	counter_add(&world.counters[worker].requests_received, 1);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

/* The end of `{...}`; fails on what is no label set. */
static const char *skip_labels(const char *at)
{
	assert_int_equal(*at++, '{');
	for (;;) {
		assert_true(isalpha((unsigned char)*at) || *at == '_');
		while (isalnum((unsigned char)*at) || *at == '_')
			at++;
		assert_int_equal(*at++, '=');
		assert_int_equal(*at++, '"');
		for (; *at != '"'; at++) {
			assert_true(*at != '\0' && *at != '\n');
			if (*at == '\\') {
				at++;
				assert_true(*at == 'n' || *at == '\\' || *at == '"');
			}
		}
		at++;
		if (*at == '}')
			return at + 1;
		assert_int_equal(*at++, ',');
	}
}

static bool is_of_family(const char *line, const char *family)
{
	static const char *const endings[] = { "", "_bucket", "_count", "_sum" };
	size_t length = strlen(family), name_length = strcspn(line, "{ ");

	if (strncmp(line, family, length) != 0)
		return false;
	for (size_t i = 0; i < 4; i++)
		if (name_length == length + strlen(endings[i]) && strncmp(line + length, endings[i], strlen(endings[i])) == 0)
			return true;
	return false;
}

static void read_sample(const char *line, const char *family)
{
	const char *end = line + strcspn(line, "{ ");
	char *number_end;

	assert_true(is_of_family(line, family));
	if (*end == '{')
		end = skip_labels(end);
	assert_int_equal(*end, ' ');
	assert_true(read_back.count < SERIES_MAX);
	read_back.list[read_back.count].series = strndup(line, (size_t)(end - line));
	read_back.list[read_back.count].value = strtod(end + 1, &number_end);
	assert_int_equal(*number_end, '\0');
	assert_true(read_back.list[read_back.count].value >= 0 || strstr(line, "_rate{") != NULL);
	read_back.count++;
}

static void expect_no_duplicates(char **seen, size_t seen_count)
{
	for (size_t i = 0; i < seen_count; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(seen[i], seen[j]) == 0)
				fail_msg("twice: %s", seen[i]);
}

/* HELP, TYPE, samples; families in one piece. */
static void parse(void)
{
	char *families[200], *copy = strdup(read_back.text), *rest = copy, *line, *series[SERIES_MAX];
	size_t family_count = 0;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		char name[128], type[32];

		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line, "# HELP %127s", name), 1);
			assert_non_null(strchr(line + 7, ' '));
			families[family_count++] = strdup(name);
			line = strsep(&rest, "\n");
			assert_int_equal(sscanf(line, "# TYPE %127s %31s", name, type), 2);
			assert_string_equal(name, families[family_count - 1]);
			assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 || strcmp(type, "summary") == 0 ||
			            strcmp(type, "histogram") == 0);
			assert_true(strcmp(type, "counter") != 0 || strstr(name, "_total") != NULL);
			continue;
		}
		assert_true(family_count > 0);
		read_sample(line, families[family_count - 1]);
	}
	assert_true(rest == NULL || *rest == '\0');
	for (size_t i = 0; i < read_back.count; i++)
		series[i] = read_back.list[i].series;
	expect_no_duplicates(series, read_back.count);
	expect_no_duplicates(families, family_count);
	for (size_t i = 0; i < family_count; i++)
		free(families[i]);
	free(copy);
}

static void write_text(void)
{
	FILE *to;

	forget_text();
	to = open_memstream(&read_back.text, &read_back.size);
	metrics_write(&world.input, to);
	assert_int_equal(fclose(to), 0);
	assert_int_equal(strlen(read_back.text), read_back.size);
	parse();
}

static double value_of(const char *series)
{
	for (size_t i = 0; i < read_back.count; i++)
		if (strcmp(read_back.list[i].series, series) == 0)
			return read_back.list[i].value;
	fail_msg("missing: %s\n%s", series, read_back.text);
	return 0;
}

static void expect(const char *series, double value)
{
	double found = value_of(series);

	if (found > value + 1e-9 || found < value - 1e-9)
		fail_msg("%s: %f, not %f", series, found, value);
}

static double sum_of(const char *name)
{
	double sum = 0;

	for (size_t i = 0; i < read_back.count; i++)
		if (strncmp(read_back.list[i].series, name, strlen(name)) == 0 && read_back.list[i].series[strlen(name)] == '{')
			sum += read_back.list[i].value;
	return sum;
}

/* Buckets stand in order, so each follows the one below it; +Inf is the count. */
static void expect_cumulative(void)
{
	double below = 0;

	for (size_t i = 0; i < read_back.count; i++) {
		if (strstr(read_back.list[i].series, "_bucket{") == NULL)
			continue;
		if (strstr(read_back.list[i].series, "le=\"0.0005\"") != NULL)
			below = 0;
		assert_true(read_back.list[i].value >= below);
		below = read_back.list[i].value;
		if (strstr(read_back.list[i].series, "le=\"+Inf\"") != NULL) {
			assert_non_null(strstr(read_back.list[i + 1].series, "_count{"));
			assert_true(read_back.list[i + 1].value == below);
		}
	}
}

/* ---- tests ----------------------------------------------------------------------------------------------------------------- */

static void test_nothing_has_happened(void **state)
{
	(void)state;
	write_text();
	expect("gateway_requests_received_total", 0);
	expect("gateway_requests_total{outcome=\"answered\",route=\"/patient\",upstream=\"patient\"}", 0);
	expect("resilience4j_circuitbreaker_calls_seconds_count{group=\"patient\",kind=\"failed\",name=\"patient\"}", 0);
	expect("resilience4j_circuitbreaker_failure_rate{name=\"patient\",group=\"patient\"}", -1);
	expect("resilience4j_circuitbreaker_state{name=\"patient\",group=\"patient\",state=\"closed\"}", 1);
	expect("process_start_time_seconds", 1700000000.123);
	expect("process_uptime_seconds", 4); /* whatever the wall clock says */
	expect("application_started_time_seconds", 0.25);
	expect("application_ready_time_seconds", 0.25);
	world.input = (struct metrics_input){ .now_ms = 1 };
	write_text();
	expect("gateway_workers", 0);
}

static void test_requests(void **state)
{
	(void)state;
	count(0, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 400);
	count(0, 1, METHOD_GET, 200, OUTCOME_ANSWERED, 600);
	count(1, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 20000000); /* another route with the same path */
	count(0, 0, METHOD_GET, 200, OUTCOME_UPGRADED, 1000);     /* falls together for Micrometer's labels */
	count(0, 0, METHOD_GET, 503, OUTCOME_BREAKER_OPEN, 100);
	count(0, 0, METHOD_POST, 503, OUTCOME_RESPONSE_TIMEOUT, 5000000);
	count(0, 0, METHOD_GET, 499, OUTCOME_CLIENT_ABORTED, 100);
	count(2, 0, METHOD_OTHER, 404, OUTCOME_NOT_FOUND, 10);
	count(2, 1, METHOD_OTHER, 400, OUTCOME_REQUEST_REFUSED, 10);
	count(3, 1, METHOD_GET, 302, OUTCOME_ANSWERED, 10);
	write_text();
	expect_cumulative();
#define OK "error=\"none\",exception=\"none\",method=\"GET\",outcome=\"SUCCESS\",status=\"200\",uri=\"/patient\""
	expect("http_server_requests_seconds_count{" OK "}", 4);
	expect("http_server_requests_seconds_sum{" OK "}", 20.002);
	expect("http_server_requests_seconds_max{" OK "}", 20);
	expect("http_server_requests_seconds_bucket{" OK ",le=\"0.0005\"}", 1);
	expect("http_server_requests_seconds_bucket{" OK ",le=\"0.001\"}", 3);
	expect("http_server_requests_seconds_bucket{" OK ",le=\"10.0\"}", 3);
	expect("http_server_requests_seconds_bucket{" OK ",le=\"+Inf\"}", 4);
	expect("http_server_requests_seconds_count{error=\"breaker_open\",exception=\"breaker_open\","
	       "method=\"GET\",outcome=\"SERVER_ERROR\","
	       "status=\"503\",uri=\"/patient\"}", 1);
	expect("http_server_requests_seconds_count{error=\"client_aborted\",exception=\"client_aborted\","
	       "method=\"GET\",outcome=\"UNKNOWN\","
	       "status=\"UNKNOWN\",uri=\"/patient\"}", 1);
	expect("http_server_requests_seconds_count{error=\"not_found\",exception=\"not_found\",method=\"UNKNOWN\","
	       "outcome=\"CLIENT_ERROR\","
	       "status=\"404\",uri=\"NOT_FOUND\"}", 1);
	expect("http_server_requests_seconds_count{error=\"request_refused\",exception=\"request_refused\","
	       "method=\"UNKNOWN\",outcome=\"CLIENT_ERROR\","
	       "status=\"400\",uri=\"UNKNOWN\"}", 1);
	expect("http_server_requests_seconds_count{error=\"none\",exception=\"none\",method=\"GET\","
	       "outcome=\"REDIRECTION\",status=\"302\","
	       "uri=\"/a\\\"b\\\\c\\nd\"}", 1);
	expect("spring_cloud_gateway_requests_seconds_count{httpMethod=\"GET\",httpStatusCode=\"200\",outcome=\"SUCCESSFUL\","
	       "routeId=\"/patient\",routeUri=\"http://tasks.patient:2222\",status=\"OK\"}", 3);
	expect("spring_cloud_gateway_requests_seconds_count{httpMethod=\"POST\",httpStatusCode=\"503\",outcome=\"SERVER_ERROR\","
	       "routeId=\"/patient\",routeUri=\"http://tasks.patient:2222\",status=\"SERVICE_UNAVAILABLE\"}", 1);
	expect("gateway_requests_seconds_count{httpMethod=\"GET\",httpStatusCode=\"302\",outcome=\"REDIRECTION\","
	       ""
	       "routeId=\"/patient\",routeUri=\"gone\",status=\"FOUND\"}", 1);
	expect("resilience4j_circuitbreaker_calls_seconds_count{group=\"patient\",kind=\"successful\",name=\"patient\"}", 3);
	expect("resilience4j_circuitbreaker_calls_seconds_count{group=\"patient\",kind=\"failed\",name=\"patient\"}", 1);
	expect("resilience4j_circuitbreaker_calls_seconds_count{group=\"patient\",kind=\"ignored\",name=\"patient\"}", 1);
	expect("resilience4j_circuitbreaker_calls_seconds_count{group=\"strange \\\"one\\\"\\\\\\n\","
	       "kind=\"successful\",name=\"strange \\\"one\\\"\\\\\\n\"}", 1);
	expect("gateway_requests_total{outcome=\"answered\",route=\"/patient\",upstream=\"patient\"}", 2);
	expect("gateway_requests_total{outcome=\"upgraded\",route=\"/patient\",upstream=\"patient\"}", 1);
	expect("gateway_requests_total{outcome=\"not_found\",route=\"UNKNOWN\",upstream=\"\"}", 1);
	expect("gateway_requests_received_total", 10);
	assert_true(sum_of("gateway_requests_total") == 10);
	assert_true(sum_of("http_server_requests_seconds_count") == 10);
}

static void turn(void)
{
	for (unsigned i = 0; i < 4; i++)
		metrics_turn(world.metrics[i]);
}

/* The slowest of the last two to three minutes, as Micrometer's for Prometheus, over all workers. */
static void test_a_maximum_falls(void **state)
{
	(void)state;
	count(0, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 9000000);
	turn();
	count(0, 1, METHOD_GET, 200, OUTCOME_ANSWERED, 2000000);
	turn();
	write_text();
	expect("http_server_requests_seconds_max{" OK "}", 9);
	assert_non_null(strstr(read_back.text, "seconds_max Longest time in the last two to three minutes.\n"));
	forget_text();
	count(0, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 1000000);
	turn();
	write_text();
	expect("http_server_requests_seconds_max{" OK "}", 2);
	expect("resilience4j_circuitbreaker_calls_seconds_max{group=\"patient\",kind=\"successful\",name=\"patient\"}", 2);
	forget_text();
	turn();
	write_text();
	expect("http_server_requests_seconds_max{" OK "}", 1);
	forget_text();
	turn();
	write_text();
	expect("http_server_requests_seconds_max{" OK "}", 0);
	expect("http_server_requests_seconds_count{" OK "}", 3);
	expect("http_server_requests_seconds_sum{" OK "}", 12);
}

#define ROUTE "routeId=\"/patient\",routeUri=\"http://tasks.patient:2222\""

static void expect_spring(const char *code, const char *outcome, const char *status, double count)
{
	char series[300];

	snprintf(series, sizeof series, "spring_cloud_gateway_requests_seconds_count{httpMethod=\"GET\",httpStatusCode=\"%s\","
	         "outcome=\"%s\"," ROUTE ",status=\"%s\"}", code, outcome, status);
	expect(series, count);
}

/* Spring's HttpStatus has no name for some statuses; Spring Cloud Gateway then says CUSTOM, and Spring Boot the hundreds. */
static void test_statuses_without_a_name(void **state)
{
	static const char *const custom[] = { "104", "209", "299", "306", "427", "430", "499", "520", "599", "999" };

	(void)state;
	for (size_t i = 0; i < sizeof custom / sizeof custom[0]; i++)
		count(0, 0, METHOD_GET, (unsigned)atoi(custom[i]), OUTCOME_ANSWERED, 100);
	count(0, 0, METHOD_GET, 226, OUTCOME_ANSWERED, 100);
	count(0, 0, METHOD_GET, 421, OUTCOME_ANSWERED, 100);
	count(0, 0, METHOD_GET, 508, OUTCOME_ANSWERED, 100);
	count(0, 0, METHOD_GET, 499, OUTCOME_CLIENT_ABORTED, 100);
	write_text();
	for (size_t i = 0; i < sizeof custom / sizeof custom[0]; i++)
		expect_spring(custom[i], "CUSTOM", custom[i], 1);
	expect_spring("226", "SUCCESSFUL", "IM_USED", 1);
	expect_spring("421", "CLIENT_ERROR", "DESTINATION_LOCKED", 1);
	expect_spring("508", "SERVER_ERROR", "LOOP_DETECTED", 1);
	expect_spring("NA", "CUSTOM", "CUSTOM", 1);
	expect("http_server_requests_seconds_count{error=\"none\",exception=\"none\",method=\"GET\",outcome=\"SERVER_ERROR\","
	       "status=\"520\",uri=\"/patient\"}", 1);
	expect("http_server_requests_seconds_count{error=\"none\",exception=\"none\",method=\"GET\",outcome=\"UNKNOWN\","
	       "status=\"999\",uri=\"/patient\"}", 1);
}

/* The client sees one answer, the breaker three. */
static void test_replaced(void **state)
{
	(void)state;
	count(0, 0, METHOD_GET, 503 | REPLACED_SUCCESS << METRICS_REPLACED_SHIFT, OUTCOME_REPLACED, 1);
	count(0, 0, METHOD_GET, 503 | REPLACED_BAD_REQUEST << METRICS_REPLACED_SHIFT, OUTCOME_REPLACED, 1);
	count(0, 1, METHOD_GET, 503 | REPLACED_FAILURE << METRICS_REPLACED_SHIFT, OUTCOME_REPLACED, 1);
	write_text();
	expect("resilience4j_circuitbreaker_calls_seconds_count{group=\"patient\",kind=\"successful\",name=\"patient\"}", 2);
	expect("resilience4j_circuitbreaker_calls_seconds_count{group=\"patient\",kind=\"failed\",name=\"patient\"}", 1);
	expect("gateway_requests_total{outcome=\"replaced\",route=\"/patient\",upstream=\"patient\"}", 3);
	expect("http_server_requests_seconds_count{error=\"replaced\",exception=\"replaced\",method=\"GET\","
	       "outcome=\"SERVER_ERROR\",status=\"503\","
	       "uri=\"/patient\"}", 3);
}

static void test_uncounted_requests(void **state)
{
	(void)state;
	count(0, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 1);
	counter_add(&world.metrics[0]->shards[1].lost, 2);
	counter_add(&world.counters[1].requests_received, 2);
	write_text();
	expect("gateway_requests_total{outcome=\"uncounted\",route=\"/patient\",upstream=\"patient\"}", 2);
	assert_true(sum_of("gateway_requests_total") == value_of("gateway_requests_received_total"));
}

static bool has_series(const char *series)
{
	for (size_t i = 0; i < read_back.count; i++)
		if (strcmp(read_back.list[i].series, series) == 0)
			return true;
	return false;
}

static void test_cpu(void **state)
{
	struct metrics_cpu cpu = { .cpus = 2, .before = { .at_ms = 1000 } };

	(void)state;
	metrics_cpu_note(&cpu, &(struct cpu_times){ 1999, 1000000, 100, 10 });
	assert_true(cpu.process_usage == 0); /* too early to tell */
	metrics_cpu_note(&cpu, &(struct cpu_times){ 2000, 500000, 1000, 750 });
	assert_true(cpu.process_usage == 0.25 && cpu.system_usage == 0.25);
	metrics_cpu_note(&cpu, &(struct cpu_times){ 2500, 9000000, 9999, 750 });
	assert_true(cpu.process_usage == 0.25 && cpu.system_usage == 0.25); /* as the other scraper saw it */
	metrics_cpu_note(&cpu, &(struct cpu_times){ 4000, 6500000, 1100, 740 }); /* 3 of 2 CPUs, more than all of the machine's */
	assert_true(cpu.process_usage == 1 && cpu.system_usage == 1);
	metrics_cpu_note(&cpu, &(struct cpu_times){ 5000, 6500000, 1200, 840 });
	assert_true(cpu.process_usage == 0 && cpu.system_usage == 0);
	write_text();
	assert_false(has_series("process_cpu_usage"));
	world.input.cpu = &cpu;
	cpu.process_usage = 0.5;
	cpu.before.at_ms = world.input.now_ms - 1; /* so that it stays */
	write_text();
	expect("process_cpu_usage", 0.5);
	expect("system_cpu_usage", 0);
	cpu.before = (struct cpu_times){ .at_ms = 1000 };
	write_text();
	assert_true(value_of("process_cpu_usage") <= 1 && value_of("system_cpu_usage") <= 1 && value_of("system_cpu_usage") > 0);
}

/* What it counted stays, what it never will does not. */
static void test_a_route_that_was_removed(void **state)
{
	(void)state;
	world.routes[0].is_removed = true;
	count(0, 1, METHOD_GET, 200, OUTCOME_ANSWERED, 400);
	write_text();
	expect("gateway_requests_total{outcome=\"answered\",route=\"/patient\",upstream=\"patient\"}", 1);
	assert_false(has_series("gateway_requests_total{outcome=\"not_found\",route=\"/patient\",upstream=\"patient\"}"));
	assert_false(has_series("gateway_requests_total{outcome=\"uncounted\",route=\"/patient\",upstream=\"patient\"}"));
	expect("gateway_requests_total{outcome=\"not_found\",route=\"/patient\",upstream=\"gone\"}", 0);
}

static void test_calls(void **state)
{
	static const uint64_t expected[CALL_EVENTS] = {
		[CALL_SUCCESS] = 4, [CALL_FAILURE] = 4, [CALL_TIMEOUT] = 2, [CALL_BAD_REQUEST] = 2, [CALL_SHORT_CIRCUITED] = 1,
		[CALL_REJECTED] = 1, [CALL_CANCELLED] = 1, [CALL_FALLBACK] = 8, [CALL_THROWN] = 2,
	};
	struct metrics_calls calls = { 0 };
	uint64_t sum = 0;

	(void)state;
	count(0, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 400);
	count(0, 1, METHOD_GET, 200, OUTCOME_ANSWERED, 20000000);
	count(0, 0, METHOD_GET, 101, OUTCOME_UPGRADED, 0);
	count(0, 1, METHOD_GET, 404, OUTCOME_ANSWERED, 0);
	count(0, 1, METHOD_GET, 500, OUTCOME_ANSWERED_FAILURE, 600);
	count(0, 1, METHOD_GET, 429, OUTCOME_ANSWERED_FAILURE, 0); /* one of failure_statuses */
	count(0, 0, METHOD_GET, 503, OUTCOME_UPSTREAM_RESET, 0);
	count(0, 0, METHOD_GET, 503 | METRICS_RETRIED, OUTCOME_RESPONSE_TIMEOUT, 0);
	count(0, 0, METHOD_GET, 503, OUTCOME_CONNECT_TIMEOUT, 0);
	count(0, 0, METHOD_GET, 503 | REPLACED_SUCCESS << METRICS_REPLACED_SHIFT, OUTCOME_REPLACED, 0);
	count(0, 0, METHOD_GET, 503 | METRICS_RETRIED | REPLACED_BAD_REQUEST << METRICS_REPLACED_SHIFT, OUTCOME_REPLACED, 0);
	count(0, 0, METHOD_GET, 503 | REPLACED_FAILURE << METRICS_REPLACED_SHIFT, OUTCOME_REPLACED, 0);
	count(0, 0, METHOD_GET, 499, OUTCOME_CLIENT_ABORTED, 0);
	/* These did not get there. */
	count(0, 1, METHOD_GET, 503, OUTCOME_BREAKER_OPEN, 100);
	count(0, 1, METHOD_GET, 503, OUTCOME_OVERLOADED, 100);
	metrics_add_calls(world.metrics[0], &calls);
	for (unsigned i = 0; i < CALL_EVENTS; i++)
		if (calls.events[i] != expected[i])
			fail_msg("event %u: %u, not %u", i, (unsigned)calls.events[i], (unsigned)expected[i]);
	assert_int_equal(calls.requests, 15);
	assert_int_equal(calls.latencies.sum_us, 20001000);
	assert_int_equal(calls.latencies.places[latency_place(400)], 1);
	assert_int_equal(calls.latencies.places[latency_place(600)], 1);
	assert_int_equal(calls.latencies.places[latency_place(20000000)], 1);
	for (unsigned i = 0; i < LATENCY_PLACES; i++)
		sum += calls.latencies.places[i];
	assert_int_equal(sum, 13);
	write_text();
#define HYSTRIX "group=\"HystrixGatewayFilterFactory\",key=\"patient\""
	expect("hystrix_execution_total{" HYSTRIX ",event=\"success\",terminal=\"true\"}", 4);
	expect("hystrix_execution_total{" HYSTRIX ",event=\"timeout\",terminal=\"false\"}", 2);
	expect("hystrix_execution_total{" HYSTRIX ",event=\"short_circuited\",terminal=\"false\"}", 1);
	expect("hystrix_execution_total{" HYSTRIX ",event=\"fallback_success\",terminal=\"true\"}", 8);
	expect("hystrix_execution_total{" HYSTRIX ",event=\"fallback_missing\",terminal=\"true\"}", 2);
	expect("hystrix_execution_terminal_total{" HYSTRIX "}", 15);
	expect("hystrix_latency_execution_seconds_count{" HYSTRIX "}", 13);
	expect("hystrix_latency_total_seconds_sum{" HYSTRIX "}", 20.001);
	expect("hystrix_latency_total_seconds_max{" HYSTRIX "}", 20);
	expect("resilience4j_retry_calls_total{group=\"patient\",kind=\"successful_without_retry\",name=\"patient\"}", 5);
	expect("resilience4j_retry_calls_total{group=\"patient\",kind=\"successful_with_retry\",name=\"patient\"}", 1);
	expect("resilience4j_retry_calls_total{group=\"patient\",kind=\"failed_without_retry\",name=\"patient\"}", 5);
	expect("resilience4j_retry_calls_total{group=\"patient\",kind=\"failed_with_retry\",name=\"patient\"}", 1);
	expect("resilience4j_timelimiter_calls_total{group=\"patient\",kind=\"successful\",name=\"patient\"}", 6);
	expect("resilience4j_timelimiter_calls_total{group=\"patient\",kind=\"failed\",name=\"patient\"}", 4);
	expect("resilience4j_timelimiter_calls_total{group=\"patient\",kind=\"timeout\",name=\"patient\"}", 2);
}

static void test_metrics_of_spring_boot_3(void **state)
{
	(void)state;
	world.input.configured_routes = 7;
	world.input.cpu = &(struct metrics_cpu){ .cpus = 3, .before = { .at_ms = 4999 } };
	counter_add(&world.counters[0].active, 2);
	counter_add(&world.counters[0].active_sum_us, 1500000);
	counter_add(&world.counters[0].active_longest_us, 1000000);
	counter_add(&world.counters[1].active, 1);
	counter_add(&world.counters[1].active_sum_us, 250000);
	counter_add(&world.counters[1].active_longest_us, 250000);
	count(0, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 1000);
	count(0, 0, METHOD_GET, 503, OUTCOME_RESPONSE_TIMEOUT, 1000);
	count(0, 0, METHOD_GET, 503, OUTCOME_BREAKER_OPEN, 1000); /* did not get there */
	write_text();
#define ACTIVE "{exception=\"none\",method=\"UNKNOWN\",outcome=\"UNKNOWN\",status=\"UNKNOWN\",uri=\"UNKNOWN\"}"
	expect("http_server_requests_active_seconds_count" ACTIVE, 3);
	expect("http_server_requests_active_seconds_sum" ACTIVE, 1.75);
	expect("http_server_requests_active_seconds_max" ACTIVE, 1);
	assert_true(sum_of("http_client_requests_seconds_count") == 2);
	expect("http_client_requests_seconds_count{error=\"none\",http_method=\"GET\",http_status_code=\"200\","
	       "spring_cloud_gateway_route_id=\"/patient\",spring_cloud_gateway_route_uri=\"http://tasks.patient:2222\"}", 1);
	expect("http_client_requests_seconds_count{error=\"response_timeout\",http_method=\"GET\",http_status_code=\"UNKNOWN\","
	       "spring_cloud_gateway_route_id=\"/patient\",spring_cloud_gateway_route_uri=\"http://tasks.patient:2222\"}", 1);
	expect("resilience4j_circuitbreaker_calls_seconds_bucket{group=\"patient\",kind=\"successful\","
	       "name=\"patient\",le=\"+Inf\"}", 1);
	expect("spring_cloud_gateway_routes_count", 7);
	expect("system_cpu_count", 3);
	assert_true(value_of("process_cpu_time_ns_total") >= value_of("process_cpu_seconds_total") * 1e9 - 1e6);
	assert_true(value_of("system_load_average_1m") >= 0);
	assert_false(has_series("hystrix_requests_total{group=\"HystrixGatewayFilterFactory\",key=\"patient\"}"));
}

/* A tag of the name of a label would be there twice. */
static void expect_refused_as_tag(const char *label, size_t length)
{
	char text[400];
	struct complaints complaints;

	snprintf(text, sizeof text, "metrics: { tags: { %.*s: x } }\nupstreams: { a: { url: \"http://a.b\" } }\n"
	                            "routes: [ { path: /, upstream: a } ]\n", (int)length, label);
	if (config_parse("f", text, strlen(text), &complaints) != NULL || complaints.count != 1 ||
	    strstr(complaints.list[0].text, "already have a label") == NULL)
		fail_msg("the label %.*s is not in config_metrics.c", (int)length, label);
	complaints_free(&complaints);
}

static void test_no_tag_can_be_a_label(void **state)
{
	(void)state;
	for (int names = METRICS_BOOT3; names <= METRICS_BOOT2; names++) {
		world.input.names = (enum metrics_names)names;
		count(0, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 1000);
		write_text();
		for (size_t i = 0; i < read_back.count; i++)
			for (const char *at = read_back.list[i].series; (at = strpbrk(at, "{,")) != NULL;)
				if (isalpha((unsigned char)*++at) && at[strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == '=')
					expect_refused_as_tag(at, strcspn(at, "="));
	}
}

static void test_metrics_of_spring_boot_2(void **state)
{
	(void)state;
	world.input.names = METRICS_BOOT2;
	count(0, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 1000);
	count(0, 0, METHOD_GET, 503, OUTCOME_RESPONSE_TIMEOUT, 1000);
	write_text();
	expect("http_server_requests_seconds_count{exception=\"None\",method=\"GET\",outcome=\"SUCCESS\",status=\"200\","
	       "uri=\"/patient\"}", 1);
	assert_null(strstr(read_back.text, "error=\""));
	assert_null(strstr(read_back.text, "_active_seconds"));
#define KEY "{group=\"HystrixGatewayFilterFactory\",key=\"patient\""
	expect("hystrix_requests_total" KEY "}", 2);
	expect("hystrix_errors_total" KEY "}", 1);
	expect("hystrix_fallback_total" KEY ",event=\"fallback_success\"}", 1);
	expect("hystrix_command_other_total" KEY ",event=\"success\"}", 1);
}

static void test_every_label(void **state)
{
	(void)state;
	for (unsigned status = 100; status < 600; status++)
		count(status % 4, status % 2, (enum method)(status % 10), status, (enum outcome)(status % OUTCOME_COUNT), status);
	for (unsigned status = 100; status < 200; status++)
		count(0, 0, METHOD_GET, status, OUTCOME_ANSWERED, 7);
	write_text();
	expect_cumulative();
	assert_true(sum_of("gateway_requests_total") == 600);
	assert_true(sum_of("http_server_requests_seconds_count") == 600);
}

/* The first two open the breaker; the second is slow. */
static void fail_three_calls(void)
{
	const struct upstream_settings *settings = &world.settings[0];
	uint64_t retry_after_ms;

	world.settings[0].breaker.slow_call_ms = 100;
	for (int i = 0; i < 3; i++) {
		struct breaker_permit permit = { 0 };

		breaker_admit(settings->upstream->breaker, &settings->breaker, 4000, 1, &permit, &retry_after_ms);
		breaker_settle(settings->upstream->breaker, &settings->breaker, 4000, 1, &permit, BREAKER_FAILURE, i == 1 ? 101 : 1);
	}
}

/* It rejects nothing, so alerts on open breakers must stay silent. */
static void test_a_breaker_that_only_observes(void **state)
{
	(void)state;
	world.settings[0].breaker.observe = true;
	fail_three_calls();
	assert_int_equal(breaker_state_now(world.settings[0].upstream->breaker, &world.settings[0].breaker), BREAKER_OPEN);
	write_text();
	expect("resilience4j_circuitbreaker_state{name=\"patient\",group=\"patient\",state=\"metrics_only\"}", 1);
	expect("resilience4j_circuitbreaker_state{name=\"patient\",group=\"patient\",state=\"open\"}", 0);
	expect("gateway_breaker_state{upstream=\"patient\",state=\"metrics_only\"}", 1);
	expect("gateway_breaker_state{upstream=\"patient\",state=\"open\"}", 0);
	expect("hystrix_circuit_breaker_open{key=\"patient\",group=\"HystrixGatewayFilterFactory\"}", 0);
	expect("resilience4j_circuitbreaker_failure_rate{name=\"patient\",group=\"patient\"}", 100);
}

static void test_breakers_and_endpoints(void **state)
{
	struct upstream *upstream = world.settings[0].upstream;
	struct endpoint *endpoint = world.set->endpoints[1];

	(void)state;
	fail_three_calls();
	for (int i = 0; i < 12; i++)
		bulkhead_enter(&upstream->bulkhead, 11);
	for (int i = 0; i < 3; i++)
		assert_int_equal(bulkhead_wait(&upstream->bulkhead, &(struct bulkhead_limits){ 11, 9, 1000 }, 4000), BULKHEAD_WAITING);
	atomic_store(&upstream->queue.waited_total, 8);
	atomic_store(&endpoint->in_flight, 4);
	atomic_store(&endpoint->failures_total, 9);
	atomic_store(&endpoint->ejection.until_ms, 9000);
	endpoint->health = (struct health){ .state = HEALTH_UNHEALTHY, .checks_total = 7 };
	world.services[0].quarantined = 2;
	world.services[0].quarantines = 3;
	world.services[0].dns_questions = 12;
	world.services[0].dns_failures = 5;
	counter_add(&world.counters[0].connections_accepted, 5);
	counter_add(&world.counters[1].connections_accepted, 6);
	write_text();
	expect("resilience4j_circuitbreaker_state{name=\"patient\",group=\"patient\",state=\"open\"}", 1);
	expect("resilience4j_circuitbreaker_state{name=\"patient\",group=\"patient\",state=\"closed\"}", 0);
	expect("gateway_breaker_state{upstream=\"patient\",state=\"open\"}", 1);
	expect("hystrix_circuit_breaker_open{key=\"patient\",group=\"HystrixGatewayFilterFactory\"}", 1);
	expect("hystrix_circuit_breaker_open{key=\"strange \\\"one\\\"\\\\\\n\",group=\"HystrixGatewayFilterFactory\"}", 0);
	expect("resilience4j_circuitbreaker_not_permitted_calls_total{name=\"patient\",group=\"patient\",kind=\"not_permitted\"}", 1);
	expect("resilience4j_circuitbreaker_buffered_calls{name=\"patient\",group=\"patient\",kind=\"failed\"}", 2);
	expect("resilience4j_circuitbreaker_buffered_calls{name=\"patient\",group=\"patient\",kind=\"successful\"}", 0);
	expect("resilience4j_circuitbreaker_failure_rate{name=\"patient\",group=\"patient\"}", 100);
	expect("resilience4j_circuitbreaker_slow_calls{name=\"patient\",group=\"patient\",kind=\"failed\"}", 1);
	expect("resilience4j_circuitbreaker_slow_calls{name=\"patient\",group=\"patient\",kind=\"successful\"}", 0);
	expect("resilience4j_bulkhead_available_concurrent_calls{name=\"patient\",group=\"patient\"}", 0); /* not -1 */
	expect("gateway_bulkhead_in_flight{upstream=\"patient\"}", 11);
	expect("hystrix_concurrent_execution_current{key=\"patient\",group=\"HystrixGatewayFilterFactory\"}", 11);
	expect("gateway_bulkhead_waiting{upstream=\"patient\"}", 3);
	expect("gateway_bulkhead_waited_total{upstream=\"patient\"}", 8);
	expect("gateway_bulkhead_rejected_total{upstream=\"patient\"}", 1);
	expect("gateway_upstream_endpoints{upstream=\"patient\"}", 2);
	expect("gateway_endpoint_in_flight{upstream=\"patient\",endpoint=\"10.0.0.2:80\"}", 4);
	expect("gateway_endpoint_failures_total{upstream=\"patient\",endpoint=\"10.0.0.2:80\"}", 9);
	expect("gateway_endpoint_ejected{upstream=\"patient\",endpoint=\"10.0.0.2:80\"}", 1);
	expect("gateway_endpoint_ejected{upstream=\"patient\",endpoint=\"10.0.0.1:80\"}", 0);
	expect("gateway_endpoint_healthy{upstream=\"patient\",endpoint=\"10.0.0.2:80\"}", 0);
	expect("gateway_endpoint_healthy{upstream=\"patient\",endpoint=\"10.0.0.1:80\"}", 1);
	expect("gateway_endpoint_health_checks_total{upstream=\"patient\",endpoint=\"10.0.0.2:80\"}", 7);
	expect("gateway_addresses_quarantined{upstream=\"patient\"}", 2);
	expect("gateway_quarantines_total{upstream=\"patient\"}", 3);
	expect("gateway_dns_questions_total{upstream=\"patient\"}", 12);
	expect("gateway_dns_failures_total{upstream=\"patient\"}", 5);
	expect("gateway_connections_accepted_total", 11);
	expect("gateway_reloads_total{result=\"refused\"}", 1);
}

static atomic_bool is_over;

static void *write_on(void *context)
{
	for (unsigned i = 0; !atomic_load(&is_over); i++)
		metrics_count(context, 0, METHOD_GET, 200 + i % 7, OUTCOME_ANSWERED, i * 37 % 20000000);
	return NULL;
}

static void test_while_a_worker_writes(void **state)
{
	pthread_t writer;
	double before = 0;

	(void)state;
	atomic_store(&is_over, false);
	assert_int_equal(pthread_create(&writer, NULL, write_on, world.metrics[0]), 0);
	for (int i = 0; i < 50; i++) {
		turn();
		write_text();
		expect_cumulative();
		assert_true(sum_of("http_server_requests_seconds_count") >= before);
		before = sum_of("http_server_requests_seconds_count");
	}
	atomic_store(&is_over, true);
	pthread_join(writer, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_has_happened), TEST(test_requests), TEST(test_statuses_without_a_name), TEST(test_replaced),
		TEST(test_uncounted_requests), TEST(test_a_route_that_was_removed), TEST(test_cpu), TEST(test_calls),
		TEST(test_every_label), TEST(test_metrics_of_spring_boot_3), TEST(test_metrics_of_spring_boot_2),
		TEST(test_no_tag_can_be_a_label), TEST(test_a_maximum_falls),
		TEST(test_a_breaker_that_only_observes), TEST(test_breakers_and_endpoints), TEST(test_while_a_worker_writes),
	};

	return cmocka_run_group_tests_name("metrics_text", tests, NULL, NULL);
}
