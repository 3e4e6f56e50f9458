/* A route's auth.forward: the gateway asks another upstream whether a request may pass. */
#ifndef ROUTES_FORWARD_H
#define ROUTES_FORWARD_H

#include <stdbool.h>

#include "routes/texts.h"

struct upstream_settings;

struct forward_settings {
	bool enabled;
	const struct upstream_settings *upstream;
	const char *path; /* without a query */
	struct texts request_headers;  /* fields of the request that the asked upstream gets */
	struct texts response_headers; /* fields of its answer that the request gets, and from nobody else */
};

#endif
