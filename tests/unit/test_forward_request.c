/* Heads as they go on: what lies side by side and is copied in one go reads the same as what is written anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/exchange/forward_request.h"
#include "gateway/downstream/forward_response.h"
#include "gateway/upstream/h1.h"
#include "tests/unit/page.h"

enum { MAXIMUM = 16 };

static const struct request_limits limits = { .head_bytes = 4096, .fields = MAXIMUM };
static const struct origin origin = {
	.peer = SLICE("10.0.0.9"), .request_id = SLICE("0123456789abcdef0123456789abcdef"),
	.name = SLICE("gateway-0123456789abcdef"),
};
static struct upstream_settings upstream = { .host = "patient", .port = 2222 };

#define OWN \
	"X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Forwarded-Port: 80\r\n" \
	"Forwarded: proto=http;for=10.0.0.9;host=\"h\"\r\nX-Request-Id: 0123456789abcdef0123456789abcdef\r\n" \
	"Via: 1.1 gateway-0123456789abcdef\r\n\r\n"

/* Exactly the room that was asked for. */
static void assert_request(const char *fields, const struct route *route, const char *wanted)
{
	static const char line[] = "GET /a HTTP/1.1\r\nHost: h\r\n";
	struct field list[MAXIMUM];
	struct request request;
	char head[1024], *room, *end;
	size_t length, bound;

	length = (size_t)(stpcpy(stpcpy(stpcpy(head, line), fields), "\r\n") - head);
	assert_int_equal(request_parse(&request, page_lay(head, length), length, list, &limits), PARSE_DONE);
	bound = forward_request_bound(&request, route, &upstream_h1);
	room = malloc(bound);
	assert_non_null(room);
	end = forward_request(room, &request, route, request.path, &origin, NULL, &upstream_h1);
	assert_true((size_t)(end - room) <= bound);
	assert_int_equal((size_t)(end - room), strlen(line) + strlen(wanted) + strlen(OWN));
	assert_memory_equal(room, line, strlen(line));
	assert_memory_equal(room + strlen(line), wanted, strlen(wanted));
	assert_memory_equal(end - strlen(OWN), OWN, strlen(OWN));
	free(room);
}

static void test_requests(void **state)
{
	const struct route route = { .upstream = &upstream };
	struct header_edit edit = { .kind = HEADER_REMOVE, .name = "b", .name_length = 1 };
	const struct route removing = { .upstream = &upstream, .request_headers = { .edits = &edit, .count = 1 } };

	(void)state;
	assert_request("", &route, "");
	assert_request("A: 1\r\nB: 2\r\n", &route, "A: 1\r\nB: 2\r\n");
	assert_request("A:1\r\nB: 2\r\nC:\r\nD: \r\n", &route, "A: 1\r\nB: 2\r\nC: \r\nD: \r\n");
	assert_request("A: 1 \r\nB:  2\r\nC: 3\r\nD:\t4\r\n", &route, "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n");
	assert_request("A: 1\r\nX-Forwarded-For: 1.2.3.4\r\nB: 2\r\nC: 3\r\nTE: x\r\n", &route, "A: 1\r\nB: 2\r\nC: 3\r\n");
	assert_request("X_Real_IP: 1.2.3.4\r\nA: 1\r\nConnection: c\r\nB: 2\r\nC: 3\r\nD: 4\r\n", &route, "A: 1\r\nB: 2\r\nD: 4\r\n");
	assert_request("A: 1\r\nB: 2\r\nC: 3\r\nB:2\r\nD: 4\r\n", &removing, "A: 1\r\nC: 3\r\nD: 4\r\n");
}

