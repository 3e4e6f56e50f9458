/*
 * Where a message ends: the decision, and the chunk decoder fed whole, byte by byte and in two pieces at every border,
 * laid against an unreadable page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/http/framing.h"
#include "tests/unit/in_range.h"
#include "tests/unit/page.h"

/* ---- the decision --------------------------------------------------------------------------------------------- */

static struct body body;
static const char *why;

static unsigned decide(struct framing_input input, const char *head)
{
	struct field list[8];
	struct fields fields = {.list = list};
	size_t used, length = strlen(head);
	bool is_too_large;

	assert_int_equal(fields_parse(page_lay(head, length), length, &fields, 8, &used, &why, &is_too_large), PARSE_DONE);
	input.fields = &fields;
	return framing_decide(&input, &body, &why);
}

/* A request, and a 200: the same rules, 502 for whatever is refused in a response. */
static void refused(unsigned status, const char *fields)
{
	char head[256];

	snprintf(head, sizeof head, "%s\r\n\r\n", fields);
	assert_int_equal(decide((struct framing_input){.is_request = true, .version_minor = 1}, head), status);
	assert_int_equal(body.kind, BODY_NONE);
	assert_int_equal(decide((struct framing_input){.status = 200, .version_minor = 1}, head), 502);
	assert_int_equal(body.kind, BODY_NONE);
	assert_int_equal(decide((struct framing_input){.status = 204, .version_minor = 1}, head), 502);
}

static void test_lengths(void **state)
{
	const struct framing_input request = {.is_request = true, .version_minor = 1};

	(void)state;
	assert_int_equal(decide(request, "\r\n"), 0);
	assert_int_equal(body.kind, BODY_NONE);
	assert_int_equal(decide(request, "Content-Length: 0\r\n\r\n"), 0);
	assert_int_equal(body.kind, BODY_LENGTH);
	assert_int_equal(body.length, 0);
	assert_int_equal(decide(request, "Content-Length: 9223372036854775807\r\n\r\n"), 0);
	assert_true(body.length == INT64_MAX);
	assert_int_equal(decide(request, "Content-Length: 0000000000000000005\r\n\r\n"), 0);
	assert_int_equal(body.length, 5);
	refused(400, "Content-Length: 9223372036854775808");
	refused(400, "Content-Length: 18446744073709551621");
	refused(400, "Content-Length: 00000000000000000005");
	refused(400, "Content-Length:");
	refused(400, "Content-Length: +5");
	refused(400, "Content-Length: -1");
	refused(400, "Content-Length: 0x5");
	refused(400, "Content-Length: 5 5");
	refused(400, "Content-Length: 5, 5");
	refused(400, "Content-Length: 5,");
	refused(400, "Content-Length: 5;a");
	refused(400, "Content-Length: 5.0");
	refused(400, "Content-Length: 5\r\nContent-Length: 5");
	refused(400, "Content-Length: 5\r\nContent-Length: 6");
	refused(400, "Content_Length: 5");
	refused(400, "content_length: 5\r\nContent-Length: 5");
}

