/* The importer: what it makes of the configurations in tests/data/spring, and of values and names in all their
 * spellings. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/import/import.h"
#include "gateway/import/placeholder.h"
#include "gateway/import/profiles.h"
#include "gateway/import/property.h"
#include "gateway/import/value.h"
#include "routes/config/complaints.h"
#include "routes/config/config.h"

static struct {
	char *yml, *verdicts;
} made;

static bool import_text(const char *name, const char *text, const char *profiles)
{
	struct import_file file = { name, text, strlen(text) };
	size_t length;
	FILE *to, *verdicts;
	bool is_fine;

	free(made.yml);
	free(made.verdicts);
	to = open_memstream(&made.yml, &length);
	verdicts = open_memstream(&made.verdicts, &length);
	is_fine = import_spring(&file, 1, profiles, to, verdicts);
	fclose(to);
	fclose(verdicts);
	return is_fine;
}

static void assert_passes(void)
{
	struct complaints complaints;
	struct config *config = config_parse("gateway.yml", made.yml, strlen(made.yml), &complaints);

	if (config == NULL)
		fail_msg("line %zu: %s\n%s", complaints.list[0].line, complaints.list[0].text, made.yml);
	complaints_free(&complaints);
	config_release(config);
}

static void assert_said(const char *text)
{
	if (strstr(made.verdicts, text) == NULL)
		fail_msg("not said: %s\n%s", text, made.verdicts);
}

static void assert_made(const char *text)
{
	if (strstr(made.yml, text) == NULL)
		fail_msg("not made: %s\n%s", text, made.yml);
}

/* One route: its path predicate and its filters, as a list in YAML. */
static void import_route(const char *path, const char *filters)
{
	char text[2000];

	snprintf(text, sizeof text,
	         "spring.cloud.gateway.routes:\n- id: r\n  uri: http://x.example:80\n  predicates: ['Path=%s']\n  filters: "
	         "[%s]\n",
	         path, filters);
	assert_true(import_text("a.yml", text, NULL));
	assert_passes();
}

static int teardown(void **state)
{
	(void)state;
	free(made.yml);
	free(made.verdicts);
	made.yml = made.verdicts = NULL;
	return 0;
}

/* Whatever is in them, each result passes. */
static void test_data(void **state)
{
	struct dirent *entry;
	DIR *inside = opendir("tests/data/spring");
	unsigned count = 0;

	(void)state;
	assert_non_null(inside);
	while ((entry = readdir(inside)) != NULL) {
		char path[512], *text = calloc(1, 1 << 20);
		FILE *from;

		snprintf(path, sizeof path, "tests/data/spring/%s", entry->d_name);
		from = strchr(entry->d_name, '.') != entry->d_name && strstr(path, ".gateway.yml") == NULL &&
		               (strstr(path, ".yml") != NULL || strstr(path, ".properties") != NULL)
		           ? fopen(path, "rb")
		           : NULL;
		if (from != NULL) {
			assert_true(fread(text, 1, (1 << 20) - 1, from) > 0);
			fclose(from);
			assert_true(import_text(path, text, NULL));
			assert_passes();
			count++;
		}
		free(text);
	}
	closedir(inside);
	assert_true(count >= 10);
}

