/* Paths: normalised, or refused if they have two readings. */
#ifndef ROUTES_PATH_H
#define ROUTES_PATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The path as matched and as the upstream will get it (RFC 3986 section 6.2.2): dot segments resolved, duplicate slashes
 * merged, percent-encoded unreserved characters decoded, hex digits in upper case. Refused, because two readers
 * could differ: encoded slash, backslash or NUL, a raw backslash or fragment, bad percent-encoding, ".." above the root,
 * a segment that is nothing or dots but for its parameters ("..;x").
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
	bool has_parameters, has_encoded_semicolon;
	const char *why; /* when refused */
};

/* `path` starts with '/' and holds no query. `room` must have `length` bytes. */
struct path_result path_normalise(const char *path, size_t length, char *room);
/* A normalised path without the parameters of its segments; `with_encoded`: also without what follows an encoded semicolon.
 * Routes are looked up with it. Returns the length. `room` must have `length` bytes, and may be `path`. */
size_t path_strip_parameters(const char *path, size_t length, bool with_encoded, char *room);
/* Are these the first segments of a normalised path, ignoring its parameters? */
bool path_begins_with(const char *path, size_t length, const char *segments, size_t segments_length);
/* The length of a path's first segments, with their parameters; `segments` must not exceed their number. */
size_t path_skip(const char *path, size_t length, unsigned segments);
/* The length before the first "..", in any spelling; `length` if there is none. */
size_t path_before_dots(const char *path, size_t length);

#endif
