/*
 * gateway.yml as people write it: what is understood, what is inherited, and what is said of mistakes, with their
 * places. That printing and reading agree is checked for every configuration that is read here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/config.h"

#define UPSTREAMS "upstreams: { patient: { url: \"http://tasks.patient:2222\" } }\n"
#define ROUTES "routes: [ { path: /patient, upstream: patient } ]\n"
/* Room for one key of an upstream, of a route, in the flow style of one line. */
#define WITH_UPSTREAM(keys) "upstreams: { patient: { url: \"http://tasks.patient:2222\", " keys " } }\n" ROUTES
#define WITH_ROUTE(keys) UPSTREAMS "routes: [ { path: /patient, upstream: patient, " keys " } ]\n"

static struct {
	struct config *config;
	struct complaints complaints;
	char *said; /* the complaints as they are printed, for "f" */
} world;

static int teardown(void **state)
{
	(void)state;
	config_release(world.config);
	complaints_free(&world.complaints);
	free(world.said);
	memset(&world, 0, sizeof(world));
	return 0;
}

static char *print(const struct config *config)
{
	char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	config_print(config, to);
	fclose(to);
	return text;
}

static void keep_said(void)
{
	size_t length;
	FILE *to = open_memstream(&world.said, &length);

	complaints_print(&world.complaints, "f", to);
	fclose(to);
}

static void parse_bytes(const char *text, size_t length)
{
	teardown(NULL);
	world.config = config_parse("tests/unit/data/f", text, length, &world.complaints);
	keep_said();
	assert_true((world.config == NULL) == (world.complaints.errors > 0));
}

static void parse(const char *text)
{
	parse_bytes(text, strlen(text));
}

static void expect_round_trip(void)
{
	struct complaints complaints;
	char *first = print(world.config), *second;
	struct config *again = config_parse("tests/unit/data/f", first, strlen(first), &complaints);

	assert_non_null(again);
	second = print(again);
	assert_string_equal(first, second);
	config_release(again);
	complaints_free(&complaints);
	free(first);
	free(second);
}

/* Read without a word. */
static const struct config *good(const char *text)
{
	parse(text);
	assert_string_equal(world.said, "");
	assert_non_null(world.config);
	expect_round_trip();
	return world.config;
}

static const struct upstream_settings *good_upstream(const char *text)
{
	return &good(text)->upstreams[0];
}

static const struct route *good_route(const char *text)
{
	return &good(text)->routes[0];
}

/* Refused with exactly these words. */
static void bad(const char *text, const char *said)
{
	parse(text);
	assert_string_equal(world.said, said);
	assert_null(world.config);
}

/* ---- mistakes ---------------------------------------------------------------------------------------------------- */

static void test_ten_mistakes(void **state)
{
	(void)state;
	unsetenv("GATEWAY_TEST_UNSET");
	assert_null(config_read("tests/unit/data/mistakes.yml", &world.complaints));
	assert_int_equal(world.complaints.errors, 10);
	assert_int_equal(world.complaints.count, 10);
	keep_said();
	assert_string_equal(
		world.said,
		"f:2:9: error: listen takes a port, address:port or [v6]:port, not \"80800\"\n"
		"f:3:1: error: unknown key \"limts\" in the file; did you mean \"limits\"?\n"
		"f:5:17: error: head_timeout takes a duration with its unit, as in 250ms, 1s, 5m, not \"10\"\n"
		"f:6:17: error: request_head must be between 1KiB and 1MiB, not \"2GiB\"\n"
		"f:7:8: error: drain takes a mapping, as in { key: value }\n"
		"f:9:19: error: url takes http://host:port only, without a path, query or user; for a path see "
		"rewrite.add_prefix of the route\n"
		"f:12:43: error: failure_rate takes a share with a percent sign, as in 50%, not \"0.5\"\n"
		"f:12:48: error: duplicate key \"window\", first in line 12\n"
		"f:14:33: error: there is no upstream \"patiant\"; did you mean \"patient\"?\n"
		"f:15:56: error: environment variable GATEWAY_TEST_UNSET is not set, and there is no "
		"${GATEWAY_TEST_UNSET:-default}\n");
}

