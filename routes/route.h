/*
 * From a request's host, path and method to its route.
 *
 * The lookup costs the length of the path, not the number of routes. All functions are pure; any thread.
 */
#ifndef ROUTES_ROUTE_H
#define ROUTES_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "routes/config.h"

/*
 * The path as matched and as the upstream will get it (RFC 3986 section 6.2.2): dot segments resolved, duplicate slashes
 * merged, percent-encoded unreserved characters decoded, hex digits in upper case. Refused, because two readers
 * could differ: encoded slash, backslash or NUL, a raw backslash or fragment, bad percent-encoding, ".." above the root,
 * a segment of dots with parameters ("..;x").
 */
enum path_verdict {
	PATH_UNCHANGED,  /* already normal: *normal points into the input */
	PATH_NORMALISED, /* written to `room` */
	PATH_REFUSED,
};
struct path_result {
	enum path_verdict verdict;
	const char *path;
	size_t length;
	const char *why; /* when refused */
};
/* `path` starts with '/' and holds no query. `room` must have `length` bytes. */
struct path_result path_normalise(const char *path, size_t length, char *room);
/* How much of it comes before the first "..", however that is spelled; `length` when there is none. */
size_t path_before_dots(const char *path, size_t length);

enum route_verdict { ROUTE_FOUND, ROUTE_NOT_FOUND, ROUTE_METHOD_NOT_ALLOWED };

struct route_match {
	enum route_verdict verdict;
	const struct route *route; /* for METHOD_NOT_ALLOWED: one that has the path */
};

/* `host` without port, any case, may be empty. `path` normalised. A route with a host wins over one without;
 * then the longest prefix on a segment border. */
struct route_match route_find(const struct config *config, const char *host, size_t host_length, const char *path,
                              size_t path_length, const char *method, size_t method_length);

/* Did dot segments lead out of the prefix that the path had before them? `raw` is one that path_normalise() did not refuse;
 * `room` must have `raw_length` bytes. */
bool route_was_escaped(const struct config *config, const char *host, size_t host_length, const char *raw, size_t raw_length,
                       const struct route *found, char *room);

/* "GET, HEAD" of all routes with this host and path, for the Allow field. Returns the length, cut at `size`. */
size_t route_allowed_methods(const struct config *config, const char *host, size_t host_length, const char *path,
                             size_t path_length, char *text, size_t size);

/* Called by config_parse(): builds the index. Complains of routes that can never match. NULL: memory is short. */
struct route_index *route_index_new(const struct route *routes, size_t count,
                                    void (*complain)(void *context, size_t route, const char *text), void *context);
void route_index_free(struct route_index *index);

#endif
