/*
 * From host, path and method to the route: the rules one by one, then ten thousand routes against a reference that
 * simply tries them all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "routes/route.h"

static const char *const GET[] = {"GET"};
static const char *const GET_HEAD[] = {"GET", "HEAD"};
static const char *const POST[] = {"POST"};
static const char *const POST_GET[] = {"POST", "GET"};

#define METHODS(list) .methods = (list), .method_count = sizeof(list) / sizeof((list)[0])

static struct {
	struct route *routes;
	size_t count;
	struct config config;
	size_t complaints, complained_of;
	char text[240];
} world;

static void on_complaint(void *context, size_t route, const char *text)
{
	assert_ptr_equal(context, &world);
	world.complaints++;
	world.complained_of = route;
	snprintf(world.text, sizeof(world.text), "%s", text);
}

static void end(void)
{
	route_index_free((struct route_index *)world.config.index);
	free(world.routes);
	memset(&world, 0, sizeof(world));
}

/* The routes stand in lines 1, 2, ... */
static void begin(const struct route *routes, size_t count)
{
	end();
	world.routes = calloc(count + 1, sizeof(routes[0]));
	assert_non_null(world.routes);
	if (count > 0)
		memcpy(world.routes, routes, count * sizeof(routes[0]));
	for (size_t i = 0; i < count; i++) {
		world.routes[i].path_length = strlen(routes[i].path);
		world.routes[i].line = i + 1;
	}
	world.count = count;
	world.config.index = route_index_new(world.routes, count, on_complaint, &world);
	assert_non_null(world.config.index);
}

static int teardown(void **state)
{
	(void)state;
	end();
	return 0;
}

static struct route_match find(const char *host, const char *path, const char *method)
{
	return route_find(&world.config, host, strlen(host), path, strlen(path), method, strlen(method));
}

static void expect(const char *host, const char *path, const char *method, size_t line)
{
	struct route_match match = find(host, path, method);

	assert_int_equal(match.verdict, ROUTE_FOUND);
	assert_int_equal(match.route->line, line);
}

static void expect_none(const char *host, const char *path)
{
	assert_int_equal(find(host, path, "GET").verdict, ROUTE_NOT_FOUND);
	assert_null(find(host, path, "GET").route);
}

static void test_segment_borders(void **state)
{
	const struct route routes[] = {{.path = "/patient"}, {.path = "/patient/7"}, {.path = "/a/b/c"}};

	(void)state;
	begin(routes, 3);
	expect("", "/patient", "GET", 1);
	expect("", "/patient/", "GET", 1);
	expect("", "/patient/8", "GET", 1);
	expect("", "/patient/77", "GET", 1);
	expect("", "/patient/7", "GET", 2);
	expect("", "/patient/7/", "GET", 2);
	expect("", "/patient/7/x/y", "GET", 2);
	expect("", "/a/b/c/d", "GET", 3);
	expect_none("", "/patients");
	expect_none("", "/patient;x");
	expect_none("", "/patien");
	expect_none("", "/Patient");
	expect_none("", "/a/b");
	expect_none("", "/");
	expect_none("", "*");
	expect_none("", "");
}

static void test_the_root(void **state)
{
	const struct route routes[] = {{.path = "/"}, {.path = "/a"}};

	(void)state;
	begin(routes, 2);
	expect("", "/", "GET", 1);
	expect("", "/x", "GET", 1);
	expect("", "/ab", "GET", 1);
	expect("", "/a", "GET", 2);
	expect("", "/a/", "GET", 2);
	expect_none("", "*");
}

static void test_no_routes(void **state)
{
	(void)state;
	begin(NULL, 0);
	expect_none("", "/");
	expect_none("example.com", "/a");
	route_index_free(NULL);
}

