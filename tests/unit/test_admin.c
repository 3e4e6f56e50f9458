/* The admin listener: pages, what changes a breaker, and clients that misbehave. */
#include "tests/unit/admin_world.h"
#include "tests/unit/in_range.h"

/* ---- pages ------------------------------------------------------------------------------------------------------------ */

static void test_health(void **state)
{
	json_t *value;

	(void)state;
	json_decref(get_json("/livez", 200));
	json_decref(get_json("/readyz", 200));
	value = get_json("/actuator/health", 200);
	expect_text(value, "status", "UP");
	expect_text(value, "components.circuitBreakers.status", "UP");
	expect_text(value, "components.circuitBreakers.details.patient.status", "UP");
	expect_text(value, "components.circuitBreakers.details.patient.details.failureRate", "-1.0%");
	expect_text(value, "components.circuitBreakers.details.patient.details.state", "CLOSED");
	expect_text(value, "components.circuitBreakers.details.reception.details.state", "DISABLED");
	expect_text(value, "components.hystrix.status", "UP");
	json_decref(value);
	fail_calls(4);
	value = get_json("/actuator/health", 200);
	expect_text(value, "status", "UP");
	expect_text(value, "components.circuitBreakers.details.patient.status", "CIRCUIT_OPEN");
	expect_text(value, "components.circuitBreakers.details.patient.details.failureRate", "100.0%");
	expect_text(value, "components.circuitBreakers.details.patient.details.failureRateThreshold", "50.0%");
	expect_text(value, "components.hystrix.details.openCircuitBreakers.0", "HystrixGatewayFilterFactory::patient");
	json_decref(value);
	value = get_json("/actuator/health/circuitBreakers", 200);
	expect_text(value, "details.patient.details.state", "OPEN");
	json_decref(value);
	json_decref(get_json("/actuator/health/nothing", 404));
}

/* Its clients get the upstream's answers, whatever the breaker would do. */
static void test_a_breaker_that_only_observes(void **state)
{
	json_t *value;

	(void)state;
	world.config->upstreams[0].breaker.observe = true;
	fail_calls(4);
	value = get_json("/actuator/health", 200);
	expect_text(value, "components.circuitBreakers.details.patient.status", "UP");
	expect_text(value, "components.circuitBreakers.details.patient.details.state", "METRICS_ONLY");
	expect_text(value, "components.hystrix.status", "UP");
	json_decref(value);
	value = get_json("/actuator/circuitbreakers", 200);
	expect_text(value, "circuitBreakers.patient.state", "METRICS_ONLY");
	expect_text(value, "circuitBreakers.patient.wouldBe", "OPEN");
	expect_text(value, "circuitBreakers.patient.failureRate", "100.0%");
	assert_null(json_object_get(at(value, "circuitBreakers.reception"), "wouldBe"));
	json_decref(value);
	value = post("/actuator/circuitbreakers/patient", "application/json", "{\"updateState\": \"FORCE_OPEN\"}", 200);
	expect_text(value, "currentState", "METRICS_ONLY");
	expect_text(value, "message",
	            "patient state has been changed successfully; but its mode is observe, so it rejects nothing");
	json_decref(value);
	value = post("/actuator/circuitbreakers/patient", "application/json", "{\"updateState\": \"DISABLE\"}", 200);
	expect_text(value, "currentState", "DISABLED");
	expect_text(value, "message", "patient state has been changed successfully");
	json_decref(value);
}

static void test_calls_that_are_slow_and_fail(void **state)
{
	struct breaker_settings *settings = &world.config->upstreams[0].breaker;
	struct breaker_permit permit = { 0 };
	uint64_t retry_after_ms, now_ms = clock_now_ms();
	json_t *value;

	(void)state;
	settings->slow_call_ms = 100;
	fail_calls(2);
	breaker_admit(world.upstreams[0]->breaker, settings, now_ms, 1, &permit, &retry_after_ms);
	breaker_settle(world.upstreams[0]->breaker, settings, now_ms, 1, &permit, BREAKER_FAILURE, 101);
	value = get_json("/actuator/circuitbreakers", 200);
	expect_number(value, "circuitBreakers.patient.failedCalls", 3);
	expect_number(value, "circuitBreakers.patient.slowCalls", 1);
	expect_number(value, "circuitBreakers.patient.slowFailedCalls", 1);
	json_decref(value);
}