/* What the service learns of its client: from X-Forwarded-For up to Forwarded. `came` is the head but for its last line. */
static const char *told(const char *came, bool is_trusted)
{
	static const struct route route = { .upstream = &upstream };
	static char said[2048];
	struct origin from = origin;
	struct field list[MAXIMUM];
	struct request request;
	char head[1024], *room, *begin, *end;
	size_t length = (size_t)(stpcpy(stpcpy(head, came), "\r\n") - head), bound;

	from.is_trusted = is_trusted;
	assert_int_equal(request_parse(&request, page_lay(head, length), length, list, &limits), PARSE_DONE);
	bound = forward_request_bound(&request, &route, &upstream_h1);
	room = malloc(bound + 1);
	assert_non_null(room);
	end = forward_request(room, &request, &route, request.path, &from, NULL, &upstream_h1);
	assert_true((size_t)(end - room) <= bound);
	*end = '\0';
	begin = strstr(room, "X-Forwarded-For: ");
	end = strstr(room, "X-Request-Id: ");
	assert_true(begin != NULL && end > begin);
	*end = '\0';
	strcpy(said, begin);
	free(room);
	return said;
}

static bool tells(const char *came, bool is_trusted, const char *line)
{
	return strstr(told(came, is_trusted), line) != NULL;
}

#define GET "GET / HTTP/1.1\r\n"

/* The one of the URI that the client asked for, as Spring Cloud Gateway says it. */
static void test_ports(void **state)
{
	static const struct { const char *came, *port; } cases[] = {
		{ GET "Host: h\r\n", "80" }, { GET "Host: h:8443\r\n", "8443" }, { GET "Host: h:\r\n", "80" },
		{ GET "Host: h.:81\r\n", "81" }, { GET "Host: h.\r\n", "80" }, { GET "Host: [::1]:82\r\n", "82" },
		{ GET "Host: [::1]\r\n", "80" }, { "GET http://h:83 HTTP/1.1\r\nHost: h:83\r\n", "83" }, { "GET / HTTP/1.0\r\n", "80" },
	}, by_proxies[] = {
		{ "X-Forwarded-Port: 8443\r\n", "8443" }, { "X-Forwarded-Proto: https\r\n", "81" }, { "X-Forwarded-For: ::2\r\n", "81" },
		{ "X-Forwarded-Host: pub:82\r\n", "82" }, { "X-Forwarded-Host: pub\r\n", "80" },
		{ "X-Forwarded-Host: pub\r\nX-Forwarded-Proto: HTTPS\r\n", "443" },
		{ "X-Forwarded-Host: pub\r\nX-Forwarded-Proto: wss, http\r\n", "443" },
		{ "X-Forwarded-Host: , pub:82 , h:83\r\nX-Forwarded-Proto: https\r\n", "82" },
		{ "X-Forwarded-Host: [::2]:84\r\nX-Forwarded-Proto: https\r\n", "84" },
		{ "X-Forwarded-Host: pub:82\r\nX-Forwarded-Port: \r\nX-Forwarded-Port: 85, 86\r\n", "85" },
		{ "X-Forwarded-Host: a b:82\r\nX-Forwarded-Proto: https\r\n", "443" },
	};
	char came[256], line[64];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(line, sizeof line, "\r\nX-Forwarded-Port: %s\r\n", cases[i].port);
		if (!tells(cases[i].came, false, line) || !tells(cases[i].came, true, line))
			fail_msg("%s: %s", cases[i].came, told(cases[i].came, false));
	}
	for (size_t i = 0; i < sizeof by_proxies / sizeof *by_proxies; i++) {
		snprintf(came, sizeof came, GET "Host: h:81\r\n%s", by_proxies[i].came);
		snprintf(line, sizeof line, "\r\nX-Forwarded-Port: %s\r\n", by_proxies[i].port);
		if (!tells(came, true, line) || !tells(came, false, "\r\nX-Forwarded-Port: 81\r\n"))
			fail_msg("%s: %s", came, told(came, true));
	}
	assert_null(strstr(told(GET "Host: h\r\nX-Forwarded-Proto: gopher\r\n", true), "X-Forwarded-Port"));
}

