/*
 * Response heads, as an upstream that is broken or taken over may send them. Every case is parsed whole and at each
 * shorter length, laid against an unreadable page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/http/response.h"
#include "tests/unit/page.h"
#include "tests/unit/slices.h"

static const struct request_limits LIMITS = {.head_bytes = 1024, .fields = 8};

static struct field fields[8];

static struct response check_bytes(const char *text, size_t length, bool is_head, enum parse_result wanted)
{
	struct response whole, prefix;

	assert_int_equal(response_parse(&whole, text, length, fields, &LIMITS, is_head), wanted);
	for (size_t cut = 0; cut <= length; cut++) {
		enum parse_result result = response_parse(&prefix, page_lay(text, cut), cut, fields, &LIMITS, is_head);

		if (wanted == PARSE_DONE && cut < whole.head_length)
			assert_int_equal(result, PARSE_MORE);
		if (result == PARSE_MORE)
			continue;
		assert_int_equal(result, wanted);
		assert_int_equal(prefix.head_length, whole.head_length);
		assert_ptr_equal(prefix.refused_why, whole.refused_why);
	}
	return prefix;
}

#define done(literal) check_bytes(literal, sizeof literal - 1, false, PARSE_DONE)
#define done_head(literal) check_bytes(literal, sizeof literal - 1, true, PARSE_DONE)
#define more(literal) check_bytes(literal, sizeof literal - 1, false, PARSE_MORE)
#define refused(literal) assert_non_null(check_bytes(literal, sizeof literal - 1, false, PARSE_REFUSED).refused_why)

static void test_reads_a_response(void **state)
{
	struct response r = done("HTTP/1.1 200 All is well\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello");

	(void)state;
	assert_int_equal(r.status, 200);
	assert_slice(r.reason, "All is well");
	assert_int_equal(r.version_minor, 1);
	assert_true(r.keep_alive);
	assert_false(r.is_interim);
	assert_int_equal(r.body.kind, BODY_LENGTH);
	assert_int_equal(r.body.length, 5);
	assert_int_equal(r.fields.count, 2);
	assert_int_equal(r.keep_alive_timeout_s, 0);

	assert_slice(done("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n").reason, "");
	assert_slice(done("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n").reason, "");
	assert_slice(done("HTTP/1.1 404 \xc3\xa4\t\r\n\r\n").reason, "\xc3\xa4\t");
	assert_int_equal(done("HTTP/1.1 599 x\r\n\r\n").status, 599);
	more("");
	more("HTTP/1.1 2");
}

static void test_status_line(void **state)
{
	(void)state;
	refused("\r\nHTTP/1.1 200 OK\r\n\r\n");
	refused("HTTP/2.0 200 OK\r\n\r\n");
	refused("HTTP/0.9 200 OK\r\n\r\n");
	refused("HTTP/1.12 200 OK\r\n\r\n");
	refused("http/1.1 200 OK\r\n\r\n");
	refused("ICY 200 OK\r\n\r\n");
	refused("<html>");
	refused("HTTP/1.1  200 OK\r\n\r\n");
	refused("HTTP/1.1\t200 OK\r\n\r\n");
	refused("HTTP/1.1 20 OK\r\n\r\n");
	refused("HTTP/1.1 2000 OK\r\n\r\n");
	refused("HTTP/1.1 099 OK\r\n\r\n");
	refused("HTTP/1.1 600 OK\r\n\r\n");
	refused("HTTP/1.1 2x0 OK\r\n\r\n");
	refused("HTTP/1.1 -20 OK\r\n\r\n");
	refused("HTTP/1.1 200\tOK\r\n\r\n");
	refused("HTTP/1.1 200 OK\n\n");
	refused("HTTP/1.1 200\n\n");
	refused("HTTP/1.1 200 O\rK\r\n\r\n");
	refused("HTTP/1.1 200 O\0K\r\n\r\n");
	refused("HTTP/1.1 200 O\x1bK\r\n\r\n");
}

static void test_fields_and_framing(void **state)
{
	(void)state;
	refused("HTTP/1.1 200 OK\r\nA : b\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nA: b\n\r\n");
	refused("HTTP/1.1 200 OK\r\n: b\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nContent_Length: 5\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n");
	refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	refused("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(done("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").body.kind, BODY_CHUNKED);
}

static void test_bodiless(void **state)
{
	struct response r = done("HTTP/1.1 204 No Content\r\n\r\n");

	(void)state;
	assert_int_equal(r.body.kind, BODY_NONE);
	assert_true(r.keep_alive);
	r = done("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
	assert_int_equal(r.body.kind, BODY_NONE);
	assert_true(r.keep_alive);
	r = done_head("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
	assert_int_equal(r.body.kind, BODY_NONE);
	assert_true(r.keep_alive);
	r = done_head("HTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(r.body.kind, BODY_NONE);
	assert_true(r.keep_alive);
	/* A body is announced where none may be: the connection can't be trusted. */
	assert_true(done("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").keep_alive);
	assert_false(done("HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n").keep_alive);
	assert_false(done("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n").keep_alive);
	assert_false(done("HTTP/1.1 100 Continue\r\nContent-Length: 7\r\n\r\n").keep_alive);
}

