/* gateway.yml: what routes inherit, and what they do to requests: limits, tokens, passwords, redirects. */
#include "tests/unit/config_world.h"

/* ---- route_defaults ---------------------------------------------------------------------------------------------- */

#define DEFAULTS "route_defaults:\n"

static const char *edit_of(const struct header_edits *edits, enum header_edit_kind kind, const char *name)
{
	for (size_t i = 0; i < edits->count; i++)
		if (edits->edits[i].kind == kind && strcmp(edits->edits[i].name, name) == 0)
			return edits->edits[i].value != NULL ? edits->edits[i].value : "";
	return NULL;
}

static void test_route_defaults(void **state)
{
	const struct config *config = good(
		UPSTREAMS DEFAULTS "  request_body: 2MiB\n  fallback: { status: 200, body: Later, on_statuses: [500] }\n"
		"  response_headers: { set: { X-A: one, X-B: two }, remove: [Server] }\n"
		"routes:\n- { path: /a, upstream: patient }\n"
		"- { path: /b, upstream: patient, request_body: none, fallback: Away, response_headers: { set: { x-a: own } } }\n"
		"- { path: /c, upstream: patient, fallback: { on_statuses: [] }, response_headers: { remove: [X-B] } }\n");
	const struct route *routes = config->routes;

	(void)state;
	assert_int_equal(routes[0].request_body_bytes, 2 << 20);
	assert_int_equal(routes[0].fallback.status, 200);
	assert_string_equal(routes[0].fallback.body, "Later\n");
	assert_true(routes[0].has_fallback_on_statuses);
	assert_string_equal(edit_of(&routes[0].response_headers, HEADER_SET, "X-A"), "one");
	assert_non_null(edit_of(&routes[0].response_headers, HEADER_REMOVE, "Server"));
	/* The route's own value wins, key by key; the case of a field's name means nothing. */
	assert_true(routes[1].request_body_bytes == UINT64_MAX);
	assert_string_equal(routes[1].fallback.body, "Away\n");
	assert_int_equal(routes[1].fallback.status, 200);
	assert_true(routes[1].has_fallback_on_statuses);
	assert_string_equal(edit_of(&routes[1].response_headers, HEADER_SET, "x-a"), "own");
	assert_null(edit_of(&routes[1].response_headers, HEADER_SET, "X-A"));
	assert_string_equal(edit_of(&routes[1].response_headers, HEADER_SET, "X-B"), "two");
	/* A list is one value, and a field that the route removes is not set after that. */
	assert_false(routes[2].has_fallback_on_statuses);
	assert_string_equal(routes[2].fallback.body, "Later\n");
	assert_null(edit_of(&routes[2].response_headers, HEADER_SET, "X-B"));
	assert_string_equal(edit_of(&routes[2].response_headers, HEADER_SET, "X-A"), "one");
	assert_null(edit_of(&routes[2].response_headers, HEADER_REMOVE, "Server"));
}