static void test_rewrites(void **state)
{
	static const struct {
		const char *path, *filters, *yml, *said;
	} CASES[] = {
		{ "/a/**", "StripPrefix=1", "strip_prefix: /a\n", "exact: StripPrefix=1" },
		{ "/a/b/**", "StripPrefix=1", "strip_prefix: /a\n", "exact: StripPrefix=1" },
		{ "/a/**", "StripPrefix=2", "# - path: /a", "refused: StripPrefix=2" },
		{ "/a/**", "PrefixPath=/v1/", "add_prefix: /v1\n", "exact: PrefixPath=/v1/" },
		{ "/a/**", "'PrefixPath=/v1', 'PrefixPath=/v2'", "add_prefix: /v1\n", "exact: PrefixPath=/v2" },
		{ "/a/**", "'PrefixPath=/v1', 'StripPrefix=1'", "- path: /a", "exact: StripPrefix=1" },
		{ "/a/**", "'RewritePath=/a/?(?<s>.*), /$\\{s}'", "strip_prefix: /a\n", "exact: RewritePath" },
		{ "/a/**", "'RewritePath=/a/?(?<s>.*), /${s}'", "strip_prefix: /a\n", "exact: RewritePath" },
		{ "/a/**", "'RewritePath=/a(?<s>/?.*), $\\{s}'", "strip_prefix: /a\n", "exact: RewritePath" },
		{ "/a/**", "'RewritePath=^/a/(.*)$, /b/c/$1'", "add_prefix: /b/c\n", "different: RewritePath" },
		{ "/a/b/**", "'RewritePath=/a/(?<s>.*), /$\\{s}'", "strip_prefix: /a\n", "RewritePath" },
		{ "/**", "'RewritePath=/(?<s>.*), /api/$\\{s}'", "add_prefix: /api\n", "exact: RewritePath" },
		{ "/a/b/**", "'RewritePath=/b, /c'", "strip_prefix: /a/b\n      add_prefix: /a/c\n", "different: RewritePath" },
		{ "/a/**", "'RewritePath=/a/(?<s>\\d+), /n/$\\{s}'",
		  "\n    rewrite: { regex: \"/a/(?<s>\\\\d+)\", replacement: \"/n/${s}\" }\n",
		  "exact: RewritePath" },
		{ "/a/**", "'RewritePath=/a/(?<s>[a-z&&[^b]]+)$, /n/$1'", "regex: \"/a/(?<s>[a-z&&[^b]]+)$$\", replacement: \"/n/$1\" }\n",
		  "different: RewritePath" },
		{ "/a/**", "'SetPath=/one/$5'", "rewrite: { regex: \"^.*$$\", replacement: \"/one/\\\\$5\" }\n", "exact: SetPath" },
		{ "/b/**", "'RewritePath=/a/(?<s>.*), /$\\{s}'", "regex: \"/a/(?<s>.*)\", replacement: \"/${s}\"", "exact: RewritePath" },
		{ "/b/**", "'RewritePath=^/a/(?<s>.*), /$\\{s}'",
		  "- path: /b\n    name: \"r\"\n    upstream: x\n    request_headers", "exact: RewritePath" },
		{ "/b/**", "'RewritePath=^/a?b/, /'", "regex: \"^/a?b/\", replacement: \"/\"", "exact: RewritePath" },
		{ "/b/**", "'PrefixPath=/c', 'RewritePath=/a/(?<s>.*), /$\\{s}'", "add_prefix: /c\n", "different: RewritePath" },
		{ "/b/**", "'RewritePath=/(?<s>b), /$\\{s}', 'PrefixPath=/c'", "# left out: after rewrite.regex", "refused: PrefixPath" },
		{ "/a", "SetPath=/b", "- path: [/a, /a/]\n    name: \"r\"\n    upstream: x\n    request_headers", "exact: SetPath" },
		{ "/a", "SetPath=/b", "rewrite: { regex: \"^.*$$\", replacement: \"/b\" }\n", "exact: SetPath" },
		{ "/*/b/**", "StripPrefix=1", "strip_prefix: \"/*\"\n", "exact: StripPrefix=1" },
		{ "/a/{id}", "StripPrefix=2", "strip_prefix: \"/a/*\"\n", "exact: StripPrefix=2" },
		{ "/a/{id}", "StripPrefix=3", "# left out: it takes away more segments", "refused: StripPrefix=3" },
		/* A literal is a prefix only if it stands in one place, and nothing else can hold it. */
		{ "/p/**", "'RewritePath=^/p$, /p/index'", "regex: \"^/p$$\", replacement: \"/p/index\" }\n", "exact: RewritePath" },
		{ "/p/**", "'RewritePath=^/p, /q'", "strip_prefix: /p\n      add_prefix: /q\n",
		  "different: RewritePath=^/p, /q: /p itself becomes /q/ here\n" },
		{ "/o/p/**", "'RewritePath=^/o, /q'", "strip_prefix: /o\n      add_prefix: /q\n", "exact: RewritePath" },
		{ "/p", "'RewritePath=/p, /q'", "regex: \"/p\", replacement: \"/q\" }\n", "exact: RewritePath" },
		{ "/p", "'RewritePath=/p, /q/p'", "add_prefix: /q\n", "exact: RewritePath" },
		{ "/api/v1/api/x", "'RewritePath=/api, /service'", "regex: \"/api\", replacement: \"/service\" }\n", "exact: RewritePath" },
		{ "/api/v1/x", "'RewritePath=/api, /service'", "strip_prefix: /api\n      add_prefix: /service\n", "exact: RewritePath" },
		{ "/a/{id}", "'RewritePath=/a, /b'", "regex: \"/a\", replacement: \"/b\" }\n", "exact: RewritePath" },
		{ "/a/b", "'RewritePath=^/b, /c'", "upstream: x\n    request_headers", "exact: RewritePath" },
		{ "/a/b", "'RewritePath=/b, /c/'", "regex: \"/b\", replacement: \"/c/\" }\n", "exact: RewritePath" },
		{ "/a", "'RewritePath=/a, /b\\.c'", "regex: \"/a\", replacement: \"/b\\\\.c\" }\n", "exact: RewritePath" },
		/* A "*" may match what the expression looks for. */
		{ "/{tenant}/**", "'RewritePath=^/a/(?<s>.*), /$\\{s}'", "regex: \"^/a/(?<s>.*)\"", "exact: RewritePath" },
		/* A rest is a prefix only if the group begins with the slash, and an empty rest makes no second match. */
		{ "/a/**", "'RewritePath=/a/(?<s>.*), /x$\\{s}'", "regex: \"/a/(?<s>.*)\"", "exact: RewritePath" },
		{ "/a/**", "'RewritePath=(?<s>.*), /x$\\{s}'", "regex: \"(?<s>.*)\"", "exact: RewritePath" },
		{ "/a/**", "'RewritePath=^(?<s>.*), /x$\\{s}'", "add_prefix: /x\n", "exact: RewritePath" },
		{ "/a/**", "'RewritePath=/(?<s>.+), /x/$\\{s}'", "regex: \"/(?<s>.+)\"", "exact: RewritePath" },
		{ "/a/**", "'RewritePath=/a/?(?<s>.*), /x/$\\{s}'", "add_prefix: /x\n", "exact: RewritePath" },
		{ "/b/a/**", "'RewritePath=/b/a/?(?<s>.*), /x/a/$\\{s}'", "add_prefix: /x\n", "/b/a itself becomes /x/a here" },
		{ "/a/**", "'RewritePath=/a(?<s>/?.*), /x$\\{s}'", "add_prefix: /x\n", "/a itself becomes /x/ here" },
		{ "/a/**", "'SetPath=/{x}'", "# - path: /a", "refused: SetPath" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		import_route(CASES[i].path, CASES[i].filters);
		assert_made(CASES[i].yml);
		assert_said(CASES[i].said);
	}
}

/* Several edits of one name: as Spring applies them, one after the other, and in the reverse order for responses. */
static void test_headers(void **state)
{
	static const struct {
		const char *filters, *yml, *without, *said;
	} CASES[] = {
		{ "'SetRequestHeader=X, a', 'SetRequestHeader=x, b'", "\"x\": \"b\"", "\"a\"", "exact: SetRequestHeader=X, a" },
		{ "'SetResponseHeader=X, a', 'SetResponseHeader=X, b'", "\"X\": \"a\"", "\"b\"", "exact: SetResponseHeader=X, b" },
		{ "'AddRequestHeader=X, a', RemoveRequestHeader=X", "remove:\n        - \"X\"\n", "\"a\"", "exact: AddRequestHeader" },
		{ "RemoveRequestHeader=X, 'AddRequestHeader=X, a'", "- \"X\"\n      add:\n        \"X\": \"a\"\n", "set:",
		  "exact: AddRequestHeader" },
		{ "'AddRequestHeader=X, a', 'SetRequestHeader=X, b'", "\"X\": \"b\"", "\"a\"", "exact: AddRequestHeader" },
		{ "'SetRequestHeader=X, a', 'AddRequestHeader=X, b'", "\"X\": \"a\"\n      add:\n        \"X\": \"b\"\n", "remove:",
		  "exact: AddRequestHeader" },
		{ "RemoveResponseHeader=X, 'AddResponseHeader=X, a'", "- \"X\"\n", "\"a\"", "exact: AddResponseHeader" },
		{ "'AddResponseHeader=X, a', RemoveResponseHeader=X", "- \"X\"\n      add:\n        \"X\": \"a\"\n", "set:",
		  "exact: AddResponseHeader" },
		{ "'AddResponseHeader=X, a, false'", "\"X\": \"a\"", "remove:", "different: AddResponseHeader=X, a, false: it is added" },
		{ "'AddResponseHeader=X, a, true'", "\"X\": \"a\"", "remove:", "exact: AddResponseHeader" },
		{ "RemoveResponseHeader=X-Frame-Options, SecureHeaders", "- \"X-Frame-Options\"\n", "DENY", "exact: RemoveResponseHeader" },
		{ "SecureHeaders, 'SetResponseHeader=X-Frame-Options, SAMEORIGIN'", "\"X-Frame-Options\": \"SAMEORIGIN\"", "DENY",
		  "exact: SetResponseHeader" },
	};
	char filters[200];

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		snprintf(filters, sizeof filters, "PreserveHostHeader, %s", CASES[i].filters);
		import_route("/a/**", filters);
		assert_made(CASES[i].yml);
		assert_said(CASES[i].said);
		if (strstr(made.yml, CASES[i].without) != NULL)
			fail_msg("made: %s\n%s", CASES[i].without, made.yml);
	}
}