static void test_missing(void **state)
{
	(void)state;
	bad("", "f:1:1: error: routes is missing, so every request would get 404\n"
	        "f:1:1: error: upstreams is missing, so there is nothing to forward to\n");
	bad("upstreams:\nroutes: []\n", "f:1:11: error: upstreams is missing, so there is nothing to forward to\n"
	                                "f:2:9: error: routes is missing, so every request would get 404\n");
	bad("x", "f:1:1: error: the file takes a mapping, as in { key: value }\n");
	bad("upstreams: { a: }\nroutes: [ { path: / }, { upstream: a }, 5 ]\n",
	    "f:1:14: error: upstream \"a\" has no url\n"
	    "f:2:11: error: the route has no upstream\n"
	    "f:2:24: error: the route has no path\n"
	    "f:2:41: error: a route takes a mapping, as in { path: /patient, upstream: patient }\n");
	teardown(NULL);
	assert_null(config_read("tests/unit/data/none.yml", &world.complaints));
	assert_string_equal(world.complaints.list[0].text, "can't read the file: No such file or directory");
	teardown(NULL);
	assert_null(config_read("tests/unit/data", &world.complaints));
	assert_string_equal(world.complaints.list[0].text, "can't read the file: Is a directory");
}

static void test_unknown_keys(void **state)
{
	(void)state;
	bad("slow_start: 10s\n" UPSTREAMS ROUTES, "f:1:1: error: unknown key \"slow_start\" in the file\n");
	bad("defaults: { url: \"http://a.b\", brekaer: off, outlier: {} }\n" UPSTREAMS ROUTES,
	    "f:1:13: error: url belongs to an upstream, not to defaults\n"
	    "f:1:32: error: unknown key \"brekaer\" in defaults; did you mean \"breaker\"?\n"
	    "f:1:46: error: unknown key \"outlier\" in defaults\n");
	bad(UPSTREAMS "routes: [ { path: /, upstream: patient, fallback: Sorry, try later } ]\n",
	    "f:2:58: error: unknown key \"try later\" in the route; within { } a text with a comma needs quotes\n");
	bad(WITH_UPSTREAM("bulkhead: { max_waitings: 256, max_wait: 1s, max_queue: 7 }"),
	    "f:1:71: error: unknown key \"max_waitings\" in bulkhead; did you mean \"max_waiting\"?\n"
	    "f:1:104: error: unknown key \"max_queue\" in bulkhead\n");
	bad(WITH_ROUTE("falback: x"), "f:2:48: error: unknown key \"falback\" in the route; did you mean \"fallback\"?\n");
}

static void test_values(void **state)
{
	(void)state;
	bad("workers: 0\nlog_level: warning\nadmin: on\naccess_log: { to: [a], format: xml }\n"
	    "dns: { servers: 8.8.8.8, tries: -1, timeout: 99999999999999999999999s }\ntrusted_proxies: [10.0.0.1/8]\n" UPSTREAMS ROUTES,
	    "f:1:10: error: workers must be between 1 and 256, not \"0\"\n"
	    "f:2:12: error: log_level is error, warn, info or debug, not \"warning\"; did you mean \"warn\"?\n"
	    "f:3:8: error: admin takes a port, address:port, [v6]:port or off, not \"on\"\n"
	    "f:4:19: error: to takes a single value, not a list\n"
	    "f:4:32: error: format is json or combined, not \"xml\"\n"
	    "f:5:17: error: servers takes a list, as in [a, b]\n"
	    "f:5:33: error: tries takes a whole number, not \"-1\"\n"
	    "f:5:46: error: timeout must be between 10ms and 1m, not \"99999999999999999999999s\"\n"
	    "f:6:19: error: trusted_proxies takes addresses and prefixes with zero host bits, as in 10.0.0.0/8, not "
	    "\"10.0.0.1/8\"\n");
	bad("access_log: false\n" UPSTREAMS ROUTES, "f:1:13: error: access_log is off, stdout or a file, not \"false\"\n");
	bad(WITH_ROUTE("host: \"[::1]:1\""), "f:2:54: error: host takes a name without a port, not \"[::1]:1\"\n");
	bad("listen:\n" UPSTREAMS ROUTES, "f:1:8: error: listen has no value\n");
	bad("listen: { port: 80 }\n" UPSTREAMS ROUTES, "f:1:9: error: listen takes a single value or a list, as in [a, b]\n");
	bad("listen: [80, 80]\nadmin: 80\n" UPSTREAMS ROUTES, "f:1:14: error: listen has this address twice\n"
	                                                       "f:2:8: error: admin and listen can't have the same port\n");
	bad("listen: 8081\n" UPSTREAMS ROUTES, "f:1:9: error: admin and listen can't have the same port\n");
}