/* A fallback has one answer: the route's own takes the place of the inherited one. */
static void test_route_defaults_of_fallbacks(void **state)
{
	const struct route *routes;

	(void)state;
	routes = good(UPSTREAMS DEFAULTS "  fallback: { redirect: \"https://a.example/\", status: 307 }\n"
	              "routes:\n- { path: /a, upstream: patient }\n- { path: /b, upstream: patient, fallback: Text }\n")->routes;
	assert_int_equal(routes[0].fallback.status, 307);
	assert_null(routes[1].fallback.redirect);
	assert_int_equal(routes[1].fallback.status, 503);
	routes = good(UPSTREAMS DEFAULTS "  fallback: { file: away.html }\n"
	              "routes:\n- { path: /a, upstream: patient }\n- { path: /b, upstream: patient, fallback: }\n"
	              "- { path: /c, upstream: patient, fallback: { redirect: /a } }\n"
	              "- { path: /d, upstream: patient, fallback: { body: Own } }\n")->routes;
	assert_string_equal(routes[0].fallback.content_type, "text/html; charset=utf-8");
	assert_ptr_equal(routes[0].fallback.body, routes[1].fallback.body);
	assert_int_equal(routes[2].fallback.status, 302);
	assert_string_equal(routes[3].fallback.body, "Own\n");
	routes = good(UPSTREAMS DEFAULTS "  fallback: { body: \"<p>\", content_type: text/html }\n"
	              "routes:\n- { path: /a, upstream: patient, fallback: Plain }\n")->routes;
	assert_string_equal(routes[0].fallback.content_type, "text/plain; charset=utf-8");
	routes = good(UPSTREAMS DEFAULTS "  fallback: { content_type: text/html }\n"
	              "routes:\n- { path: /a, upstream: patient, fallback: \"<p>\" }\n")->routes;
	assert_string_equal(routes[0].fallback.content_type, "text/html");
	/* Nothing but the short form, on both sides. */
	routes = good(UPSTREAMS "route_defaults: { fallback: Theirs }\nroutes:\n- { path: /a, upstream: patient }\n"
	              "- { path: /b, upstream: patient, fallback: Own }\n")->routes;
	assert_string_equal(routes[0].fallback.body, "Theirs\n");
	assert_string_equal(routes[1].fallback.body, "Own\n");
}

/* What can be turned off, a route turns off or on again, and changes key by key. */
static void test_route_defaults_of_filters(void **state)
{
	const struct route *routes = good(UPSTREAMS DEFAULTS "  rate_limit: { rate: 10/s, burst: 20 }\n"
	                                  "routes:\n- { path: /a, upstream: patient }\n"
	                                  "- { path: /b, upstream: patient, rate_limit: { burst: 5 } }\n"
	                                  "- { path: /c, upstream: patient, rate_limit: off }\n"
	                                  "- { path: /d, upstream: patient, rate_limit: on }\n")->routes;

	(void)state;
	assert_true(routes[0].rate_limit.enabled && routes[0].rate_limit.calls == 10 && routes[0].rate_limit.burst == 20);
	assert_true(routes[1].rate_limit.enabled && routes[1].rate_limit.calls == 10 && routes[1].rate_limit.burst == 5);
	assert_false(routes[2].rate_limit.enabled);
	assert_true(routes[3].rate_limit.enabled && routes[3].rate_limit.calls == 10 && routes[3].rate_limit.burst == 20);
}

/* Each mistake once, at its place, however many routes inherit it. */
static void test_route_defaults_mistakes(void **state)
{
	(void)state;
	bad(UPSTREAMS DEFAULTS "  path: /x\n  name: x\n  rewrite: { add_prefix: /a }\n  exact: on\n  request_bodies: 1MiB\n  q: 1\n"
	    "routes: [ { path: /a, upstream: patient } ]\n",
	    "f:3:3: error: path belongs to a route, not to route_defaults\n"
	    "f:4:3: error: name belongs to a route, not to route_defaults\n"
	    "f:5:3: error: rewrite belongs to a route, not to route_defaults\n"
	    "f:6:3: error: exact belongs to a route, not to route_defaults\n"
	    "f:7:3: error: unknown key \"request_bodies\" in route_defaults; did you mean \"request_body\"?\n"
	    "f:8:3: error: unknown key \"q\" in route_defaults\n");
	bad(UPSTREAMS DEFAULTS "  request_body: 5\n  fallback: { statuss: 200 }\n  response_headers: { set: { Connection: x } }\n"
	    "routes: [ { path: /a, upstream: patient }, { path: /b, upstream: patient } ]\n",
	    "f:3:17: error: request_body takes a size with its unit, as in 16KiB, 1MiB, or none, not \"5\"\n"
	    "f:4:15: error: unknown key \"statuss\" in fallback; did you mean \"status\"?\n"
	    "f:5:30: error: the gateway itself manages \"Connection\"\n");
	bad(UPSTREAMS "route_defaults: 5\nroutes: [ { path: /a, upstream: patient } ]\n",
	    "f:2:17: error: route_defaults takes a mapping, as in { request_headers: { set: { X-Name: value } } }\n");
	bad(UPSTREAMS "route_defaults: { fallback: { body: x } }\n"
	    "routes: [ { path: /a, upstream: patient, fallback: { status: 204 } } ]\n",
	    "f:3:62: error: an answer with status 204 can't have a body\n");
	good(UPSTREAMS "route_defaults:\nroutes: [ { path: /a, upstream: patient } ]\n");
	good(UPSTREAMS "route_defaults: {}\nroutes: [ { path: /a, upstream: patient } ]\n");
	/* What is there twice was complained of, and is nothing that a route inherits. */
	bad(UPSTREAMS DEFAULTS "  request_body: 1MiB\n  request_body: 2MiB\nroutes: [ { path: /a, upstream: patient } ]\n",
	    "f:4:3: error: duplicate key \"request_body\", first in line 3\n");
}