static void test_draining_and_stuck(void **state)
{
	json_t *value;

	(void)state;
	world.is_ready = false;
	json_decref(get_json("/livez", 200));
	value = get_json("/readyz", 503);
	expect_text(value, "status", "OUT_OF_SERVICE");
	json_decref(value);
	json_decref(get_json("/actuator/health/readiness", 503));
	json_decref(get_json("/actuator/health/liveness", 200));
	json_decref(get_json("/actuator/health", 503));
	json_decref(get_json("/actuator/health/readinessState", 503));
	json_decref(get_json("/actuator/health/livenessState", 200));
	json_decref(get_json("/actuator/health/circuitBreakers", 200));
	world.is_live = false;
	value = get_json("/livez", 503);
	expect_text(value, "status", "DOWN");
	json_decref(value);
	json_decref(get_json("/actuator/health/liveness", 503));
	json_decref(get_json("/actuator/health/livenessState", 503));
}

static void test_lists(void **state)
{
	json_t *value;

	(void)state;
	assert_non_null(strstr(get_accepting("/", 200, "text/plain"), "/upstreams"));
	value = get_json("/actuator", 200);
	expect_text(value, "_links.health.href", "http://localhost:8081/actuator/health");
	assert_non_null(strstr(world.reply, "application/vnd.spring-boot.actuator.v3+json"));
	json_decref(value);
	value = get_json("/upstreams", 200);
	expect_text(value, "upstreams.0.name", "patient");
	expect_text(value, "upstreams.0.breaker.state", "CLOSED");
	expect_text(value, "upstreams.0.discovery.by", "address");
	expect_text(value, "upstreams.0.endpoints.0.address", "127.0.0.1:2222");
	expect_text(value, "upstreams.0.endpoints.0.state", "available");
	expect_text(value, "upstreams.0.endpoints.0.lastError", "could not connect");
	expect_text(value, "upstreams.0.endpoints.0.discoveredBy", "address");
	expect_text(value, "upstreams.1.discovery.quarantined.0.address", "127.0.0.9");
	expect_text(value, "upstreams.1.discovery.quarantined.0.reason",
	            "its name belongs to another service: a.1.b.c");
	expect_text(value, "upstreams.1.discovery.error", "no such name");
	assert_true(json_is_null(at(value, "upstreams.1.discovery.lastAnswerAgeMs")));
	json_decref(value);
	value = get_json("/upstreams/reception", 200);
	expect_text(value, "url", "http://tasks.reception:2223");
	json_decref(value);
	json_decref(get_json("/upstreams/nobody", 404));
}

static void test_routes(void **state)
{
	json_t *value = get_json("/actuator/gateway/routes", 200);

	(void)state;
	assert_int_equal(json_array_size(value), 2);
	expect_text(value, "0.predicate", "Paths: [/patient, /patient/**], match trailing slash: true");
	expect_text(value, "0.route_id", "/patient");
	expect_text(value, "0.uri", "http://127.0.0.1:2222");
	expect_text(value, "0.filters.1", "[[StripPrefix /patient], order = 2]");
	expect_text(value, "1.predicate",
	            "(Paths: [/**], match trailing slash: true && Hosts: [desk.example] && Methods: [GET, HEAD])");
	expect_text(value, "1.route_id", "/");
	json_decref(value);
	value = get_json("/actuator/gateway/routes/%2Fpatient", 200);
	expect_text(value, "route_id", "/patient");
	json_decref(value);
	json_decref(get_json("/actuator/gateway/routes/patient", 200));
	json_decref(get_json("/actuator/gateway/routes/nothing", 404));
}

