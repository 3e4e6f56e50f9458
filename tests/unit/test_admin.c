/*
 * The admin listener with a gateway that is only a view: every page, what changes a breaker, and clients that misbehave.
 * Client and server share one loop: what a client reads has been served before, no thread and no sleep is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/admin/admin.h"
#include "gateway/admin/hystrix.h"
#include "gateway/base/clock.h"

enum { REPLY_MAX = 512 * 1024, PATIENCE_MS = 10000 };

static const char yaml[] =
	"upstreams:\n"
	"  patient: { url: \"http://127.0.0.1:2222\", retry: { attempts: 2 }, breaker: { minimum_calls: 4 } }\n"
	"  reception: { url: \"http://tasks.reception:2223\", breaker: off }\n"
	"routes:\n"
	"  - { path: /patient, upstream: patient, rewrite: { strip_prefix: /patient }, fallback: Later }\n"
	"  - { path: /, upstream: reception, host: desk.example, methods: [GET, HEAD] }\n";

static struct {
	struct event_base *base;
	struct admin *admin;
	struct admin_view view;
	struct config *config;
	struct upstream *upstreams[2];
	struct endpoint_set *set;
	struct admin_event events[2];
	size_t event_count;
	bool is_live, is_ready;
	bool is_empty; /* no services at all */
	struct admin_calls calls; /* of patient */
	uint16_t port;
	char reply[REPLY_MAX];
} world;

/* ---- the view ------------------------------------------------------------------------------------------------------- */

static const struct config *view_config(void *context)
{
	assert_ptr_equal(context, &world);
	return world.config;
}

static bool view_is_live(void *context)
{
	(void)context;
	return world.is_live;
}

static bool view_is_ready(void *context)
{
	(void)context;
	return world.is_ready;
}

static size_t view_service_count(void *context)
{
	(void)context;
	return world.is_empty ? 0 : world.config->upstream_count;
}

static struct admin_service view_service(void *context, size_t index)
{
	(void)context;
	return (struct admin_service){
		.settings = &world.config->upstreams[index],
		.set = index == 0 ? world.set : NULL,
		.serving = index == 0 ? world.set : NULL,
		.discovery_error = index == 0 ? NULL : "no such name",
		.last_answer_ms = index == 0 ? clock_now_ms() - 5 : 0,
	};
}

static size_t view_event_count(void *context)
{
	(void)context;
	return world.event_count;
}

static struct admin_event view_event(void *context, size_t index)
{
	(void)context;
	return world.events[index];
}

#define TIMER \
	"# HELP gateway_requests_seconds Requests.\n# TYPE gateway_requests_seconds summary\n" \
	"gateway_requests_seconds_count{routeId=\"/a\",status=\"OK\"} 3\n" \
	"gateway_requests_seconds_sum{routeId=\"/a\",status=\"OK\"} 0.5\n" \
	"gateway_requests_seconds_count{routeId=\"/b:\\\"\\\\\\n\",status=\"OK\"} 4\n" \
	"gateway_requests_seconds_sum{routeId=\"/b:\\\"\\\\\\n\",status=\"OK\"} 0.25\n"
#define TIMER_MAX \
	"# HELP gateway_requests_seconds_max Slowest.\n# TYPE gateway_requests_seconds_max gauge\n" \
	"gateway_requests_seconds_max{routeId=\"/a\",status=\"OK\"} 0.4\n" \
	"gateway_requests_seconds_max{routeId=\"/b:\\\"\\\\\\n\",status=\"OK\"} 0.1\n"
#define COUNTER(name) "# HELP gateway_requests" name " Ends.\n# TYPE gateway_requests" name " counter\n"
#define COUNTED "gateway_requests_total{outcome=\"answered\"} 7\n"
#define GAUGE "# HELP process_files_open_files Open.\n# TYPE process_files_open_files gauge\nprocess_files_open_files 12\n"

static void view_write_metrics(void *context, FILE *to)
{
	(void)context;
	fputs(TIMER TIMER_MAX COUNTER("_total") COUNTED GAUGE, to);
}