static void test_paths_of_routes(void **state)
{
	const struct route *route = good_route(
		UPSTREAMS "routes: [ { path: [/a/, \"/b/*/c\"], upstream: patient, rewrite: { strip_prefix: /* } },\n"
		          "{ path: [/a/, /a], exact: on, upstream: patient }, { path: /, exact: on, upstream: patient } ]\n");

	(void)state;
	assert_int_equal(route[0].path_count, 2);
	assert_string_equal(route[0].path, "/a");
	assert_string_equal(route[0].id, "/a");
	assert_int_equal(route[0].paths[0].segments, 1);
	assert_string_equal(route[0].paths[1].text, "/b/*/c");
	assert_int_equal(route[0].paths[1].segments, 3);
	assert_true(route[0].paths[1].wild == UINT64_C(1) << 62);
	assert_int_equal(route[0].strip_segments, 1);
	assert_true(route[0].has_wild_strip);
	assert_string_equal(route[1].paths[0].text, "/a/");
	assert_int_equal(route[1].paths[0].segments, 2);
	assert_string_equal(route[1].paths[1].text, "/a");
	assert_string_equal(route[1].id, "/a/");
	assert_int_equal(route[2].paths[0].segments, 0);
}

#define TWO_UPSTREAMS "upstreams: { patient: { url: \"http://tasks.patient:2222\" }, away: { url: \"http://tasks.away:2222\" } }\n"

static void test_ids_are_paths(void **state)
{
	const struct route *route = good_route(
		TWO_UPSTREAMS
		"routes: [ { path: /a, methods: [GET, POST], upstream: patient }, { path: /a, upstream: patient },\n"
		          "{ path: /a, host: h, exact: on, upstream: patient }, { path: /b, host: h, upstream: patient },\n"
		          "{ path: /b, methods: [PUT], upstream: patient }, { path: /c, name: c, exact: on, upstream: patient },\n"
		          "{ path: /c, methods: [PUT], upstream: patient, fallback: { upstream: away } } ]\n");
	static const char *const ids[] = { "GET,POST /a", "/a", "h/a exact", "/b", "PUT /b", "c", "/c" };
	static const char taken[] = UPSTREAMS "routes: [ { path: /a, name: /b, upstream: patient },\n"
	                                      "{ path: /b, methods: [PUT], upstream: patient } ]\n";

	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
		assert_string_equal(route[i].id, ids[i]);
	assert_string_equal(route[6].detour->id, "/c");
	assert_string_equal(good_route(taken)[1].id, "PUT /b");
}

