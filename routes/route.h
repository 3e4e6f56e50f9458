/*
 * From a request's host, path and method to its route.
 *
 * The lookup costs the length of the path, not the number of routes. All functions are pure; any thread.
 */
#ifndef ROUTES_ROUTE_H
#define ROUTES_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "routes/config/settings.h"

enum route_verdict { ROUTE_FOUND, ROUTE_NOT_FOUND, ROUTE_METHOD_NOT_ALLOWED };

struct route_match {
	enum route_verdict verdict;
	const struct route *route; /* for METHOD_NOT_ALLOWED: a route that has the path */
};

/* `host` without port, any case, may be empty. `path` normalised and without parameters. A route with a host wins over one
 * without; then the one whose path covers most segments; then a text before a "*", from left to right; then an exact path. */
struct route_match route_find(const struct config *config, const char *host, size_t host_length, const char *path,
                              size_t path_length, const char *method, size_t method_length);

/* The path for which route_find() chooses the route; NULL: none. For the few requests that need it. */
const struct route_path *route_find_path(const struct config *config, const char *host, size_t host_length, const char *path,
                                         size_t path_length);

/* Did dot segments leave the prefix that the path had before them? `raw` is the path that path_normalise() made `path` of;
 * `room` must have `raw_length` bytes. */
bool route_was_escaped(const struct config *config, const char *host, size_t host_length, const char *raw, size_t raw_length,
                       const char *path, size_t path_length, char *room);

/* A route without `methods` takes any method but TRACE, which would show a request to a page that can make a browser send it.
 * These are the usual ones. */
#define ROUTE_USUAL_METHODS "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"

/* "GET, HEAD" of all routes with this route's host and this path, for the Allow field. Returns the length, cut at `size`. */
size_t route_allowed_methods(const struct config *config, const struct route *route, const struct route_path *path, char *text,
                             size_t size);

/* For config_parse(): builds the index. Complains of paths that can never match, or match the same as others. NULL: out of
 * memory. */
struct route_index *route_index_new(const struct route *routes, size_t count,
                                    void (*complain)(void *context, const struct route_path *path, const char *text),
                                    void *context);
void route_index_free(struct route_index *index);

#endif
