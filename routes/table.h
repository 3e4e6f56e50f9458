/* The routes by their hosts and paths. */
#ifndef ROUTES_TABLE_H
#define ROUTES_TABLE_H

#include "routes/config/settings.h"

enum {
	TABLE_SHAPES_MAX = 64,   /* arrangements of "*" */
	TABLE_SEGMENTS_MAX = 63, /* of a path with a "*" */
};
#define TABLE_KEY(length, is_exact) ((length) << 1 | (is_exact))
#define TABLE_NONE UINT32_MAX /* ends a list of routes */

struct table_item {
	const struct route *route;
	uint32_t next;
};

/* All routes with the same host and path, in the order of the file. */
struct table_entry {
	uint64_t hash;
	size_t key; /* the path's length, and whether it is exact: TABLE_KEY() */
	const struct route_path *path; /* NULL = free */
	const struct route *first;
	const struct route *any; /* the one without `methods`; NULL = none */
	uint32_t first_item, last_item;
};

struct route_index {
	struct table_entry *entries;
	size_t mask;       /* number of entries, a power of two, less one */
	uint64_t *lengths; /* a bit for each length that a prefix without "*" has */
	size_t longest;
	struct table_item *items;
	uint32_t item_count;
	bool has_hosts;
	bool has_exact, has_more; /* more: exact paths, or some with "*" */
	struct {
		uint64_t wild;   /* as in struct route_path */
		uint64_t depths; /* a bit for each number of segments that such a path has */
	} shapes[TABLE_SHAPES_MAX];
	size_t shape_count;
};

/* Has room for `routes` and all of their paths, but holds none yet. NULL: memory is short. */
struct route_index *table_new(const struct route *routes, size_t count);
void table_free(struct route_index *index);

/* The entry of the route's path; NULL: there is none. */
const struct table_entry *table_get(const struct route_index *index, const struct route *route, const struct route_path *path);
/* The same, but makes a missing entry. NULL: one arrangement of "*" too many. */
struct table_entry *table_take(struct route_index *index, const struct route *route, const struct route_path *path);
/* Adds the route after the others of the entry. */
void table_append(struct route_index *index, struct table_entry *entry, const struct route *route);

/* The entry with this host, else without, whose path covers most of this one. NULL: none. */
const struct table_entry *table_find(const struct route_index *index, const char *host, size_t host_length, const char *path,
                                     size_t path_length);

#endif