/* A route may take back what route_defaults gives it. */
static void test_nothing_is_written(void **state)
{
	const struct route *route = good_route(
		TWO_UPSTREAMS
		"route_defaults: { request_headers: { set: { A: b } }, rate_limit: { rate: 1/s },\n"
		          "  cors: { origins: [\"*\"] }, auth: { forward: { upstream: away, path: /verify } },\n"
		          "  fallback: { redirect: \"https://a.example/\" } }\n"
		          "routes: [ { path: /a, upstream: patient },\n"
		          "{ path: /b, methods: any, rewrite: none, request_headers: none,\n"
		          "  response_headers: off, rate_limit: none, cors: none, auth: off, upstream: patient,\n"
		          "  fallback: { redirect: off, body: x } } ]\n");

	(void)state;
	assert_true(route[0].request_headers.count == 1 && route[0].rate_limit.enabled);
	assert_true(route[0].cors != NULL && route[0].forward.enabled);
	assert_non_null(route[0].fallback.redirect);
	assert_true(route[1].request_headers.count == 0 && !route[1].rate_limit.enabled);
	assert_true(route[1].cors == NULL && !route[1].forward.enabled);
	assert_null(route[1].fallback.redirect);
	assert_null(route[1].host);
	assert_int_equal(route[1].method_count, 0);
}

static const struct fallback *fallback_of(const char *defaults, const char *own)
{
	char text[512];

	snprintf(text, sizeof text, UPSTREAMS "route_defaults: { fallback: %s }\n"
	                                      "routes: [ { path: /, upstream: patient, fallback: %s } ]\n", defaults, own);
	return &good_route(text)->fallback;
}

static void test_a_redirect_is_taken_back(void **state)
{
	static const char usual[] = "This service is currently unavailable\n";
	const struct fallback *fallback = fallback_of("{ redirect: \"https://a.example/\", status: 307 }", "{ redirect: off }");

	(void)state;
	assert_true(fallback->redirect == NULL && fallback->status == 503);
	assert_memory_equal(fallback->body, usual, sizeof usual - 1);
	fallback = fallback_of("{ redirect: \"https://a.example/\", status: 307 }", "{ redirect: off, body: x }");
	assert_true(fallback->redirect == NULL && fallback->status == 503 && fallback->body[0] == 'x');
	fallback = fallback_of("{ status: 200, body: hello, content_type: text/html }", "{ redirect: off }");
	assert_true(fallback->status == 200 && fallback->body[0] == 'h');
	assert_string_equal(fallback->content_type, "text/html");
	fallback = fallback_of("{ redirect: off, body: x, status: 500 }", "{ redirect: \"https://a.example/\" }");
	assert_true(fallback->redirect != NULL && fallback->status == 302);
	fallback = fallback_of("{ status: 200, body: hello }", "off");
	assert_true(fallback->status == 503 && fallback->body_length == sizeof usual - 1);
	fallback = fallback_of("none", "\"off\"");
	assert_memory_equal(fallback->body, "off", 3);
}

static void test_redirects(void **state)
{
	const struct route *route = good_route(
		WITH_ROUTE("fallback: { redirect: \"https://status.example/a?b=c#d\", on_statuses: [500] }"));

	(void)state;
	assert_int_equal(route->fallback.status, 302);
	assert_non_null(
		strstr(route->fallback.head, "HTTP/1.1 302 Found\r\nLocation: https://status.example/a?b=c#d\r\nContent-Type: "));
	assert_true(route->has_fallback_on_statuses);
	route = good_route(WITH_ROUTE("response_headers: { set: { Location: /x } }, fallback: { redirect: /away, status: 307 }"));
	assert_int_equal(route->fallback.status, 307);
	assert_null(strstr(route->fallback.head, "Location: /x"));
	bad(WITH_ROUTE("fallback: { redirect: /away, status: 301 }"),
	    "f:2:85: error: a redirect has status 302, or 307 to have the method repeated, not 301\n");
	bad(WITH_ROUTE("fallback: { redirect: /away, body: x }"), "f:2:70: error: a fallback has a redirect or a body, not both\n");
	bad(WITH_ROUTE("fallback: { redirect: /patient/x }"),
	    "f:2:70: error: redirect \"/patient/x\" leads back to the route itself\n");
	bad(UPSTREAMS "routes:\n- { path: /a, upstream: patient, fallback: { redirect: /b/x?y } }\n"
	              "- { path: /b, upstream: patient, fallback: { redirect: //a } }\n",
	    "f:4:56: error: redirect takes a URL, as in https://status.example/, or a path that begins with one \"/\", not \"//a\"\n");
	bad(UPSTREAMS "routes:\n- { path: /a, upstream: patient, fallback: { redirect: /b/x?y } }\n"
	              "- { path: /b, upstream: patient, fallback: { redirect: /x/../a } }\n",
	    "f:3:56: error: redirect \"/b/x?y\" leads back to the route itself\n"
	    "f:4:56: error: redirect \"/x/../a\" leads back to the route itself\n");
	static const char *const WRONG[] = {"ftp://a/", "https://", "https:///x", "https://a@b/", "http://a b", "a", "", "/a\\r\\nX: y",
	                                    "/\\\\evil.example", "javascript:alert(1)", "/a\\\"b"};

	for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
		char text[400];

		snprintf(text, sizeof(text), WITH_ROUTE("fallback: { redirect: \"%s\" }"), WRONG[i]);
		parse(text);
		assert_int_equal(world.complaints.errors, 1);
		assert_int_equal(world.complaints.list[0].column, 70);
	}
}

