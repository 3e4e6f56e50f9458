/* The text that replaces a match of rewrite.regex, with groups of the expression in it. */
#ifndef ROUTES_REPLACEMENT_H
#define ROUTES_REPLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct piece {
	const char *text; /* NULL: what the group matched */
	size_t length;
	uint32_t group;
};

struct replacement {
	const struct piece *pieces;
	size_t count;
};

struct groups { /* of the expression */
	uint32_t count;
	int (*find)(const void *code, const char *name); /* its number; negative: there is none */
	const void *code;
};

/* In memory of `allocate`. False: `error` says why, "" when memory is short. */
bool replacement_read(struct replacement *replacement, const char *text, const struct groups *groups,
                      void *(*allocate)(void *context, size_t size), void *context, char *error, size_t size);

#endif
