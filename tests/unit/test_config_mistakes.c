/* gateway.yml: what is said of mistakes, with their places. */
#include "tests/unit/config_world.h"

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
		"f:7:8: error: drain takes a mapping, as in { delay: 2s }\n"
		"f:9:19: error: url takes http://host:port only, without a path, query or user; for a path see "
		"rewrite.add_prefix of the route\n"
		"f:12:43: error: failure_rate takes a share with a percent sign and two decimals at most, as in 50% or 12.5%, not \"0.5\"\n"
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
	bad("upstreams:\nroutes: []\n", "f:1:11: error: upstreams is empty, so there is nothing to forward to\n"
	                                "f:2:9: error: routes is empty, so every request would get 404\n");
	bad("x", "f:1:1: error: the file takes a mapping, as in { listen: 80 }\n");
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

/* An example has the keys and values of its place. */
static void test_values_for_mappings_and_lists(void **state)
{
	(void)state;
	bad("dns: x\ndefaults: { retry: 3, bulkhead: 10, pool: off }\n" UPSTREAMS
	    "routes: [ { path: /, upstream: patient, auth: jwt, rewrite: /x, fallback: [a], rate_limit: 10/s, methods: GET } ]\n",
	    "f:1:6: error: dns takes a mapping, as in { servers: [10.0.0.2] }\n"
	    "f:2:20: error: retry takes a mapping, as in { attempts: 1 }\n"
	    "f:2:33: error: bulkhead takes a mapping, as in { max_in_flight: 1024 }\n"
	    "f:2:43: error: pool takes a mapping, as in { max_idle: 64 }\n"
	    "f:4:47: error: auth takes a mapping, as in { jwt: { issuer: ... } }\n"
	    "f:4:61: error: rewrite takes a mapping, as in { strip_prefix: /patient }\n"
	    "f:4:75: error: fallback takes a mapping, as in { status: 503 }\n"
	    "f:4:92: error: rate_limit takes on, off or a mapping, as in { rate: 10/s }, not \"10/s\"\n"
	    "f:4:107: error: methods takes a list, as in [GET]\n");
}