static void test_upstream_mistakes(void **state)
{
	(void)state;
	bad("defaults: { breaker: { open_for: 90s } }\n" WITH_UPSTREAM("ejection: { for_max: 5s }, breaker: { window: 5 calls }"),
	    "f:1:34: error: breaker.open_for is longer than breaker.open_for_max\n"
	    "f:2:80: error: ejection.for is longer than ejection.for_max\n");
	bad(WITH_UPSTREAM("breaker: { window: ten, failure_statuses: [404, 500, 500], half_open_timeout: 31m, slow_rate: 0% }"),
	    "f:1:78: error: window takes a duration or a number of calls, as in 10s or 100 calls, not \"ten\"\n"
	    "f:1:102: error: failure_statuses takes statuses between 500 and 599, not \"404\"\n"
	    "f:1:112: error: failure_statuses has 500 twice\n"
	    "f:1:137: error: half_open_timeout must be between 100ms and 30m, not \"31m\"\n"
	    "f:1:153: error: slow_rate must be between 1% and 100%, not \"0%\"\n");
	bad(WITH_UPSTREAM("health_check: { path: ready, interval: 1ms, timeout: 1h, healthy: 0, unhealthy: 101, port: 1 }"),
	    "f:1:81: error: path \"ready\": it must begin with \"/\"\n"
	    "f:1:98: error: interval must be between 100ms and 1h, not \"1ms\"\n"
	    "f:1:112: error: timeout must be between 10ms and 600s, not \"1h\"\n"
	    "f:1:125: error: healthy must be between 1 and 100, not \"0\"\n"
	    "f:1:139: error: unhealthy must be between 1 and 100, not \"101\"\n"
	    "f:1:144: error: unknown key \"port\" in health_check\n");
	bad(WITH_UPSTREAM("health_check: always"), "f:1:73: error: health_check takes on, off or a mapping, not \"always\"\n");
	bad("upstreams: { \"a b\": { url: \"http://a.b\" }, c: \"http://c.d\" }\nroutes: [ { path: /, upstream: c } ]\n",
	    "f:1:14: error: upstream names are up to 64 letters, digits, \"_\", \"-\" and \".\": \"a b\"\n"
	    "f:1:47: error: an upstream takes a mapping, as in { url: \"http://tasks.c:8080\" }\n");
}

static void test_urls(void **state)
{
	static const struct {
		const char *url, *host;
		unsigned port, family;
	} GOOD[] = {
		{"http://tasks.a", "tasks.a", 80, 0},       {"http://Tasks.A:1", "tasks.a", 1, 0},
		{"http://10.0.0.1:65535", "10.0.0.1", 65535, 4}, {"http://[FD00::1]:8080", "FD00::1", 8080, 6},
		{"http://[::1]", "::1", 80, 6},             {"http://localhost:5", "localhost", 5, 4},
		{"http://stack_service.x.", "stack_service.x.", 80, 0},
	};
	static const char *const BAD[] = {
		"https://a.b", "http:/a.b", "a.b:80", "http://", "http://:80", "http://a.b:", "http://a.b:0", "http://a.b:65536",
		"http://a.b:8x", "http://a.b/", "http://a.b?x", "http://u@a.b", "http://a.b#x", "http://a..b", "http://.a",
		"http://a b", "http://1.2.3", "http://1.2.3.256", "http://::1", "http://[::1", "http://[::1]80", "http://[1.2.3.4]",
		"http://[]", "HTTP://a.b", "http://a.b:80:80", "http://a%41.b", "http://[::1]:[::2]:80",
	};
	char text[400];

	(void)state;
	for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
		const struct upstream_settings *upstream;

		snprintf(text, sizeof(text), "upstreams: { a: { url: \"%s\" } }\nroutes: [ { path: /, upstream: a } ]\n",
		         GOOD[i].url);
		upstream = good_upstream(text);
		assert_string_equal(upstream->url, GOOD[i].url);
		assert_string_equal(upstream->host, GOOD[i].host);
		assert_int_equal(upstream->port, GOOD[i].port);
		assert_int_equal(upstream->address.family, GOOD[i].family);
		assert_int_equal(upstream->address.port, GOOD[i].family == 0 ? 0 : GOOD[i].port);
	}
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		snprintf(text, sizeof(text), "upstreams: { a: { url: \"%s\" } }\nroutes: [ { path: /, upstream: a } ]\n",
		         BAD[i]);
		parse(text);
		assert_int_equal(world.complaints.errors, 1);
		assert_int_equal(world.complaints.list[0].column, 24);
	}
}