/* Spring takes the first of each list, then the second of each, and so on. */
static void test_default_filters_interleave(void **state)
{
	(void)state;
	assert_true(import_text("a.yml",
	                        "spring.cloud.gateway:\n  default-filters: ['AddRequestHeader=X-A, b', 'PrefixPath=/v1']\n"
	                        "  routes: [{uri: 'http://x:80', predicates: ['Path=/a/**'], filters: ['StripPrefix=1']}]\n",
	                        NULL));
	assert_passes();
	assert_made("strip_prefix: /a\n      add_prefix: /v1\n");
	assert_true(import_text("a.yml",
	                        "spring.cloud.gateway:\n  default-filters: 'PrefixPath=/v1'\n"
	                        "  routes: [{uri: 'http://x:80', predicates: ['Path=/a/**'], filters: 'StripPrefix=1'}]\n",
	                        NULL));
	assert_passes();
	assert_null(strstr(made.yml, "strip_prefix"));
}

/* A predicate that is not understood must not let its route take more than it did. */
static void test_unknown_predicates_refuse_the_route(void **state)
{
	static const char *const PREDICATES[] = { "Query=green",           "Cookie=a, b",
		                                      "Header=X-A, b",         "After=2017-01-20T17:42:47.789Z",
		                                      "RemoteAddr=10.0.0.0/8", "Weight=group, 8",
		                                      "Host=**.example.org",   "Tenant=x",
		                                      "Host=" };
	char text[500];

	(void)state;
	for (size_t i = 0; i < sizeof(PREDICATES) / sizeof(PREDICATES[0]); i++) {
		snprintf(text, sizeof text,
		         "spring.cloud.gateway.routes:\n- uri: http://x:80\n  predicates: ['Path=/a/**', '%s']\n",
		         PREDICATES[i]);
		assert_true(import_text("a.yml", text, NULL));
		assert_passes();
		assert_null(strstr(made.yml, "\n  - path: /a"));
		assert_made("replace-me");
		assert_said("refused: ");
	}
}

/* What guarded a service must not be lost in silence. */
static void test_lost_guards(void **state)
{
	(void)state;
	import_route("/a/**", "MyJwtFilter");
	assert_made("\nlisten: \"127.0.0.1:8080\"\n");
	import_route("/a/**", "MyLoggingFilter");
	assert_made("\nlisten: 8080\n");
	assert_true(import_text("a.yml", "spring.security.user.name: x\nserver.port: 80\n", NULL));
	assert_made("\nlisten: \"127.0.0.1:80\"\n");
}

static void test_addresses(void **state)
{
	(void)state;
	assert_true(import_text("a.yml", "server: { address: 10.0.0.1, port: 81 }\n", NULL));
	assert_passes();
	assert_made("\nlisten: \"10.0.0.1:81\"\n");
	assert_said("exact: server.address");
	assert_true(import_text("a.yml", "server.address: ::1\n", NULL));
	assert_made("\nlisten: \"[::1]:8080\"\n");
	assert_true(import_text("a.yml", "server.address: localhost\n", NULL));
	assert_made("\nlisten: \"127.0.0.1:8080\"\n");
	assert_true(import_text("a.yml", "server.address: gateway.example\n", NULL));
	assert_made("\nlisten: 8080\n");
	assert_said("refused: server.address");
	/* An address of its own is no guard. */
	assert_true(import_text("a.yml", "spring.security.user.name: x\nserver.address: 10.0.0.1\n", NULL));
	assert_made("\nlisten: \"127.0.0.1:8080\"\n");
	assert_said("different: server.address");
	/* Nor is a port that spoke TLS opened in clear text, unless a file says that it spoke none. */
	assert_true(import_text("a.yml", "server: { port: 8443, ssl.key-store: x, address: 10.0.0.1 }\n", NULL));
	assert_made("\nlisten: \"127.0.0.1:8443\"\n");
	assert_said("different: server.address");
	assert_true(import_text("a.yml", "server: { port: 8443, ssl: { enabled: '${TLS}' } }\n", NULL));
	assert_made("\nlisten: \"127.0.0.1:8443\"\n");
	assert_true(import_text("a.yml", "server: { port: 8080, ssl: { enabled: false, key-store: x } }\n", NULL));
	assert_made("\nlisten: 8080\n");
	assert_said("exact: server.ssl.key-store");
}

