/* Bytes with another owner. Not NUL-terminated; valid for as long as the owner says. */
#ifndef GATEWAY_BASE_SLICE_H
#define GATEWAY_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *data;
	size_t length;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

/* ASCII only, as all names in HTTP are. */
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
	return a.length == b.length && strncasecmp(a.data, b.data, a.length) == 0;
}

#endif