static void test_route_mistakes(void **state)
{
	(void)state;
	bad(UPSTREAMS "routes:\n- { path: patient, upstream: patient }\n- { path: /a/**, upstream: patient }\n"
	              "- { path: \"/a?b\", upstream: patient }\n- { path: \"/b\\u00e4\", upstream: patient }\n"
	              "- { path: /d, upstream: patient, methods: [get], host: \"a:80\" }\n"
	              "- { path: /e, upstream: patient, methods: [], host: \"*.a\", rewrite: { strip_prefix: /ee } }\n",
	    "f:3:11: error: path \"patient\": it must begin with \"/\"\n"
	    "f:4:11: error: path \"/a/**\": it is a prefix, not a pattern: /patient matches /patient and all below it\n"
	    "f:5:11: error: path \"/a?b\": it has no query\n"
	    "f:6:11: error: path \"/b\xc3\xa4\": bytes outside printable ASCII are written in percent-encoding\n"
	    "f:7:44: error: methods are written in capital letters, as in [GET, POST], not \"get\"\n"
	    "f:7:56: error: host takes a name without a port, not \"a:80\"\n"
	    "f:8:43: error: methods is empty; leave it out to take any method\n"
	    "f:8:53: error: host takes one whole name; patterns like \"*.a\" are not supported\n"
	    "f:8:85: error: strip_prefix \"/ee\" is not part of the route's path \"/e\"\n");
	bad(WITH_ROUTE("methods: [GET, PUT, GET]"), "f:2:68: error: methods has GET twice\n");
	bad(UPSTREAMS "routes:\n- { path: /, upstream: patient, methods: [GET, CONNECT] }\n",
	    "f:3:48: error: CONNECT is refused whatever the path, so it can never match\n");
	parse(UPSTREAMS "routes:\n- { path: /b%2fc, upstream: patient }\n");
	assert_int_equal(world.complaints.errors, 1);
	assert_non_null(strstr(world.said, "f:3:11: error: path \"/b%2fc\": "));
	parse(UPSTREAMS "routes:\n- { path: /a, upstream: patient }\n- { path: /a/, upstream: patient }\n");
	assert_int_equal(world.complaints.errors, 1);
	assert_int_equal(world.complaints.list[0].line, 4);
	assert_int_equal(world.complaints.list[0].column, 11);
}

static void test_header_mistakes(void **state)
{
	(void)state;
	bad(WITH_ROUTE("request_headers: { set: { Content-Length: 5, \"X Y\": b, X-A: \"a\\r\\nb\", X-B: }, remove: [Host, te] }"),
	    "f:2:74: error: the gateway itself manages \"Content-Length\"\n"
	    "f:2:93: error: \"X Y\" is not a header name\n"
	    "f:2:108: error: the value of X-A has control characters or is longer than 8 KiB\n"
	    "f:2:123: error: X-B has no value\n"
	    "f:2:135: error: Host can only be set, in request_headers\n"
	    "f:2:141: error: the gateway itself manages \"te\"\n");
	bad(WITH_ROUTE("request_headers: { remove: [expect] }"), "f:2:76: error: the gateway itself manages \"expect\"\n");
	bad(WITH_ROUTE("response_headers: { set: { Host: a, Proxy-Status: b }, add: [a] }"),
	    "f:2:75: error: Host can only be set, in request_headers\n"
	    "f:2:84: error: the gateway itself manages \"Proxy-Status\"\n"
	    "f:2:108: error: add takes a mapping of names to values, as in { X-Name: value }\n");
	/* Names of fields have no case; what is added may be added twice, also to what is set. */
	bad(WITH_ROUTE("request_headers: { set: { Host: a, X-A: b, host: c } }"),
	    "f:2:91: error: \"host\" is the same header as \"Host\", and that is set already\n");
	good(WITH_ROUTE("request_headers: { set: { X-A: a }, add: { X-A: b, x-a: c } }"));
}

static void test_fallback_mistakes(void **state)
{
	(void)state;
	bad(WITH_ROUTE("fallback: { status: 199, content_type: \"a\\nb\", body: x, file: away.html, on_statuses: 500 }"),
	    "f:2:68: error: status must be between 200 and 599, not \"199\"\n"
	    "f:2:87: error: \"a?b\" is not a content type\n"
	    "f:2:110: error: a fallback has a body or a file, not both\n"
	    "f:2:134: error: on_statuses takes a list, as in [a, b]\n");
	bad(WITH_ROUTE("fallback: { file: gone.html, status: 503 }"),
	    "f:2:66: error: can't read \"tests/unit/data/gone.html\": No such file or directory\n");
	bad(WITH_ROUTE("fallback: { file: /dev/zero }"), "f:2:66: error: \"/dev/zero\" is not a regular file of up to 1 MiB\n");
	bad(WITH_ROUTE("fallback: { file: / }"), "f:2:66: error: \"/\" is not a regular file of up to 1 MiB\n");
	bad(WITH_ROUTE("fallback: { status: 204, body: x }"),
	    "f:2:68: error: an answer with status 204 can't have a body\n");
}