static void expect_limit(const char *keys, uint32_t calls, uint64_t period_ms, uint32_t burst)
{
	char text[500];
	const struct rate_limit_settings *limit;

	snprintf(text, sizeof(text), WITH_ROUTE("rate_limit: { %s }"), keys);
	parse(text);
	assert_string_equal(world.said, "");
	limit = &world.config->routes[0].rate_limit;
	assert_true(limit->enabled);
	assert_int_equal(limit->calls, calls);
	assert_int_equal(limit->period_ms, period_ms);
	assert_int_equal(rate_limit_burst(limit), burst);
	expect_round_trip();
}

static void test_rate_limits(void **state)
{
	(void)state;
	expect_limit("rate: 10/s", 10, 1000, 10);
	expect_limit("rate: 600/m", 600, 60000, 10);
	expect_limit("rate: 30/m", 30, 60000, 1);
	expect_limit("rate: 5000/h, burst: 7", 5000, 3600000, 7);
	expect_limit("rate: 1/d, burst: 7", 1, 86400000, 7);
	expect_limit("rate: 1000000/s, burst: 1000000", 1000000, 1000, 1000000);
	assert_int_equal(world.config->routes[0].rate_limit.key, RATE_LIMIT_CLIENT);
	assert_int_equal(world.config->routes[0].rate_limit.status, 429);
	expect_limit("rate: 1/s, key: \"header:X-$$Key\", status: 503, headers: on, dry_run: on", 1, 1000, 1);
	assert_int_equal(world.config->routes[0].rate_limit.key, RATE_LIMIT_HEADER);
	assert_string_equal(world.config->routes[0].rate_limit.name, "X-$Key");
	expect_limit("rate: 1/s, key: route", 1, 1000, 1);
	parse(WITH_ROUTE("rate_limit: off"));
	assert_false(world.config->routes[0].rate_limit.enabled);
	parse("route_defaults: { rate_limit: { rate: 5/s, burst: 9 } }\n" WITH_ROUTE("rate_limit: { rate: 6/s }"));
	assert_int_equal(world.config->routes[0].rate_limit.calls, 6);
	assert_int_equal(world.config->routes[0].rate_limit.burst, 9);
}

