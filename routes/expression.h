/* `rewrite.regex` of a route: a regular expression (PCRE2) over the path, and the text that replaces all its matches. */
#ifndef ROUTES_EXPRESSION_H
#define ROUTES_EXPRESSION_H

#include <stddef.h>

enum {
	EXPRESSION_TEXT_MAX = 1024,   /* of both as written */
	EXPRESSION_PATH_MAX = 4096,   /* longer paths are refused */
	EXPRESSION_RESULT_MAX = 8192, /* the longest result */
};

struct expression; /* any thread may use it */

/* In memory of `allocate`, which the caller frees. NULL: `error` says why, "" if memory is short. Not for two threads at
 * once: the first call loads the library. */
struct expression *expression_new(const char *regex, const char *replacement, void *(*allocate)(void *context, size_t size),
                                  void *context, char *error, size_t size);

enum expression_verdict {
	EXPRESSION_NO_MATCH, /* the path stays as it is */
	EXPRESSION_MATCHED,  /* the new path is in `room`, and normalised */
	EXPRESSION_REFUSED,  /* refused: `why`, which is static */
	EXPRESSION_NO_MEMORY,
};
struct expression_result {
	enum expression_verdict verdict;
	size_t length;
	const char *why;
};

/* `path` is normalised. `room` must have EXPRESSION_RESULT_MAX bytes. */
struct expression_result expression_rewrite(const struct expression *expression, const char *path, size_t length, char *room);

#endif