static void test_springs_keys(void **state)
{
	(void)state;
	bad("admin: { port: 8081 }\nspring.application.name: a\n"
	    WITH_UPSTREAM("breaker: { enabled: false, failureRateThreshold: 50, slow-call-rate-threshold: 50 }, "
	                  "retry: { enabled: false }"),
	    "f:1:10: error: unknown key \"port\" in admin; did you mean \"listen\"?\n"
	    "f:2:1: error: \"spring.application.name\" belongs in a Spring application.yml; gateway --import application.yml > "
	    "gateway.yml translates it (README.md, \"Coming from Spring Cloud Gateway\")\n"
	    "f:3:70: error: unknown key \"enabled\" in breaker; write breaker: on, or breaker: off\n"
	    "f:3:86: error: unknown key \"failureRateThreshold\" in breaker; did you mean \"failure_rate\"?\n"
	    "f:3:112: error: unknown key \"slow-call-rate-threshold\" in breaker; did you mean \"slow_rate\"?\n"
	    "f:3:153: error: unknown key \"enabled\" in retry\n");
	bad(WITH_ROUTE("CORS: { origins: \"*\" }, id: a"), "f:2:48: error: unknown key \"CORS\" in the route; did you mean \"cors\"?\n"
	                                                  "f:2:72: error: unknown key \"id\" in the route; did you mean \"name\"?\n");
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
	    "f:5:17: error: servers takes a list, as in [8.8.8.8]\n"
	    "f:5:33: error: tries takes a whole number, not \"-1\"\n"
	    "f:5:46: error: timeout must be between 10ms and 1m, not \"99999999999999999999999s\"\n"
	    "f:6:19: error: trusted_proxies takes addresses and prefixes with zero host bits, as in 10.0.0.0/8, not "
	    "\"10.0.0.1/8\"\n");
	bad("access_log: { when: errors }\n" UPSTREAMS ROUTES,
	    "f:1:21: error: when takes all, failures, or a duration with its unit, as in 250ms, 1s, 5m, not \"errors\"\n");
	bad("access_log: { when: 0s }\n" UPSTREAMS ROUTES, "f:1:21: error: when must be between 1ms and 1h, not \"0s\"\n");
	bad("access_log: True\n" UPSTREAMS ROUTES, "f:1:13: error: access_log is off, stdout or a file, not \"True\"\n");
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
	bad(WITH_UPSTREAM("breaker: { window: ten, failure_statuses: [299, 500, 500], half_open_timeout: 31m, slow_rate: 0% }"),
	    "f:1:78: error: window takes a duration or a number of calls, as in 10s or 100 calls, not \"ten\"\n"
	    "f:1:102: error: failure_statuses takes statuses between 300 and 599, not \"299\"\n"
	    "f:1:112: error: failure_statuses has 500 twice\n"
	    "f:1:137: error: half_open_timeout must be between 100ms and 30m, not \"31m\"\n"
	    "f:1:153: error: slow_rate must be between 0.01% and 100%, not \"0%\"\n");
	bad(WITH_UPSTREAM("breaker: { failure_rate: 12.345%, slow_rate: 100.01% }, retry: { budget: 12.%, attempts: 1.5 }"),
	    "f:1:84: error: failure_rate takes a share with a percent sign and two decimals at most, as in 50% or 12.5%, not "
	    "\"12.345%\"\n"
	    "f:1:104: error: slow_rate must be between 0.01% and 100%, not \"100.01%\"\n"
	    "f:1:132: error: budget takes a share with a percent sign and two decimals at most, as in 50% or 12.5%, not \"12.%\"\n"
	    "f:1:148: error: attempts takes a whole number, not \"1.5\"\n");
	bad(WITH_UPSTREAM("breaker: { failure_rate: 184467440737095516.99% }"),
	    "f:1:84: error: failure_rate must be between 0.01% and 100%, not \"184467440737095516.99%\"\n");
	bad(WITH_UPSTREAM("health_check: { path: ready, interval: 1ms, timeout: 1h, healthy: 0, unhealthy: 101, port: 1 }"),
	    "f:1:81: error: path \"ready\": it must begin with \"/\"\n"
	    "f:1:98: error: interval must be between 100ms and 1h, not \"1ms\"\n"
	    "f:1:112: error: timeout must be between 10ms and 600s, not \"1h\"\n"
	    "f:1:125: error: healthy must be between 1 and 100, not \"0\"\n"
	    "f:1:139: error: unhealthy must be between 1 and 100, not \"101\"\n"
	    "f:1:144: error: unknown key \"port\" in health_check\n");
	bad(WITH_UPSTREAM("health_check: always"),
	    "f:1:73: error: health_check takes on, off or a mapping, as in { path: /actuator/health }, "
	    "not \"always\"\n");
	bad("upstreams: { \"a b\": { url: \"http://a.b\" }, c: \"http://c.d\" }\nroutes: [ { path: /, upstream: c } ]\n",
	    "f:1:14: error: an upstream's name has at most 64 letters, digits, \"_\", \"-\" and \".\": \"a b\"\n"
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

static void test_urls_for_other_gateways(void **state)
{
	(void)state;
	bad("upstreams:\n  a: { url: \"lb://patient\" }\n  b: { url: \"tasks.patient:2222\" }\n  c: { url: [a, b] }\n"
	    "  d: { url: \"ws://d\" }\nroutes: [ { path: /, upstream: a } ]\n",
	    "f:2:13: error: url takes http://host:port, not \"lb://patient\": write http://tasks.patient:PORT, with the port on which "
	    "its containers listen\n"
	    "f:3:13: error: url takes http://host:port, not \"tasks.patient:2222\": http:// is missing\n"
	    "f:4:13: error: url takes a single value, not a list: every address of its DNS name is an endpoint\n"
	    "f:5:13: error: url takes http://host:port, not \"ws://d\"\n");
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
	    "f:5:11: error: path \"/a?b\": it can't have a query\n"
	    "f:6:11: error: path \"/b\xc3\xa4\": write bytes outside printable ASCII in percent-encoding\n"
	    "f:7:44: error: methods are written in capital letters, as in [GET, POST], not \"get\"\n"
	    "f:7:56: error: host takes a name without a port, not \"a:80\"\n"
	    "f:8:43: error: methods is empty; leave it out to take any method\n"
	    "f:8:53: error: host takes one whole name; patterns like \"*.a\" are not supported\n"
	    "f:8:85: error: strip_prefix \"/ee\" is not part of the route's path \"/e\"\n");
	bad(UPSTREAMS "routes:\n- { path: [/a, /a*, \"/b/{id}\"], upstream: patient }\n- { path: [], upstream: patient }\n"
	              "- { path: [/c/7, /c/*/d], upstream: patient, rewrite: { strip_prefix: /c/7 } }\n"
	              "- { path: /d, upstream: patient, exact: 1, rewrite: { add_prefix: /x/* } }\n",
	    "f:3:16: error: path \"/a*\": a * stands for one whole segment, as in /ward/*/beds\n"
	    "f:3:21: error: path \"/b/{id}\": a segment that may be anything is written *, as in /ward/*/beds\n"
	    "f:4:11: error: path is empty\n"
	    "f:5:71: error: strip_prefix \"/c/7\" is not part of the route's path \"/c/*/d\"\n"
	    "f:6:41: error: exact is off or on, not \"1\"\n"
	    "f:6:67: error: add_prefix \"/x/*\": * has no meaning here\n");
	bad(UPSTREAMS "routes:\n- { path: [/a, /b/], upstream: patient }\n- { path: [/c, /b], upstream: patient }\n"
	              "- { path: [/e/*, /f], methods: [GET, PUT], upstream: patient }\n"
	              "- { path: [/d, /e/*], methods: [PUT, POST], upstream: patient }\n- { path: [/g, /g], upstream: patient }\n",
	    "f:4:16: error: can never match: the route in line 3 has the same path and takes its requests\n"
	    "f:6:16: error: ambiguous: the route in line 5 has the same path and takes PUT, too\n"
	    "f:7:16: error: the route has this path twice\n");
	bad(WITH_ROUTE("methods: [GET, PUT, GET]"), "f:2:68: error: methods has GET twice\n");
	bad(UPSTREAMS "routes:\n- { path: /, upstream: patient, methods: [GET, CONNECT] }\n",
	    "f:3:48: error: CONNECT is refused whatever the path, so it can never match\n");
	bad(UPSTREAMS "routes:\n- { path: \"/a;b\", upstream: patient }\n- { path: /a%3Bb, upstream: patient }\n",
	    "f:3:11: error: path \"/a;b\": it can't have parameters: the gateway matches paths without them\n"
	    "f:4:11: error: path \"/a%3Bb\": it can't have parameters: the gateway matches paths without them\n");
	parse(UPSTREAMS "routes:\n- { path: /b%2fc, upstream: patient }\n");
	assert_int_equal(world.complaints.errors, 1);
	assert_non_null(strstr(world.said, "f:3:11: error: path \"/b%2fc\": "));
	parse(UPSTREAMS "routes:\n- { path: /a, upstream: patient }\n- { path: /a/, upstream: patient }\n");
	assert_int_equal(world.complaints.errors, 1);
	assert_int_equal(world.complaints.list[0].line, 4);
	assert_int_equal(world.complaints.list[0].column, 11);
}