static void test_warnings(void **state)
{
	(void)state;
	parse("drain: { delay: 5s }\nupstreams:\n  a: { url: \"http://a:80\", breaker: { slow_call: 6s } }\n"
	      "  b: { url: \"http://localhost:80\" }\n" "routes: [ { path: /, upstream: a } ]\n");
	assert_non_null(world.config);
	assert_string_equal(
		world.said,
		"f:1:1: warning: drain.delay and drain.timeout together are longer than the 10s after which a swarm kills; "
		"set stop_grace_period above them\n"
		"f:3:13: warning: in a swarm the name \"a\" is one virtual address that hides the replicas; tasks.a names each of "
		"them\n"
		"f:3:50: warning: no call is slow: breaker.slow_call is not below timeouts.response, which ends it\n"
		"f:4:3: warning: no route uses upstream \"b\"\n");
}

static void test_a_count_window_smaller_than_the_minimum(void **state)
{
	(void)state;
	parse("upstreams:\n  a: { url: \"http://a.x\", breaker: { window: 10 calls } }\n"
	      "  b: { url: \"http://b.x\", breaker: { window: 10 calls, minimum_calls: 20 } }\n"
	      "routes: [ { path: /a, upstream: a }, { path: /b, upstream: b } ]\n");
	assert_non_null(world.config);
	assert_string_equal(world.said, "f:3:71: warning: breaker.minimum_calls is more than breaker.window holds: with 10 calls it "
	                                "is full, and can open\n");
}

static void test_total_and_the_other_timeouts(void **state)
{
	(void)state;
	parse("defaults: { timeouts: { response: 20s } }\nupstreams:\n  a: { url: \"http://a.x\" }\n"
	      "  b: { url: \"http://b.x\", timeouts: { response: 1s } }\n"
	      "  c: { url: \"http://c.x\", timeouts: { response: 10s, total: 2s } }\n"
	      "  d: { url: \"http://d.x\", timeouts: { response: 24h } }\n"
	      "routes: [ { path: /a, upstream: a }, { path: /b, upstream: b }, { path: /c, upstream: c }, "
	      "{ path: /d, upstream: d } ]\n");
	assert_non_null(world.config);
	assert_string_equal(world.said,
	                    "f:5:49: warning: timeouts.response is longer than timeouts.total, which ends it\n");
	assert_int_equal(world.config->upstreams[0].total_timeout_ms, 21000);
	assert_int_equal(world.config->upstreams[1].total_timeout_ms, 15000);
	assert_int_equal(world.config->upstreams[2].total_timeout_ms, 2000);
	assert_int_equal(world.config->upstreams[3].total_timeout_ms, 24 * 3600 * 1000);
}

/* ---- what is understood ------------------------------------------------------------------------------------------ */

static void test_smallest(void **state)
{
	const struct config *config = good(UPSTREAMS ROUTES);
	const struct upstream_settings *upstream = &config->upstreams[0];

	(void)state;
	assert_int_equal(config->listen_count, 1);
	assert_int_equal(config->listen[0].port, 80);
	assert_int_equal(config->admin.port, 8081);
	assert_int_equal(config->access_log, ACCESS_LOG_STDOUT);
	assert_int_equal(config->log_level, CONFIG_LOG_INFO);
	assert_true(config->limits.request_body_bytes == UINT64_MAX);
	assert_int_equal(config->limits.connections, 0);
	assert_true(upstream->breaker.enabled);
	assert_int_equal(upstream->breaker.window_size, 10000);
	assert_int_equal(upstream->breaker.slow_call_ms, 0);
	assert_true(upstream->ejection.enabled);
	assert_true(upstream_settings_is_failure_status(upstream, 503));
	assert_false(upstream_settings_is_failure_status(upstream, 501));
	assert_ptr_equal(config->routes[0].upstream, upstream);
	assert_int_equal(config->routes[0].fallback.status, 503);
	assert_string_equal(config->routes[0].fallback.body, "This service is currently unavailable");
	assert_string_equal(config->routes[0].fallback.content_type, "text/plain; charset=utf-8");
	assert_int_equal(config->routes[0].line, 2);
}