static void test_rate_limit_mistakes(void **state)
{
	static const struct {
		const char *keys, *words;
	} cases[] = {
		{"on", "rate_limit has no rate"},
		{"", "rate_limit has no value"},
		{"{ burst: 2 }", "rate_limit has no rate"},
		{"{ rate: 10 }", "rate takes calls in a time"},
		{"{ rate: /s }", "rate takes calls in a time"},
		{"{ rate: 1.5/s }", "rate takes calls in a time"},
		{"{ rate: 10/w }", "rate takes calls in a time"},
		{"{ rate: 0/s }", "rate must be between 1 and 1000000"},
		{"{ rate: 1000001/s }", "rate must be between 1 and 1000000"},
		{"{ rate: 99999999999999999999/s }", "rate must be between 1 and 1000000"},
		{"{ rate: 1/d, burst: 8 }", "takes longer than seven days"},
		{"{ rate: 1/s, burst: 0 }", "burst must be between 1 and 1000000"},
		{"{ rate: 1/s, key: ip }", "key is client, route"},
		{"{ rate: 1/s, key: \"header:\" }", "key is client, route"},
		{"{ rate: 1/s, key: \"header:a b\" }", "key is client, route"},
		{"{ rate: 1/s, key: \"jwt:sub\" }", "needs auth.jwt"},
		{"{ rate: 1/s, status: 200 }", "status must be between 400 and 599"},
		{"{ rate: 1/s, limit: 2 }", "unknown key \"limit\" in rate_limit"},
	};
	char text[500];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), WITH_ROUTE("rate_limit: %s"), cases[i].keys);
		parse(text);
		if (strstr(world.said, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].keys, world.said);
	}
}

#define WITH_JWT(keys) WITH_ROUTE("auth: { jwt: { issuer: i, audiences: [a], " keys " } }")

static void test_jwt(void **state)
{
	const struct jwt_settings *jwt;

	(void)state;
	parse(WITH_JWT("jwks: \"https://Issuer.Example/keys?x\", claims_to_headers: { X-User: sub, X-Id: sub, X-Mail: email }"));
	assert_non_null(world.config);
	assert_int_equal(world.complaints.count, 0);
	jwt = world.config->routes[0].jwt;
	assert_string_equal(jwt->jwks_url, "https://Issuer.Example/keys?x");
	assert_string_equal(jwt->jwks_host, "issuer.example");
	assert_int_equal(jwt->jwks_address.port, 443);
	assert_int_equal(jwt->algorithms, JWT_BIT(JWT_RS256) | JWT_BIT(JWT_ES256));
	assert_int_equal(jwt->claim_count, 2);
	assert_int_equal(jwt->headers[1].claim, 0);
	assert_true(jwt->forward_token);
	expect_round_trip();
	parse(WITH_JWT("jwks: \"http://[::1]/\""));
	assert_int_equal(world.config->routes[0].jwt->jwks_address.family, 6);
	assert_int_equal(world.config->routes[0].jwt->jwks_address.port, 80);
	parse(WITH_ROUTE("auth: { jwt: off }"));
	assert_null(world.config->routes[0].jwt);
}

/* What comes behind a value in the place of a list is no part of the list. */
static void test_one_value_is_a_list_of_one(void **state)
{
	const struct route *route;

	(void)state;
	parse("dns: { servers: [10.0.0.53] }\nlisten: 8080\nworkers: 2\n" UPSTREAMS
	      "routes:\n  - path: /a\n    name: x\n    upstream: patient\n"
	      "    auth: { jwt: { audiences: a, issuer: i, jwks: \"http://i/\", leeway: 1s } }\n"
	      "    cors:\n      origins: http://a\n      origin_patterns: \"http://*.b.c\"\n      methods: GET\n      headers: A\n"
	      "      expose: B\n      max_age: 1s\n");
	assert_string_equal(world.said, "");
	assert_int_equal(world.config->listen_count, 1);
	route = &world.config->routes[0];
	assert_int_equal(route->path_count, 1);
	assert_int_equal(route->jwt->audience_count, 1);
	assert_string_equal(route->jwt->audiences[0], "a");
	assert_int_equal(route->cors->origins.count, 1);
	assert_int_equal(route->cors->pattern_count, 1);
	assert_int_equal(route->cors->methods.count, 1);
	assert_int_equal(route->cors->headers.count, 1);
	assert_int_equal(route->cors->expose.count, 1);
	expect_round_trip();
}