static void test_paths_that_mean_others(void **state)
{
	(void)state;
	parse("upstreams: { patient: { url: \"http://a.b\", health_check: { path: //up } } }\nroutes:\n"
	      "- { path: [/a/../b, //a, /c/.], upstream: patient, rewrite: { add_prefix: /./x } }\n");
	assert_non_null(world.config);
	assert_string_equal(world.said, "f:1:66: warning: path \"//up\": the gateway reads it as \"/up\"; write that\n"
	                                "f:3:12: warning: path \"/a/../b\": the gateway reads it as \"/b\"; write that\n"
	                                "f:3:21: warning: path \"//a\": the gateway reads it as \"/a\"; write that\n"
	                                "f:3:26: warning: path \"/c/.\": the gateway reads it as \"/c/\"; write that\n"
	                                "f:3:75: warning: add_prefix \"/./x\": the gateway reads it as \"/x\"; write that\n");
	bad(UPSTREAMS "routes:\n- { path: \"/a b\", upstream: patient }\n- { path: /**, upstream: patient }\n",
	    "f:3:11: error: path \"/a b\": write a blank as %20\n"
	    "f:4:11: error: path \"/**\": it is a prefix, not a pattern: / matches every path\n");
}

static void test_methods_a_letter_away(void **state)
{
	(void)state;
	parse(WITH_ROUTE("methods: [GETT, PSOT, LOCK, PROPFIND, QUERY, PUT, GET]"));
	assert_non_null(world.config);
	assert_string_equal(world.said, "f:2:58: warning: methods: \"GETT\" is no usual method; did you mean \"GET\"?\n"
	                                "f:2:64: warning: methods: \"PSOT\" is no usual method; did you mean \"POST\"?\n");
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
	    "f:2:91: error: \"host\" is the same header as \"Host\", which is already set\n");
	good(WITH_ROUTE("request_headers: { set: { X-A: a }, add: { X-A: b, x-a: c } }"));
}

