/* The tree that a YAML text becomes: its nodes, its limits, and where a reading gets its memory. */
#ifndef ROUTES_CONFIG_YAML_NODE_H
#define ROUTES_CONFIG_YAML_NODE_H

#include <stdbool.h>
#include <stddef.h>

enum { YAML_TEXT_MAX = 1 << 20, YAML_NODES_MAX = 100000, YAML_DEPTH_MAX = 32, YAML_ANCHORS_MAX = 256 };

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
	void *(*allocate)(void *context, size_t size); /* NULL: out of memory; nothing is ever given back */
	void (*complain)(void *context, size_t line, size_t column, const char *text);
	void *context;
};

#endif