/* Routes that ask the same share what is known of tokens; a claim that limits rates is kept beside those of headers. */
static void test_jwt_of_many_routes(void **state)
{
	const struct route *routes;

	(void)state;
	parse(UPSTREAMS "route_defaults: { auth: { jwt: { issuer: i, audiences: a, jwks: \"http://i/\" } } }\n"
	                "routes: [ { path: /a, upstream: patient }, { path: /b, upstream: patient },\n"
	                "  { path: /c, upstream: patient, rate_limit: { rate: 1/s, key: \"jwt:sub\" } },\n"
	                "  { path: /d, upstream: patient, auth: { jwt: { leeway: 1s } } },\n"
	                "  { path: /e, upstream: patient, auth: { jwt: off } } ]");
	assert_non_null(world.config);
	routes = world.config->routes;
	assert_ptr_equal(routes[0].jwt, routes[1].jwt);
	assert_true(routes[2].jwt->id != routes[0].jwt->id && routes[3].jwt->id != routes[0].jwt->id);
	assert_string_equal(routes[2].jwt->claims[0], "sub");
	assert_int_equal(routes[0].jwt->claim_count, 0);
	assert_int_equal(routes[3].jwt->leeway_ms, 1000);
	assert_string_equal(routes[3].jwt->jwks_url, "http://i/");
	assert_null(routes[4].jwt);
}