/* Two routes, in this order, of which a request may suit both. */
static void test_order(void **state)
{
	static const struct {
		const char *first, *later, *said; /* NULL: nothing of an order */
	} CASES[] = {
		{ "/a/**", "/a/b/**", "here the longest path wins" },
		{ "/a/b/**", "/a/**", NULL },
		{ "/a/*/c/**", "/a/b/c/**", "here a literal segment wins over a \"*\"" },
		{ "/a/b/c/**", "/a/*/c/**", NULL },
		{ "/a/*", "/a/b", "here a literal segment wins over a \"*\"" },
		{ "/*/b/**", "/a/*/**", "here a literal segment wins over a \"*\"" },
		{ "/*/b/**", "/a/*/d/**", "here the longest path wins" },
		{ "/*/b/**", "/a/c/**", NULL },
		{ "/a", "/a/b/**", NULL },
		{ "/a/*", "/a/b/c/**", NULL },
		{ "/a/**", "/a", "here the path alone wins" },
		{ "/a", "/a/**", NULL },
		{ "/a/*/**", "/a/*/**", "takes all of its requests before it" },
	};
	char text[500];

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		snprintf(text, sizeof text,
		         "spring.cloud.gateway.routes:\n- uri: http://x:80\n  predicates: ['Path=%s']\n"
		         "- uri: http://y:80\n  predicates: ['Path=%s']\n",
		         CASES[i].first, CASES[i].later);
		assert_true(import_text("a.yml", text, NULL));
		assert_passes();
		if (CASES[i].said != NULL)
			assert_said(CASES[i].said);
		else if (strstr(made.verdicts, "comes first") != NULL)
			fail_msg("%s before %s: %s", CASES[i].first, CASES[i].later, made.verdicts);
	}
}

/* Two routes, in this order. The gateway chooses the path before the method, so it may answer 405 where Spring goes on. */
static void test_order_and_methods(void **state)
{
	static const struct {
		const char *first, *later, *said; /* NULL: nothing of an order */
	} CASES[] = {
		{ "'Path=/a/b/**', 'Method=GET'", "'Path=/a/**'",
		  "a.yml:3: different: spring.cloud.gateway.routes[0]: the path is chosen" },
		{ "'Path=/a/**', 'Method=POST'", "'Path=/a/b/**', 'Method=GET'",
		  "a.yml:5: different: spring.cloud.gateway.routes[1]: the path is chosen" },
		{ "'Path=/a', 'Method=GET'", "'Path=/a/**'", "where Spring goes on to /a (line 5)" },
		{ "'Path=/a/**', 'Host=h', 'Method=GET'", "'Path=/a/b/**'", "where Spring goes on to /a/b (line 5)" },
		{ "'Path=/a/*', 'Method=GET'", "'Path=/a/b', 'Method=POST'", "where Spring goes on to /a/* (line 3)" },
		{ "'Path=/a/**'", "'Path=/a/b/**', 'Method=GET'", "here the longest path wins" },
		{ "'Path=/a/b/**', 'Method=GET,POST'", "'Path=/a/**', 'Method=POST'", NULL },
		{ "'Path=/a/**', 'Method=GET'", "'Path=/a/**', 'Method=POST'", NULL },
		{ "'Path=/a/**', 'Method=GET'", "'Path=/a/**', 'Method=GET,POST'", NULL },
		{ "'Path=/a/**', 'Method=GET'", "'Path=/a/**'", NULL },
		{ "'Path=/a/**', 'Method=GET'", "'Path=/a/b/**'", "here the longest path wins" },
		{ "'Path=/a/**', 'Host=h', 'Method=GET'", "'Path=/a/**', 'Host=i'", NULL },
		{ "'Path=/a/b', 'Method=GET'", "'Path=/a/c/**'", NULL },
	};
	char text[500];

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		snprintf(text, sizeof text,
		         "spring.cloud.gateway.routes:\n-\n  uri: http://x:80\n  predicates: [%s]\n"
		         "- uri: http://y:80\n  predicates: [%s]\n",
		         CASES[i].first, CASES[i].later);
		assert_true(import_text("a.yml", text, NULL));
		assert_passes();
		if (CASES[i].said != NULL)
			assert_said(CASES[i].said);
		else if (strstr(made.verdicts, "comes first") != NULL || strstr(made.verdicts, "405") != NULL)
			fail_msg("%s before %s: %s", CASES[i].first, CASES[i].later, made.verdicts);
	}
	/* A third route takes what the first does not. */
	assert_true(import_text("a.yml",
	                        "spring.cloud.gateway.routes:\n- {uri: 'http://x:80', predicates: ['Path=/a/b/**', Method=GET]}\n"
	                        "- {uri: 'http://y:80', predicates: ['Path=/a/b/**', 'Method=POST,PUT']}\n"
	                        "- {uri: 'http://z:80', predicates: ['Path=/a/**', 'Method=PUT']}\n",
	                        NULL));
	assert_null(strstr(made.verdicts, "405"));
}

