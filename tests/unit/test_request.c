/*
 * Request heads: the tables of SECURITY.md, one line each. Every case is parsed whole and at each shorter length, laid
 * against an unreadable page: a prefix gets either PARSE_MORE or the verdict of the whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/http/characters.h"
#include "gateway/http/request.h"
#include "tests/unit/page.h"
#include "tests/unit/slices.h"

static const struct request_limits LIMITS = {.head_bytes = 1024, .fields = 16};

static struct field fields[16];

static struct request check_bytes(const char *text, size_t length, enum parse_result wanted)
{
	struct request whole, prefix;

	assert_int_equal(request_parse(&whole, text, length, fields, &LIMITS), wanted);
	for (size_t cut = 0; cut <= length; cut++) {
		enum parse_result result = request_parse(&prefix, page_lay(text, cut), cut, fields, &LIMITS);

		if (wanted == PARSE_DONE && cut < whole.head_length)
			assert_int_equal(result, PARSE_MORE);
		if (result == PARSE_MORE)
			continue;
		assert_int_equal(result, wanted);
		assert_int_equal(prefix.head_length, whole.head_length);
		assert_int_equal(prefix.refused_status, whole.refused_status);
		assert_ptr_equal(prefix.refused_why, whole.refused_why);
	}
	return prefix;
}

/* The slices of what is returned point into the page, or into static words. */
#define done(literal) check_bytes(literal, sizeof literal - 1, PARSE_DONE)
#define more(literal) check_bytes(literal, sizeof literal - 1, PARSE_MORE)
#define refused(status, literal) \
	assert_int_equal(check_bytes(literal, sizeof literal - 1, PARSE_REFUSED).refused_status, status)
/* A line or a field in a request that is fine otherwise. */
#define line_refused(status, line) refused(status, line "\r\nHost: h\r\n\r\n")
#define field_refused(status, field) refused(status, "POST / HTTP/1.1\r\nHost: h\r\n" field "\r\n\r\n")