static void test_keep_alive(void **state)
{
	struct response r = done("HTTP/1.1 200 OK\r\n\r\n");

	(void)state;
	assert_int_equal(r.body.kind, BODY_UNTIL_CLOSE);
	assert_false(r.keep_alive);
	assert_false(done("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: a, Close\r\n\r\n").keep_alive);
	assert_false(done("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive);
	r = done("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\nKeep-Alive: max=9, Timeout=15\r\n\r\n");
	assert_true(r.keep_alive);
	assert_int_equal(r.keep_alive_timeout_s, 15);
	assert_int_equal(done("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=\r\n\r\n").keep_alive_timeout_s, 0);
	assert_true(done("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=\r\n\r\n").keep_alive);
	assert_true(done("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=1, max=9\r\n\r\n").keep_alive);
	assert_false(done("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=0\r\n\r\n").keep_alive);
	assert_false(done("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: max=9, timeout=00\r\n\r\n").keep_alive);
	assert_int_equal(done("HTTP/1.1 200 OK\r\nKeep-Alive: xtimeout=5\r\n\r\n").keep_alive_timeout_s, 0);
	assert_int_equal(done("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=99999999999999\r\n\r\n").keep_alive_timeout_s, 86400);
}

static void test_interim_and_upgrade(void **state)
{
	struct response r = done("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n");

	(void)state;
	assert_true(r.is_interim);
	assert_true(r.keep_alive);
	assert_int_equal(r.body.kind, BODY_NONE);
	r = done("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81");
	assert_false(r.is_interim);
	assert_false(r.keep_alive);
	assert_int_equal(r.body.kind, BODY_NONE);
	assert_slice(r.upgrade, "websocket");
	refused("HTTP/1.1 101 Switching Protocols\r\n\r\n");
	refused("HTTP/1.1 101 Switching Protocols\r\nUpgrade:\r\n\r\n");
	refused("HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n");
	refused("HTTP/1.0 101 Switching Protocols\r\nUpgrade: a\r\n\r\n");
}

static void test_limits(void **state)
{
	char text[2048];
	size_t length = (size_t)sprintf(text, "HTTP/1.1 200 ");

	(void)state;
	memset(text + length, 'a', sizeof text - length);
	check_bytes(text, sizeof text, false, PARSE_REFUSED);
	check_bytes(text, 1024, false, PARSE_REFUSED);
	check_bytes(text, 1023, false, PARSE_MORE);
	memcpy(text + 1020, "\r\n\r\n", 4);
	assert_int_equal(check_bytes(text, sizeof text, false, PARSE_DONE).head_length, 1024);
	refused("HTTP/1.1 200 OK\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n");
}

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(status_reason(100), "Continue");
	assert_string_equal(status_reason(101), "Switching Protocols");
	assert_string_equal(status_reason(200), "OK");
	assert_string_equal(status_reason(206), "Partial Content");
	assert_string_equal(status_reason(304), "Not Modified");
	assert_string_equal(status_reason(308), "Permanent Redirect");
	assert_string_equal(status_reason(400), "Bad Request");
	assert_string_equal(status_reason(405), "Method Not Allowed");
	assert_string_equal(status_reason(408), "Request Timeout");
	assert_string_equal(status_reason(413), "Content Too Large");
	assert_string_equal(status_reason(414), "URI Too Long");
	assert_string_equal(status_reason(417), "Expectation Failed");
	assert_string_equal(status_reason(426), "Upgrade Required");
	assert_string_equal(status_reason(429), "Too Many Requests");
	assert_string_equal(status_reason(431), "Request Header Fields Too Large");
	assert_string_equal(status_reason(501), "Not Implemented");
	assert_string_equal(status_reason(502), "Bad Gateway");
	assert_string_equal(status_reason(503), "Service Unavailable");
	assert_string_equal(status_reason(504), "Gateway Timeout");
	assert_string_equal(status_reason(505), "HTTP Version Not Supported");
	assert_string_equal(status_reason(511), "Network Authentication Required");
	for (unsigned status = 0; status < 1000; status++)
		assert_non_null(status_reason(status));
	assert_string_equal(status_reason(299), "Unknown");
	assert_string_equal(status_reason(99), "Unknown");
	assert_string_equal(status_reason(600), "Unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_a_response),
		cmocka_unit_test(test_status_line),
		cmocka_unit_test(test_fields_and_framing),
		cmocka_unit_test(test_bodiless),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_interim_and_upgrade),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests_name("response", tests, NULL, NULL);
}
