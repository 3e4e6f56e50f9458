/* The result of a route's predicates. */
#ifndef GATEWAY_IMPORT_PREDICATES_H
#define GATEWAY_IMPORT_PREDICATES_H

#include "gateway/import/draft.h"

/* Paths times hosts. */
struct matches {
	const char *paths[64], *hosts[16], *methods;
	bool is_exact[64];
	bool takes_slash[64]; /* ... and the same with a slash behind it */
	size_t path_count, host_count;
	const char *why_refused;
};
void predicates_read(struct import *import, struct property *route, struct matches *matches);

#endif