static void test_hosts(void **state)
{
	static const char *const GOOD[] = {"a.b", "A_1.b.", "a:80", "10.0.0.1:", "[fd00::1]", "[::ffff:1.2.3.4]:1", "a%41,b"};
	static const char *const BAD[] = {"", "a b", " a", "a:8x", "a:1:2", ":80", "a/b", "u@a", "[]", "[::1", "[::1]1", "[g]", "a%4g",
	                                  "\\u00e4", "a?b"};
	char text[400];

	(void)state;
	for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
		snprintf(text, sizeof(text), WITH_ROUTE("request_headers: { set: { host: \"%s\" } }"), GOOD[i]);
		good(text);
	}
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		snprintf(text, sizeof(text), WITH_ROUTE("request_headers: { set: { host: \"%s\" } }"), BAD[i]);
		parse(text);
		assert_int_equal(world.complaints.errors, 1);
	}
	bad(WITH_ROUTE("request_headers: { set: { Host: \"a b\" } }"),
	    "f:2:80: error: Host takes a name, as in app.example or app.example:8080, not \"a b\"\n");
}

/* A key without a value would leave the route open. What it inherits is a value. */
static void test_auth_without_a_value(void **state)
{
	(void)state;
	bad(WITH_ROUTE("auth: { jwt: }"), "f:2:61: error: auth.jwt has no value; it takes off or a mapping\n");
	bad(WITH_ROUTE("auth: { basic: ~ }"), "f:2:63: error: auth.basic has no value; it takes off or a mapping\n");
	bad(WITH_ROUTE("auth: { forward: }"), "f:2:65: error: auth.forward has no value; it takes off or a mapping\n");
	bad(UPSTREAMS "route_defaults: { auth: { jwt: off } }\n"
	              "routes: [ { path: /, upstream: patient, auth: { jwt: } } ]\n",
	    "f:3:54: error: auth.jwt has no value; it takes off or a mapping\n");
	bad(UPSTREAMS "routes:\n- path: /\n  upstream: patient\n  auth:\n    # jwt: {}\n",
	    "f:5:8: error: auth has no value; leave it out if anybody may send requests\n");
	good(WITH_ROUTE("auth: { jwt: off, basic: off, forward: off }"));
	parse(UPSTREAMS "route_defaults: { auth: { jwt: { issuer: i, audiences: a, jwks: \"http://i/\" } } }\n"
	                "routes: [ { path: /, upstream: patient, auth: { jwt: } }, { path: /b, upstream: patient, auth: } ]\n");
	assert_string_equal(world.said, "");
	assert_non_null(world.config->routes[0].jwt);
	assert_non_null(world.config->routes[1].jwt);
}

