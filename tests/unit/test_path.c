/*
 * One reading of a path. Each case runs with room of exactly the length of the input, on the heap, so that a byte too
 * many is seen; and each result is read again, which must change nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/path.h"
#include "routes/route.h"

static struct path_result read_path(const char *path, size_t length, char **bytes, char **room)
{
	*bytes = malloc(length + (length == 0));
	*room = malloc(length + (length == 0));
	assert_non_null(*bytes);
	assert_non_null(*room);
	memcpy(*bytes, path, length);
	return path_normalise(*bytes, length, *room);
}

static void expect_bytes(const char *path, size_t length, const char *expected, size_t expected_length)
{
	char *bytes, *room, *bytes_again, *room_again;
	struct path_result result = read_path(path, length, &bytes, &room), again;

	if (result.verdict == PATH_REFUSED)
		fail_msg("%s refused: %s", path, result.why);
	if (result.length != expected_length || memcmp(result.path, expected, expected_length) != 0)
		fail_msg("%s became %.*s, not %s", path, (int)result.length, result.path, expected);
	if (length == expected_length && memcmp(path, expected, length) == 0) {
		assert_int_equal(result.verdict, PATH_UNCHANGED);
		assert_ptr_equal(result.path, bytes);
	} else {
		assert_int_equal(result.verdict, PATH_NORMALISED);
		assert_ptr_equal(result.path, room);
	}
	again = read_path(result.path, result.length, &bytes_again, &room_again);
	assert_int_equal(again.verdict, PATH_UNCHANGED);
	free(bytes);
	free(room);
	free(bytes_again);
	free(room_again);
}

static void refused(const char *path, size_t length)
{
	char *bytes, *room;
	struct path_result result = read_path(path, length, &bytes, &room);

	if (result.verdict != PATH_REFUSED)
		fail_msg("%s became %.*s", path, (int)result.length, result.path);
	assert_non_null(result.why);
	free(bytes);
	free(room);
}

static void test_table(void **state)
{
	static const struct {
		const char *path, *expected; /* NULL = refused */
	} CASES[] = {
		/* normal already */
		{"/", "/"},
		{"/patient", "/patient"},
		{"/patient/", "/patient/"},
		{"/patient/7/a.b-c_d~e", "/patient/7/a.b-c_d~e"},
		{"/.well-known/x", "/.well-known/x"},
		{"/...", "/..."},
		{"/..a/.b", "/..a/.b"},
		{"/a./b../", "/a./b../"},
		{"/a;x=1/b;y", "/a;x=1/b;y"},
		{"/;x", "/;x"},
		{"/...;x", "/...;x"},
		{"/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,="},
		{"/%C3%A9", "/%C3%A9"},
		{"/caf\xc3\xa9", "/caf\xc3\xa9"},
		/* percent-encoding */
		{"/%70atient", "/patient"},
		{"/%7e%7E%2D%5f%2e5", "/~~-_.5"},
		{"/%c3%a9", "/%C3%A9"},
		{"/%20%3f%23", "/%20%3F%23"},
		{"/%0d%0a", "/%0D%0A"},
		{"/a%3bx", "/a%3Bx"},
		/* twice encoded stays encoded */
		{"/%252e%252e/x", "/%252e%252e/x"},
		{"/%252f", "/%252f"},
		{"/%25%32%65", "/%252e"},
		{"/%2525", "/%2525"},
		/* dot segments */
		{"/.", "/"},
		{"/./", "/"},
		{"/a/.", "/a/"},
		{"/a/./b", "/a/b"},
		{"/a/..", "/"},
		{"/a/../", "/"},
		{"/a/b/..", "/a/"},
		{"/a/b/../c", "/a/c"},
		{"/a/b/c/../../d", "/a/d"},
		{"/a/../b/../c", "/c"},
		{"/a/%2e%2e/b", "/b"},
		{"/a/%2E./b", "/b"},
		{"/a/.%2e/b", "/b"},
		{"/a/%2e/b", "/a/b"},
		{"/a/.../b", "/a/.../b"},
		/* slashes */
		{"//", "/"},
		{"///a////b//", "/a/b/"},
		{"//a/../b", "/b"},
		{"/a//../b", "/b"},
		{"/a/.//b", "/a/b"},
		/* refused: separators in disguise */
		{"/a%2fb", NULL},
		{"/a%2Fb", NULL},
		{"/%2f", NULL},
		{"/..%2f", NULL},
		{"/a%5cb", NULL},
		{"/a%5Cb", NULL},
		{"/a\\b", NULL},
		{"/..\\x", NULL},
		{"/%00", NULL},
		{"/a%00.html", NULL},
		{"/a#b", NULL},
		{"/a?b", NULL},
		{"/a b", NULL},
		{"/a\tb", NULL},
		{"/a\r\nb", NULL},
		{"/a\x7f", NULL},
		/* refused: no encoding */
		{"/%", NULL},
		{"/%2", NULL},
		{"/a%", NULL},
		{"/%zz", NULL},
		{"/%2g", NULL},
		{"/%g2", NULL},
		{"/%%41", NULL},
		{"/%u002e", NULL},
		{"/%c0%ae%c0%ae/x%2", NULL},
		/* overlong UTF-8 is no dot to us and is passed on as it is */
		{"/%c0%ae%c0%ae/x", "/%C0%AE%C0%AE/x"},
		/* refused: above the root */
		{"/..", NULL},
		{"/../", NULL},
		{"/../a", NULL},
		{"/a/../..", NULL},
		{"/a/../../b", NULL},
		{"//..", NULL},
		{"/./..", NULL},
		{"/%2e%2e", NULL},
		{"/%2e%2e/a/b", NULL},
		/* refused: dots with parameters */
		{"/a;x=1/b;y", "/a;x=1/b;y"},
		{"/a;x/../b;%7e", "/b;~"},
		{"/a/;x", "/a/;x"},
		{"/;", "/;"},
		{"/;x/a", NULL},
		{"/a/;/b", NULL},
		{"/a//;x/b", NULL},
		{"/a/%3bx/b", NULL},
		{"/a/;x/../b", NULL},
		{"/a/..;/b", NULL},
		{"/a/..;x=1/b", NULL},
		{"/a/..;", NULL},
		{"/a/.;/b", NULL},
		{"/a/.;x", NULL},
		{"/a/%2e%2e;/b", NULL},
		{"/a/..%3b/b", NULL},
		{"/a/..%3B", NULL},
		/* no path */
		{"", NULL},
		{"*", NULL},
		{"a/b", NULL},
		{"http://x/", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		if (CASES[i].expected != NULL)
			expect_bytes(CASES[i].path, strlen(CASES[i].path), CASES[i].expected, strlen(CASES[i].expected));
		else
			refused(CASES[i].path, strlen(CASES[i].path));
	}
}

