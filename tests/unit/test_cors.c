/* What gateway.yml may say of origins, and which it lets in: as the settings are read, and as they are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/config/complaints.h"
#include "routes/config/config.h"
#include "routes/config/print.h"

static struct complaints complaints;
static struct config *config;

static const struct cors *read_cors_of(const char *text)
{
	char *file;
	int length = asprintf(&file, "upstreams: { a: { url: \"http://a.b\" } }\n"
	                             "routes: [ { path: /, upstream: a, cors: { %s } } ]\n", text);

	assert_true(length > 0);
	config_release(config);
	config = config_parse("test.yml", file, (size_t)length, &complaints);
	free(file);
	return config != NULL ? config->routes[0].cors : NULL;
}

static const struct cors *good(const char *text)
{
	const struct cors *cors = read_cors_of(text);

	complaints_print(&complaints, "test.yml", stderr);
	assert_int_equal(complaints.count, 0);
	complaints_free(&complaints);
	assert_non_null(cors);
	return cors;
}

static void expect_complaint(const char *text, const char *words)
{
	read_cors_of(text);
	if (complaints.count != 1 || strstr(complaints.list[0].text, words) == NULL)
		fail_msg("%s: %zu complaints, the first: %s", text, complaints.count, complaints.count > 0 ? complaints.list[0].text : "");
	complaints_free(&complaints);
}

static bool allows(const struct cors *cors, const char *origin)
{
	return cors_allows_origin(cors, origin, strlen(origin));
}

static void expect(const char *settings, const char *const *allowed, const char *const *refused)
{
	const struct cors *cors = good(settings);

	for (; *allowed != NULL; allowed++)
		if (!allows(cors, *allowed))
			fail_msg("%s refuses %s", settings, *allowed);
	for (; *refused != NULL; refused++)
		if (allows(cors, *refused))
			fail_msg("%s allows %s", settings, *refused);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void origins_are_compared_as_they_stand(void **state)
{
	(void)state;
	expect("origins: [\"https://App.Example\", \"http://b.example:8080\", \"https://c.example:443\", "
	       "\"http://[2001:DB8::1]:3000\", \"capacitor://localhost\"]",
	       LIST("https://app.example", "http://b.example:8080", "https://c.example", "http://[2001:db8::1]:3000",
	            "capacitor://localhost"),
	       LIST("http://app.example", "https://app.example:8443", "https://app.example.evil.example", "https://evilapp.example",
	            "https://app.exampl", "https://app.example/", "https://b.example:8080", "http://b.example", "null", "",
	            "https://app.example, https://evil.example", "https://app.example evil", "*", "app.example",
	            "https://c.example:443"));
	expect("origins: \"*\"", LIST("https://any.example", "null", "x"), LIST(""));
	expect("origins: [\"null\"]", LIST("null"), LIST("https://any.example", "nul", "NULL"));
}

static void patterns(void **state)
{
	(void)state;
	expect("origin_patterns: [\"https://*.example.com\"]",
	       LIST("https://a.example.com", "https://a.b.example.com", "https://x.example.com.example.com"),
	       LIST("https://example.com", "https://.example.com", "https://evilexample.com", "https://a.example.com.evil.com",
	            "http://a.example.com", "https://a.example.com:8443", "https://evil.com/a.example.com",
	            "https://evil.com#.example.com", "https://evil.com?.example.com", "https://evil.com:1.example.com",
	            "https://user@a.example.com", "null", "https://a.example.com\\.example.com"));
	expect("origin_patterns: [\"http://localhost:*\"]",
	       LIST("http://localhost", "http://localhost:3000", "http://localhost:80"),
	       LIST("https://localhost", "http://localhost:", "http://localhost:3000x", "http://localhost:99999",
	            "http://localhost.evil.example", "http://localhost:1.evil.example"));
	expect("origin_patterns: [\"https://*.intranet\", \"https://*.private\"]", LIST("https://a.intranet", "https://b.private"),
	       LIST("https://a.intranets", "https://intranet"));
	expect("origin_patterns: [\"https://*.example.com:[443,8443]\", \"http://a-*.dev.example:[*]\"]",
	       LIST("https://a.example.com", "https://a.example.com:8443", "http://a-1.dev.example:5000", "http://a-b.dev.example"),
	       LIST("https://a.example.com:8080", "http://a-.dev.example", "http://a.dev.example"));
	expect("origin_patterns: [\"https://preview-*.pages.example\"]", LIST("https://preview-7.pages.example"),
	       LIST("https://preview-.pages.example", "https://prod.pages.example"));
	expect("origin_patterns: [\"http://*.localhost:*\", \"https://*.corp\"]", LIST("http://a.localhost:3000", "https://a.b.corp"),
	       LIST("http://localhost", "https://corp", "https://a.corp.evil.com", "https://acorp"));
	expect("origin_patterns: [\"*\"]", LIST("https://any.example", "http://b:1"), LIST("null", "any"));
}

static void methods_and_headers(void **state)
{
	const struct cors *cors = good("origins: \"*\"");

	(void)state;
	assert_true(cors_allows_method(cors, "GET", 3) && cors_allows_method(cors, "HEAD", 4));
	assert_false(cors_allows_method(cors, "POST", 4) || cors_allows_method(cors, "get", 3) || cors_allows_method(cors, "GE", 2));
	assert_false(cors_allows_header(cors, "X-A", 3));
	assert_string_equal(cors->max_age_text, "600");
	cors = good("origins: \"*\", methods: [PUT], headers: [X-A, Content-Type], expose: [A, B]");
	assert_false(cors_allows_method(cors, "GET", 3));
	assert_true(cors_allows_header(cors, "x-a", 3) && cors_allows_header(cors, "content-type", 12));
	assert_false(cors_allows_header(cors, "X", 1) || cors_allows_header(cors, "X-AB", 4));
	assert_string_equal(cors->headers_text, "X-A, Content-Type");
	assert_string_equal(cors->expose_text, "A, B");
	cors = good("origins: \"*\", methods: \"*\", headers: \"*\"");
	assert_true(cors_allows_method(cors, "BREW", 4) && cors_allows_header(cors, "anything", 8));
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	expect_complaint("methods: [GET]", "neither origins nor origin_patterns");
	expect_complaint("origins: \"*\", credentials: on", "origin_patterns");
	expect_complaint("origin_patterns: \"*\", credentials: on", "any origin may act");
	expect_complaint("origins: [\"https://a.example/\"]", "no slash at its end");
	expect_complaint("origins: [\"https://a.example/x\"]", "no path");
	expect_complaint("origins: [a.example]", "begins with a scheme");
	expect_complaint("origins: [\"https://*.a.example\"]", "origin_patterns");
	expect_complaint("origins: [\"https://a.example:0\"]", "a scheme, a host");
	expect_complaint("origins: [\"https://u@a.example\"]", "a scheme, a host");
	expect_complaint("origin_patterns: [\"https://*example.com\"]", "hosts of others");
	expect_complaint("origin_patterns: [\"https://*example.com.\"]", "hosts of others");
	expect_complaint("origin_patterns: [\"https://*example\"]", "hosts of others");
	expect_complaint("origin_patterns: [\"https://app.*\"]", "register");
	expect_complaint("origin_patterns: [\"https://app.*.\"]", "register");
	expect_complaint("origin_patterns: [\"https://*.com\"]", "register");
	expect_complaint("origin_patterns: [\"https://*.COM:8443\"]", "register");
	expect_complaint("origin_patterns: [\"https://*.com.\"]", "register");
	expect_complaint("origin_patterns: [\"https://example*.com\"]", "register");
	expect_complaint("origin_patterns: [\"https://app.*.com\"]", "register");
	expect_complaint("origin_patterns: [\"https://*.examples\"]", "register");
	expect_complaint("origin_patterns: [\"https://*.example.com:x\"]", "its port");
	expect_complaint("origin_patterns: [\"https://*.example.com/\"]", "a pattern is an origin");
	expect_complaint("origin_patterns: [\"*.example.com\"]", "a pattern is an origin");
	expect_complaint("origins: \"*\", methods: [get]", "capital letters");
	expect_complaint("origins: \"*\", headers: [\"a b\"]", "not a header name");
	expect_complaint("origins: \"*\", origin: \"*\"", "unknown key");
}

static bool is_same(const char *origin, const char *host)
{
	return cors_is_same_origin(origin, strlen(origin), &(struct cors_own_origin){ .host = host, .host_length = strlen(host) });
}

static bool is_told_same(const char *origin, const char *scheme, const char *host, const char *port)
{
	const struct cors_own_origin own = { scheme, host, port, strlen(scheme), strlen(host), strlen(port) };

	return cors_is_same_origin(origin, strlen(origin), &own);
}

static void the_host_itself_is_no_other_origin(void **state)
{
	(void)state;
	assert_true(is_same("https://a.example", "a.example"));
	assert_true(is_same("https://a.example", "A.example:443"));
	assert_true(is_same("http://a.example:80", "a.example"));
	assert_true(is_same("http://a.example:8080", "a.example:8080"));
	assert_true(is_same("http://[::1]:8080", "[::1]:8080"));
	assert_false(is_same("https://a.example", "a.example:80"));
	assert_false(is_same("https://a.example:8443", "a.example"));
	assert_false(is_same("https://a.example", "a.example.evil"));
	assert_false(is_same("https://a.example", "b.a.example"));
	assert_false(is_same("https://a.example", ""));
	assert_false(is_same("null", "null"));
	assert_true(is_same("http://a.example", "a.example"));
	assert_false(is_same("ftp://a.example", "a.example"));
	assert_false(is_same("ftp://a.example:21", "a.example:21"));
}

static void what_a_proxy_says_of_the_request_counts(void **state)
{
	(void)state;
	assert_true(is_told_same("https://a.example", "https", "a.example", ""));
	assert_true(is_told_same("https://a.example", "HTTPS", "A.example:443", ""));
	assert_true(is_told_same("https://a.example", "wss", "a.example", ""));
	assert_true(is_told_same("http://a.example", "ws", "a.example", ""));
	assert_true(is_told_same("http://a.example", "http", "a.example", "80"));
	assert_true(is_told_same("https://a.example", "", "a.example", "443"));
	assert_true(is_told_same("https://a.example:8443", "https", "a.example", "8443"));
	assert_true(is_told_same("https://a.example:8443", "https", "a.example:80", "8443"));
	assert_true(is_told_same("http://[::1]:81", "http", "[::1]:81", ""));
	assert_false(is_told_same("http://a.example", "https", "a.example", ""));
	assert_false(is_told_same("https://a.example", "http", "a.example", ""));
	assert_false(is_told_same("https://a.example", "ftp", "a.example", ""));
	assert_false(is_told_same("ftp://a.example", "ftp", "a.example", ""));
	assert_false(is_told_same("https://a.example", "https", "a.example", "8443"));
	assert_false(is_told_same("https://a.example", "https", "a.example", "x"));
	assert_false(is_told_same("https://a.example", "https", "a.example:x", ""));
	assert_false(is_told_same("https://a.example", "", "a.example", "80"));
	assert_false(is_told_same("https://a.example", "https", "b.example", ""));
}

static void what_is_printed_reads_back(void **state)
{
	char *first = NULL, *second = NULL;
	size_t length;
	FILE *to = open_memstream(&first, &length);

	(void)state;
	good("origins: [\"https://a.example\"], origin_patterns: [\"https://*.b.example:[1,2]\"], methods: \"*\", headers: [X-A], "
	     "expose: [X-B], credentials: on, max_age: 90s");
	config_print(config, to);
	fclose(to);
	config_release(config);
	config = config_parse("printed.yml", first, strlen(first), &complaints);
	complaints_free(&complaints);
	assert_non_null(config);
	to = open_memstream(&second, &length);
	config_print(config, to);
	fclose(to);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "origin_patterns: [\"https://*.b.example:[1,2]\"]\n      methods: [\"*\"]\n"));
	free(first);
	free(second);
}

static int tear_down(void **state)
{
	(void)state;
	config_release(config);
	config = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(origins_are_compared_as_they_stand, tear_down),
		cmocka_unit_test_teardown(patterns, tear_down),
		cmocka_unit_test_teardown(methods_and_headers, tear_down),
		cmocka_unit_test_teardown(what_is_wrong_is_said, tear_down),
		cmocka_unit_test_teardown(the_host_itself_is_no_other_origin, tear_down),
		cmocka_unit_test_teardown(what_a_proxy_says_of_the_request_counts, tear_down),
		cmocka_unit_test_teardown(what_is_printed_reads_back, tear_down),
	};

	return cmocka_run_group_tests_name("cors", tests, NULL, NULL);
}
