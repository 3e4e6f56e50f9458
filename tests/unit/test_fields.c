/*
 * Field lines: what is read, what is refused, and that a prefix is never judged otherwise than the whole. Every case is
 * read whole and at each shorter length, laid against an unreadable page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/http/fields.h"
#include "gateway/http/lookalikes.h"
#include "gateway/http/trailers.h"
#include "tests/unit/page.h"
#include "tests/unit/slices.h"

enum { MAXIMUM = 8 };

struct outcome {
	enum parse_result result;
	struct field list[MAXIMUM];
	size_t count, used;
	uint32_t ids;
	const char *why;
	bool is_too_large;
};

static struct outcome parse(const char *bytes, size_t length)
{
	struct outcome outcome = {0};
	struct fields fields = {.list = outcome.list};

	outcome.result = fields_parse(bytes, length, &fields, MAXIMUM, &outcome.used, &outcome.why, &outcome.is_too_large);
	outcome.count = fields.count;
	outcome.ids = fields.ids;
	return outcome;
}

/* Reads `text` at every length; the slices of what is returned point into the page. */
static struct outcome check_bytes(const char *text, size_t length)
{
	struct outcome whole = parse(text, length), prefix;

	for (size_t cut = 0; cut <= length; cut++) {
		prefix = parse(page_lay(text, cut), cut);
		if (whole.result == PARSE_DONE && cut < whole.used)
			assert_int_equal(prefix.result, PARSE_MORE);
		if (prefix.result == PARSE_MORE)
			continue;
		assert_int_equal(prefix.result, whole.result);
		assert_int_equal(prefix.used, whole.used);
		assert_int_equal(prefix.is_too_large, whole.is_too_large);
		assert_ptr_equal(prefix.why, whole.why);
	}
	return prefix;
}

#define check(literal) check_bytes(literal, sizeof literal - 1)

static void assert_refused(struct outcome outcome, const char *why)
{
	assert_int_equal(outcome.result, PARSE_REFUSED);
	assert_string_equal(outcome.why, why);
}

static void test_reads_fields(void **state)
{
	struct outcome o = check("Host: example\r\nX-Empty:\r\nX-Blank: \t \r\nX-Odd:\t a\tb \xc3\xa4 \r\n\r\nrest");

	(void)state;
	assert_int_equal(o.result, PARSE_DONE);
	assert_int_equal(o.count, 4);
	assert_int_equal(o.used, strlen("Host: example\r\nX-Empty:\r\nX-Blank: \t \r\nX-Odd:\t a\tb xx \r\n\r\n"));
	assert_slice(o.list[0].name, "Host");
	assert_slice(o.list[0].value, "example");
	assert_int_equal(o.list[0].id, FIELD_HOST);
	assert_slice(o.list[1].value, "");
	assert_slice(o.list[2].value, "");
	assert_slice(o.list[3].value, "a\tb \xc3\xa4");
	assert_int_equal(o.list[3].id, FIELD_OTHER);
	assert_int_equal(o.ids, FIELD_BIT(FIELD_HOST) | FIELD_BIT(FIELD_OTHER));

	o = check("A: b\r\nB:b\r\nC: b \r\nD:  b\r\nE:\tb\r\nF: \r\nG:\r\nH: b c\r\n\r\n");
	for (size_t i = 0; i < o.count; i++)
		assert_int_equal(field_is_plain(&o.list[i]), o.list[i].name.data[0] == 'A' || o.list[i].name.data[0] == 'F' ||
		                                     o.list[i].name.data[0] == 'H');

	o = check("\r\n");
	assert_int_equal(o.result, PARSE_DONE);
	assert_int_equal(o.count, 0);
	assert_int_equal(o.used, 2);
	assert_int_equal(check("").result, PARSE_MORE);
	assert_int_equal(check("\r").result, PARSE_MORE);
	assert_int_equal(check("A").result, PARSE_MORE);
	assert_int_equal(check("A: b\r\n").result, PARSE_MORE);
}

