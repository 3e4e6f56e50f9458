/* Upstreams, from the uri and the filters of routes. */
#ifndef GATEWAY_IMPORT_UPSTREAMS_H
#define GATEWAY_IMPORT_UPSTREAMS_H

#include "gateway/import/policy.h"

/* The upstream of a route: one that is there already when address, breaker and settings are the same. */
void upstream_find(struct import *import, struct draft_route *route, struct property *uri, const struct policy *policy);

#endif