static void test_codings(void **state)
{
	const struct framing_input request = {.is_request = true, .version_minor = 1};

	(void)state;
	assert_int_equal(decide(request, "Transfer-Encoding: chunked\r\n\r\n"), 0);
	assert_int_equal(body.kind, BODY_CHUNKED);
	assert_int_equal(decide(request, "Transfer-Encoding: Chunked\r\n\r\n"), 0);
	assert_int_equal(decide((struct framing_input){.is_request = true}, "Transfer-Encoding: chunked\r\n\r\n"), 400);
	assert_int_equal(decide((struct framing_input){.status = 200}, "Transfer-Encoding: chunked\r\n\r\n"), 502);
	refused(400, "Transfer-Encoding: chunked\r\nContent-Length: 5");
	refused(400, "Content-Length: 5\r\nTransfer-Encoding: chunked");
	refused(400, "Content-Length: x\r\nTransfer-Encoding: gzip");
	refused(400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked");
	refused(400, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked");
	refused(400, "Transfer-Encoding: gzip");
	refused(400, "Transfer-Encoding: gzip, identity");
	refused(501, "Transfer-Encoding: gzip, chunked");
	refused(501, "Transfer-Encoding: Deflate , compress,chunked");
	refused(400, "Transfer-Encoding: identity");
	refused(501, "Transfer-Encoding: identity, chunked");
	refused(400, "Transfer-Encoding:");
	refused(400, "Transfer-Encoding: ,chunked");
	refused(400, "Transfer-Encoding: chunked,");
	refused(400, "Transfer-Encoding: chunked, chunked");
	refused(400, "Transfer-Encoding: chunked, gzip");
	refused(400, "Transfer-Encoding: chunked;a=b");
	refused(400, "Transfer-Encoding: \"chunked\"");
	refused(400, "Transfer-Encoding: xchunked");
	refused(400, "Transfer-Encoding: chunke");
	refused(400, "Transfer-Encoding: chunk ed");
	refused(400, "Transfer-Encoding: gzip chunked");
	refused(400, "Transfer-Encoding: chunked \x80");
	refused(400, "Transfer_Encoding: chunked");
	refused(400, "TRANSFER_ENCODING: x");
}

static enum body_kind kind_of(unsigned status, bool is_head_request, const char *head)
{
	assert_int_equal(decide((struct framing_input){.version_minor = 1, .status = status,
	                                               .is_head_request = is_head_request}, head), 0);
	return body.kind;
}

static void test_responses(void **state)
{
	(void)state;
	assert_int_equal(kind_of(200, false, "\r\n"), BODY_UNTIL_CLOSE);
	assert_int_equal(kind_of(200, false, "Content-Length: 3\r\n\r\n"), BODY_LENGTH);
	assert_int_equal(body.length, 3);
	assert_int_equal(kind_of(200, false, "Transfer-Encoding: chunked\r\n\r\n"), BODY_CHUNKED);
	assert_int_equal(kind_of(200, true, "Content-Length: 3\r\n\r\n"), BODY_NONE);
	assert_int_equal(body.length, 0);
	assert_int_equal(kind_of(200, true, "Transfer-Encoding: chunked\r\n\r\n"), BODY_NONE);
	assert_int_equal(kind_of(204, false, "Content-Length: 3\r\n\r\n"), BODY_NONE);
	assert_int_equal(kind_of(304, false, "Content-Length: 3\r\n\r\n"), BODY_NONE);
	assert_int_equal(kind_of(100, false, "\r\n"), BODY_NONE);
	assert_int_equal(kind_of(101, false, "\r\n"), BODY_NONE);
	assert_int_equal(kind_of(205, false, "\r\n"), BODY_UNTIL_CLOSE);
	assert_false(body.is_end_certain);
}

static bool end_of(unsigned status, bool is_head_request, const char *head)
{
	kind_of(status, is_head_request, head);
	return body.is_end_certain;
}

static void test_where_the_end_is_certain(void **state)
{
	(void)state;
	assert_true(end_of(200, false, "Content-Length: 3\r\n\r\n"));
	assert_true(end_of(200, false, "Transfer-Encoding: chunked\r\n\r\n"));
	assert_true(end_of(200, true, "Content-Length: 3\r\n\r\n"));
	assert_true(end_of(304, false, "Content-Length: 3\r\n\r\n"));
	assert_true(end_of(304, true, "Transfer-Encoding: chunked\r\n\r\n"));
	assert_true(end_of(204, false, "\r\n"));
	assert_true(end_of(204, false, "Content-Length: 0\r\n\r\n"));
	assert_true(end_of(100, true, "\r\n"));
	assert_false(end_of(204, false, "Content-Length: 3\r\n\r\n"));
	assert_false(end_of(204, true, "Transfer-Encoding: chunked\r\n\r\n"));
	assert_false(end_of(103, false, "Content-Length: 3\r\n\r\n"));
	assert_false(end_of(101, false, "Transfer-Encoding: chunked\r\n\r\n"));
}

static void test_head_and_trace(void **state)
{
	const struct framing_input bodyless = {.is_request = true, .is_bodyless = true, .version_minor = 1};

	(void)state;
	assert_int_equal(decide(bodyless, "\r\n"), 0);
	assert_int_equal(body.kind, BODY_NONE);
	assert_int_equal(decide(bodyless, "Content-Length: 0\r\n\r\n"), 0);
	assert_int_equal(body.kind, BODY_NONE);
	assert_int_equal(decide(bodyless, "Content-Length: 1\r\n\r\n"), 400);
	assert_int_equal(decide(bodyless, "Transfer-Encoding: chunked\r\n\r\n"), 400);
	assert_int_equal(decide(bodyless, "Content-Length: x\r\n\r\n"), 400);
}

/* ---- chunked coding ------------------------------------------------------------------------------------------- */

struct decoded {
	enum chunked_result result;
	char data[8192];
	size_t length, used;
};

/* Feeds `text` in pieces: the first of `first` bytes, the others of `step`. */
static struct decoded feed(const char *text, size_t length, size_t first, size_t step)
{
	static struct decoded decoded;
	struct chunked chunked = {0};
	size_t at = 0, piece = first;

	memset(&decoded, 0, sizeof decoded);
	while (at < length && decoded.result == CHUNKED_MORE) {
		size_t size = length - at < piece ? length - at : piece, data, used;
		char *bytes = page_lay(text + at, size);

		decoded.result = chunked_decode(&chunked, bytes, size, &data, &used, &why);
		assert_uint_in_range(data, 0, used);
		if (decoded.result == CHUNKED_MORE)
			assert_int_equal(used, size);
		memcpy(decoded.data + decoded.length, bytes, data);
		decoded.length += data;
		at += used;
		piece = step;
	}
	decoded.used = at;
	if (decoded.result != CHUNKED_MORE) {
		size_t data, used;
		char *bytes = page_lay("5\r\nhello", 8);

		assert_int_equal(chunked_decode(&chunked, bytes, 8, &data, &used, &why), decoded.result);
		assert_int_equal(data, 0);
		assert_int_equal(used, 0);
	}
	return decoded;
}

static struct decoded chunks_bytes(const char *text, size_t length)
{
	struct decoded whole = feed(text, length, length, length), other;

	for (size_t first = 0; first <= length; first++) {
		other = first == 0 ? feed(text, length, 1, 1) : feed(text, length, first, length);
		assert_int_equal(other.result, whole.result);
		assert_int_equal(other.length, whole.length);
		assert_int_equal(other.used, whole.used);
		assert_memory_equal(other.data, whole.data, whole.length);
	}
	return whole;
}

#define chunks(literal) chunks_bytes(literal, sizeof literal - 1)
#define bad(literal) assert_int_equal(chunks(literal).result, CHUNKED_BAD)

static void test_decodes_chunks(void **state)
{
	struct decoded d = chunks("5\r\nhello\r\n0a;x=\"y\";z\r\n, \r\nworld!\r\n0\r\n\r\nGET");

	(void)state;
	assert_int_equal(d.result, CHUNKED_TRAILERS);
	assert_int_equal(d.used, 37);
	assert_int_equal(d.length, 15);
	assert_memory_equal(d.data, "hello, \r\nworld!", 15);
	assert_int_equal(chunks("0\r\n").result, CHUNKED_TRAILERS);
	assert_int_equal(chunks("0000000000000000\r\n").result, CHUNKED_TRAILERS);
	assert_int_equal(chunks("000;a\t=b\r\nX: y\r\n\r\n").used, 10);
	assert_int_equal(chunks("5\r\nhel").length, 3);
	assert_int_equal(chunks("7fffffffffffffff\r\nabc").length, 3);
	assert_int_equal(chunks("aBc\r\n").result, CHUNKED_MORE);
}

static void test_refuses_chunks(void **state)
{
	(void)state;
	bad("\r\n");
	bad(";a\r\n");
	bad("+5\r\nhello\r\n");
	bad("-1\r\n");
	bad("0x5\r\nhello\r\n");
	bad(" 5\r\nhello\r\n");
	bad("5 \r\nhello\r\n");
	bad("5 ;a\r\nhello\r\n");
	bad("5\t\r\nhello\r\n");
	bad("g\r\n");
	bad("5\nhello\n");
	bad("5\r\rhello");
	bad("5\rhello");
	bad("5;a\nhello\r\n0\r\n");
	bad("5;a\rb\r\nhello\r\n");
	bad("5;\0\r\nhello\r\n");
	bad("5;\x7f\r\nhello\r\n");
	bad("5\r\nhellox\r\n");
	bad("5\r\nhello\n");
	bad("5\r\nhello\rx");
	bad("5\r\nhello0\r\n");
	bad("00000000000000000\r\n");
	bad("8000000000000000\r\n");
	bad("ffffffffffffffff\r\n");
	bad("10000000000000005\r\n");
	assert_int_equal(chunks("3\r\nabc\r\nx").length, 3);
}

static void test_bounds_extensions(void **state)
{
	char text[2100] = "0";

	(void)state;
	memset(text + 2, 'a', 1024);
	text[1] = ';';
	memcpy(text + 1025, "\r\n", 2);
	assert_int_equal(chunks_bytes(text, 1027).result, CHUNKED_TRAILERS);
	text[1025] = 'a';
	assert_int_equal(chunks_bytes(text, 1026).result, CHUNKED_BAD);
}

/* `count` chunks of so much data, with 100 bytes of extension each. Returns the result of the last. */
static enum chunked_result decode_signed(size_t count, size_t data_length)
{
	struct chunked chunked = { 0 };
	enum chunked_result result = CHUNKED_MORE;

	for (size_t i = 0; i < count && result == CHUNKED_MORE; i++) {
		char text[1200];
		int head = sprintf(text, "%zx;chunk-signature=%083d\r\n", data_length, 7);
		size_t data, used;

		memset(text + head, 'x', data_length);
		memcpy(text + head + data_length, "\r\n", 2);
		result = chunked_decode(&chunked, text, (size_t)head + data_length + 2, &data, &used, &why);
	}
	return result;
}

static void test_weighs_extensions_against_the_data(void **state)
{
	(void)state;
	assert_int_equal(decode_signed(100000, 1000), CHUNKED_MORE);
	assert_int_equal(decode_signed(100000, 50), CHUNKED_MORE);
	/* Of each, 98 bytes remain beyond twice the data. */
	assert_int_equal(decode_signed(668, 1), CHUNKED_MORE);
	assert_int_equal(decode_signed(669, 1), CHUNKED_BAD);
}

static void test_reads_extensions(void **state)
{
	static const char *const good[] = {
		"a", "a=b", "a=\"b\"", "a=\"\"", "a=\"b;c, d\"", "a=\"\\\"\"", "a=\"\\\\\"", " a", "a ;b", " a = b ;c",
		"a\t=\t\"b\"\t;\tc", "a;b;c=d", "a=\"\xc3\xa9\"",
	};
	static const char *const evil[] = {
		"", " ", ";", ";a", "a;", "a;;b", "=b", "a=", "a=;b", "a==b", "a b", "a=b c", "a=\"b", "a=\"b\"c", "a=\"b\\",
		"a=\"b\\\"", "a ", "a=b ", "a=\"b\" ", "a=\xc3\xa9", "\xc3\xa9", "a,b", "a=b=c", "a:b", "a=b/c", "[a]",
		"a=\"\x01\"", "a=\"\\\x01\"",
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		sprintf(text, "5;%s\r\nhello\r\n0\r\n", good[i]);
		assert_int_equal(chunks_bytes(text, strlen(text)).length, 5);
	}
	for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
		sprintf(text, "5;%s\r\nhello\r\n0\r\n", evil[i]);
		assert_int_equal(chunks_bytes(text, strlen(text)).result, CHUNKED_BAD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_codings),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_where_the_end_is_certain),
		cmocka_unit_test(test_head_and_trace),
		cmocka_unit_test(test_decodes_chunks),
		cmocka_unit_test(test_refuses_chunks),
		cmocka_unit_test(test_reads_extensions),
		cmocka_unit_test(test_bounds_extensions),
		cmocka_unit_test(test_weighs_extensions_against_the_data),
	};

	return cmocka_run_group_tests_name("framing", tests, NULL, NULL);
}
