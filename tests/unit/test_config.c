/*
 * gateway.yml as people write it: what is understood, files and the environment, and input that was made to hurt. That printing
 * and reading agree is checked for every configuration that is read here.
 */
#include "tests/unit/config_world.h"

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
	assert_string_equal(config->routes[0].fallback.body, "This service is currently unavailable\n");
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
	config = good("access_log: { when: failures }\n" UPSTREAMS ROUTES);
	assert_int_equal(config->access_log_when_ms, CONFIG_WHEN_FAILURES);
	config = good("access_log: { when: 250ms }\n" UPSTREAMS ROUTES);
	assert_int_equal(config->access_log_when_ms, 250);
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

/* JSON has no other words, and writers of YAML make these of on and off. */
static void test_true_and_false(void **state)
{
	const struct config *config = good(
		"admin: False\naccess_log: false\nsandbox: false\ncluster: { peers: false }\ndns: { verify_service: FALSE }\n"
		"defaults: { health_check: true, breaker: { slow_call: false }, ejection: false }\n"
		UPSTREAMS "routes: [ { path: /a, exact: true, upstream: patient, auth: { jwt: false, basic: false },\n"
		          "  rate_limit: { rate: 1/s, headers: true, store: false }, fallback: { upstream: false },\n"
		          "  response_headers: { set: { X-Is: true } } } ]\n");
	const struct upstream_settings *upstream = config->upstreams;
	const struct route *route = config->routes;

	(void)state;
	assert_true(config->admin.family == 0 && config->access_log == ACCESS_LOG_OFF);
	assert_true(!config->sandbox && !config->dns_verify_service);
	assert_null(config->peers.written);
	assert_true(upstream->health.enabled && upstream->breaker.slow_call_ms == 0 && !upstream->ejection.enabled);
	assert_true(route->exact && route->rate_limit.headers && !route->basic.enabled && route->jwt == NULL);
	assert_true(route->rate_limit.store == NULL && route->fallback_upstream == NULL);
	assert_memory_equal(route->response_headers.edits[0].value, "true", 4);
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
	upstream = good_upstream(WITH_UPSTREAM(
		"breaker: { failure_rate: 12.5%, slow_rate: 0.25 % }, ejection: { max_share: 33.33% }, retry: { budget: 100% }"));
	assert_int_equal(upstream->breaker.failure_rate_bp, 1250);
	assert_int_equal(upstream->breaker.slow_rate_bp, 25);
	assert_int_equal(upstream->ejection.max_share_bp, 3333);
	assert_int_equal(upstream->retry_budget_bp, 10000);
}

static void test_tags(void **state)
{
	const struct config *config = good("metrics: { names: boot2, tags: { region: \"a\\\"b$$\","
	       " application: gateway } }\n" UPSTREAMS ROUTES);

	(void)state;
	assert_int_equal(config->metrics_names, METRICS_BOOT2);
	assert_int_equal(config->metrics_tag_count, 2);
	assert_string_equal(config->metrics_tags[0].name, "application");
	assert_string_equal(config->metrics_tags[1].value, "a\"b$");
	assert_int_equal(good(UPSTREAMS ROUTES)->metrics_tag_count, 0);
	bad("metrics: { names: boot4, tags: { status: a, 1st: b, __x: c, a-b: d, empty: \"\", none: ~, uri: e } }\n" UPSTREAMS ROUTES,
	    "f:1:19: error: names is boot3 or boot2, not \"boot4\"; did you mean \"boot3\"?\n"
	    "f:1:34: error: the metrics already have a label \"status\"\n"
	    "f:1:45: error: a tag's name has letters, digits and \"_\", and does not begin with a digit or \"__\": \"1st\"\n"
	    "f:1:53: error: a tag's name has letters, digits and \"_\", and does not begin with a digit or \"__\": \"__x\"\n"
	    "f:1:61: error: a tag's name has letters, digits and \"_\", and does not begin with a digit or \"__\": \"a-b\"\n"
	    "f:1:76: error: the value of tag \"empty\" is empty or longer than 256 bytes\n"
	    "f:1:86: error: none has no value\n"
	    "f:1:89: error: the metrics already have a label \"uri\"\n");
	bad("metrics: { tags: [a] }\n" UPSTREAMS ROUTES,
	    "f:1:18: error: tags takes a mapping of names to values, as in { application: gateway }\n");
	bad("metrics: { tags: { a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1, i: 1 } }\n" UPSTREAMS ROUTES,
	    "f:1:18: error: tags has more than 8 entries\n");
}