/* As editors on other systems save it. */
static void test_other_line_ends(void **state)
{
	(void)state;
	good("\xef\xbb\xbfupstreams:\r\n  a: { url: \"http://a.b\" }\r\nroutes:\r\n  - { path: /, upstream: a }\r\n");
	bad("upstreams:\r\n  a: { url: \"http://a.b\" }\r\nroutes:\r\n  - { path: /, upstream: b }\r\n",
	    "f:4:26: error: there is no upstream \"b\"\n");
}

static void test_listeners(void **state)
{
	const struct config *config =
		good("listen: [8080, \"[::1]:8081\", 127.0.0.1:9]\nadmin: off\naccess_log: off\ndns: { servers: [10.0.0.2, \"::1\"] }\n"
	         "trusted_proxies: [10.0.0.0/8, \"fd00::/8\", 1.2.3.4]\n" UPSTREAMS ROUTES);

	(void)state;
	assert_int_equal(config->listen_count, 3);
	assert_int_equal(config->admin.family, 0);
	assert_int_equal(config->access_log, ACCESS_LOG_OFF);
	assert_int_equal(config->dns_server_count, 2);
	assert_int_equal(config->dns_servers[1].port, 53);
	assert_int_equal(config->trusted_proxy_count, 3);
	config = good("access_log: { to: /var/log/$$x.log, format: combined }\n" UPSTREAMS ROUTES);
	assert_int_equal(config->access_log, ACCESS_LOG_FILE);
	assert_int_equal(config->access_log_format, ACCESS_LOG_COMBINED);
	assert_string_equal(config->access_log_path, "/var/log/$x.log");
}

static void test_inheritance(void **state)
{
	const struct config *config =
		good("routes: [ { path: /a, upstream: a }, { path: /b, upstream: b }, { path: /c, upstream: c } ]\n"
	         "upstreams:\n  a: { url: \"http://a.x\", breaker: { open_for: 1s }, timeouts: { idle: 2s } }\n"
	         "  b: { url: \"http://b.x\", ejection: on }\n  c: { url: \"http://c.x\", breaker: on, timeouts: }\n"
	         "defaults: { breaker: off, ejection: off, timeouts: { response: 7s }, balance: round_robin }\n");

	(void)state;
	assert_true(config->upstreams[0].breaker.enabled);
	assert_int_equal(config->upstreams[0].breaker.open_for_ms, 1000);
	assert_int_equal(config->upstreams[0].breaker.open_for_max_ms, 60000);
	assert_int_equal(config->upstreams[0].idle_timeout_ms, 2000);
	assert_int_equal(config->upstreams[0].response_timeout_ms, 7000);
	assert_int_equal(config->upstreams[0].balance, BALANCE_ROUND_ROBIN);
	assert_false(config->upstreams[0].ejection.enabled);
	assert_false(config->upstreams[1].breaker.enabled);
	assert_true(config->upstreams[1].ejection.enabled);
	assert_true(config->upstreams[2].breaker.enabled);
	assert_int_equal(config->upstreams[2].response_timeout_ms, 7000);
}

static void test_breaker(void **state)
{
	const struct upstream_settings *upstream =
		good_upstream(WITH_UPSTREAM("breaker: { window: 100 calls, mode: observe, slow_call: 250ms, failure_statuses: [] }"));

	(void)state;
	assert_int_equal(upstream->breaker.window, BREAKER_WINDOW_COUNT);
	assert_int_equal(upstream->breaker.window_size, 100);
	assert_true(upstream->breaker.observe);
	assert_int_equal(upstream->breaker.slow_call_ms, 250);
	assert_false(upstream_settings_is_failure_status(upstream, 503));
	assert_int_equal(good_upstream(WITH_UPSTREAM("breaker: { window: 90s }"))->breaker.window_size, 90000);
}