static void test_fallback_mistakes(void **state)
{
	(void)state;
	bad(WITH_ROUTE("fallback: { status: 199, content_type: \"a\\nb\", body: x, file: away.html, on_statuses: 500 }"),
	    "f:2:68: error: status must be between 200 and 599, not \"199\"\n"
	    "f:2:87: error: \"a?b\" is not a content type\n"
	    "f:2:110: error: a fallback has a body or a file, not both\n"
	    "f:2:134: error: on_statuses takes a list, as in [500]\n");
	bad(WITH_ROUTE("fallback: { file: gone.html, status: 503 }"),
	    "f:2:66: error: can't read \"tests/unit/data/gone.html\": No such file or directory\n");
	bad(WITH_ROUTE("fallback: { file: /dev/zero }"), "f:2:66: error: \"/dev/zero\" is not a regular file of up to 1 MiB\n");
	bad(WITH_ROUTE("fallback: { file: / }"), "f:2:66: error: \"/\" is not a regular file of up to 1 MiB\n");
	bad(WITH_ROUTE("fallback: { status: 204, body: x }"),
	    "f:2:68: error: an answer with status 204 can't have a body\n");
	bad(WITH_ROUTE("fallback: { content_type: text/, body: x }"), "f:2:74: error: \"text/\" is not a content type\n");
	bad(WITH_ROUTE("fallback: { content_type: text/plain charset=utf-8 }"),
	    "f:2:74: error: \"text/plain charset=utf-8\" is not a content type\n");
	good(WITH_ROUTE("fallback: { content_type: \"application/problem+json ; charset=utf-8\", body: x }"));
	bad(WITH_ROUTE("fallback: { upstream: patient }"),
	    "f:2:70: error: fallback.upstream is the route's own upstream; it takes another one, or off\n");
	bad(WITH_ROUTE("fallback: { upstream: pattient }"),
	    "f:2:70: error: there is no upstream \"pattient\"; did you mean \"patient\"?\n");
	bad(WITH_ROUTE("fallback: { upstream: [patient] }"), "f:2:70: error: upstream takes a single value, not a list\n");
}

static void test_springs_fallbacks(void **state)
{
	(void)state;
	bad(WITH_ROUTE("fallback: \"forward:/sorry\""),
	    "f:2:58: error: \"forward:/sorry\" is Spring's spelling, which clients would get as text; write the text that they shall "
	    "get, or { upstream: NAME } to have another upstream answer\n");
	bad(WITH_ROUTE("fallback: { status: 503, body: \"redirect:/sorry\" }"),
	    "f:2:79: error: \"redirect:/sorry\" is Spring's spelling, which clients would get as text; write "
	    "{ redirect: \"/sorry\" }\n");
	good(WITH_ROUTE("fallback: \"forward: the service has moved\""));
}

static void test_a_fallback_of_another_upstream(void **state)
{
	const struct config *config = good(
		"upstreams: { a: { url: \"http://a.b\" }, b: { url: \"http://b.c\" } }\n"
		"route_defaults: { fallback: { upstream: b, body: Away } }\n"
		"routes: [ { path: /a, upstream: a, methods: [GET] }, { path: /b, upstream: b, fallback: { upstream: off } } ]\n");
	const struct route *route = &config->routes[0], *detour = route->detour;

	(void)state;
	assert_ptr_equal(detour->upstream, &config->upstreams[1]);
	assert_null(detour->detour);
	assert_string_equal(detour->id, route->id);
	assert_string_equal(detour->fallback.body, "Away\n");
	assert_string_equal(route->log_names, ",\"route\":\"/a\",\"upstream\":\"a\"");
	assert_string_equal(detour->log_names, ",\"route\":\"/a\",\"upstream\":\"b\",\"failed_upstream\":\"a\"");
	assert_null(config->routes[1].detour);
	assert_string_equal(config->routes[1].fallback.body, "Away\n");
}

