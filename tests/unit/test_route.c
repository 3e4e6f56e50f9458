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

#include "routes/path.h"
#include "routes/route.h"
#include "routes/table.h"

static const char *const GET[] = {"GET"};
static const char *const GET_HEAD[] = {"GET", "HEAD"};
static const char *const POST[] = {"POST"};
static const char *const POST_GET[] = {"POST", "GET"};

#define METHODS(list) .methods = (list), .method_count = sizeof(list) / sizeof((list)[0])

enum { PATHS_MAX = 4 };

static struct {
	struct route *routes;
	struct route_path (*paths)[PATHS_MAX];
	size_t count;
	struct config config;
	size_t complaints, complained_of;
	char text[240];
} world;

static void on_complaint(void *context, const struct route_path *path, const char *text)
{
	assert_ptr_equal(context, &world);
	world.complaints++;
	world.complained_of = path->line - 1;
	snprintf(world.text, sizeof(world.text), "%s", text);
}

static void end(void)
{
	route_index_free((struct route_index *)world.config.index);
	for (size_t i = 0; i < world.count; i++)
		for (size_t j = 0; j < world.routes[i].path_count; j++)
			free((char *)world.routes[i].paths[j].text);
	free(world.routes);
	free(world.paths);
	memset(&world, 0, sizeof(world));
}

static size_t count_segments(const char *text)
{
	size_t count = 0;

	for (; text[0] != '\0' && text[1] != '\0'; text += 1 + strcspn(text + 1, "/"))
		count++;
	return count + (count > 0 && text[0] == '/');
}

/* "/a/b" or "/a,/b/c": the path of a route is cut into those that it has. */
static void set_paths(struct route *route, struct route_path *paths)
{
	const char *text = route->path;

	for (;;) {
		struct route_path *path = &paths[route->path_count++];
		size_t length = strcspn(text, ",");
		const char *at = text;

		assert_true(route->path_count <= PATHS_MAX);
		*path = (struct route_path){.text = strndup(text, length), .length = length, .line = route->line};
		path->segments = (unsigned)count_segments(path->text);
		for (unsigned i = 0; i < path->segments; i++, at += 1 + strcspn(at + 1, "/"))
			if (at[1] == '*')
				path->wild |= UINT64_C(1) << (63 - i);
		if (text[length] == '\0')
			break;
		text += length + 1;
	}
	route->paths = paths;
}