static void test_routes(void **state)
{
	const struct route *route = good_route(
		"limits: { request_body: 1MiB }\n" WITH_ROUTE(
			"host: Hospital.Example, methods: [GET, M-SEARCH], rewrite: { strip_prefix: /patient/, add_prefix: /api }, "
			"request_headers: { set: { Host: h, X-A$: \"a $$ \\\"b\\\"\" }, remove: [X-B], add: { X-C: \"\\u00e4\\u2028\" } }, "
			"response_headers: { remove: [Server] }, fallback: { on_statuses: [404, 503], status: 200, body: \"{}\\n\", "
			"content_type: application/json }"));

	(void)state;
	assert_string_equal(route->host, "hospital.example");
	assert_int_equal(route->method_count, 2);
	assert_string_equal(route->methods[1], "M-SEARCH");
	assert_string_equal(route->strip_prefix, "/patient");
	assert_string_equal(route->add_prefix, "/api");
	assert_int_equal(route->request_headers.count, 4);
	assert_int_equal(route->request_headers.edits[0].kind, HEADER_REMOVE);
	assert_null(route->request_headers.edits[0].value);
	assert_string_equal(route->request_headers.edits[2].name, "X-A$");
	assert_string_equal(route->request_headers.edits[2].value, "a $ \"b\"");
	assert_int_equal(route->request_headers.edits[3].value_length, 5);
	assert_int_equal(route->response_headers.count, 1);
	assert_true(route->request_body_bytes == 1 << 20);
	assert_true(route->has_fallback_on_statuses);
	assert_true(route->fallback_on_statuses[404 / 64] >> (404 % 64) & 1);
	assert_int_equal(route->fallback.status, 200);
	assert_int_equal(route->fallback.body_length, 3);
	route = good_route("limits: { request_body: 1MiB }\n" UPSTREAMS
	                   "routes: [ { path: \"/a/./b//c/%7e/\", upstream: patient, request_body: none } ]\n");
	assert_string_equal(route->path, "/a/b/c/~");
	assert_int_equal(route->path_length, 8);
	assert_true(route->request_body_bytes == UINT64_MAX);
	assert_string_equal(good_route(UPSTREAMS "routes: [ { path: /, upstream: patient, host: \"[::1]\" } ]\n")->path,
	                    "/");
	assert_int_equal(good_route(WITH_ROUTE("fallback: { status: 204 }"))->fallback.body_length, 0);
	assert_int_equal(good_route(WITH_ROUTE("fallback: \"\""))->fallback.body_length, 0);
}

static void test_fallback_file(void **state)
{
	(void)state;
	world.config = config_read("tests/unit/data/fallback.yml", &world.complaints);
	assert_non_null(world.config);
	assert_string_equal(world.config->routes[0].fallback.body, "<!doctype html>\n<title>Away</title>\n");
	assert_string_equal(world.config->routes[0].fallback.content_type, "text/html; charset=utf-8");
	assert_string_equal(world.config->routes[0].fallback.file, "away.html");
	expect_round_trip();
}

static void expect_body(const char *written, const char *read)
{
	char text[400];

	snprintf(text, sizeof(text), WITH_ROUTE("fallback: \"%s\""), written);
	assert_string_equal(good_route(text)->fallback.body, read);
}

static void expect_bad_body(const char *written, const char *words)
{
	char text[400];

	snprintf(text, sizeof(text), WITH_ROUTE("fallback: \"%s\""), written);
	parse(text);
	assert_int_equal(world.complaints.errors, 1);
	assert_non_null(strstr(world.said, words));
}

static void test_environment(void **state)
{
	(void)state;
	setenv("GATEWAY_TEST_A", "one", 1);
	setenv("GATEWAY_TEST_EMPTY", "", 1);
	setenv("GATEWAY_TEST_BYTES", "\xff", 1);
	setenv("GATEWAY_TEST_DOLLAR", "${GATEWAY_TEST_A}$$", 1);
	unsetenv("GATEWAY_TEST_UNSET");
	expect_body("${GATEWAY_TEST_A}-${GATEWAY_TEST_A}", "one-one");
	expect_body("${GATEWAY_TEST_UNSET:-two}", "two");
	expect_body("${GATEWAY_TEST_UNSET:-}", "");
	expect_body("${GATEWAY_TEST_EMPTY:-two}", "two");
	expect_body("${GATEWAY_TEST_EMPTY}", "");
	expect_body("$$ $${GATEWAY_TEST_A} $5 $", "$ ${GATEWAY_TEST_A} $5 $");
	expect_body("${GATEWAY_TEST_DOLLAR}", "${GATEWAY_TEST_A}$$");
	expect_body("${GATEWAY_TEST_UNSET:-$$2 $5 $}", "$2 $5 $");
	expect_bad_body("${GATEWAY_TEST_UNSET:-a ${GATEWAY_TEST_A}}", "can't hold another");
	expect_bad_body("${GATEWAY_TEST_UNSET}", "GATEWAY_TEST_UNSET is not set");
	expect_bad_body("${GATEWAY_TEST_BYTES}", "is not UTF-8");
	expect_bad_body("${GATEWAY_TEST_A", "is not ${NAME}");
	expect_bad_body("${}", "is not ${NAME}");
	expect_bad_body("${9}", "is not ${NAME}");
	expect_bad_body("${A-b}", "is not ${NAME}");
	setenv("GATEWAY_TEST_A", "8080", 1);
	assert_int_equal(good("admin: ${GATEWAY_TEST_UNSET:-off}\n" UPSTREAMS ROUTES)->admin.family, 0);
	assert_int_equal(good("listen: ${GATEWAY_TEST_A}\n" UPSTREAMS ROUTES)->listen[0].port, 8080);
}