static void test_jwt_mistakes(void **state)
{
	static const struct {
		const char *keys, *said;
	} cases[] = {
		{"jwks: \"ftp://x\"", "jwks takes http://..., https://... or a file"},
		{"jwks: \"http://a@b/c\"", "jwks: the URL has a user"},
		{"jwks: \"http://b/c#d\"", "jwks: the URL has a fragment"},
		{"jwks: \"http://b/c d\"", "jwks: the URL has a blank"},
		{"jwks: \"http:///x\"", "jwks: the host is not a valid name"},
		{"jwks: \"http://b:0/x\"", "jwks: the port must be between 1 and 65535"},
		{"jwks: nothing.json", "can't read"},
		{"leeway: 1s", "auth.jwt has no jwks"},
		{"jwks: \"http://i\", algorithms: [none]", "would take tokens that nobody signed"},
		{"jwks: \"http://i\", algorithms: [HS256]", "needs a shared secret, with which every verifier can also sign"},
		{"jwks: \"http://i\", algorithms: [RS265]", "there is no algorithm \"RS265\"; did you mean"},
		{"jwks: \"http://i\", algorithms: []", "algorithms is empty"},
		{"jwks: \"http://i\", claims_to_headers: { Host: sub }", "the gateway itself manages \"Host\""},
		{"jwks: \"http://i\", claims_to_headers: { X-Forwarded-For: sub }", "the gateway itself manages"},
		{"jwks: \"http://i\", claims_to_headers: { authorization: sub }", "the gateway itself manages"},
		{"jwks: \"http://i\", claims_to_headers: { \"X Y\": sub }", "is not a header name"},
		{"jwks: \"http://i\", claims_to_headers: { X-User: a, x-user: b }", "claims_to_headers has \"x-user\" twice"},
		{"jwks: \"http://i\", claims_to_headers: X-User", "claims_to_headers takes a mapping"},
		{"jwks: \"http://i\", refresh: 10ms", "refresh must be between"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[600];

		snprintf(text, sizeof(text), WITH_JWT("%s"), cases[i].keys);
		parse(text);
		assert_null(world.config);
		if (strstr(world.said, cases[i].said) == NULL)
			fail_msg("%s: %s", cases[i].keys, world.said);
	}
	parse(WITH_ROUTE("rate_limit: { rate: 1/s, key: \"jwt:sub\" }"));
	assert_non_null(strstr(world.said, "key jwt:sub needs auth.jwt"));
	parse(WITH_ROUTE("auth: { jwt: { issuer: i, audiences: a, jwks: \"http://i\" }, basic: { file: users.htpasswd } }"));
	assert_non_null(strstr(world.said, "auth has both jwt and basic"));
	parse(WITH_ROUTE("auth: { jwt: { jwks: \"http://i\" } }"));
	assert_non_null(strstr(world.said, "warning: auth.jwt has no issuer"));
	parse(WITH_ROUTE("auth: { jwt: { issuer: i, jwks: \"http://i\" } }"));
	assert_non_null(strstr(world.said, "warning: auth.jwt has no audiences"));
}

/* Beside prefixes, of which a slash at the end is no part. */
static void test_paths_that_are_asked_for_stay_as_they_are(void **state)
{
	const struct config *config;

	(void)state;
	parse(
		"upstreams: { a: { url: \"http://a.b\", health_check: { path: //health/ } }, b: { url: \"http://b.c\" } }\n"
		"routes: [ { path: /, upstream: a, rewrite: { add_prefix: /x/ }, auth: { forward: { upstream: b, path: /verify/ } } } ]\n");
	assert_string_equal(world.said, "f:1:60: warning: path \"//health/\": the gateway reads it as \"/health/\"; write that\n");
	expect_round_trip();
	config = world.config;
	assert_string_equal(config->upstreams[0].health_path, "/health/");
	assert_string_equal(config->routes[0].forward.path, "/verify/");
	assert_string_equal(config->routes[0].add_prefix, "/x");
}

static void test_basic(void **state)
{
	(void)state;
	parse(WITH_ROUTE("auth: { basic: { file: users.htpasswd, realm: \"Ward 7\" } }"));
	assert_string_equal(world.said, "");
	assert_true(world.config->routes[0].basic.enabled);
	assert_int_equal(world.config->routes[0].basic.users.count, 6);
	assert_string_equal(world.config->routes[0].basic.challenge, "Basic realm=\"Ward 7\", charset=\"UTF-8\"");
	expect_round_trip();
	parse(WITH_ROUTE("auth: { basic: on }"));
	assert_non_null(strstr(world.said, "basic has no file"));
	parse(WITH_ROUTE("auth: { basic: { file: nowhere } }"));
	assert_non_null(strstr(world.said, "can't read"));
	parse(WITH_ROUTE("auth: { basic: { file: users.htpasswd, realm: 'a\"b' } }"));
	assert_non_null(strstr(world.said, "realm takes up to"));
	parse(WITH_ROUTE("auth: { basic: { file: away.html } }"));
	assert_non_null(strstr(world.said, "away.html:1 has no colon"));
	assert_null(strstr(world.said, "there is no user"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_route_defaults, teardown),
		cmocka_unit_test_teardown(test_route_defaults_of_fallbacks, teardown),
		cmocka_unit_test_teardown(test_route_defaults_of_filters, teardown),
		cmocka_unit_test_teardown(test_route_defaults_mistakes, teardown),
		cmocka_unit_test_teardown(test_paths_of_routes, teardown),
		cmocka_unit_test_teardown(test_ids_are_paths, teardown),
		cmocka_unit_test_teardown(test_nothing_is_written, teardown),
		cmocka_unit_test_teardown(test_a_redirect_is_taken_back, teardown),
		cmocka_unit_test_teardown(test_redirects, teardown),
		cmocka_unit_test_teardown(test_rate_limits, teardown),
		cmocka_unit_test_teardown(test_rate_limit_mistakes, teardown),
		cmocka_unit_test_teardown(test_jwt, teardown), cmocka_unit_test_teardown(test_one_value_is_a_list_of_one, teardown),
		cmocka_unit_test_teardown(test_jwt_of_many_routes, teardown),
		cmocka_unit_test_teardown(test_jwt_mistakes, teardown),
		cmocka_unit_test_teardown(test_paths_that_are_asked_for_stay_as_they_are, teardown),
		cmocka_unit_test_teardown(test_basic, teardown),
	};

	return cmocka_run_group_tests_name("config routes", tests, NULL, NULL);
}
