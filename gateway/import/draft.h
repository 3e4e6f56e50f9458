/*
 * The draft of gateway.yml: its lines, and the origin of each. predicates.c, filters.c and the others fill it, write.c prints
 * it. Nobody outside this folder includes it.
 */
#ifndef GATEWAY_IMPORT_DRAFT_H
#define GATEWAY_IMPORT_DRAFT_H

#include <stdio.h>

#include "gateway/import/placeholder.h"
#include "gateway/import/property.h"
#include "gateway/import/value.h"
#include "routes/config/keys.h"

enum { DRAFT_ROUTES_MAX = 2000, DRAFT_NUMBER_MAX = 16 };

/* One line. A comment is printed with "# " before it; a line whose key the reader of gateway.yml does not know is made one. */
struct line {
	const char *text;
	struct property *origin; /* gets the verdict when the reader of gateway.yml refuses the line; may be NULL */
	bool is_comment;
	size_t number; /* in the output, when it was printed alive; 0 = was not */
	struct line *next;
};

struct lines {
	struct line *first, *last;
};

struct draft_upstream {
	const char *name, *url, *breaker; /* breaker: the name that Spring knows it by; NULL = none */
	struct property *origin;
	struct lines lines;
	const char *remark, *why_refused;
	size_t from, to; /* the lines of the output */
	struct draft_upstream *next;
};

struct draft_route {
	struct property *origin; /* routes[n] */
	const char *id, *name, *methods, *host;
	const char *path;        /* a prefix; "" = everything */
	const char *target_path; /* what the service gets in its place; NULL = the same */
	bool is_exact, takes_slash, keeps_host, has_expression; /* takes_slash: an exact path also with a slash behind it */
	bool has_prefix; /* by a PrefixPath */
	int64_t order;
	struct draft_upstream *upstream;
	struct lines set[2], add[2], remove[2]; /* header edits: 0 of requests, 1 of responses */
	struct property *secure_headers; /* the SecureHeaders filter; NULL = none */
	struct lines lines, remarks;
	const char *why_refused; /* NULL: it is printed alive */
	size_t from, to;
	struct draft_route *next;
};

/* A property outside of the routes, and one of those that have read it. It has no effect if all of them are left out. */
struct use {
	struct property *of;
	const struct draft_route *by;
	struct use *next;
};

struct import {
	struct arena *arena;
	struct property *root, *replaced, *gateway, *old_gateway; /* the sections of the two prefixes; NULL = not there */
	struct values values;
	struct lines top, defaults, route_defaults; /* top: whole keys of the file; defaults: of every upstream */
	struct draft_upstream *upstreams, *last_upstream;
	struct draft_route *routes, *last_route;
	const struct draft_route *reader; /* the route that is read now; NULL = none */
	struct use *uses;
	size_t route_count;
	bool is_dropped, is_bare; /* all routes are left out, and not even comments tell of them */
	const char *unguarded; /* what guarded the routes and does so no more; NULL = nothing did */
	int shapes[16];        /* what the reader said; 0 = not asked yet */
};

#define LINE(...) property_format(import->arena, __VA_ARGS__)

void draft_line(struct import *import, struct lines *lines, struct property *origin, const char *text);
void draft_remark(struct import *import, struct lines *lines, const char *text); /* a comment */
const char *draft_name(const struct draft_route *route); /* for comments: its name, or else its path */
bool draft_has(const struct lines *lines, const char *start); /* a line that begins so and is alive */

/* Makes `name` of `length` bytes one that is not taken, by a number behind it; there is room for it. */
void draft_make_unique(const struct import *import, char *name, size_t length,
                       bool (*is_taken)(const struct import *import, const char *name));

/* ---- what the gateway knows -------------------------------------------------------------------------------------- */
enum shape {
	SHAPE_EXACT,
	SHAPE_REGEX,
	SHAPE_SEGMENT, /* `*` in a path */
	SHAPE_HTTPS,
	SHAPES,
};
/* Asks the reader of gateway.yml itself, so the importer uses keys that are added later at once. */
bool shape_is_known(struct import *import, enum shape shape);

/* ---- values with their verdict ------------------------------------------------------------------------------ */
/* Notes that a route depends on the property; `by` or `of` NULL: nothing is noted. */
void draft_use(struct import *import, const struct draft_route *by, struct property *of);
/* The value of `from`, fixed; NULL when there is none. */
const char *draft_text(struct import *import, struct property *from);
/* "key: value" within what the key takes; a value out of range is different, one that can't be read is refused. A
 * key that the reader does not know becomes a comment. False: nothing was written. */
bool draft_duration(struct import *import, struct lines *lines, enum key_scope scope, const char *key,
                    struct property *from);
/* The same, of a setting whose 0 is no limit in Spring: it becomes the longest that the key takes. */
bool draft_limit(struct import *import, struct lines *lines, enum key_scope scope, const char *key, struct property *from);
bool draft_count(struct import *import, struct lines *lines, enum key_scope scope, const char *key,
                 struct property *from);
bool draft_ms(struct import *import, struct lines *lines, enum key_scope scope, const char *key, struct property *from,
              int64_t ms);
/* The longest duration of a call in ms. Without a setting it is one second, with a remark at the breaker. */
int64_t draft_time_limit(struct import *import, struct property *limit, struct property *breaker_at, const char *remark);
/* By both prefixes, the new one first. */
struct property *draft_gateway(struct import *import, const char *path);

#endif