static int freed;
static void on_free(struct config *config)
{
	assert_non_null(config->routes);
	freed++;
}

static void test_references(void **state)
{
	(void)state;
	good(UPSTREAMS ROUTES);
	world.config->on_free = on_free;
	assert_ptr_equal(config_reference(world.config), world.config);
	config_release(world.config);
	assert_int_equal(freed, 0);
	config_release(world.config);
	assert_int_equal(freed, 1);
	world.config = NULL;
	config_release(NULL);
}

/* ---- input that was made to hurt --------------------------------------------------------------------------------- */

static void test_hostile_bytes(void **state)
{
	(void)state;
	parse_bytes("a\0b: 1\n", 7);
	assert_non_null(strstr(world.said, "f:1:2: error: control characters are not allowed"));
	bad("a: \xff\n", "f:1:4: error: invalid leading UTF-8 octet\n");
	/* What is quoted back can't move a terminal's cursor, nor end within a character. */
	parse("\"\\x1b[2J\\u009b\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4"
	      "\\u00e4\\u00e4\\u00e4\": 1\n");
	for (const char *at = world.said; *at != '\0'; at++)
		assert_true((unsigned char)*at >= 0x20 || *at == '\n');
	assert_null(strstr(world.said, "\xc2\x9b"));
}

static void test_hostile_sizes(void **state)
{
	enum { SIZE = 1 << 20 };
	char *text = malloc(SIZE + 2), *at = text;

	(void)state;
	memset(text, '[', SIZE);
	parse_bytes(text, SIZE);
	assert_int_equal(world.complaints.errors, 1);
	memset(text, '9', SIZE);
	memcpy(text, "workers: ", 9);
	parse_bytes(text, SIZE);
	assert_non_null(strstr(world.said, "f:1:10: error: workers must be between 1 and 256"));
	parse_bytes(text, SIZE + 1);
	assert_string_equal(world.said, "f: error: the file is larger than 1 MiB\n");
	for (int i = 0; i < 20000; i++)
		at += sprintf(at, "workes%d: 1\n", i);
	parse_bytes(text, (size_t)(at - text));
	assert_int_equal(world.complaints.errors, 20002);
	assert_int_equal(world.complaints.count, 1000);
	assert_non_null(strstr(world.said, "further complaints are left out"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_ten_mistakes, teardown),
		cmocka_unit_test_teardown(test_missing, teardown),
		cmocka_unit_test_teardown(test_unknown_keys, teardown),
		cmocka_unit_test_teardown(test_values, teardown),
		cmocka_unit_test_teardown(test_upstream_mistakes, teardown),
		cmocka_unit_test_teardown(test_urls, teardown),
		cmocka_unit_test_teardown(test_route_mistakes, teardown),
		cmocka_unit_test_teardown(test_header_mistakes, teardown),
		cmocka_unit_test_teardown(test_fallback_mistakes, teardown),
		cmocka_unit_test_teardown(test_warnings, teardown),
		cmocka_unit_test_teardown(test_a_count_window_smaller_than_the_minimum, teardown),
		cmocka_unit_test_teardown(test_total_and_the_other_timeouts, teardown),
		cmocka_unit_test_teardown(test_smallest, teardown),
		cmocka_unit_test_teardown(test_other_line_ends, teardown),
		cmocka_unit_test_teardown(test_listeners, teardown),
		cmocka_unit_test_teardown(test_inheritance, teardown),
		cmocka_unit_test_teardown(test_breaker, teardown),
		cmocka_unit_test_teardown(test_routes, teardown),
		cmocka_unit_test_teardown(test_fallback_file, teardown),
		cmocka_unit_test_teardown(test_environment, teardown),
		cmocka_unit_test_teardown(test_references, teardown),
		cmocka_unit_test_teardown(test_hostile_bytes, teardown),
		cmocka_unit_test_teardown(test_hostile_sizes, teardown),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