static void test_refuses_malformed_lines(void **state)
{
	(void)state;
	assert_refused(check(" A: b\r\n\r\n"), "white space before the first field");
	assert_refused(check("\tA: b\r\n\r\n"), "white space before the first field");
	assert_refused(check("A: b\r\n c\r\n\r\n"), "folded field line");
	assert_refused(check("A: b\r\n\tc\r\n\r\n"), "folded field line");
	assert_refused(check("A : b\r\n\r\n"), "white space before the colon of a field");
	assert_refused(check("A\t: b\r\n\r\n"), "white space before the colon of a field");
	assert_refused(check(": b\r\n\r\n"), "empty field name");
	assert_refused(check("A\r\n\r\n"), "field line without a colon");
	assert_refused(check("A\n: b\r\n\r\n"), "bare LF in a field name");
	assert_refused(check("\nA: b\r\n\r\n"), "bare LF in a field name");
	assert_refused(check("A\0: b\r\n\r\n"), "character not allowed in a field name");
	assert_refused(check("\0\r\n\r\n"), "character not allowed in a field name");
	assert_refused(check("A\xc3\xa4: b\r\n\r\n"), "character not allowed in a field name");
	assert_refused(check("A(b): c\r\n\r\n"), "character not allowed in a field name");
	assert_refused(check("A: b\n\r\n"), "bare LF in a field value");
	assert_refused(check("A: b\n\n"), "bare LF in a field value");
	assert_refused(check("A: b\rc\r\n\r\n"), "bare CR in a field value");
	assert_refused(check("A: b\r\r\n\r\n"), "bare CR in a field value");
	assert_refused(check("A: b\r\n\rB: c\r\n\r\n"), "bare CR");
	assert_refused(check("A: b\0c\r\n\r\n"), "control character in a field value");
	assert_refused(check("A: b\x7f\r\n\r\n"), "control character in a field value");
	assert_refused(check("A: b\x1b[1m\r\n\r\n"), "control character in a field value");
}

/* Every byte at every place of a word that is looked at eight bytes at a time. */
static void test_every_byte_in_a_value_and_a_name(void **state)
{
	char line[] = "A: 0123456789abcdef\r\n\r\n", name[] = "Name: x\r\n\r\n";
	const char *token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		bool may_stand = byte == '\t' || (byte >= ' ' && byte != 0x7f);

		for (size_t at = 3; at < 19; at++) {
			char kept = line[at];

			line[at] = (char)byte;
			assert_int_equal(parse(page_lay(line, sizeof line - 1), sizeof line - 1).result,
			                 may_stand ? PARSE_DONE : PARSE_REFUSED);
			line[at] = kept;
		}
		name[2] = (char)byte;
		assert_int_equal(parse(name, sizeof name - 1).result,
		                 byte == ':' || (byte != 0 && strchr(token, byte) != NULL) ? PARSE_DONE : PARSE_REFUSED);
	}
}

static void test_limits(void **state)
{
	struct outcome o = check("A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n");
	char options[512] = "Connection: a";

	(void)state;
	assert_int_equal(o.result, PARSE_DONE);
	assert_int_equal(o.count, MAXIMUM);
	o = check("A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n");
	assert_refused(o, "too many fields");
	assert_true(o.is_too_large);

	for (int i = 1; i < 32; i++)
		strcat(options, ",b");
	strcat(options, "\r\n\r\n");
	assert_int_equal(check_bytes(options, strlen(options)).result, PARSE_DONE);
	strcpy(strstr(options, "\r\n"), ",\r\nConnection: c\r\n\r\n");
	o = check_bytes(options, strlen(options));
	assert_refused(o, "too many Connection options");
	assert_true(o.is_too_large);
}

static void test_hop_by_hop(void **state)
{
	struct outcome o = check("Connection: close, x-one ,,Host\r\nX-One: 1\r\nX-Two: 2\r\nHost: h\r\nTE: trailers\r\n"
	                         "Content-Length: 3\r\nCONNECTION: x-three, content-length\r\nX-Three: 3\r\n\r\n");
	const bool wanted[] = {true, true, false, false, true, false, true, true};

	(void)state;
	assert_int_equal(o.result, PARSE_DONE);
	assert_int_equal(o.count, sizeof wanted / sizeof *wanted);
	for (size_t i = 0; i < o.count; i++)
		assert_int_equal(o.list[i].is_hop_by_hop, wanted[i]);
}