static void test_changing_a_breaker(void **state)
{
	static const struct {
		const char *body, *state;
	} wishes[] = {
		{ "{\"updateState\": \"FORCE_OPEN\"}", "FORCED_OPEN" },
		{ "{\"updateState\": \"DISABLE\"}", "DISABLED" },
		{ "{\"updateState\": \"METRICS_ONLY\"}", "METRICS_ONLY" },
		{ "{\"updateState\": \"CLOSE\"}", "CLOSED" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
		json_t *value = post("/actuator/circuitbreakers/patient", "application/json; charset=utf-8", wishes[i].body, 200);

		expect_text(value, "circuitBreakerName", "patient");
		expect_text(value, "currentState", wishes[i].state);
		expect_text(value, "message", "patient state has been changed successfully");
		json_decref(value);
		value = get_json("/actuator/circuitbreakers", 200);
		expect_text(value, "circuitBreakers.patient.state", wishes[i].state);
		json_decref(value);
	}
}

static void test_refused_changes(void **state)
{
	static const char good[] = "{\"updateState\": \"FORCE_OPEN\"}", path[] = "/actuator/circuitbreakers/patient";

	(void)state;
	json_decref(post(path, "text/plain", good, 415));
	json_decref(post(path, "application/jsonp", good, 415));
	json_decref(post(path, "multipart/form-data", good, 415));
	json_decref(post(path, "application/x-www-form-urlencoded", "updateState=CLOSE", 400));
	json_decref(post(path, "application/json", "", 400));
	json_decref(post(path, "application/json", "{", 400));
	json_decref(post(path, "application/json", "[]", 400));
	json_decref(post(path, "application/json", "{}", 400));
	json_decref(post(path, "application/json", "{\"updateState\": 7}", 400));
	json_decref(post(path, "application/json", "{\"updateState\": \"OPEN\"}", 400));
	json_decref(post(path, "application/json", "{\"updateState\": \"CLOSE\", \"for\": \"1m\"}", 400));
	json_decref(post(path, "application/json", "{\"updateState\": \"CLOSE\", \"reason\": \"x\"}", 400));
	json_decref(post(path, "application/json", "{\"updateState\": \"CLOSE\", \"updateState\": \"FORCE_OPEN\"}", 400));
	json_decref(post("/actuator/circuitbreakers/nobody", "application/json", good, 404));
	json_decref(post("/actuator/circuitbreakers", "application/json", good, 404));
	json_decref(post("/actuator/circuitbreakers/%00", "application/json", good, 404));
	json_decref(post("/actuator/circuitbreakers/%ff%fe", "application/json", good, 404));
	json_decref(post("/actuator/circuitbreakers/reception", "application/json", good, 409));
	json_decref(post("/upstreams", "application/json", good, 405));
	assert_int_equal(breaker_state_now(world.upstreams[0]->breaker, &world.config->upstreams[0].breaker), BREAKER_CLOSED);
	assert_int_equal(world.event_count, 0);
}

static void test_events(void **state)
{
	json_t *value = get_json("/actuator/circuitbreakerevents", 200);

	(void)state;
	assert_int_equal(json_array_size(at(value, "circuitBreakerEvents")), 0);
	json_decref(value);
	fail_calls(4);
	value = get_json("/actuator/circuitbreakerevents", 200);
	expect_text(value, "circuitBreakerEvents.0.circuitBreakerName", "patient");
	expect_text(value, "circuitBreakerEvents.0.type", "STATE_TRANSITION");
	expect_text(value, "circuitBreakerEvents.0.stateTransition", "CLOSED_TO_OPEN");
	expect_text(value, "circuitBreakerEvents.0.creationTime", "2023-11-14T22:13:20.123Z");
	expect_text(value, "circuitBreakerEvents.0.reason", "failure rate");
	expect_number(value, "circuitBreakerEvents.0.calls", 4);
	expect_number(value, "circuitBreakerEvents.0.failures", 4);
	json_decref(value);
	value = get_json("/actuator/circuitbreakerevents/patient/STATE_TRANSITION", 200);
	assert_int_equal(json_array_size(at(value, "circuitBreakerEvents")), 1);
	json_decref(value);
	value = get_json("/actuator/circuitbreakerevents/patient/ERROR", 200);
	assert_int_equal(json_array_size(at(value, "circuitBreakerEvents")), 0);
	json_decref(value);
	value = get_json("/actuator/circuitbreakerevents/reception", 200);
	assert_int_equal(json_array_size(at(value, "circuitBreakerEvents")), 0);
	json_decref(value);
}

static void add_call(const char *upstream, struct breaker_call call)
{
	world.events[world.event_count] = (struct admin_event){ .upstream = upstream, .number = world.event_count,
		                                                .wall_ms = 1700000000123, .type = call.event, .call = call };
	world.event_count++;
}

static size_t count_events(const char *path)
{
	json_t *value = get_json(path, 200);
	size_t count = json_array_size(at(value, "circuitBreakerEvents"));

	json_decref(value);
	return count;
}

static void test_info(void **state)
{
	json_t *value = get_json("/actuator/info", 200);

	(void)state;
	expect_text(value, "build.name", "gateway");
	expect_text(value, "build.version", GATEWAY_VERSION);
	json_decref(value);
}

static void test_events_of_calls(void **state)
{
	json_t *value;

	(void)state;
	add_call("patient", (struct breaker_call){ BREAKER_EVENT_ERROR, "answered_failure", "reported a failure", 500, 7, 0 });
	add_call("patient", (struct breaker_call){ BREAKER_EVENT_IGNORED_ERROR, "client_aborted", "the client went away", 0, 8, 0 });
	add_call("reception", (struct breaker_call){ BREAKER_EVENT_SLOW, "answered", "answered", 0, 900, 0 });
	add_call("patient", (struct breaker_call){ BREAKER_EVENT_NOT_PERMITTED, "breaker_open", "the breaker is open", 0, 0, 4711 });
	value = get_json("/actuator/circuitbreakerevents", 200);
	expect_text(value, "circuitBreakerEvents.0.type", "ERROR");
	expect_text(value, "circuitBreakerEvents.0.errorMessage", "reported a failure: 500");
	expect_text(value, "circuitBreakerEvents.0.outcome", "answered_failure");
	expect_number(value, "circuitBreakerEvents.0.durationInMs", 7);
	assert_true(json_is_null(at(value, "circuitBreakerEvents.0.stateTransition")));
	expect_text(value, "circuitBreakerEvents.1.errorMessage", "the client went away");
	expect_text(value, "circuitBreakerEvents.2.circuitBreakerName", "reception");
	assert_true(json_is_null(at(value, "circuitBreakerEvents.2.errorMessage")));
	expect_number(value, "circuitBreakerEvents.2.durationInMs", 900);
	assert_true(json_is_null(at(value, "circuitBreakerEvents.3.durationInMs")));
	expect_number(value, "circuitBreakerEvents.3.skipped", 4711);
	json_decref(value);
	assert_int_equal(count_events("/actuator/circuitbreakerevents/patient"), 3);
	assert_int_equal(count_events("/actuator/circuitbreakerevents/patient/NOT_PERMITTED"), 1);
	assert_int_equal(count_events("/actuator/circuitbreakerevents/patient/SLOW"), 0);
	assert_int_equal(count_events("/actuator/circuitbreakerevents/patient/FAILURE_RATE_EXCEEDED"), 0);
	json_decref(get_json("/actuator/circuitbreakerevents/patient/error", 400));
	while (world.event_count < 1200)
		add_call("reception", (struct breaker_call){ .event = BREAKER_EVENT_SLOW, .outcome = "answered", .why = "answered" });
	assert_int_equal(count_events("/actuator/circuitbreakerevents"), 1000);
}

/* ---- clients that misbehave ------------------------------------------------------------------------------------------- */

static void test_methods_and_paths(void **state)
{
	static const char *const methods[] = { "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE" };
	char long_path[600] = "/upstreams/";

	(void)state;
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		char request[200];

		snprintf(request, sizeof request, "%s /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", methods[i]);
		ask_raw(request);
		assert_int_equal(status_of_reply(), 405);
		assert_non_null(strstr(world.reply, "Allow: GET, HEAD\r\n"));
	}
	ask_raw("HEAD /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	assert_int_equal(status_of_reply(), 200);
	assert_string_equal(body_of_reply(), "");
	assert_non_null(strstr(world.reply, "Content-Length: 16\r\n"));
	ask_raw("GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	assert_string_equal(body_of_reply(), "{\"status\":\"UP\"}\n");
	ask_raw("GET /livez HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.0\r\nConnection: close\r\n\r\n");
	assert_string_equal(body_of_reply(), "{\n  \"status\": \"UP\"\n}\n");
	ask_raw("GET /livez?a=1&pretty HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	assert_string_equal(body_of_reply(), "{\n  \"status\": \"UP\"\n}\n");
	ask_raw("GET /livez?pretty=false HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.0\r\nConnection: close\r\n\r\n");
	assert_string_equal(body_of_reply(), "{\"status\":\"UP\"}\n");
	ask_raw("HEAD /hystrix.stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	assert_int_equal(status_of_reply(), 200);
	json_decref(get_json("/nothing", 404));
	json_decref(get_json("/livez/more", 404));
	json_decref(get_json("/livezmore", 404));
	json_decref(get_json("//", 404));
	json_decref(get_json("/actuator/circuitbreakers/nobody", 404));
	memset(long_path + 11, 'a', sizeof long_path - 12);
	json_decref(get_json(long_path, 404));
	get("/livez/", 200);
	get("/livez?x=y", 200);
}

static void test_limits(void **state)
{
	char *request = calloc(1, 40000);

	(void)state;
	strcpy(request, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
	memset(request + strlen(request), 'a', 20000);
	strcat(request, "\r\n\r\n");
	ask_raw(request);
	assert_int_not_equal(status_of_reply(), 200);
	memset(request, 0, 40000);
	strcpy(request, "POST /actuator/circuitbreakers/patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	                "Connection: close\r\nContent-Length: 20000\r\n\r\n{");
	ask_raw(request);
	assert_int_not_equal(status_of_reply(), 200);
	ask_raw("\x01\x02\x03garbage\r\n\r\n");
	assert_int_not_equal(status_of_reply(), 200);
	free(request);
	json_decref(get_json("/livez", 200));
}

/* A head that comes byte by byte is served; one that never ends holds up nobody else. */
static void test_slow_clients(void **state)
{
	static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	int lazy = dial(), slow = dial();
	size_t used = 0;

	(void)state;
	assert_int_equal(send(lazy, "GET /li", 7, 0), 7);
	for (size_t i = 0; i < sizeof request - 1; i++) {
		assert_int_equal(send(slow, request + i, 1, 0), 1);
		turn();
	}
	assert_true(listen_to(slow, &used, NULL));
	assert_int_equal(status_of_reply(), 200);
	json_decref(get_json("/livez", 200));
	close(lazy);
	close(slow);
	turn();
}

/* Whoever opens connections and says nothing loses the oldest of them; requests and streams go on. */
static void test_many_connections(void **state)
{
	enum { MANY = 200 };
	size_t used;
	int fds[MANY], cut = 0, watcher = watch(&used);
	char byte;

	(void)state;
	assert_true(listen_to(watcher, &used, "data: "));
	for (int i = 0; i < MANY; i++) {
		fds[i] = dial();
		turn();
	}
	json_decref(get_json("/livez", 200));
	for (int i = 0; i < MANY; i++) {
		ssize_t got = recv(fds[i], &byte, 1, MSG_DONTWAIT);

		cut += got == 0 || (got < 0 && errno != EAGAIN);
		assert_true(got != 0 || i < MANY - 100);
	}
	assert_uint_in_range(cut, MANY - 128, MANY - 100);
	used = 0;
	assert_true(listen_to(watcher, &used, "data: "));
	close(watcher);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	for (int i = 0; i < 5; i++)
		turn();
	for (int i = 0; i < MANY; i++)
		json_decref(get_json("/livez", 200));
}

static void test_addresses(void **state)
{
	struct address taken = { .family = 4, .port = world.port, .ip = { 127, 0, 0, 1 } };
	struct address six = { .family = 6, .ip = { [15] = 1 } };
	struct address foreign = { .family = 4, .port = 1, .ip = { 192, 0, 2, 1 } };
	char error[200] = "";
	struct admin *admin;

	(void)state;
	assert_null(admin_new(world.base, &taken, &world.view, error, sizeof error));
	assert_non_null(strstr(error, "can't listen on 127.0.0.1:"));
	assert_null(admin_new(world.base, &foreign, &world.view, error, sizeof error));
	assert_non_null(strstr(error, "can't listen on 192.0.2.1:1: "));
	six.port = free_port();
	admin = admin_new(world.base, &six, &world.view, error, sizeof error);
	if (admin == NULL) /* a machine without IPv6 */
		assert_non_null(strstr(error, "can't listen on [::1]:"));
	admin_free(admin);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_health), TEST(test_a_breaker_that_only_observes),
		TEST(test_calls_that_are_slow_and_fail), TEST(test_draining_and_stuck), TEST(test_lists), TEST(test_routes),
		TEST(test_changing_a_breaker), TEST(test_refused_changes), TEST(test_events), TEST(test_info),
		TEST(test_events_of_calls), TEST(test_methods_and_paths), TEST(test_limits), TEST(test_slow_clients),
		TEST(test_many_connections), TEST(test_addresses),
	};

	return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
