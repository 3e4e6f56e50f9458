/*
 * Refuses JSON that would take far more memory as a tree than as text. jansson takes about 225 bytes for an empty object, which
 * is three bytes of text: a sender of one megabyte could take 80 of them. A reader that knows how many objects and lists a
 * message may have asks here before it parses.
 */
#ifndef GATEWAY_BASE_JSON_BOUND_H
#define GATEWAY_BASE_JSON_BOUND_H

#include <stdbool.h>
#include <stddef.h>

/* Do at most `most` braces and brackets open in the bytes? Those inside texts count, too: the bound has to be generous. */
static inline bool json_is_bounded(const char *bytes, size_t length, size_t most)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += bytes[i] == '{' || bytes[i] == '[';
	return count <= most;
}

#endif