static void test_hosts(void **state)
{
	const struct route routes[] = {
		{.path = "/a/b"}, {.path = "/a", .host = "one.example"}, {.path = "/", .host = "two.example"}, {.path = "/"}};

	(void)state;
	begin(routes, 4);
	expect("one.example", "/a", "GET", 2);
	expect("ONE.Example", "/a", "GET", 2);
	expect("one.example", "/a/b", "GET", 2); /* a host wins over a longer prefix */
	expect("one.example", "/b", "GET", 4);
	expect("two.example", "/a/b", "GET", 3);
	expect("one.example.org", "/a/b", "GET", 1);
	expect("one.exampl", "/a/b", "GET", 1);
	expect("", "/a/b", "GET", 1);
	assert_int_equal(route_find(&world.config, "one.example\0", 12, "/a", 2, "GET", 3).route->line, 4);
}

static void test_methods(void **state)
{
	const struct route routes[] = {
		{.path = "/a", METHODS(GET_HEAD)}, {.path = "/a", METHODS(POST_GET)}, {.path = "/b", METHODS(GET)},
		{.path = "/b"}, {.path = "/"}};
	struct route_match match;
	char text[64];

	(void)state;
	begin(routes, 5);
	assert_int_equal(world.complaints, 0);
	expect("", "/a", "GET", 1);
	expect("", "/a/x", "HEAD", 1);
	expect("", "/a", "POST", 2);
	expect("", "/b", "GET", 3);
	expect("", "/b", "DELETE", 4);
	match = find("", "/a", "DELETE");
	assert_int_equal(match.verdict, ROUTE_METHOD_NOT_ALLOWED);
	assert_string_equal(match.route->path, "/a");
	assert_int_equal(find("", "/a", "get").verdict, ROUTE_METHOD_NOT_ALLOWED);
	assert_int_equal(find("", "/a", "GE").verdict, ROUTE_METHOD_NOT_ALLOWED);
	assert_int_equal(find("", "/a", "GETS").verdict, ROUTE_METHOD_NOT_ALLOWED);
	assert_int_equal(find("", "/a", "").verdict, ROUTE_METHOD_NOT_ALLOWED);

	assert_int_equal(route_allowed_methods(&world.config, "", 0, "/a/x", 4, text, sizeof(text)), 15);
	assert_string_equal(text, "GET, HEAD, POST");
	assert_int_equal(route_allowed_methods(&world.config, "", 0, "/a", 2, text, 15), 9);
	assert_string_equal(text, "GET, HEAD");
	assert_int_equal(route_allowed_methods(&world.config, "", 0, "/a", 2, text, 16), 15);
	assert_int_equal(route_allowed_methods(&world.config, "", 0, "/a", 2, text, 3), 0);
	assert_string_equal(text, "");
	assert_int_equal(route_allowed_methods(&world.config, "", 0, "/a", 2, text, 0), 0);
	assert_int_equal(route_allowed_methods(&world.config, "", 0, "*", 1, text, sizeof(text)), 0);
}

static void test_routes_that_can_never_match(void **state)
{
	const struct route same[] = {{.path = "/a"}, {.path = "/b"}, {.path = "/a"}};
	const struct route covered[] = {{.path = "/a"}, {.path = "/a", METHODS(GET)}};
	const struct route together[] = {
		{.path = "/a", METHODS(GET)}, {.path = "/a", METHODS(POST)}, {.path = "/a", METHODS(POST_GET)}};
	const struct route fine[] = {
		{.path = "/a", METHODS(GET)}, {.path = "/a", METHODS(POST_GET)}, {.path = "/a"}, {.path = "/a", .host = "x"},
		{.path = "/a", .host = "y"}, {.path = "/a/b"}};

	(void)state;
	begin(same, 3);
	assert_int_equal(world.complaints, 1);
	assert_int_equal(world.complained_of, 2);
	assert_string_equal(world.text, "can never match: the route in line 1 has the same path and takes its requests");
	begin(covered, 2);
	assert_int_equal(world.complaints, 1);
	assert_int_equal(world.complained_of, 1);
	begin(together, 3);
	assert_int_equal(world.complaints, 1);
	assert_int_equal(world.complained_of, 2);
	begin(fine, 6);
	assert_int_equal(world.complaints, 0);
}