static void test_tabs_around_framing_fields(void **state)
{
	(void)state;
	assert_refused(check("Transfer-Encoding:\tchunked\r\n\r\n"), "tab in a framing field");
	assert_refused(check("Content-Length: 5\t\r\n\r\n"), "tab in a framing field");
	assert_int_equal(check("Content-Length:5 \r\n\r\n").result, PARSE_DONE);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		enum field_id id;
	} known[] = {
		{"Host", FIELD_HOST}, {"Content-Length", FIELD_CONTENT_LENGTH}, {"Transfer-Encoding", FIELD_TRANSFER_ENCODING},
		{"Connection", FIELD_CONNECTION}, {"Keep-Alive", FIELD_KEEP_ALIVE}, {"Proxy-Connection", FIELD_PROXY_CONNECTION},
		{"Proxy-Authenticate", FIELD_PROXY_AUTHENTICATE}, {"Proxy-Authorization", FIELD_PROXY_AUTHORIZATION},
		{"TE", FIELD_TE}, {"Trailer", FIELD_TRAILER}, {"Upgrade", FIELD_UPGRADE}, {"Expect", FIELD_EXPECT},
		{"Via", FIELD_VIA}, {"Forwarded", FIELD_FORWARDED}, {"X-Forwarded", FIELD_X_FORWARDED},
		{"X-Forwarded-Prefix", FIELD_X_FORWARDED}, {"X-Forwarded-Ssl", FIELD_X_FORWARDED}, {"X-Real-IP", FIELD_X_FORWARDED},
		{"X-Forwarded-For", FIELD_X_FORWARDED_FOR}, {"X-Forwarded-Proto", FIELD_X_FORWARDED_PROTO},
		{"X_Forwarded_For", FIELD_LOOKALIKE}, {"X-Forwarded_For", FIELD_LOOKALIKE}, {"x_real-ip", FIELD_LOOKALIKE},
		{"X_Request_Id", FIELD_LOOKALIKE}, {"X-Forwarded_Any", FIELD_LOOKALIKE}, {"X.Forwarded.For", FIELD_LOOKALIKE},
		{"X!Forwarded~For", FIELD_LOOKALIKE}, {"X_Forwarded_", FIELD_LOOKALIKE}, {"_X-Real-IP", FIELD_LOOKALIKE},
		{"X.Original.URL", FIELD_LOOKALIKE}, {"X_Rewrite_URL", FIELD_LOOKALIKE}, {"Forwarded_", FIELD_LOOKALIKE},
		{"Content-Length_", FIELD_LOOKALIKE}, {"Content.Length", FIELD_FRAMING_LOOKALIKE}, {"Transfer-Encoding.", FIELD_LOOKALIKE},
		{"Host_", FIELD_LOOKALIKE}, {"Via.", FIELD_LOOKALIKE}, {"Pro_xy", FIELD_LOOKALIKE},
		{"Proxy_Authorization", FIELD_LOOKALIKE},
		{"Max_Forwards", FIELD_LOOKALIKE}, {"X-Original-URL", FIELD_X_FORWARDED}, {"X-Rewrite-URL", FIELD_X_FORWARDED},
		{"X-Original-Host", FIELD_X_FORWARDED}, {"X-Originality", FIELD_OTHER}, {"User_Agent", FIELD_ODD}, {"X_Key", FIELD_ODD},
		{"Xforwarded-For", FIELD_OTHER}, {"X_Forward", FIELD_ODD}, {"Hosts_", FIELD_ODD}, {"_", FIELD_ODD},
		{"X-Forwarded-Host", FIELD_X_FORWARDED_HOST}, {"X-Forwarded-Port", FIELD_X_FORWARDED_PORT},
		{"X-Request-Id", FIELD_X_REQUEST_ID}, {"Traceparent", FIELD_TRACEPARENT}, {"User-Agent", FIELD_USER_AGENT},
		{"Referer", FIELD_REFERER}, {"Proxy", FIELD_PROXY}, {"Date", FIELD_DATE}, {"Content_Length", FIELD_FRAMING_LOOKALIKE},
		{"transfer_encoding", FIELD_FRAMING_LOOKALIKE}, {"Content_Lengths", FIELD_ODD},
		{"A", FIELD_OTHER}, {"", FIELD_OTHER}, {"Accept", FIELD_OTHER}, {"X-Forwarder", FIELD_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		size_t length = strlen(known[i].name);
		char *name = page_lay(known[i].name, length);

		assert_int_equal(field_identify((struct slice){name, length}), known[i].id);
		for (size_t at = 0; at < length; at++)
			if (name[at] >= 'a' && name[at] <= 'z')
				name[at] = (char)(name[at] - 32);
		assert_int_equal(field_identify((struct slice){name, length}), known[i].id);
		if (known[i].id == FIELD_OTHER || known[i].id == FIELD_X_FORWARDED || known[i].id == FIELD_LOOKALIKE ||
		    known[i].id == FIELD_ODD)
			continue;
		name[length - 1] = '!';
		assert_int_not_equal(field_identify((struct slice){name, length}), known[i].id);
	}
}