static void test_cors(void **state)
{
	static const struct {
		const char *cors, *said, *yml; /* NULL: no route gets cors */
	} CASES[] = {
		{ "'[/a/**]': {allowedOrigins: 'https://o.example', maxAge: 60}", "exact: spring.cloud.gateway.globalcors",
		  "origins: [\"https://o.example\"]\n      max_age: 60s\n" },
		/* One path, which no route has alone. */
		{ "'[/a]': {allowedOrigins: 'https://o.example'}", "no route gets it: a also takes other paths", NULL },
		{ "'[/one]': {allowedOrigins: 'https://o.example'}", "different: spring.cloud.gateway.globalcors.cors-configurations./one",
		  "- path: [/one, /one/]" },
		{ "'[/a/b/**]': {allowedOrigins: 'https://o.example'}", "refused: spring.cloud.gateway.globalcors", NULL },
		{ "'[/c/**]': {allowedOrigins: 'https://o.example'}", "star, which also takes other paths, has none of it",
		  "max_age: 5s\n" },
		{ "'[/a/**]': {allowedOrigins: 'https://o.example', allowPrivateNetwork: true}",
		  "a.yml:3: refused: spring.cloud.gateway.globalcors.cors-configurations./a/**.allowPrivateNetwork", "max_age: 5s\n" },
		{ "'[/a/**]': {allowedOrigins: 'https://o.example', maxAge: -1}", "exact: spring.cloud.gateway.globalcors",
		  "max_age: 0s\n" },
		{ "'[/a/**]': {allowedOrigins: 'https://o.example', maxAge: 2d}", "max_age is at most 24h here", "max_age: 24h\n" },
		/* Keys in brackets have one spelling. */
		{ "{'[/b-b/**]': {allowedOrigins: 'https://o.example'}, '[/bb/**]': {allowedOrigins: 'https://p.example'}}",
		  "exact: spring.cloud.gateway.globalcors.cors-configurations./bb/**.allowedOrigins",
		  "origins: [\"https://o.example\"]\n" },
		{ "{'[/b_b/**]': {allowedOrigins: 'https://o.example'}, '[/bb/**]': {allowedOrigins: 'https://p.example'}}",
		  "refused: spring.cloud.gateway.globalcors.cors-configurations./b_b/**.allowedOrigins",
		  "origins: [\"https://p.example\"]\n" },
		{ "'[/asks/**]': {allowedOrigins: 'https://o.example'}",
		  "refused: spring.cloud.gateway.globalcors.cors-configurations./asks/**.allowedOrigins: its route is left out",
		  "  #   cors:\n" },
	};
	char text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		bool is_flow = CASES[i].cors[0] == '{';

		snprintf(text, sizeof text,
		         "spring.cloud.gateway:\n  globalcors.cors-configurations:\n    %s%s%s\n  routes:\n"
		         "  - {id: a, uri: 'http://x:80', predicates: ['Path=/a/**']}\n"
		         "  - {id: one, uri: 'http://x:80', predicates: ['Path=/one']}\n"
		         "  - {id: c, uri: 'http://x:80', predicates: ['Path=/c/**']}\n"
		         "  - {id: star, uri: 'http://x:80', predicates: ['Path=/%s/d']}\n"
		         "  - {id: hyphen, uri: 'http://x:80', predicates: ['Path=/b-b/**']}\n"
		         "  - {id: plain, uri: 'http://x:80', predicates: ['Path=/bb/**']}\n"
		         "  - {id: asks, uri: 'http://x:80', predicates: ['Path=/asks/**', 'Query=x']}\n",
		         is_flow ? "" : "{", CASES[i].cors, is_flow ? "" : "}", strstr(CASES[i].said, "star") != NULL ? "*" : "d");
		assert_true(import_text("a.yml", text, NULL));
		assert_passes();
		assert_said(CASES[i].said);
		if (CASES[i].yml != NULL)
			assert_made(CASES[i].yml);
		else if (strstr(made.yml, "cors:") != NULL)
			fail_msg("%s\n%s", CASES[i].cors, made.yml);
	}
}

static void test_time_limits(void **state)
{
	static const char BREAKER[] = "spring.cloud.gateway.routes:\n- uri: http://x:80\n  predicates: ['Path=/a']\n"
								  "  filters: ['CircuitBreaker=x']\n";
	char text[1000];

	(void)state;
	assert_true(import_text("a.yml", BREAKER, NULL));
	assert_made("    timeouts:\n      response: 1s\n");
	assert_said("time limiter ends a call after 1 s");
	snprintf(text, sizeof text, "%sresilience4j.timelimiter.instances.x.timeoutDuration: 2500ms\n", BREAKER);
	assert_true(import_text("a.yml", text, NULL));
	assert_made("response: 2500ms\n");
	snprintf(text, sizeof text, "%sresilience4j.timelimiter.configs.default.timeout-duration: PT3S\n", BREAKER);
	assert_true(import_text("a.yml", text, NULL));
	assert_made("response: 3s\n");
	snprintf(text, sizeof text, "%sspring.cloud.circuitbreaker.resilience4j.disable-time-limiter: true\n", BREAKER);
	assert_true(import_text("a.yml", text, NULL));
	assert_null(strstr(made.yml, "response: 1s"));
	snprintf(text, sizeof text, "%sspring.cloud.gateway.httpclient.response-timeout: 500ms\n", BREAKER);
	assert_true(import_text("a.yml", text, NULL));
	assert_null(strstr(made.yml, "response: 1s"));
	assert_made("response: 500ms\n");
}

static void test_files_that_are_no_yaml(void **state)
{
	(void)state;
	assert_false(import_text("a.yml", "a: [\n", NULL));
	assert_int_equal(strlen(made.yml), 0);
	assert_said("a.yml:2: error: ");
	assert_false(import_text("a.yml", "", NULL));
	assert_int_equal(strlen(made.yml), 0);
	assert_said("there is no property in the files");
	assert_false(import_text("a.yml", "just text\n", NULL));
	/* Here the files have one, of a profile that is not active. */
	assert_true(import_text("a.yml", "spring.config.activate.on-profile: prod\nserver.port: 1\n", NULL));
	assert_passes();
}