static void test_names_of_routes(void **state)
{
	const struct route *route = good_route(
		UPSTREAMS "routes: [ { path: /a, name: \"a:b/c{d}\", upstream: patient }, { path: /b, host: h, upstream: patient } ]\n");

	(void)state;
	assert_string_equal(route[0].id, "a:b/c{d}");
	assert_string_equal(route[1].id, "/b");
	bad(UPSTREAMS "routes:\n"
	              "- { path: /a, name: same, upstream: patient }\n"
	              "- { path: /b, name: same, upstream: patient }\n"
	              "- { path: /c, upstream: patient, name: /d }\n"
	              "- { path: /d, upstream: patient }\n"
	              "- { path: /e, name: \"a b\", upstream: patient }\n",
	    "f:4:21: error: another route is also called \"same\"\n"
	    "f:5:40: error: another route is also called \"/d\"\n"
	    "f:7:21: error: a route's name has at most 128 printable characters and no blank, quote or backslash: "
	    "\"a b\"\n");
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
	parse("limits: { request_body: 1MiB }\n" UPSTREAMS
	      "routes: [ { path: \"/a/./b//c/%7e/\", upstream: patient, request_body: none } ]\n");
	assert_string_equal(world.said,
	                    "f:3:19: warning: path \"/a/./b//c/%7e/\": the gateway reads it as \"/a/b/c/~/\"; write that\n");
	route = &world.config->routes[0];
	assert_string_equal(route->path, "/a/b/c/~");
	assert_int_equal(route->paths[0].length, 8);
	assert_true(route->request_body_bytes == UINT64_MAX);
	assert_string_equal(good_route(UPSTREAMS "routes: [ { path: /, upstream: patient, host: \"[::1]\" } ]\n")->path,
	                    "/");
	assert_int_equal(good_route(WITH_ROUTE("fallback: { status: 204 }"))->fallback.body_length, 0);
	assert_int_equal(good_route(WITH_ROUTE("fallback: \"\""))->fallback.body_length, 0);
}

static void test_expressions(void **state)
{
	const struct route *route = good_route(
		WITH_ROUTE("rewrite: { regex: \"^/a\\\\.b(?<rest>.*)$\", replacement: \"/${rest}\" }"));

	(void)state;
	assert_non_null(route->expression);
	assert_string_equal(route->regex, "^/a\\.b(?<rest>.*)$");
	assert_string_equal(route->replacement, "/${rest}");
	good_route(WITH_ROUTE("rewrite: { regex: /a, replacement: \"\" }"));
	setenv("PREFIX", "/of-the-environment", 1);
	assert_string_equal(good_route(WITH_ROUTE("rewrite: { regex: \"^${PREFIX}/(.*)\", replacement: \"/\\\\$$$1\" }"))->regex,
	                    "^/of-the-environment/(.*)");
	unsetenv("PREFIX");
	bad(WITH_ROUTE("rewrite: { regex: /a }"), "f:2:57: error: rewrite.regex and rewrite.replacement belong together\n");
	bad(WITH_ROUTE("rewrite: { replacement: /a }"), "f:2:57: error: rewrite.regex and rewrite.replacement belong together\n");
	bad(WITH_ROUTE("rewrite: { regex: /a, replacement: /b, add_prefix: /c }"),
	    "f:2:66: error: rewrite has a regex or prefixes, not both\n");
	bad(WITH_ROUTE("rewrite: { regex: \"/a(\", replacement: /b }"),
	    "f:2:66: error: regex: missing closing parenthesis at character 4\n");
	bad(WITH_ROUTE("rewrite: { regex: /a, replacement: /$1 }"), "f:2:83: error: regex has no group 1\n");
	bad(WITH_ROUTE("rewrite: { regex: /a, replacement: /../b }"),
	    "f:2:83: error: replacement: dot segments above the root of the path\n");
	bad(WITH_ROUTE("rewrite: { regex: /a, replacement: [/b] }"),
	    "f:2:83: error: replacement takes a single value, not a list\n");
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
	char text[400], line[400];

	snprintf(text, sizeof(text), WITH_ROUTE("fallback: \"%s\""), written);
	snprintf(line, sizeof(line), "%s%s", read, read[0] != '\0' ? "\n" : "");
	assert_string_equal(good_route(text)->fallback.body, line);
	snprintf(text, sizeof(text), WITH_ROUTE("fallback: { content_type: text/plain, body: \"%s\" }"), written);
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
	bad("a: \xff\n", "f:1:4: error: not UTF-8: save the file as UTF-8\n");
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
		cmocka_unit_test_teardown(test_smallest, teardown),
		cmocka_unit_test_teardown(test_other_line_ends, teardown),
		cmocka_unit_test_teardown(test_listeners, teardown),
		cmocka_unit_test_teardown(test_inheritance, teardown),
		cmocka_unit_test_teardown(test_true_and_false, teardown),
		cmocka_unit_test_teardown(test_breaker, teardown), cmocka_unit_test_teardown(test_tags, teardown),
		cmocka_unit_test_teardown(test_names_of_routes, teardown),
		cmocka_unit_test_teardown(test_routes, teardown),
		cmocka_unit_test_teardown(test_expressions, teardown),
		cmocka_unit_test_teardown(test_fallback_file, teardown),
		cmocka_unit_test_teardown(test_environment, teardown),
		cmocka_unit_test_teardown(test_references, teardown),
		cmocka_unit_test_teardown(test_hostile_bytes, teardown),
		cmocka_unit_test_teardown(test_hostile_sizes, teardown),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