/* The routes stand in lines 1, 2, ... */
static void begin(const struct route *routes, size_t count)
{
	end();
	world.routes = calloc(count + 1, sizeof(routes[0]));
	assert_non_null(world.routes);
	if (count > 0)
		memcpy(world.routes, routes, count * sizeof(routes[0]));
	world.paths = calloc(count + 1, sizeof(world.paths[0]));
	assert_non_null(world.paths);
	for (size_t i = 0; i < count; i++) {
		world.routes[i].line = i + 1;
		set_paths(&world.routes[i], world.paths[i]);
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

static size_t allowed(const char *path, char *text, size_t size)
{
	struct route_match match = find("", path, "DELETE");

	assert_int_equal(match.verdict, ROUTE_METHOD_NOT_ALLOWED);
	return route_allowed_methods(&world.config, match.route, route_find_path(&world.config, "", 0, path, strlen(path)), text, size);
}

static void test_methods(void **state)
{
	const struct route routes[] = {
		{.path = "/a", METHODS(GET_HEAD)}, {.path = "/a", METHODS(POST)}, {.path = "/b", METHODS(GET)},
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

	assert_int_equal(allowed("/a/x", text, sizeof(text)), 15);
	assert_string_equal(text, "GET, HEAD, POST");
	assert_int_equal(allowed("/a", text, 15), 9);
	assert_string_equal(text, "GET, HEAD");
	assert_int_equal(allowed("/a", text, 16), 15);
	assert_int_equal(allowed("/a", text, 3), 0);
	assert_string_equal(text, "");
	assert_int_equal(allowed("/a", text, 0), 0);
}

static void test_routes_that_can_never_match(void **state)
{
	const struct route same[] = {{.path = "/a"}, {.path = "/b"}, {.path = "/a"}};
	const struct route covered[] = {{.path = "/a"}, {.path = "/a", METHODS(GET)}};
	const struct route together[] = {
		{.path = "/a", METHODS(GET)}, {.path = "/a", METHODS(POST)}, {.path = "/a", METHODS(POST_GET)}};
	const struct route fine[] = {
		{.path = "/a", METHODS(GET)}, {.path = "/a", METHODS(POST)}, {.path = "/a"}, {.path = "/a", .host = "x"},
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

static void test_ambiguous_routes(void **state)
{
	const struct route methods[] = {{.path = "/a", METHODS(GET_HEAD)}, {.path = "/a", METHODS(POST_GET)}};
	const struct route listed[] = {{.path = "/a,/b"}, {.path = "/c,/b"}};
	const struct route shapes[] = {{.path = "/a/*/b"}, {.path = "/a/*/b"}};
	const struct route twice[] = {{.path = "/a,/b,/a"}};
	const struct route fine[] = {{.path = "/a/*"}, {.path = "/*/a"}, {.path = "/a/*", .exact = true},
	                             {.path = "/a/*", .host = "x"}};

	(void)state;
	begin(methods, 2);
	assert_int_equal(world.complaints, 1);
	assert_int_equal(world.complained_of, 1);
	assert_string_equal(world.text, "ambiguous: the route in line 1 has the same path and takes GET, too");
	begin(listed, 2);
	assert_int_equal(world.complaints, 1);
	assert_string_equal(world.text, "can never match: the route in line 1 has the same path and takes its requests");
	begin(shapes, 2);
	assert_int_equal(world.complaints, 1);
	assert_string_equal(world.text, "can never match: the route in line 1 has the same path and takes its requests");
	begin(twice, 1);
	assert_int_equal(world.complaints, 1);
	assert_string_equal(world.text, "the route has this path twice");
	begin(fine, 4);
	assert_int_equal(world.complaints, 0);
}

static void test_several_paths_of_one_route(void **state)
{
	const struct route routes[] = {{.path = "/a,/b/c,/", METHODS(GET)}, {.path = "/b", METHODS(GET)},
	                               {.path = "/b/c", METHODS(POST)}};
	char text[64];

	(void)state;
	begin(routes, 3);
	assert_int_equal(world.complaints, 0);
	expect("", "/a/x", "GET", 1);
	expect("", "/b/c", "GET", 1);
	expect("", "/b/c", "POST", 3);
	expect("", "/b/x", "GET", 2);
	expect("", "/x", "GET", 1);
	/* Its other paths take no POST. */
	allowed("/b/c/d", text, sizeof(text));
	assert_string_equal(text, "GET, POST");
	allowed("/a", text, sizeof(text));
	assert_string_equal(text, "GET");
}

static void test_exact_paths(void **state)
{
	const struct route routes[] = {{.path = "/a", .exact = true}, {.path = "/a"}, {.path = "/b", .exact = true},
	                               {.path = "/c/", .exact = true}, {.path = "/d", .exact = true, METHODS(GET)},
	                               {.path = "/", .exact = true, .host = "h"}};
	char text[64];

	(void)state;
	begin(routes, 6);
	assert_int_equal(world.complaints, 0);
	expect("", "/a", "GET", 1);
	expect("", "/a/", "GET", 2);
	expect("", "/a/b", "GET", 2);
	expect("", "/b", "GET", 3);
	expect_none("", "/b/");
	expect_none("", "/b/c");
	expect("", "/c/", "GET", 4);
	expect_none("", "/c");
	expect_none("", "/c/x");
	allowed("/d", text, sizeof(text));
	assert_string_equal(text, "GET");
	expect_none("", "/");
	expect("h", "/", "GET", 6);
	expect_none("h", "/x");
	expect("h", "/a", "GET", 1);
	expect_none("", "*");
	expect_none("", "");
}

static void test_stars(void **state)
{
	const struct route routes[] = {
		{.path = "/ward/*/beds"}, {.path = "/ward/7"}, {.path = "/*/7/beds"}, {.path = "/ward"},
		{.path = "/ward/*/beds", .exact = true}, {.path = "/*"}, {.path = "/ward/*", .host = "h"}, {.path = "/x/*/*/y"},
		{.path = "/x/*/z"}, {.path = "/e/*", .exact = true}};

	(void)state;
	begin(routes, 10);
	assert_int_equal(world.complaints, 0);
	expect("", "/ward", "GET", 4);
	expect("", "/ward/", "GET", 4);
	expect("", "/ward/8", "GET", 4);
	expect("", "/ward/8/bed", "GET", 4);
	expect("", "/ward/8/beds", "GET", 5);
	expect("", "/ward/8/beds/", "GET", 1);
	expect("", "/ward/8/beds/1", "GET", 1);
	expect("", "/ward/8/bedsx", "GET", 4);
	expect("", "/ward/7", "GET", 2);
	expect("", "/ward/7/x", "GET", 2);
	expect("", "/ward/7/beds", "GET", 5); /* the longest, then a text before a star */
	expect("", "/hall/7/beds/x", "GET", 3);
	expect("", "/hall/8/beds", "GET", 6);
	expect("", "/ward/*/beds/x", "GET", 1);
	expect("", "/x/1/2/y/3", "GET", 8);
	expect("", "/x/1/z/y", "GET", 8);
	expect("", "/x/1/z/2", "GET", 9);
	expect("", "/e/1", "GET", 10);
	expect("", "/e/1/", "GET", 6);
	expect("", "/e/", "GET", 6);
	expect("h", "/ward/7/beds", "GET", 7); /* a host comes before all */
	expect("h", "/ward", "GET", 4);
	expect_none("", "/");
	expect_none("", "*");
	expect_none("", "");
}

static void test_too_many_shapes(void **state)
{
	struct route *routes = calloc(TABLE_SHAPES_MAX + 2, sizeof(routes[0]));
	char (*paths)[64] = calloc(TABLE_SHAPES_MAX + 2, sizeof(paths[0]));

	(void)state;
	assert_non_null(routes);
	assert_non_null(paths);
	for (unsigned i = 0; i < TABLE_SHAPES_MAX + 2; i++) {
		for (unsigned bit = 0; bit < 7; bit++)
			strcat(paths[i], (i + 1) >> bit & 1 ? "/*" : "/a");
		routes[i].path = paths[i];
	}
	begin(routes, TABLE_SHAPES_MAX);
	assert_int_equal(world.complaints, 0);
	expect("", "/b/b/a/a/a/a/a", "GET", 3);
	begin(routes, TABLE_SHAPES_MAX + 2);
	assert_int_equal(world.complaints, 2);
	assert_string_equal(world.text, "\"*\" stands in more than 64 different places in the paths of all routes");
	end();
	free(routes);
	free(paths);
}

static bool was_escaped(const char *host, const char *raw)
{
	char room[2 * 256];
	struct path_result normal = path_normalise(raw, strlen(raw), room);

	assert_int_not_equal(normal.verdict, PATH_REFUSED);
	return route_was_escaped(&world.config, host, strlen(host), raw, strlen(raw), normal.path, normal.length, room + strlen(raw));
}

static void test_escapes(void **state)
{
	const struct route routes[] = {{.path = "/patient"}, {.path = "/patient/open"}, {.path = "/reception"},
	                               {.path = "/hosted", .host = "h"}};

	(void)state;
	begin(routes, 4);
	assert_true(was_escaped("", "/patient/../reception"));
	assert_true(was_escaped("", "/patient/%2e%2e/reception/1"));
	assert_true(was_escaped("", "/patient;x/../reception/1"));
	assert_false(was_escaped("", "/patient;x/a;y/../b"));
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

static void test_escapes_from_stars_and_lists(void **state)
{
	const struct route routes[] = {{.path = "/ward/*/beds,/hall"}, {.path = "/desk", .exact = true}, {.path = "/open"}};

	(void)state;
	begin(routes, 3);
	assert_true(was_escaped("", "/ward/1/beds/../../2/beds")); /* the same route, but another one's ward */
	assert_true(was_escaped("", "/ward/1;x/beds/../../2/beds"));
	assert_true(was_escaped("", "/ward/1/beds/x/../../nothing"));
	assert_true(was_escaped("", "/hall/../ward/1/beds"));
	assert_true(was_escaped("", "/hall/../open"));
	assert_false(was_escaped("", "/ward/1/beds/x/../y"));
	assert_false(was_escaped("", "/ward/1;x/beds;y/z/../y"));
	assert_false(was_escaped("", "/ward/1/x/../beds"));
	assert_false(was_escaped("", "/ward/1/../2/beds"));
	assert_false(was_escaped("", "/desk/../open"));
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

/* Few letters and short segments, so that prefixes of prefixes abound. Not more than one star, and in three places. */
static void draw_path(char *path, size_t size, bool may_have_star)
{
	unsigned star = may_have_star && draw(3) == 0 ? draw(3) : 99;

	size_t length = 0;
	unsigned segments = draw(7);

	for (unsigned i = 0; i < segments && length + 6 < size; i++) {
		path[length++] = '/';
		for (unsigned letters = i == star ? 0 : 1 + draw(3); letters > 0; letters--)
			path[length++] = "abc"[draw(3)];
		if (i == star)
			path[length++] = '*';
	}
	if (length == 0)
		path[length++] = '/';
	path[length] = '\0';
}

static bool covers(const struct route *route, const char *path)
{
	const char *pattern = route->path;

	if (strlen(pattern) == 1)
		return !route->exact || strlen(path) == 1;
	for (; *pattern != '\0'; pattern++) {
		size_t segment = strcspn(path, "/");

		if (*pattern == '*' && segment == 0)
			return false;
		if (*pattern == '*')
			path += segment;
		else if (*path++ != *pattern)
			return false;
	}
	return *path == '\0' || (*path == '/' && !route->exact);
}

static bool is_better(const struct route *one, const struct route *other)
{
	size_t segments = count_segments(one->path), others = count_segments(other->path);

	if ((one->host != NULL) != (other->host != NULL))
		return one->host != NULL;
	if (segments != others)
		return segments > others;
	for (const char *a = one->path, *b = other->path; *a != '\0'; a += 1 + strcspn(a + 1, "/"), b += 1 + strcspn(b + 1, "/"))
		if ((a[1] == '*') != (b[1] == '*'))
			return b[1] == '*';
	return one->exact && !other->exact;
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
		if (best == NULL || is_better(route, best))
			best = route;
	}
	if (best == NULL)
		return (struct route_match){.verdict = ROUTE_NOT_FOUND};
	for (size_t i = 0; i < world.count; i++) {
		const struct route *route = &world.routes[i];

		if (strcmp(route->path, best->path) == 0 && route->exact == best->exact && (route->host != NULL) == (best->host != NULL) &&
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
		draw_path(paths[i], sizeof(paths[i]), true);
		routes[i].exact = draw(8) == 0;
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

		draw_path(path, sizeof(path) - 1, false);
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
		cmocka_unit_test(test_ambiguous_routes),
		cmocka_unit_test(test_several_paths_of_one_route),
		cmocka_unit_test(test_exact_paths),
		cmocka_unit_test(test_stars),
		cmocka_unit_test(test_too_many_shapes),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_escapes_from_stars_and_lists),
		cmocka_unit_test(test_the_root_cannot_be_escaped),
		cmocka_unit_test(test_ten_thousand_routes_against_a_reference),
		cmocka_unit_test(test_long_paths_and_prefixes),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, teardown);
}