static void test_profiles(void **state)
{
	static const char TEXT[] = "server.port: 1\n---\nspring.config.activate.on-profile: 'a & !b'\nserver.port: 2\n---\n"
							   "spring.profiles: c, d\nserver.port: 3\n";

	(void)state;
	import_text("a.yml", TEXT, NULL);
	assert_made("listen: 1\n");
	import_text("a.yml", TEXT, "a");
	assert_made("listen: 2\n");
	import_text("a.yml", TEXT, "a,b");
	assert_made("listen: 1\n");
	import_text("a.yml", TEXT, "d");
	assert_made("listen: 3\n");
	assert_said("the document of profile \"a & !b\"");
}

static void test_too_many_profiles(void **state)
{
	(void)state;
	for (unsigned most = 64; most <= 65; most++) {
		char text[2000], *to = text + sprintf(text, "server.port: 1\nspring.profiles.active: p1, p1");

		for (unsigned i = 2; i <= most; i++)
			to += sprintf(to, ", p%u", i);
		sprintf(to, "\n---\nspring.config.activate.on-profile: '!p%u'\nserver.port: 2\n", most);
		assert_int_equal(import_text("a.yml", text, NULL), most == 64);
		if (most == 64)
			assert_made("listen: 1\n");
		else
			assert_said("gateway: more than 64 profiles are active\n");
	}
}

/* Parts of keys and levels count together. */
static void test_keys_that_are_too_deep(void **state)
{
	char text[2000], *to = text;

	(void)state;
	for (int depth = 0; depth < 25; depth++)
		to += sprintf(to, "%*sa.b:\n", depth, "");
	sprintf(to, "%*sc: 1\n", 25, "");
	assert_false(import_text("a.yml", text, NULL));
	assert_said("a.yml:26: error: a key of too many parts\n");
}

/* A route without a predicate would take everything. */
static void test_routes_without_predicates(void **state)
{
	static const char *const PREDICATES[] = { "",
		                                      "  predicates: []\n",
		                                      "  predicates:\n",
		                                      "  predicates: 'Path=/a,Method=GET'\n",
		                                      "  predicates: ['=x']\n",
		                                      "  predicates: ['Path=']\n" };
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof(PREDICATES) / sizeof(PREDICATES[0]); i++) {
		snprintf(text, sizeof text, "spring.cloud.gateway.routes:\n- uri: http://x:80\n%s", PREDICATES[i]);
		assert_true(import_text("a.yml", text, NULL));
		assert_passes();
		assert_made("replace-me");
		assert_null(strstr(made.yml, "\n  - path: \"/\""));
	}
	assert_true(
		import_text("a.yml", "spring.cloud.gateway.routes:\n- {uri: 'http://x:80', predicates: 'Path=/a/**'}\n", NULL));
	assert_made("\n  - path: /a\n");
}

static void test_properties(void **state)
{
	(void)state;
	assert_true(import_text("a.properties",
	                        "! comment\nserver.port : 81\nmanagement.metrics.tags.a=\\u00e4\\ud83dx\\\n   y\n"
	                        "management.metrics.tags.b \xfc\n#---\nspring.profiles=x\nserver.port=82\n",
	                        NULL));
	assert_passes();
	assert_made("listen: 81\n");
	assert_made("a: \"\xc3\xa4?xy\"\n");
	assert_made("b: \"\xc3\xbc\"\n");
}

/* Spring's binder counts from [0] on, whatever the order of the lines: sorted ones have [10] before [2]. */
static void test_items_go_by_their_numbers(void **state)
{
	static const struct {
		const char *name, *form;
	} CASES[] = { { "a.properties", "spring.cloud.gateway.routes[%u].%s=%s\n" },
		      { "a.yml", "spring.cloud.gateway.routes[%u].%s: %s\n" } };

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		char text[2000], *to = text, *end = text + sizeof text;

		for (unsigned sorted = 0; sorted < 11; sorted++) {
			unsigned number = sorted < 2 ? sorted : sorted == 2 ? 10 : sorted - 1;
			char uri[20], path[20];

			snprintf(uri, sizeof uri, "http://s%u:80", number);
			snprintf(path, sizeof path, "Path=/%u/**", number < 9 ? number : 9);
			to += snprintf(to, (size_t)(end - to), CASES[i].form, number, "predicates[0]", path);
			to += snprintf(to, (size_t)(end - to), CASES[i].form, number, "uri", uri);
		}
		to += snprintf(to, (size_t)(end - to), CASES[i].form, 0, "filters[1]", "PrefixPath=/v1");
		snprintf(to, (size_t)(end - to), CASES[i].form, 0, "filters[0]", "StripPrefix=1");
		assert_true(import_text(CASES[i].name, text, NULL));
		assert_passes();
		assert_made("\n    url: \"http://s9:80\"\n");
		assert_null(strstr(made.yml, "\n    url: \"http://s10:80\"\n"));
		assert_made("strip_prefix: /0\n      add_prefix: /v1\n");
		assert_null(strstr(made.verdicts, "Spring refuses the list"));
	}
}

static void test_gaps_in_lists(void **state)
{
	(void)state;
	assert_true(import_text("a.properties",
	                        "spring.cloud.gateway.routes[3].uri=http://y:80\n"
	                        "spring.cloud.gateway.routes[3].predicates[1]=Path=/b/**\n"
	                        "spring.cloud.gateway.routes[0].uri=http://x:80\n"
	                        "spring.cloud.gateway.routes[0].predicates[0]=Path=/a/**\n",
	                        NULL));
	assert_passes();
	assert_said("a.properties:1: different: spring.cloud.gateway.routes[3]: Spring refuses the list, which has no [1]\n");
	assert_said("a.properties:2: different: Path=/b/**: Spring refuses the list, which has no [0]\n");
	assert_said("a.properties:4: exact: Path=/a/**\n");
}