static void test_every_byte(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		char raw[4] = {'/', 'x', (char)byte, 'y'}, encoded[16], upper[16];
		int is_unreserved = byte < 128 && (strchr("-._~", (int)byte) != NULL ||
		                                   (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
		                                   (byte >= 'a' && byte <= 'z')) && byte != 0;

		if (byte <= ' ' || byte == 0x7f || strchr("#?\\%", (int)byte) != NULL)
			refused(raw, 4);
		else
			expect_bytes(raw, 4, raw, 4);
		snprintf(encoded, sizeof(encoded), "/x%%%02xy", byte);
		snprintf(upper, sizeof(upper), "/x%%%02Xy", byte);
		if (byte == 0 || byte == '/' || byte == '\\')
			refused(encoded, 6);
		else if (is_unreserved)
			expect_bytes(encoded, 6, raw, 4);
		else
			expect_bytes(encoded, 6, upper, 6);
	}
}

static void test_embedded_nul(void **state)
{
	(void)state;
	refused("/a\0b", 4);
	refused("\0", 1);
}

static void test_long_paths(void **state)
{
	enum { LENGTH = 65536 };
	char *path = malloc(LENGTH);

	(void)state;
	assert_non_null(path);
	memset(path, '/', LENGTH);
	expect_bytes(path, LENGTH, "/", 1);
	for (int i = 0; i < LENGTH; i += 2)
		memcpy(path + i, "/a", 2);
	expect_bytes(path, LENGTH, path, LENGTH);
	/* As far down as up is the root; once more is above it. */
	for (int i = 0; i < 26214; i += 2)
		memcpy(path + i, "/a", 2);
	for (int i = 26214; i + 3 <= LENGTH; i += 3)
		memcpy(path + i, "/..", 3);
	expect_bytes(path, 26214 + 13107 * 3, "/", 1);
	memcpy(path, "//", 2);
	refused(path, 26214 + 13107 * 3);
	free(path);
}

static void test_parameters(void **state)
{
	static const struct {
		const char *path, *matched, *with_encoded, *rest; /* rest: behind the first segment */
	} cases[] = {
		{ "/a/b", "/a/b", "/a/b", "/b" },
		{ "/a;x/b", "/a/b", "/a/b", "/b" },
		{ "/a;x=y;z,w/b;v", "/a/b", "/a/b", "/b;v" },
		{ "/a;/b", "/a/b", "/a/b", "/b" },
		{ "/a%3Bx/b", "/a%3Bx/b", "/a/b", "/b" },
		{ "/a;x%3By/b", "/a/b", "/a/b", "/b" },
		{ "/a%3Bx;y/b", "/a%3Bx/b", "/a/b", "/b" },
		{ "/a;x", "/a", "/a", "" },
		{ "/;x", "/", "/", "" },
		{ "/a/;x", "/a/", "/a/", "/;x" },
	};
	char room[32];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t length = strlen(cases[i].path), stripped = path_strip_parameters(cases[i].path, length, false, room);

		assert_int_equal(stripped, strlen(cases[i].matched));
		assert_memory_equal(room, cases[i].matched, stripped);
		stripped = path_strip_parameters(cases[i].path, length, true, room);
		assert_int_equal(stripped, strlen(cases[i].with_encoded));
		assert_memory_equal(room, cases[i].with_encoded, stripped);
		assert_string_equal(cases[i].path + path_skip(cases[i].path, length, 1), cases[i].rest);
	}
}

static void test_beginnings(void **state)
{
	static const struct {
		const char *path, *segments;
		bool begins;
	} cases[] = {
		{ "/a/b", "/a", true }, { "/a/b", "/a/b", true }, { "/a;x/b;y", "/a/b", true }, { "/a;x", "/a", true },
		{ "/a/b", "/a/b/c", false }, { "/ab", "/a", false }, { "/a", "/ab", false }, { "/a;xb", "/ab", false },
		{ "/a;/b/c", "/a/b", true }, { "/a;x/c", "/a/b", false }, { "/;x", "/a", false }, { "/", "/a", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (path_begins_with(cases[i].path, strlen(cases[i].path), cases[i].segments, strlen(cases[i].segments)) != cases[i].begins)
			fail_msg("%s %s", cases[i].path, cases[i].segments);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_embedded_nul),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_beginnings),
		cmocka_unit_test(test_long_paths),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