static bool view_quarantined(void *context, const struct admin_service *service, size_t index,
                             struct admin_quarantined *quarantined)
{
	(void)context;
	*quarantined = (struct admin_quarantined){ "127.0.0.9", "its name is another service's: a.1.b.c" };
	return service->settings == &world.config->upstreams[1] && index == 0;
}

static const uint32_t bounds_us[] = { 10000, 20000 };

static bool view_calls(void *context, const char *upstream, struct admin_calls *calls)
{
	(void)context;
	*calls = world.calls;
	calls->bounds_us = bounds_us;
	calls->bound_count = 2;
	return strcmp(upstream, "patient") == 0;
}

static void on_transition(void *context, const struct breaker_transition *transition)
{
	(void)context;
	if (world.event_count < 2)
		world.events[world.event_count++] = (struct admin_event){ "patient", *transition, 1700000000123 };
}

/* ---- the world ------------------------------------------------------------------------------------------------------ */

static uint16_t free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void make_services(void)
{
	struct complaints complaints;
	struct address address;
	struct endpoint *endpoint;

	world.config = config_parse("test.yml", yaml, sizeof yaml - 1, &complaints);
	if (world.config == NULL)
		complaints_print(&complaints, "test.yml", stderr);
	complaints_free(&complaints);
	assert_non_null(world.config);
	for (unsigned i = 0; i < 2; i++) {
		struct upstream_settings *settings = &world.config->upstreams[i];

		world.upstreams[i] = upstream_new(settings, i, clock_now_ms(), i == 0 ? on_transition : NULL, NULL);
		assert_non_null(world.upstreams[i]);
		settings->upstream = world.upstreams[i];
	}
	assert_true(address_parse(&address, "127.0.0.1:2222", 0));
	endpoint = endpoint_new(&address, 0, clock_now_ms(), "address");
	assert_non_null(endpoint);
	atomic_store(&endpoint->last_error, "could not connect");
	world.set = endpoint_set_new(&endpoint, 1);
	endpoint_release(endpoint);
}

static int setup(void **state)
{
	struct address address = { .family = 4, .ip = { 127, 0, 0, 1 } };
	char error[200] = "";

	(void)state;
	memset(&world, 0, sizeof world);
	world.is_live = world.is_ready = true;
	world.view = (struct admin_view){ &world,       view_config,      view_is_live, view_is_ready,     view_service_count,
		                          view_service, view_event_count, view_event,   view_write_metrics,
		                          view_calls, view_quarantined };
	world.base = event_base_new();
	make_services();
	for (int i = 0; i < 10 && world.admin == NULL; i++) {
		world.port = address.port = free_port();
		world.admin = admin_new(world.base, &address, &world.view, error, sizeof error);
	}
	assert_string_equal(error, "");
	return world.admin == NULL;
}

static int teardown(void **state)
{
	(void)state;
	admin_free(world.admin);
	event_base_free(world.base);
	endpoint_set_release(world.set);
	for (int i = 0; i < 2; i++)
		upstream_release(world.upstreams[i]);
	config_release(world.config);
	return 0;
}

/* ---- a client --------------------------------------------------------------------------------------------------------- */

