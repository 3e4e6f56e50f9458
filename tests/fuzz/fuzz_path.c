/*
 * Whatever the bytes, a path that is not refused is one that nobody can read in another way: it begins with a slash,
 * has no empty and no dot segments and no separators in disguise, is not longer than it was, and reading it again
 * changes nothing. The input and the room are blocks of their own, so that AddressSanitizer sees a byte too many.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "routes/path.h"
#include "routes/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool is_hex_digit(char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'F');
}

static bool is_unreserved(unsigned value)
{
	return value != 0 && value < 128 &&
	       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", (int)value) != NULL;
}

static void check_segment(const char *segment, size_t length, bool is_last)
{
	require(length > 0 || is_last);
	require(!(length == 1 && segment[0] == '.'));
	require(!(length == 2 && memcmp(segment, "..", 2) == 0));
	require(!(length >= 2 && memcmp(segment, ".;", 2) == 0));
	require(!(length >= 3 && memcmp(segment, "..;", 3) == 0));
}

static void check_encoding(const char *encoded, size_t left)
{
	char digits[3] = "";
	unsigned value;

	require(left >= 3 && is_hex_digit(encoded[1]) && is_hex_digit(encoded[2]));
	memcpy(digits, encoded + 1, 2);
	value = (unsigned)strtoul(digits, NULL, 16);
	require(value != 0 && value != '/' && value != '\\' && !is_unreserved(value));
}

static void check(const char *path, size_t length)
{
	size_t begin = 1;

	require(length > 0 && path[0] == '/');
	for (size_t i = 1; i < length; i++) {
		require((unsigned char)path[i] > ' ' && memchr("\\#?\x7f", path[i], 4) == NULL);
		if (path[i] == '%')
			check_encoding(path + i, length - i);
		if (path[i] == '/') {
			check_segment(path + begin, i - begin, false);
			begin = i + 1;
		}
	}
	check_segment(path + begin, length - begin, true);
}

/* Without them it is a path like others, and how long a part of it stands for how much is told alike from both sides. */
static void check_parameters(const struct path_result *path, char *room)
{
	size_t length = path_strip_parameters(path->path, path->length, true, room);

	check(room, length);
	length = path_strip_parameters(path->path, path->length, false, room);
	require(length <= path->length && memchr(room, ';', length) == NULL);
	/* The segment that had some may have been taken off by ".." afterwards. */
	require((path->has_parameters || length == path->length) && length > 0 && room[0] == '/');
	for (size_t segments = 0, at = 0; at < length; at++) {
		size_t skipped, plain;

		segments += room[at] == '/';
		if (at + 1 < length && room[at + 1] != '/')
			continue;
		skipped = path_skip(path->path, path->length, (unsigned)segments);
		plain = path_skip(room, length, (unsigned)segments);
		require(plain == at + 1 && skipped >= plain && skipped <= path->length);
		require(path_begins_with(path->path, path->length, room, plain));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = malloc(size + 1), *room = malloc(size > 0 ? size : 1), *room_again;
	struct path_result result, again;

	require(path != NULL && room != NULL);
	/* The least room is the most telling: the path ends where its block ends. */
	path[0] = 0;
	memcpy(path + 1, data, size);
	result = path_normalise(path + 1, size, room);
	if (result.verdict == PATH_REFUSED) {
		require(result.why != NULL);
	} else {
		require(result.length <= size);
		require(result.path == (result.verdict == PATH_UNCHANGED ? path + 1 : room));
		check(result.path, result.length);
		room_again = malloc(result.length);
		require(room_again != NULL);
		again = path_normalise(result.path, result.length, room_again);
		require(again.verdict == PATH_UNCHANGED && again.path == result.path && again.length == result.length);
		check_parameters(&result, room_again);
		free(room_again);
	}
	free(path);
	free(room);
	return 0;
}