static void test_names_that_look_alike(void **state)
{
	static const struct {
		const char *one, *other;
		bool is_alike;
	} pairs[] = {
		{ "X-Key", "X_Key", true }, { "X-Key", "x.kEY", true }, { "X-Key", "X-Key_", true }, { "X-Key", "_X-Key", true },
		{ "X-Key", "X-Keys", false }, { "X-Key", "X-Ke", false }, { "X-Key", "X_", false }, { "X-Key", "Y_Key", false },
		{ "X-Key1", "X_Key2", false }, { "_", ".", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct slice one = { pairs[i].one, strlen(pairs[i].one) }, other = { pairs[i].other, strlen(pairs[i].other) };

		assert_int_equal(field_names_look_alike(one, other), pairs[i].is_alike);
		assert_int_equal(field_names_look_alike(other, one), pairs[i].is_alike);
	}
}

static bool has(const char *list, const char *token)
{
	size_t length = strlen(list);

	return field_list_has((struct slice){page_lay(list, length), length}, (struct slice){token, strlen(token)});
}

static void test_lists(void **state)
{
	(void)state;
	assert_true(has("close", "close"));
	assert_true(has("Keep-Alive, CLOSE", "close"));
	assert_true(has(" \t,close\t,", "close"));
	assert_false(has("closed", "close"));
	assert_false(has("clo se", "close"));
	assert_false(has("", "close"));
	assert_false(has(",,", "close"));
}

static bool may_be_trailer(const char *name)
{
	struct field field = {.name = {name, strlen(name)}};

	field.id = field_identify(field.name);
	return field_may_be_trailer(&field);
}

static void test_trailers(void **state)
{
	static const char *const not[] = {
		"Content-Length", "Transfer-Encoding", "Transfer_Encoding", "content_length", "Host", "HOST", "Authorization",
		"Cookie", "Set-Cookie", "set-cookie2", "If-Match", "X-Forwarded-For", "X_Forwarded_For", "Connection", "TE",
		"Content-Type", "X-Forwarded-Anything-With-A-Name-That-Is-Longer-Than-The-Buffer", "X-HTTP-Method-Override",
		"Proxy-Authorization", "Proxy-Foo", "Trailer", "Range", "Date", "Expect",
	};
	static const char *const may[] = {
		"Server-Timing", "X-Checksum", "Digest", "Content-Digest", "Grpc-Status", "Hosting", "Rangefinder",
		"X-A-Name-That-Is-Longer-Than-The-Buffer-It-Is-Copied-To",
	};
	struct field named = {.name = SLICE("X-Checksum"), .is_hop_by_hop = true};

	(void)state;
	for (size_t i = 0; i < sizeof not / sizeof *not; i++)
		assert_false(may_be_trailer(not[i]));
	for (size_t i = 0; i < sizeof may / sizeof *may; i++)
		assert_true(may_be_trailer(may[i]));
	assert_false(field_may_be_trailer(&named));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_fields),
		cmocka_unit_test(test_refuses_malformed_lines),
		cmocka_unit_test(test_every_byte_in_a_value_and_a_name),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_hop_by_hop),
		cmocka_unit_test(test_tabs_around_framing_fields),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_that_look_alike),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_trailers),
	};

	return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
