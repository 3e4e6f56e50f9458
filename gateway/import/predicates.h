/* The result of a route's predicates. */
#ifndef GATEWAY_IMPORT_PREDICATES_H
#define GATEWAY_IMPORT_PREDICATES_H

#include "gateway/import/draft.h"

enum { MATCHES_PATHS_MAX = 64, MATCHES_HOSTS_MAX = 16, MATCHES_METHODS_MAX = 16 };

/* Paths times hosts. */
struct matches {
	const char *paths[MATCHES_PATHS_MAX], *hosts[MATCHES_HOSTS_MAX], *methods;
	bool is_exact[MATCHES_PATHS_MAX];
	bool takes_slash[MATCHES_PATHS_MAX]; /* ... and the same with a slash behind it */
	size_t path_count, host_count;
	const char *why_refused;
};
void predicates_read(struct import *import, struct property *route, struct matches *matches);

#endif