static void test_warnings(void **state)
{
	(void)state;
	parse("drain: { delay: 5s }\nupstreams:\n  a: { url: \"http://a:80\", breaker: { slow_call: 6s } }\n"
	      "  b: { url: \"http://localhost:80\" }\n" "routes: [ { path: /, upstream: a } ]\n");
	assert_non_null(world.config);
	assert_string_equal(
		world.said,
		"f:1:1: warning: drain.delay and drain.timeout together are longer than the 10s that a swarm gives a task to stop; "
		"set stop_grace_period above their sum\n"
		"f:3:13: warning: in a swarm the name \"a\" is one virtual address that hides the replicas; tasks.a names each of "
		"them\n"
		"f:3:50: warning: no call can be slow: breaker.slow_call is not below timeouts.response, which ends the call first\n"
		"f:4:3: warning: no route uses upstream \"b\"\n"
		"f:4:13: warning: url leads back to this gateway's own listener: the gateway answers such requests with 508\n");
	parse("upstreams:\n  a: { url: \"http://127.0.0.1:8081\" }\nroutes: [ { path: /, upstream: a } ]\n");
	assert_string_equal(world.said, "f:2:13: warning: url leads to this gateway's admin listener, which refuses forwarded "
	                                "requests\n");
}

static void test_a_count_window_smaller_than_the_minimum(void **state)
{
	(void)state;
	parse("upstreams:\n  a: { url: \"http://a.x\", breaker: { window: 10 calls } }\n"
	      "  b: { url: \"http://b.x\", breaker: { window: 10 calls, minimum_calls: 20 } }\n"
	      "routes: [ { path: /a, upstream: a }, { path: /b, upstream: b } ]\n");
	assert_non_null(world.config);
	assert_string_equal(world.said, "f:3:71: warning: breaker.minimum_calls is more than breaker.window holds: the breaker can "
	                                "open after 10 calls\n");
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
	                    "f:5:49: warning: timeouts.response is longer than timeouts.total, which ends the request first\n");
	assert_int_equal(world.config->upstreams[0].total_timeout_ms, 21000);
	assert_int_equal(world.config->upstreams[1].total_timeout_ms, 15000);
	assert_int_equal(world.config->upstreams[2].total_timeout_ms, 2000);
	assert_int_equal(world.config->upstreams[3].total_timeout_ms, 24 * 3600 * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_ten_mistakes, teardown),
		cmocka_unit_test_teardown(test_missing, teardown),
		cmocka_unit_test_teardown(test_unknown_keys, teardown),
		cmocka_unit_test_teardown(test_springs_keys, teardown),
		cmocka_unit_test_teardown(test_values_for_mappings_and_lists, teardown),
		cmocka_unit_test_teardown(test_values, teardown),
		cmocka_unit_test_teardown(test_upstream_mistakes, teardown),
		cmocka_unit_test_teardown(test_urls, teardown),
		cmocka_unit_test_teardown(test_urls_for_other_gateways, teardown),
		cmocka_unit_test_teardown(test_route_mistakes, teardown),
		cmocka_unit_test_teardown(test_paths_that_mean_others, teardown),
		cmocka_unit_test_teardown(test_methods_a_letter_away, teardown),
		cmocka_unit_test_teardown(test_header_mistakes, teardown),
		cmocka_unit_test_teardown(test_hosts, teardown),
		cmocka_unit_test_teardown(test_auth_without_a_value, teardown),
		cmocka_unit_test_teardown(test_fallback_mistakes, teardown),
		cmocka_unit_test_teardown(test_springs_fallbacks, teardown),
		cmocka_unit_test_teardown(test_a_fallback_of_another_upstream, teardown),
		cmocka_unit_test_teardown(test_warnings, teardown),
		cmocka_unit_test_teardown(test_a_count_window_smaller_than_the_minimum, teardown),
		cmocka_unit_test_teardown(test_total_and_the_other_timeouts, teardown),
	};

	return cmocka_run_group_tests_name("config mistakes", tests, NULL, NULL);
}
