/*
 * One element of Forwarded (RFC 7239 section 4). Strict: readers of Forwarded differ, and many split it at commas and semicolons
 * without a look at quotes. So the reader here refuses what such a reader would take for something else: a comma, semicolon, equals
 * sign, quote or backslash within quotes. It also refuses white space, of which the grammar has none, and a name that occurs
 * twice.
 */
#ifndef GATEWAY_HTTP_FORWARDED_H
#define GATEWAY_HTTP_FORWARDED_H

#include <stdbool.h>

#include "gateway/base/slice.h"

/* Without quotes; empty: the element does not say it. */
struct forwarded_element {
	struct slice node; /* of for=: with brackets and port, if they are written */
	struct slice proto, host;
};

/* `text` is what stands between two commas, without the white space around it. False: it is malformed. */
bool forwarded_parse(struct slice text, struct forwarded_element *element);

#endif