static void test_reads_a_request(void **state)
{
	struct request r = done("GET /patient/7?a=b?c%20 HTTP/1.1\r\nHost: Example.org:8080\r\nUser-Agent: x\r\n\r\nGET");

	(void)state;
	assert_int_equal(r.method, METHOD_GET);
	assert_slice(r.method_text, "GET");
	assert_slice(r.target, "/patient/7?a=b?c%20");
	assert_slice(r.path, "/patient/7");
	assert_true(r.has_query);
	assert_slice(r.query, "a=b?c%20");
	assert_slice(r.host, "Example.org:8080");
	assert_slice(r.host_name, "Example.org");
	assert_int_equal(r.version_minor, 1);
	assert_true(r.keep_alive);
	assert_false(r.expects_continue);
	assert_false(r.wants_upgrade);
	assert_int_equal(r.body.kind, BODY_NONE);
	assert_int_equal(r.fields.count, 2);

	r = done("GET /? HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_true(r.has_query);
	assert_int_equal(r.query.length, 0);
	assert_slice(r.path, "/");
	more("");
	more("GET /%4");
	more("GET / HTTP/1.1\r\nHost: h\r\n");
}

static void test_methods(void **state)
{
	(void)state;
	assert_int_equal(done("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").method, METHOD_HEAD);
	assert_int_equal(done("POST / HTTP/1.1\r\nHost: h\r\n\r\n").method, METHOD_POST);
	assert_int_equal(done("PUT / HTTP/1.1\r\nHost: h\r\n\r\n").method, METHOD_PUT);
	assert_int_equal(done("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n").method, METHOD_DELETE);
	assert_int_equal(done("OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n").method, METHOD_OPTIONS);
	assert_int_equal(done("PATCH / HTTP/1.1\r\nHost: h\r\n\r\n").method, METHOD_PATCH);
	assert_int_equal(done("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n").method, METHOD_TRACE);
	assert_int_equal(done("get / HTTP/1.1\r\nHost: h\r\n\r\n").method, METHOD_OTHER);
	assert_int_equal(done("M-SEARCH / HTTP/1.1\r\nHost: h\r\n\r\n").method, METHOD_OTHER);
	line_refused(405, "CONNECT h:443 HTTP/1.1");
	line_refused(405, "CONNECT / HTTP/1.1");
	line_refused(400, "GE(T / HTTP/1.1");
	line_refused(400, "GET\t/ HTTP/1.1");
	line_refused(400, " GET / HTTP/1.1");
	line_refused(400, "G\0T / HTTP/1.1");
	refused(400, "\x16\x03\x01\x02");
}

static void test_request_line(void **state)
{
	(void)state;
	line_refused(400, "GET  / HTTP/1.1");
	line_refused(400, "GET /  HTTP/1.1");
	line_refused(400, "GET / HTTP/1.1 ");
	line_refused(400, "GET / x HTTP/1.1");
	line_refused(400, "GET /\tHTTP/1.1");
	line_refused(400, "GET /");
	line_refused(400, "GET");
	line_refused(400, "GET / ");
	line_refused(400, "GET / HTTP/1");
	line_refused(400, "GET / HTTP/1.");
	line_refused(400, "GET / HTTP/1.12");
	line_refused(400, "GET / HTTP/11.1");
	line_refused(400, "GET / HTTP/+1.1");
	line_refused(400, "GET / http/1.1");
	line_refused(400, "GET / HTTPS/1.1");
	line_refused(400, "GET / HTTP /1.1");
	line_refused(400, "GET / HTTP/0.9");
	line_refused(505, "GET / HTTP/2.0");
	line_refused(505, "GET / HTTP/3.1");
	refused(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	refused(400, "GET / HTTP/1.1\nHost: h\r\n\r\n");
	refused(400, "GET / HTTP/1.1\rHost: h\r\n\r\n");
	refused(400, "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n");
	refused(400, "GET / HTTP/1.1\n\n");
	assert_int_equal(done("GET / HTTP/1.0\r\n\r\n").version_minor, 0);
	assert_int_equal(done("GET / HTTP/1.7\r\nHost: h\r\n\r\n").version_minor, 1);
}

static void test_empty_lines_before(void **state)
{
	(void)state;
	assert_int_equal(done("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").head_length, 29);
	more("\r");
	more("\r\n");
	refused(400, "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	refused(400, "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	refused(400, "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	refused(400, "\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	refused(400, "\r\n GET / HTTP/1.1\r\nHost: h\r\n\r\n");
}

static void test_targets(void **state)
{
	(void)state;
	line_refused(400, "GET patient HTTP/1.1");
	line_refused(400, "GET ?a HTTP/1.1");
	line_refused(400, "GET * HTTP/1.1");
	line_refused(400, "OPTIONS *a HTTP/1.1");
	line_refused(400, "GET h:80 HTTP/1.1");
	line_refused(400, "GET /#a HTTP/1.1");
	line_refused(400, "GET /a\\b HTTP/1.1");
	line_refused(400, "GET /?a\\b HTTP/1.1");
	line_refused(400, "GET /% HTTP/1.1");
	line_refused(400, "GET /%4 HTTP/1.1");
	line_refused(400, "GET /%4g HTTP/1.1");
	line_refused(400, "GET /%?a HTTP/1.1");
	line_refused(400, "GET /%00 HTTP/1.1");
	line_refused(400, "GET /?%00 HTTP/1.1");
	line_refused(400, "GET /?%%00 HTTP/1.1");
	line_refused(400, "GET /\0 HTTP/1.1");
	line_refused(400, "GET /\x01 HTTP/1.1");
	line_refused(400, "GET /\x7f HTTP/1.1");
	line_refused(400, "GET /\xc3\xa4 HTTP/1.1");
	line_refused(400, "GET /\rX HTTP/1.1");
	line_refused(400, "GET /\nX HTTP/1.1");
	line_refused(400, "GET /<a> HTTP/1.1");
	assert_slice(done("GET /a[0]|{b}^`?c[]=1 HTTP/1.1\r\nHost: h\r\n\r\n").path, "/a[0]|{b}^`");
	assert_slice(done("GET /%01%0a HTTP/1.1\r\nHost: h\r\n\r\n").path, "/%01%0a");
	assert_slice(done("GET /a?b=%&%c&%4g=100% HTTP/1.1\r\nHost: h\r\n\r\n").query, "b=%&%c&%4g=100%");
	assert_slice(done("GET //evil/x HTTP/1.1\r\nHost: h\r\n\r\n").path, "//evil/x");
	assert_slice(done("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").path, "*");
}

static void test_absolute_targets(void **state)
{
	struct request r = done("GET HTTP://h:80/a?b HTTP/1.1\r\nHost: H\r\n\r\n");

	(void)state;
	assert_slice(r.path, "/a");
	assert_slice(r.query, "b");
	assert_slice(r.host, "h:80");
	assert_slice(r.host_name, "h");
	r = done("GET http://h HTTP/1.0\r\n\r\n");
	assert_slice(r.path, "/");
	assert_slice(r.host, "h");
	r = done("GET http://h?x/y HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_slice(r.path, "/");
	assert_slice(r.query, "x/y");
	assert_slice(done("OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n").path, "*");
	assert_slice(done("OPTIONS http://h/ HTTP/1.1\r\nHost: h\r\n\r\n").path, "/");
	line_refused(400, "GET http://other/ HTTP/1.1");
	line_refused(400, "GET http://h:81/ HTTP/1.1");
	line_refused(400, "GET http://u@h/ HTTP/1.1");
	line_refused(400, "GET http://u:p@h/ HTTP/1.1");
	line_refused(400, "GET http:///a HTTP/1.1");
	line_refused(400, "GET http://?a HTTP/1.1");
	line_refused(400, "GET http:// HTTP/1.1");
	line_refused(400, "GET http:/a HTTP/1.1");
	line_refused(400, "GET https://h/ HTTP/1.1");
	line_refused(400, "GET ftp://h/ HTTP/1.1");
	refused(400, "GET http://h/ HTTP/1.1\r\n\r\n");
}

#define host_done(value) done("GET / HTTP/1.1\r\nHost: " value "\r\n\r\n").host_name
#define host_refused(value) refused(400, "GET / HTTP/1.1\r\nHost: " value "\r\n\r\n")

static void test_hosts(void **state)
{
	(void)state;
	assert_slice(host_done("h"), "h");
	assert_slice(host_done("a-b_c.d.:65535"), "a-b_c.d");
	assert_slice(host_done("127.0.0.1:1"), "127.0.0.1");
	assert_slice(host_done("[::1]"), "[::1]");
	assert_slice(host_done("[2001:db8::1]:80"), "[2001:db8::1]");
	assert_slice(host_done("h:"), "h");
	assert_slice(host_done("[::1]:"), "[::1]");
	assert_slice(host_done("~a"), "~a");
	for (const char *delimiter = "!$&'()*+;="; *delimiter != '\0'; delimiter++) {
		char head[64];

		snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a%cb\r\n\r\n", *delimiter);
		refused(400, head);
	}
	refused(400, "GET / HTTP/1.1\r\n\r\n");
	refused(400, "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n");
	refused(400, "GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n");
	assert_slice(done("GET / HTTP/1.1\r\nHost: h.example.:80\r\n\r\n").host_name, "h.example");
	assert_slice(done("GET http://h./ HTTP/1.1\r\nHost: h\r\n\r\n").host_name, "h");
	assert_slice(done("GET / HTTP/1.1\r\nHost: .\r\n\r\n").host_name, ".");
	host_refused("");
	host_refused("h i");
	host_refused("h,i");
	host_refused("u@h");
	host_refused("h/p");
	host_refused("h?q");
	host_refused("h#f");
	host_refused("h\\i");
	host_refused("h:a");
	host_refused("h:0");
	host_refused("h:+1");
	host_refused("h:65536");
	host_refused("h:000080");
	host_refused("h:1:2");
	host_refused(":80");
	host_refused("h%41");
	host_refused("[");
	host_refused("[]");
	host_refused("[::1");
	host_refused("[::1]x");
	host_refused("[::g]");
	host_refused("[127.0.0.1]");
	host_refused("[fe80::1%eth0]");
	host_refused("[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]");
	host_refused("::1");
	host_refused("h\xc3\xa4");
	refused(400, "GET / HTTP/1.0\r\nHost: \r\n\r\n");
	assert_int_equal(done("GET / HTTP/1.0\r\n\r\n").host.length, 0);
}

static void test_long_host(void **state)
{
	char text[400] = "GET / HTTP/1.1\r\nHost: ";
	size_t start = strlen(text);

	(void)state;
	memset(text + start, 'a', 255);
	strcpy(text + start + 255, "\r\n\r\n");
	check_bytes(text, strlen(text), PARSE_DONE);
	strcpy(text + start + 255, "a\r\n\r\n");
	assert_int_equal(check_bytes(text, strlen(text), PARSE_REFUSED).refused_status, 400);
}

static void test_framing(void **state)
{
	struct request r = done("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");

	(void)state;
	assert_int_equal(r.body.kind, BODY_LENGTH);
	assert_int_equal(r.body.length, 5);
	r = done("GET / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: CHUNKED\r\n\r\n");
	assert_int_equal(r.body.kind, BODY_CHUNKED);
	field_refused(400, "Content-Length: 5\r\nTransfer-Encoding: chunked");
	field_refused(400, "Content-Length: 5\r\nContent-Length: 5");
	field_refused(400, "Content-Length: +5");
	field_refused(400, "Content_Length: 5");
	field_refused(400, "Transfer-Encoding : chunked");
	field_refused(400, "Transfer-Encoding: xchunked");
	field_refused(501, "Transfer-Encoding: gzip, chunked");
	field_refused(400, "Transfer-Encoding: gzip");
	refused(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void test_connection(void **state)
{
	(void)state;
	assert_false(done("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n").keep_alive);
	assert_false(done("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n").keep_alive);
	assert_false(done("GET / HTTP/1.0\r\n\r\n").keep_alive);
	assert_true(done("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
	assert_false(done("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n").keep_alive);
}

static void test_expect(void **state)
{
	struct request r = done("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n");

	(void)state;
	assert_true(r.expects_continue);
	assert_false(done("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n").expects_continue);
	assert_false(done("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n").expects_continue);
	field_refused(417, "Expect: 100-continue, x");
	field_refused(417, "Expect: 200-maybe");
	field_refused(417, "Expect:");
	field_refused(417, "Expect: 100-continue\r\nExpect: x");
}

#define upgrade(rest) done("GET / HTTP/1.1\r\nHost: h\r\n" rest "\r\n\r\n").wants_upgrade

static void test_upgrade(void **state)
{
	struct request r = done("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n");

	(void)state;
	assert_true(r.wants_upgrade);
	assert_slice(r.upgrade, "websocket");
	assert_true(upgrade("Connection: upgrade\r\nUpgrade: a/1, b"));
	assert_false(upgrade("Upgrade: websocket"));
	assert_false(upgrade("Connection: upgrade"));
	assert_false(upgrade("Connection: upgrade\r\nUpgrade:"));
	assert_false(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: x"));
	assert_false(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1"));
	assert_true(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0"));
	assert_false(upgrade("Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked"));
	assert_false(upgrade("Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c"));
	assert_false(upgrade("Connection: upgrade\r\nUpgrade: websocket, H2C"));
	assert_false(upgrade("Connection: upgrade\r\nUpgrade: HTTP/2.0"));
	assert_false(upgrade("Connection: upgrade\r\nUpgrade: TLS/1.2"));
	assert_false(upgrade("Connection: upgrade\r\nUpgrade: a(b)"));
	assert_false(upgrade("Connection: upgrade\r\nUpgrade: /a"));
	assert_false(done("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").wants_upgrade);
}

static void test_limits(void **state)
{
	char text[2048];
	size_t length;

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text, "GET /", 5);
	assert_int_equal(check_bytes(text, sizeof text, PARSE_REFUSED).refused_status, 414);
	assert_int_equal(check_bytes(text, 1024, PARSE_REFUSED).refused_status, 414);
	check_bytes(text, 1023, PARSE_MORE);

	memset(text, 'A', sizeof text);
	assert_int_equal(check_bytes(text, sizeof text, PARSE_REFUSED).refused_status, 400);
	assert_int_equal(check_bytes(text, 65, PARSE_REFUSED).refused_status, 400);
	check_bytes(text, 64, PARSE_MORE);
	length = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
	memset(text + length, 'a', sizeof text - length);
	assert_int_equal(check_bytes(text, sizeof text, PARSE_REFUSED).refused_status, 431);
	memcpy(text + 1020, "\r\n\r\n", 4);
	assert_int_equal(check_bytes(text, sizeof text, PARSE_DONE).head_length, 1024);
	memcpy(text + 1020, "a\r\n\r\n", 5);
	assert_int_equal(check_bytes(text, sizeof text, PARSE_REFUSED).refused_status, 431);

	length = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\n");
	for (int i = 0; i < 15; i++, length += 4)
		memcpy(text + length, "A:\r\n", 4);
	memcpy(text + length, "\r\n", 2);
	assert_int_equal(check_bytes(text, length + 2, PARSE_DONE).fields.count, 16);
	memcpy(text + length, "A:\r\n\r\n", 6);
	assert_int_equal(check_bytes(text, length + 6, PARSE_REFUSED).refused_status, 431);
}

/* The access log takes methods and targets as they are (gateway/exchange/record.c). */
static void test_methods_and_targets_need_no_escape(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++)
		if (char_is((char)c, CHAR_TOKEN | CHAR_TARGET))
			assert_true(c > ' ' && c < 0x7f && c != '"' && c != '\\');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_a_request),
		cmocka_unit_test(test_methods_and_targets_need_no_escape),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_request_line),
		cmocka_unit_test(test_empty_lines_before),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_absolute_targets),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_long_host),
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_expect),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
