/* The settings of a route's filters that concern its upstream. */
#ifndef GATEWAY_IMPORT_POLICY_H
#define GATEWAY_IMPORT_POLICY_H

#include "gateway/import/draft.h"

struct policy {
	const char *breaker; /* its name; NULL = the route has none */
	struct property *breaker_at;
	bool is_hystrix;
	const char *statuses; /* "500, 503"; NULL = none */
	struct property *retry;
	const char *retry_attempts; /* NULL = no Retry filter */
};

#endif