static int dial(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                       .sin_port = htons(world.port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void turn(void)
{
	event_base_loop(world.base, EVLOOP_NONBLOCK);
}

/* Until the reply holds `until`, or, when NULL, until the server closes. Returns whether it came to that. */
static bool listen_to(int fd, size_t *used, const char *until)
{
	uint64_t began_ms = clock_now_ms();

	while (clock_now_ms() - began_ms < PATIENCE_MS) {
		ssize_t got;

		turn();
		got = recv(fd, world.reply + *used, REPLY_MAX - 1 - *used, MSG_DONTWAIT);
		if (got > 0)
			*used += (size_t)got;
		world.reply[*used] = '\0';
		if (until != NULL && strstr(world.reply, until) != NULL)
			return true;
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return until == NULL;
		if (got < 0)
			usleep(500);
	}
	return false;
}

static const char *ask_raw(const char *request)
{
	int fd = dial();
	size_t used = 0;

	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	assert_true(listen_to(fd, &used, NULL));
	close(fd);
	turn();
	return world.reply;
}

static int status_of_reply(void)
{
	return strncmp(world.reply, "HTTP/1.1 ", 9) == 0 ? atoi(world.reply + 9) : 0;
}

static const char *body_of_reply(void)
{
	const char *end = strstr(world.reply, "\r\n\r\n");

	return end == NULL ? "" : end + 4;
}

static const char *get_accepting(const char *path, int status, const char *accept)
{
	char request[2048];

	snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost:8081\r\nConnection: close\r\nAccept: %s\r\n\r\n", path,
	         accept);
	ask_raw(request);
	if (status_of_reply() != status)
		fail_msg("%s: %s", path, world.reply);
	return body_of_reply();
}

static const char *get(const char *path, int status)
{
	return get_accepting(path, status, "*/*");
}

static json_t *get_json(const char *path, int status)
{
	json_t *value = json_loads(get(path, status), 0, NULL);

	if (value == NULL)
		fail_msg("%s: no JSON: %s", path, world.reply);
	return value;
}

static json_t *post(const char *path, const char *content_type, const char *body, int status)
{
	char request[8192];
	json_t *value;

	snprintf(request, sizeof request,
	         "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", path,
	         content_type, strlen(body), body);
	ask_raw(request);
	if (status_of_reply() != status)
		fail_msg("%s: %s", path, world.reply);
	value = json_loads(body_of_reply(), 0, NULL);
	assert_non_null(value);
	return value;
}

/* "a.b.0.c" */
static const json_t *at(const json_t *value, const char *path)
{
	char copy[128], *rest = copy;

	snprintf(copy, sizeof copy, "%s", path);
	for (char *word; value != NULL && (word = strsep(&rest, ".")) != NULL;)
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(word)) : json_object_get(value, word);
	return value;
}

static void expect_text(const json_t *value, const char *path, const char *text)
{
	const char *found = json_string_value(at(value, path));

	if (found == NULL || strcmp(found, text) != 0)
		fail_msg("%s: %s, not %s", path, found == NULL ? "no text" : found, text);
}

static void expect_number(const json_t *value, const char *path, json_int_t number)
{
	assert_true(json_is_integer(at(value, path)));
	assert_int_equal(json_integer_value(at(value, path)), number);
}

static void fail_calls(unsigned count)
{
	const struct breaker_settings *settings = &world.config->upstreams[0].breaker;

	for (unsigned i = 0; i < count; i++) {
		struct breaker_permit permit = { 0 };
		uint64_t retry_after_ms;

		breaker_admit(world.upstreams[0]->breaker, settings, clock_now_ms(), 1, &permit, &retry_after_ms);
		breaker_settle(world.upstreams[0]->breaker, settings, clock_now_ms(), 1, &permit, BREAKER_FAILURE, 1);
	}
}

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
	world.is_live = false;
	value = get_json("/livez", 503);
	expect_text(value, "status", "DOWN");
	json_decref(value);
	json_decref(get_json("/actuator/health/liveness", 503));
}

