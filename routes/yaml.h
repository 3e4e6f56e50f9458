/*
 * YAML text to a tree of nodes that know where they stand. The only file that knows the YAML library is yaml.c.
 *
 * What makes YAML surprising or dangerous is refused with a complaint: anchors, aliases, tags, more than one document,
 * keys that are not plain text, duplicate keys, NUL bytes. All scalars are text; what they mean is for the reader of
 * the tree to say, so `off` and `1e3` are just letters here.
 */
#ifndef ROUTES_YAML_H
#define ROUTES_YAML_H

#include <stdbool.h>
#include <stddef.h>

enum { YAML_TEXT_MAX = 1 << 20, YAML_NODES_MAX = 100000, YAML_DEPTH_MAX = 32 };

enum yaml_kind { YAML_SCALAR, YAML_MAPPING, YAML_SEQUENCE };

struct yaml_node {
	enum yaml_kind kind;
	bool is_plain;       /* a scalar without quotes: an empty one means "nothing written" */
	bool is_refused;     /* complained of already (an alias, a second key of the same name): to be passed over */
	size_t line, column; /* from 1; a column is a character, not a byte */
	const char *text;    /* of a scalar; ends with NUL and holds no other */
	size_t length;
	struct yaml_node *key;   /* of a mapping's value: its key, a scalar */
	struct yaml_node *first; /* of a mapping or sequence: its values in the order of the file */
	struct yaml_node *next;
	size_t count;
};

/* Where a reading gets its memory and leaves its complaints. */
struct yaml_reading {
	void *(*allocate)(void *context, size_t size); /* NULL: memory is short; nothing is ever given back */
	void (*complain)(void *context, size_t line, size_t column, const char *text);
	void *context;
};

/* NULL after a complaint: not YAML at all, over a limit, or memory is short. An empty text is an empty plain scalar. */
struct yaml_node *yaml_read(const char *text, size_t length, const struct yaml_reading *reading);

/* The value of `key` in a mapping; NULL when there is none, or `node` is NULL or no mapping. */
const struct yaml_node *yaml_find(const struct yaml_node *node, const char *key);

#endif