/* Spring takes "#---" for the end of a document, unless it is part of a comment of several lines. */
static void test_documents_of_properties(void **state)
{
	static const struct {
		const char *between;
		bool separates;
	} CASES[] = {
		{ "#---\n", true },
		{ "!---\n", true },
		{ "#---  \r\n", true },
		{ "! c\n#---\n", true },
		{ "# c\n\n#---\n", true },
		{ "#---\n#---\n", true },
		{ "#---- x\n", false },
		{ "#-------- section\n", false },
		{ " #---\n", false },
		{ "# c\n#---\n", false },
		{ "#---\n# c\n", false },
		{ "#---\n! c\n", false },
		{ "#---\n# c\n#---\n", false },
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		snprintf(text, sizeof text, "server.port=81\n%sspring.config.activate.on-profile=x\n", CASES[i].between);
		assert_true(import_text("a.properties", text, NULL));
		if ((strstr(made.yml, "listen: 81\n") != NULL) != CASES[i].separates)
			fail_msg("%s%s", text, made.verdicts);
	}
}

static void test_blanks_at_the_end(void **state)
{
	(void)state;
	assert_true(import_text("a.properties",
	                        "server.port=81 \nserver.address=10.0.0.1 \nspring.cloud.gateway.httpclient.connect-timeout=45000 \n"
	                        "spring.cloud.gateway.routes[0].uri=http://x:80 \n"
	                        "spring.cloud.gateway.routes[0].predicates[0]=Path=/a/** \n",
	                        NULL));
	assert_passes();
	assert_made("listen: \"10.0.0.1:81\"\n");
	assert_made("connect: 45s\n");
	assert_made("url: \"http://x:80\"\n");
	assert_made("- path: /a\n");
}

/* `most` values fit; one more refuses the line, and the route where it is a predicate. */
static void test_lists_that_are_too_long(void **state)
{
	static const struct {
		const char *before, *value, *after, *made, *refused; /* made: with `most` values; refused: the line with one more */
		unsigned most;
	} CASES[] = {
		{ "  predicates: ['Path=/a/**', 'Host=t0.example", ",t%u.example", "']\n", "host: \"t15.example\"\n",
		  "more hosts than the importer takes", 16 },
		{ "  predicates:\n  - Path=/a/**\n  - name: Host\n    args:\n      patterns: [t0.example", ", t%u.example", "]\n",
		  "host: \"t15.example\"\n", "more hosts than the importer takes", 16 },
		{ "  predicates: ['Path=/p0/**", ",/p%u/**", "']\n", "- path: /p63\n", "more paths than the importer takes", 64 },
		{ "  predicates:\n  - name: Path\n    args:\n      patterns: [/p0/**", ", /p%u/**", "]\n", "- path: /p63\n",
		  "more paths than the importer takes", 64 },
		{ "  predicates:\n  - name: Path\n    args:\n      patterns: '${all:/p0/**", ",/p%u/**", "}'\n", "- path: /p63\n",
		  "more paths than the importer takes", 64 },
		{ "  predicates: ['Path=/a/**', 'Method=M0", ",M%u", "']\n", "M14, M15]\n", "more methods than the importer takes", 16 },
		{ "  predicates: ['Path=/a/**']\n  filters:\n  - name: CircuitBreaker\n    args:\n      statusCodes: ['500'", ", '5%02u'",
		  "]\n", "562, 563]\n", "more statuses than the importer takes", 64 },
	};
	char text[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		for (unsigned count = CASES[i].most; count <= CASES[i].most + 1; count++) {
			char *to = text, *end = text + sizeof text;

			to += snprintf(to, sizeof text, "spring.cloud.gateway.routes:\n- id: r\n  uri: http://x:80\n%s", CASES[i].before);
			for (unsigned value = 1; value < count; value++)
				to += snprintf(to, (size_t)(end - to), CASES[i].value, value);
			snprintf(to, (size_t)(end - to), "%s", CASES[i].after);
			assert_true(import_text("a.yml", text, NULL));
			assert_passes();
			if (count == CASES[i].most)
				assert_made(CASES[i].made);
			else
				assert_said(CASES[i].refused);
			assert_null(strstr(made.verdicts, "no counterpart"));
			if ((strstr(made.verdicts, "0 refused") != NULL) != (count == CASES[i].most))
				fail_msg("%s\n%s", text, made.verdicts);
		}
}

static void test_hosts(void **state)
{
	(void)state;
	import_route("/a/**", "");
	assert_made("\"Host\": \"x.example\"");
	import_route("/a/**", "PreserveHostHeader");
	assert_null(strstr(made.yml, "\"Host\""));
	assert_true(
		import_text("a.yml", "spring.cloud.gateway.routes:\n- {id: a.b, uri: '${X}', predicates: 'Path=/a'}\n", NULL));
	assert_passes();
	assert_made("url: \"${X:-http://unset.invalid:80}\"");
	assert_null(strstr(made.yml, "\"Host\""));
	/* As Spring Cloud Gateway 2.1 writes it. */
	assert_true(import_text("a.yml",
	                        "spring.cloud.gateway.routes:\n- uri: http://x:80\n  predicates:\n"
	                        "  - {name: Host, args: {pattern: a.example}}\n",
	                        NULL));
	assert_passes();
	assert_made("host: \"a.example\"\n");
}

static void test_values(void **state)
{
	static const struct {
		const char *text;
		int64_t unit, ms;
	} DURATIONS[] = { { "45000", 1, 45000 }, { "5", 1000, 5000 },   { "2s", 1, 2000 },      { "PT1M30S", 1, 90000 },
		              { "pt0.5s", 1, 500 },  { "1d", 1, 86400000 }, { "1500 ms", 1, 1500 }, { "-1", 1, -1 },
		              { "45 ", 1, 45 },      { "2s\t ", 1, 2000 }, { "PT3S ", 1, 3000 } };
	static const char *const NONE[] = { "", "x", "1x", "PT", "99999999999999999999", "1.5s", "P1Y", "1ss", "-" };
	uint64_t bytes;
	uint32_t bp;
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(DURATIONS) / sizeof(DURATIONS[0]); i++) {
		assert_true(value_duration(DURATIONS[i].text, DURATIONS[i].unit, &ms));
		assert_int_equal(ms, DURATIONS[i].ms);
	}
	for (size_t i = 0; i < sizeof(NONE) / sizeof(NONE[0]); i++)
		if (strcmp(NONE[i], "PT") != 0)
			assert_false(value_duration(NONE[i], 1, &ms));
	assert_true(value_size("5MB", &bytes));
	assert_int_equal(bytes, 5 << 20);
	assert_true(value_size("5MB ", &bytes));
	assert_true(value_is_true("true "));
	assert_false(value_is_true("true x"));
	assert_true(value_is_false("off "));
	assert_false(value_is_false("offline"));
	assert_false(value_is_true(NULL) || value_is_false(NULL));
	assert_false(value_size("5XB", &bytes));
	assert_false(value_size("99999999999999GB", &bytes));
	assert_true(value_share("33.5", &bp));
	assert_int_equal(bp, 3350);
	assert_false(value_share("101", &bp));
}