#define SAYS "X-Forwarded-Proto: https\r\nX-Forwarded-Host: pub\r\n"
#define OWN_ELEMENT "proto=http;for=10.0.0.9;host=\"h:80\"\r\n"

/* Readers of Forwarded and readers of X-Forwarded-... learn the same. */
static void test_proxies_without_forwarded(void **state)
{
	static const struct { const char *came, *forwarded; } cases[] = {
		{ "", "" },
		{ "X-Forwarded-For: 1.2.3.4\r\n", "proto=http;for=1.2.3.4;host=\"h:80\", " },
		{ "X-Forwarded-Proto: https\r\n", "proto=https;host=\"h:80\", " },
		{ "X-Forwarded-For: 1.2.3.4\r\n" SAYS, "proto=https;for=1.2.3.4;host=\"pub\", " },
		{ SAYS "X-Forwarded-For: [2001:db8::1]:80 , ,5.6.7.8:9\r\nX-Forwarded-For: ::1\r\n",
		  "proto=https;for=\"[2001:db8::1]\";host=\"pub\", for=5.6.7.8, for=\"[::1]\", " },
		{ "X-Forwarded-For: ::,::,::,::,::,::,::,::\r\n",
		  "proto=http;for=\"[::]\";host=\"h:80\", for=\"[::]\", for=\"[::]\", for=\"[::]\", for=\"[::]\", "
		  "for=\"[::]\", for=\"[::]\", for=\"[::]\", " },
		{ SAYS "X-Forwarded-Port: 443\r\n", "proto=https;host=\"pub\", " },
		{ SAYS "X-Forwarded-Port: 8443\r\n", "proto=https;host=\"pub:8443\", " },
		{ "X-Forwarded-Host: pub.:81\r\nX-Forwarded-Port: 8443\r\n", "proto=http;host=\"pub:8443\", " },
		{ "X-Forwarded-Host: [::2]:81\r\n", "proto=http;host=\"[::2]:81\", " },
		{ "X-Forwarded-Port: 8443\r\n", "proto=http;host=\"h:8443\", " },
		{ "Forwarded: \r\n" SAYS, "proto=https;host=\"pub\", " },
		{ "Forwarded: for=5.6.7.8\r\n" SAYS, "for=5.6.7.8, " },
		{ "Forwarded: for=\"\r\n" SAYS, "for=\", " },
	};
	static const char *const bad[] = {
		SAYS "X-Forwarded-For: unknown\r\n", SAYS "X-Forwarded-For: 1.2.3.4, x;proto=http\r\n",
		SAYS "X-Forwarded-For: \"1.2.3.4\"\r\n",
		SAYS "X-Forwarded-Port: x\r\n", SAYS "X-Forwarded-Port: 65536\r\n", SAYS "X-Forwarded-Port: 0\r\n",
		"X-Forwarded-Proto: ht tp\r\n", "X-Forwarded-Proto: https;host=x\r\n", "X-Forwarded-Proto: 1\r\n",
		"X-Forwarded-Host: a b\r\n", "X-Forwarded-Host: a;proto=https\r\n", "X-Forwarded-Host: a\"\r\n",
		"X-Forwarded-Host: a:x\r\n",
		"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: http://a\r\n",
	};
	char came[512], line[512];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(came, sizeof came, GET "Host: h:80\r\n%s", cases[i].came);
		snprintf(line, sizeof line, "\r\nForwarded: %s" OWN_ELEMENT, cases[i].forwarded);
		if (!tells(came, true, line) || !tells(came, false, "\r\nForwarded: " OWN_ELEMENT))
			fail_msg("%s: %s", came, told(came, true));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(came, sizeof came, GET "Host: h:80\r\n%s", bad[i]);
		if (tells(came, true, "\r\nForwarded:") || !tells(came, false, "\r\nForwarded: " OWN_ELEMENT))
			fail_msg("%s: %s", came, told(came, true));
	}
	assert_true(tells("GET / HTTP/1.0\r\n" SAYS, true, "\r\nForwarded: proto=https;host=\"pub\", proto=http;for=10.0.0.9\r\n"));
	assert_true(tells("GET / HTTP/1.0\r\nX-Forwarded-For: ::1\r\n", true,
	                  "\r\nForwarded: proto=http;for=\"[::1]\", proto=http;for=10.0.0.9\r\n"));
}

