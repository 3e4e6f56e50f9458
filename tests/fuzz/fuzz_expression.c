/*
 * rewrite.regex: fixed expressions, careless ones among them, and any path. It is left as it is, or becomes one that nobody can
 * read in another way and that fits its room, or it is refused with a reason. Whatever the path, that takes a bounded time:
 * libFuzzer's own limit says if not. The path and the room are blocks of their own, so that AddressSanitizer sees a byte too many.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "routes/config/arena.h"
#include "routes/expression.h"
#include "routes/path.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const FIXED_EXPRESSIONS[][2] = {
	{"^/api/(?<rest>.*)", "/${rest}"}, {"/red/?(?<segment>.*)", "/$\\{segment}"}, {"/([^/]+)/([^/]+)", "/$2/$1"},
	{"(?<rest>.*)", "/api/${rest}"},   {"2[05]", ""},                             {"^/.(?<rest>.*)", "/files/${rest}"},
	{"z*", "/"},                       {"(/?[a-z]+)+$", "$1$1$1"},                 {"(a+)\\1+b", "/x"},
	{"(.*)(.*)(.*)x", "$0$0"},         {"(?<=/)\\K", "x"},
};
enum { FIXED_COUNT = sizeof(FIXED_EXPRESSIONS) / sizeof(FIXED_EXPRESSIONS[0]) };

static void check_rewritten(const char *path, size_t length)
{
	char *again = malloc(length);
	struct path_result result;

	CHECK(again != NULL && length > 0 && length <= EXPRESSION_RESULT_MAX && path[0] == '/');
	CHECK(length == 1 || path[1] != '/');
	result = path_normalise(path, length, again);
	CHECK(result.verdict == PATH_UNCHANGED);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct expression *expressions[FIXED_COUNT]; /* for good */
	static struct arena *memory;
	char *raw = malloc(size + 1), *room = malloc(size + 1), *out = malloc(EXPRESSION_RESULT_MAX), *path, error[200];
	struct path_result normal;

	if (memory == NULL)
		memory = arena_new();
	for (size_t i = 0; expressions[FIXED_COUNT - 1] == NULL && i < FIXED_COUNT; i++)
		expressions[i] = expression_new(FIXED_EXPRESSIONS[i][0], FIXED_EXPRESSIONS[i][1], arena_allocate, memory, error,
		                                sizeof(error));
	CHECK(raw != NULL && room != NULL && out != NULL && expressions[FIXED_COUNT - 1] != NULL);
	memcpy(raw, data, size);
	normal = path_normalise(raw, size, room);
	path = normal.verdict != PATH_REFUSED ? malloc(normal.length) : NULL;
	if (path != NULL)
		memcpy(path, normal.path, normal.length);
	for (size_t i = 0; path != NULL && i < FIXED_COUNT; i++) {
		struct expression_result result = expression_rewrite(expressions[i], path, normal.length, out);

		CHECK(result.verdict != EXPRESSION_REFUSED || (result.why != NULL && result.why[0] != '\0'));
		CHECK(result.verdict != EXPRESSION_NO_MEMORY);
		if (result.verdict == EXPRESSION_MATCHED)
			check_rewritten(out, result.length);
	}
	free(raw);
	free(room);
	free(path);
	free(out);
	return 0;
}