static void test_lists(void **state)
{
	json_t *value;

	(void)state;
	assert_non_null(strstr(get("/", 200), "/upstreams"));
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
	expect_text(value, "upstreams.1.discovery.quarantined.0.reason", "its name is another service's: a.1.b.c");
	expect_text(value, "upstreams.1.discovery.error", "no such name");
	assert_true(json_is_null(at(value, "upstreams.1.discovery.lastAnswerAgeMs")));
	json_decref(value);
	value = get_json("/upstreams/reception", 200);
	expect_text(value, "url", "http://tasks.reception:2223");
	json_decref(value);
	json_decref(get_json("/upstreams/nobody", 404));
}

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
	             "{\"name\": \"process.files.open\", \"baseUnit\": \"files\", \"availableTags\": [],"
	             " \"measurements\": [{\"statistic\": \"VALUE\", \"value\": 12.0}]}");
	expect_meter("/actuator/metrics/gateway.requests.total",
	             "{\"name\": \"gateway.requests.total\", \"measurements\": [{\"statistic\": \"COUNT\", \"value\": 7.0}],"
	             " \"availableTags\": [{\"tag\": \"outcome\", \"values\": [\"answered\"]}]}");
	expect_meter("/actuator/metrics/gateway.requests",
	             "{\"name\": \"gateway.requests\", \"baseUnit\": \"seconds\", \"measurements\":"
	             " [{\"statistic\": \"COUNT\", \"value\": 7.0}, {\"statistic\": \"TOTAL_TIME\", \"value\": 0.75},"
	             " {\"statistic\": \"MAX\", \"value\": 0.4}], \"availableTags\": ["
	             "{\"tag\": \"routeId\", \"values\": [\"/a\", \"/b:\\\"\\\\\\n\"]}, {\"tag\": \"status\", \"values\": [\"OK\"]}]}");
	expect_meter("/actuator/metrics/gateway.requests?tag=routeId:/b:%22%5C%0A&x=y&tag=status:OK",
	             "{\"name\": \"gateway.requests\", \"baseUnit\": \"seconds\", \"measurements\":"
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
	expect_text(value, "1.route_id", "GET,HEAD desk.example/");
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
	assert_non_null(strstr(world.reply, "Content-Length: 15\r\n"));
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

/* ---- the stream --------------------------------------------------------------------------------------------------------- */

static int watch(size_t *used)
{
	static const char request[] = "GET /hystrix.stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
	int fd = dial();

	*used = 0;
	assert_int_equal(send(fd, request, sizeof request - 1, 0), sizeof request - 1);
	return fd;
}

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
	world.calls = (struct admin_calls){
		.successes = 90, .failures = 3, .timeouts = 1, .bad_requests = 7, .short_circuited = 4, .rejected = 6, .fallbacks = 12,
		.thrown = 2,
		.buckets = { 50, 49, 1 }, /* evenly up to 10 ms, from 10 to 20, above */
		.sum_us = 1200000,
	};
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
	expect_number(value, "latencyExecute.0", 0);
	expect_number(value, "latencyExecute.25", 5);
	expect_number(value, "latencyExecute.50", 10);
	expect_number(value, "latencyExecute.99", 20);
	expect_number(value, "latencyTotal.100", 20);
	expect_number(value, "latencyTotal_mean", 12);
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
	expect_number(value, "requestCount", 4); /* what was before anybody watched */
	expect_number(value, "errorCount", 4);
	json_decref(value);
	world.is_empty = true;
	close(fd);
}

/* Everything shown is of the last ten seconds. */
static void test_what_is_shown_falls_again(void **state)
{
	const struct upstream_settings *settings = &world.config->upstreams[0];
	struct hystrix_history history = { 0 };

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		bulkhead_enter(&settings->upstream->bulkhead, 10);
	for (unsigned i = 0; i < HYSTRIX_RING + 2; i++) {
		json_t *value = hystrix_message(&history, &world.view, settings);

		expect_number(value, "currentConcurrentExecutionCount", i == 0 ? 7 : 0);
		expect_number(value, "rollingMaxConcurrentExecutionCount", i < HYSTRIX_RING ? 7 : 0);
		expect_number(value, "requestCount", i >= 1 && i < HYSTRIX_RING ? 5 : 0);
		json_decref(value);
		for (unsigned j = 0; i == 0 && j < 7; j++)
			bulkhead_leave(&settings->upstream->bulkhead);
		world.calls.successes = 5;
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
		assert_true(got != 0 || i < MANY - 50);
	}
	assert_in_range(cut, MANY - 64, MANY - 50);
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
		TEST(test_health), TEST(test_draining_and_stuck), TEST(test_lists), TEST(test_metrics), TEST(test_meters),
		TEST(test_meters_when_memory_is_short), TEST(test_routes), TEST(test_changing_a_breaker),
		TEST(test_refused_changes), TEST(test_events), TEST(test_methods_and_paths), TEST(test_limits),
		TEST(test_slow_clients), TEST(test_many_connections),
		TEST(test_stream), TEST(test_what_is_shown_falls_again), TEST(test_streams_are_few), TEST(test_addresses),
	};

	return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