static void test_host_for_1_0(void **state)
{
	static const char came[] = "GET / HTTP/1.0\r\n\r\n";
	static const struct { const char *host; uint8_t family; const char *wanted; } cases[] = {
		{ "patient", 0, "GET / HTTP/1.1\r\nHost: patient:2222\r\n" },
		{ "127.0.0.1", 4, "GET / HTTP/1.1\r\nHost: 127.0.0.1:2222\r\n" },
		{ "2001:db8::1", 6, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:2222\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct upstream_settings settings = { .host = cases[i].host, .port = 2222, .address.family = cases[i].family };
		const struct route route = { .upstream = &settings };
		struct field list[MAXIMUM];
		struct request request;
		char room[1024];

		assert_int_equal(request_parse(&request, came, strlen(came), list, &limits), PARSE_DONE);
		assert_true(forward_request_bound(&request, &route, &upstream_h1) <= sizeof room);
		forward_request(room, &request, &route, request.path, &origin, NULL, &upstream_h1);
		assert_memory_equal(room, cases[i].wanted, strlen(cases[i].wanted));
	}
}

static enum forward_closing closing = FORWARD_KEEP;

static void assert_response(const char *came, const char *wanted)
{
	struct header_edits edits = { .count = 0 };
	struct field list[MAXIMUM];
	struct response response;
	struct forward_response forward = { .response = &response, .edits = &edits, .closing = closing,
	                                    .date = "Sun, 06 Nov 1994 08:49:37 GMT" };
	size_t length = strlen(came);
	char *room, *end;

	assert_int_equal(response_parse(&response, page_lay(came, length), length, list, &limits, false), PARSE_DONE);
	room = malloc(strlen(wanted)); /* not one byte more */
	assert_non_null(room);
	end = forward_response(room, &forward);
	assert_int_equal((size_t)(end - room), strlen(wanted));
	assert_memory_equal(room, wanted, strlen(wanted));
	free(room);
}

static void test_responses(void **state)
{
	(void)state;
	assert_response("HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 5\r\nB: 2\r\nC:3\r\n\r\n",
	                "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nVia: 1.1 gateway\r\n"
	                "Content-Length: 5\r\n\r\n");
	assert_response("HTTP/1.0 404 \r\nDate: x\r\nA: 1\r\nB: 2 \r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 404 \r\nDate: x\r\nA: 1\r\nB: 2\r\nVia: 1.0 gateway\r\nContent-Length: 0\r\n\r\n");
}

/* Whatever the upstream speaks, the version is the gateway's own (RFC 9110 section 2.5). */
static void test_status_lines(void **state)
{
	(void)state;
	assert_response("HTTP/1.0 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 200 OK\r\nDate: x\r\nVia: 1.0 gateway\r\nContent-Length: 0\r\n\r\n");
	assert_response("HTTP/1.2 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 200 OK\r\nDate: x\r\nVia: 1.1 gateway\r\nContent-Length: 0\r\n\r\n");
	assert_response("HTTP/1.1 200\r\nDate: x\r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 200 \r\nDate: x\r\nVia: 1.1 gateway\r\nContent-Length: 0\r\n\r\n");
	assert_response("HTTP/1.1 200  two blanks\r\nContent-Length: 0\r\nDate: x\r\n\r\n",
	                "HTTP/1.1 200  two blanks\r\nDate: x\r\nVia: 1.1 gateway\r\nContent-Length: 0\r\n\r\n");
}

/* RFC 9110 sections 7.8 and 15.5.22: what is advertised reaches the client, if it would pass; a 426 says what it wants. */
static void test_upgrades(void **state)
{
#define HEAD(status) "HTTP/1.1 " status "\r\nDate: x\r\n"
	(void)state;
	assert_response(HEAD("426 U") "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
	                HEAD("426 U") "Via: 1.1 gateway\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
	assert_response(HEAD("426 U") "Upgrade:TLS/1.2\r\nUpgrade:h2c\r\nContent-Length: 0\r\n\r\n",
	                HEAD("426 U") "Via: 1.1 gateway\r\nContent-Length: 0\r\nUpgrade: TLS/1.2\r\nUpgrade: h2c\r\n"
	                "Connection: upgrade\r\n\r\n");
	assert_response(HEAD("200 O") "Upgrade: websocket, x/1\r\nContent-Length: 0\r\n\r\n",
	                HEAD("200 O") "Via: 1.1 gateway\r\nContent-Length: 0\r\nUpgrade: websocket, x/1\r\n"
	                "Connection: upgrade\r\n\r\n");
	assert_response(HEAD("200 O") "Upgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
	                HEAD("200 O") "Via: 1.1 gateway\r\nContent-Length: 0\r\n\r\n");
	closing = FORWARD_CLOSE;
	assert_response(HEAD("426 U") "Upgrade: websocket\r\nContent-Length: 0\r\n\r\n",
	                HEAD("426 U") "Via: 1.1 gateway\r\nContent-Length: 0\r\nUpgrade: websocket\r\n"
	                "Connection: close, upgrade\r\n\r\n");
	assert_response(HEAD("101 S") "Upgrade: websocket\r\n\r\n",
	                HEAD("101 S") "Via: 1.1 gateway\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
	closing = FORWARD_KEEP_1_0;
	assert_response(HEAD("426 U") "Upgrade: websocket\r\nContent-Length: 0\r\n\r\n",
	                HEAD("426 U") "Via: 1.1 gateway\r\nContent-Length: 0\r\nUpgrade: websocket\r\n"
	                "Connection: keep-alive, upgrade\r\n\r\n");
	closing = FORWARD_KEEP;
}

static void test_interim_responses(void **state)
{
	static const char came[] = "HTTP/1.1 103 E\r\nLink: a\r\nX-Internal: 1\r\nServer: s\r\nUpgrade: h2c\r\n\r\n";
	struct header_edit list[] = {
		{ .kind = HEADER_REMOVE, .name = "x-internal", .name_length = 10 },
		{ .kind = HEADER_SET, .name = "server", .name_length = 6, .value = "t", .value_length = 1 },
		{ .kind = HEADER_ADD, .name = "link", .name_length = 4, .value = "b", .value_length = 1 },
	};
	const struct header_edits edits = { .edits = list, .count = 3 }, none = { .count = 0 };
	struct field fields[MAXIMUM];
	struct response response;
	struct changes changes;
	char room[1024], *end;

	(void)state;
	assert_int_equal(response_parse(&response, came, strlen(came), fields, &limits, false), PARSE_DONE);
	end = forward_interim(room, &response, &edits, NULL);
	*end = '\0';
	assert_string_equal(room, "HTTP/1.1 103 E\r\nLink: a\r\n\r\n");
	changes_begin(&changes);
	changes_add(&changes, CHANGE_REMOVE_PREFIX, SLICE("X-"), (struct slice){ NULL, 0 });
	changes_add(&changes, CHANGE_SET, SLICE("server"), SLICE("t"));
	changes_add(&changes, CHANGE_ADD, SLICE("Link"), SLICE("b"));
	end = forward_interim(room, &response, &none, &changes);
	*end = '\0';
	assert_string_equal(room, "HTTP/1.1 103 E\r\nLink: a\r\n\r\n");
	changes_end(&changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_proxies_without_forwarded),
		cmocka_unit_test(test_host_for_1_0),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_upgrades),
		cmocka_unit_test(test_interim_responses),
		cmocka_unit_test(test_status_lines),
	};

	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