static void test_placeholders(void **state)
{
	struct arena *arena = arena_new();
	struct property root = { .name = "" }, *at;
	struct values values = { .arena = arena, .root = &root };
	bool is_open;

	(void)state;
	at = property_child(arena, &root, "host", false, "f", 1);
	at->value = "inside";
	at = property_child(arena, &root, "loop", false, "f", 1);
	at->value = "${loop}x";
	assert_string_equal(value_fixed(&values, NULL, "http://${host}:${port:80}/"), "http://inside:80/");
	assert_string_equal(value_fixed(&values, NULL, "${a:${host}}"), "inside");
	assert_string_equal(value_fixed(&values, NULL, "${nothing} ${x"), "${nothing} ${x");
	assert_string_equal(value_live(&values, "http://${host}:${PORT:80}/", &is_open), "http://inside:${PORT:-80}/");
	assert_false(is_open);
	assert_string_equal(value_live(&values, "${patient.base-url}", &is_open), "${PATIENT_BASEURL:-}");
	assert_true(is_open);
	assert_string_equal(value_live(&values, "5$", NULL), "5$$");
	assert_non_null(value_fixed(&values, NULL, "${loop}"));
	arena_free(arena);
}

/* Values that name each other do bounded work, also where nothing comes of it. */
static void test_placeholders_without_end(void **state)
{
	struct arena *arena = arena_new();
	struct property root = { .name = "" }, at = { .name = "x" };
	struct values values = { .arena = arena, .root = &root };
	const char *text = "";

	(void)state;
	property_child(arena, &root, "a", false, "f", 1)->value = "";
	for (unsigned i = 0; i < 1000; i++)
		text = property_format(arena, "%s${a}", text);
	property_child(arena, &root, "b", false, "f", 1)->value = text;
	for (unsigned i = 0; i < 1000; i++)
		text = property_format(arena, "%s${b}", i > 0 ? text : "");
	assert_string_equal(value_fixed(&values, &at, text), "");
	assert_true(values.expanded_bytes >= 4 << 20);
	assert_non_null(strstr(at.warning, "cut short"));
	values.expanded_bytes = 0;
	for (unsigned i = 0; i < 3000; i++)
		text = property_format(arena, "%s${", i > 0 ? text : "");
	value_fixed(&values, &at, text);
	assert_true(values.expanded_bytes >= 4 << 20);
	arena_free(arena);
}

static void test_relaxed_names(void **state)
{
	(void)state;
	assert_true(property_is_named("response-timeout", "responseTimeout"));
	assert_true(property_is_named("RESPONSE_TIMEOUT", "response-timeout"));
	assert_false(property_is_named("response-timeouts", "response-timeout"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_data, teardown),
		cmocka_unit_test_teardown(test_rewrites, teardown),
		cmocka_unit_test_teardown(test_headers, teardown),
		cmocka_unit_test_teardown(test_default_filters_interleave, teardown),
		cmocka_unit_test_teardown(test_unknown_predicates_refuse_the_route, teardown),
		cmocka_unit_test_teardown(test_addresses, teardown),
		cmocka_unit_test_teardown(test_order, teardown),
		cmocka_unit_test_teardown(test_order_and_methods, teardown),
		cmocka_unit_test_teardown(test_cors, teardown),
		cmocka_unit_test_teardown(test_lost_guards, teardown),
		cmocka_unit_test_teardown(test_time_limits, teardown),
		cmocka_unit_test_teardown(test_files_that_are_no_yaml, teardown),
		cmocka_unit_test_teardown(test_profiles, teardown),
		cmocka_unit_test_teardown(test_too_many_profiles, teardown),
		cmocka_unit_test_teardown(test_keys_that_are_too_deep, teardown),
		cmocka_unit_test_teardown(test_routes_without_predicates, teardown),
		cmocka_unit_test_teardown(test_properties, teardown),
		cmocka_unit_test_teardown(test_items_go_by_their_numbers, teardown),
		cmocka_unit_test_teardown(test_gaps_in_lists, teardown),
		cmocka_unit_test_teardown(test_documents_of_properties, teardown),
		cmocka_unit_test_teardown(test_blanks_at_the_end, teardown),
		cmocka_unit_test_teardown(test_lists_that_are_too_long, teardown),
		cmocka_unit_test_teardown(test_hosts, teardown),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_placeholders),
		cmocka_unit_test(test_placeholders_without_end),
		cmocka_unit_test(test_relaxed_names),
	};

	return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