static bool was_escaped(const char *host, const char *raw)
{
	char room[2 * 256];
	struct path_result normal = path_normalise(raw, strlen(raw), room);
	struct route_match match;

	assert_int_not_equal(normal.verdict, PATH_REFUSED);
	match = route_find(&world.config, host, strlen(host), normal.path, normal.length, "GET", 3);
	return route_was_escaped(&world.config, host, strlen(host), raw, strlen(raw), match.route, room + normal.length);
}

static void test_escapes(void **state)
{
	const struct route routes[] = {{.path = "/patient"}, {.path = "/patient/open"}, {.path = "/reception"},
	                               {.path = "/hosted", .host = "h"}};

	(void)state;
	begin(routes, 4);
	assert_true(was_escaped("", "/patient/../reception"));
	assert_true(was_escaped("", "/patient/%2e%2e/reception/1"));
	assert_true(was_escaped("", "/patient/open/../7"));
	assert_true(was_escaped("", "/patient/open/../openx"));
	assert_true(was_escaped("", "/patient/.."));
	assert_true(was_escaped("", "/%70atient/../reception"));
	assert_true(was_escaped("", "//patient/../reception"));
	assert_true(was_escaped("", "/./patient/.%2E/reception"));
	assert_true(was_escaped("", "/patient/x/..//%2E./reception"));
	assert_false(was_escaped("", "/patient/..."));
	assert_false(was_escaped("", "/patient/..x/%2e%2e%2e/..%2ex/y"));
	assert_false(was_escaped("", "/x/../patient/./y"));
	assert_true(was_escaped("h", "/hosted/../patient"));
	assert_false(was_escaped("", "/hosted/../patient"));
	assert_false(was_escaped("", "/patient/x/../open"));
	assert_false(was_escaped("", "/patient/x/../y"));
	assert_false(was_escaped("", "/patient/open/../open/x"));
	assert_false(was_escaped("", "/patient//open"));
	assert_false(was_escaped("", "/patient/./open"));
	assert_false(was_escaped("", "/patient"));
	assert_false(was_escaped("", "/%70atient"));
	assert_false(was_escaped("", "//patient"));
	assert_false(was_escaped("", "/nothing"));
}

static void test_the_root_cannot_be_escaped(void **state)
{
	const struct route routes[] = {{.path = "/"}, {.path = "/patient"}};

	(void)state;
	begin(routes, 2);
	assert_false(was_escaped("", "/./patient"));
	assert_false(was_escaped("", "/x/../patient"));
	assert_true(was_escaped("", "/patient/../x"));
}

/* ---- ten thousand routes --------------------------------------------------------------------------------------- */

enum { MANY = 10000, LOOKUPS = 4000 };

static uint64_t seed = 7;

static unsigned draw(unsigned below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned)((seed >> 33) % below);
}

/* Few letters and short segments, so that prefixes of prefixes abound. */
static void draw_path(char *path, size_t size)
{
	size_t length = 0;
	unsigned segments = draw(7);

	for (unsigned i = 0; i < segments && length + 6 < size; i++) {
		path[length++] = '/';
		for (unsigned letters = 1 + draw(3); letters > 0; letters--)
			path[length++] = "abc"[draw(3)];
	}
	if (length == 0)
		path[length++] = '/';
	path[length] = '\0';
}

