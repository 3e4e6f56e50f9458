/*
 * An admin listener with a gateway that is only a view, and a client. Both share one loop: what a client reads has been served
 * before, no thread and no sleep is needed. For the tests of gateway/admin.
 */
#ifndef TESTS_UNIT_ADMIN_WORLD_H
#define TESTS_UNIT_ADMIN_WORLD_H

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
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "breaker/look.h"
#include "gateway/admin/admin.h"
#include "gateway/admin/timeline.h"
#include "gateway/base/clock.h"
#include "routes/config/complaints.h"

enum { REPLY_MAX = 512 * 1024, TIMEOUT_MS = 10000 };

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
	struct admin_event events[1200];
	size_t event_count;
	bool is_live, is_ready;
	bool is_empty; /* no services at all */
	struct admin_calls calls; /* of patient */
	struct timeline timeline;
	uint16_t port;
	char reply[REPLY_MAX];
} world;

/* ---- the view ------------------------------------------------------------------------------------------------------- */

static inline const struct config *view_config(void *context)
{
	assert_ptr_equal(context, &world);
	return world.config;
}

static inline bool view_is_live(void *context)
{
	(void)context;
	return world.is_live;
}

static inline bool view_is_ready(void *context)
{
	(void)context;
	return world.is_ready;
}

static inline size_t view_service_count(void *context)
{
	(void)context;
	return world.is_empty ? 0 : world.config->upstream_count;
}

static inline struct admin_service view_service(void *context, size_t index)
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

/* The newest first: the page sorts them. */
static inline void view_events(void *context, admin_take_event *take, void *to)
{
	(void)context;
	for (size_t i = world.event_count; i-- > 0;)
		take(to, &world.events[i]);
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

static inline void view_write_metrics(void *context, FILE *to)
{
	(void)context;
	fputs(TIMER TIMER_MAX COUNTER("_total") COUNTED GAUGE, to);
}

static inline bool view_quarantined(void *context, const struct admin_service *service, size_t index,
                             struct admin_quarantined *quarantined)
{
	(void)context;
	*quarantined = (struct admin_quarantined){ "127.0.0.9", "its name belongs to another service: a.1.b.c" };
	return service->settings == &world.config->upstreams[1] && index == 0;
}

static inline bool view_calls(void *context, const char *upstream, struct admin_calls *calls)
{
	(void)context;
	*calls = world.calls;
	return strcmp(upstream, "patient") == 0;
}

static inline struct admin_gateway view_gateway(void *context)
{
	(void)context;
	return (struct admin_gateway){ .instance = "gateway-0123456789abcdef", .name = "node1", .config = "cafe", .state = "serving",
		                       .uptime_ms = 5 };
}

static inline void on_transition(void *context, const struct breaker_transition *transition)
{
	(void)context;
	world.events[world.event_count] = (struct admin_event){ .upstream = "patient", .number = world.event_count,
		                                                .wall_ms = 1700000000123, .transition = *transition };
	world.event_count++;
}

/* ---- the world ------------------------------------------------------------------------------------------------------ */

static inline uint16_t free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static inline void make_services(void)
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

static inline int setup(void **state)
{
	struct address address = { .family = 4, .ip = { 127, 0, 0, 1 } };
	char error[200] = "";

	(void)state;
	memset(&world, 0, sizeof world);
	world.is_live = world.is_ready = true;
	world.view = (struct admin_view){
		.context = &world,
		.config = view_config,
		.is_live = view_is_live,
		.is_ready = view_is_ready,
		.service_count = view_service_count,
		.service = view_service,
		.events = view_events,
		.write_metrics = view_write_metrics,
		.calls = view_calls,
		.quarantined = view_quarantined,
		.gateway = view_gateway,
		.timeline = &world.timeline,
	};
	world.base = event_base_new();
	make_services();
	for (int i = 0; i < 10 && world.admin == NULL; i++) {
		world.port = address.port = free_port();
		world.admin = admin_new(world.base, &address, &world.view, error, sizeof error);
	}
	assert_string_equal(error, "");
	return world.admin == NULL;
}

static inline int teardown(void **state)
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

static inline int dial(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                       .sin_port = htons(world.port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static inline void turn(void)
{
	event_base_loop(world.base, EVLOOP_NONBLOCK);
}

/* Until the reply holds `until`, or, when NULL, until the server closes. Returns whether it came to that. */
static inline bool listen_to(int fd, size_t *used, const char *until)
{
	uint64_t began_ms = clock_now_ms();

	while (clock_now_ms() - began_ms < TIMEOUT_MS) {
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

static inline const char *ask_raw(const char *request)
{
	int fd = dial();
	size_t used = 0;

	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	assert_true(listen_to(fd, &used, NULL));
	close(fd);
	turn();
	return world.reply;
}

static inline int status_of_reply(void)
{
	return strncmp(world.reply, "HTTP/1.1 ", 9) == 0 ? atoi(world.reply + 9) : 0;
}

static inline const char *body_of_reply(void)
{
	const char *end = strstr(world.reply, "\r\n\r\n");

	return end == NULL ? "" : end + 4;
}

static inline const char *get_accepting(const char *path, int status, const char *accept)
{
	char request[2048];

	snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost:8081\r\nConnection: close\r\nAccept: %s\r\n\r\n", path,
	         accept);
	ask_raw(request);
	if (status_of_reply() != status)
		fail_msg("%s: %s", path, world.reply);
	return body_of_reply();
}

static inline const char *get(const char *path, int status)
{
	return get_accepting(path, status, "*/*");
}

static inline json_t *get_json(const char *path, int status)
{
	json_t *value = json_loads(get(path, status), 0, NULL);

	if (value == NULL)
		fail_msg("%s: no JSON: %s", path, world.reply);
	return value;
}

static inline json_t *post(const char *path, const char *content_type, const char *body, int status)
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
static inline const json_t *at(const json_t *value, const char *path)
{
	char copy[128], *rest = copy;

	snprintf(copy, sizeof copy, "%s", path);
	for (char *word; value != NULL && (word = strsep(&rest, ".")) != NULL;)
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(word)) : json_object_get(value, word);
	return value;
}

static inline void expect_text(const json_t *value, const char *path, const char *text)
{
	const char *found = json_string_value(at(value, path));

	if (found == NULL || strcmp(found, text) != 0)
		fail_msg("%s: %s, not %s", path, found == NULL ? "no text" : found, text);
}

static inline void expect_number(const json_t *value, const char *path, json_int_t number)
{
	assert_true(json_is_integer(at(value, path)));
	assert_int_equal(json_integer_value(at(value, path)), number);
}

static inline void fail_calls(unsigned count)
{
	const struct breaker_settings *settings = &world.config->upstreams[0].breaker;

	for (unsigned i = 0; i < count; i++) {
		struct breaker_permit permit = { 0 };
		uint64_t retry_after_ms;

		breaker_admit(world.upstreams[0]->breaker, settings, clock_now_ms(), 1, &permit, &retry_after_ms);
		breaker_settle(world.upstreams[0]->breaker, settings, clock_now_ms(), 1, &permit, BREAKER_FAILURE, 1);
	}
}

static inline int watch(size_t *used)
{
	static const char request[] = "GET /hystrix.stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
	int fd = dial();

	*used = 0;
	assert_int_equal(send(fd, request, sizeof request - 1, 0), sizeof request - 1);
	return fd;
}

#endif