static bool covers(const struct route *route, const char *path)
{
	size_t length = strlen(route->path);

	if (length == 1)
		return true;
	return strncmp(route->path, path, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static bool takes(const struct route *route, const char *method)
{
	for (size_t i = 0; i < route->method_count; i++)
		if (strcmp(route->methods[i], method) == 0)
			return true;
	return route->methods == NULL;
}

static struct route_match find_naively(const char *host, const char *path, const char *method)
{
	const struct route *best = NULL;

	for (size_t i = 0; i < world.count; i++) {
		const struct route *route = &world.routes[i];

		if (!covers(route, path) || (route->host != NULL && strcasecmp(route->host, host) != 0))
			continue;
		if (best == NULL || (route->host != NULL && best->host == NULL) ||
		    ((route->host != NULL) == (best->host != NULL) && strlen(route->path) > strlen(best->path)))
			best = route;
	}
	if (best == NULL)
		return (struct route_match){.verdict = ROUTE_NOT_FOUND};
	for (size_t i = 0; i < world.count; i++) {
		const struct route *route = &world.routes[i];

		if (strcmp(route->path, best->path) == 0 && (route->host != NULL) == (best->host != NULL) &&
		    (route->host == NULL || strcmp(route->host, best->host) == 0) && takes(route, method))
			return (struct route_match){.verdict = ROUTE_FOUND, .route = route};
	}
	return (struct route_match){.verdict = ROUTE_METHOD_NOT_ALLOWED, .route = best};
}

static void test_ten_thousand_routes_against_a_reference(void **state)
{
	static const char *const HOSTS[] = {NULL, NULL, "one.example", "two.example", "three.example"};
	static const char *const ASKED[] = {"", "ONE.example", "two.example", "three.example", "four.example"};
	static const char *const NAMES[] = {"GET", "HEAD", "POST", "DELETE"};
	struct route *routes = calloc(MANY, sizeof(routes[0]));
	char (*paths)[48] = calloc(MANY, sizeof(paths[0]));
	size_t seen[3] = {0};

	(void)state;
	assert_non_null(routes);
	assert_non_null(paths);
	for (unsigned i = 0; i < MANY; i++) {
		draw_path(paths[i], sizeof(paths[i]));
		routes[i].path = paths[i];
		routes[i].host = HOSTS[draw(5)];
		if (strlen(paths[i]) == 1 && draw(2) == 0)
			routes[i].host = "three.example"; /* leave paths that no route has */
		else if (strlen(paths[i]) == 1)
			routes[i].host = "two.example";
		if (draw(2) == 0)
			routes[i].methods = POST_GET + draw(2), routes[i].method_count = 1;
	}
	begin(routes, MANY);
	assert_true(world.complaints > 0); /* some are the same; they must not disturb */
	for (unsigned i = 0; i < LOOKUPS; i++) {
		const char *host = ASKED[draw(5)], *method = NAMES[draw(4)];
		struct route_match expected, match;
		char path[64];

		draw_path(path, sizeof(path) - 1);
		if (draw(4) == 0)
			strcat(path, path[1] != '\0' ? "/" : "");
		expected = find_naively(host, path, method);
		match = find(host, path, method);
		seen[expected.verdict]++;
		assert_int_equal(match.verdict, expected.verdict);
		if (match.route != expected.route)
			fail_msg("%s %s%s: line %zu, not %zu", method, host, path, match.route->line, expected.route->line);
	}
	for (int i = 0; i < 3; i++)
		assert_true(seen[i] > LOOKUPS / 100);
	end();
	free(routes);
	free(paths);
}

static void test_long_paths_and_prefixes(void **state)
{
	enum { LENGTH = 16384 };
	char *path = malloc(LENGTH + 1);
	struct route routes[2] = {{.path = "/x"}, {0}};

	(void)state;
	assert_non_null(path);
	for (int i = 0; i < LENGTH; i += 2)
		memcpy(path + i, "/x", 2);
	path[LENGTH] = '\0';
	begin(routes, 1);
	expect("", path, "GET", 1);
	routes[1].path = path;
	begin(routes, 2);
	expect("", path, "GET", 2);
	assert_int_equal(route_find(&world.config, "", 0, path, LENGTH - 2, "GET", 3).route->line, 1);
	end();
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segment_borders),
		cmocka_unit_test(test_the_root),
		cmocka_unit_test(test_no_routes),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_routes_that_can_never_match),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_the_root_cannot_be_escaped),
		cmocka_unit_test(test_ten_thousand_routes_against_a_reference),
		cmocka_unit_test(test_long_paths_and_prefixes),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, teardown);
}
