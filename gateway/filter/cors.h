/* A route's rules for pages of other origins (routes/cors.h). */
#ifndef GATEWAY_FILTER_CORS_H
#define GATEWAY_FILTER_CORS_H

#include "gateway/filter/filter.h"

extern const struct filter_type filter_cors;

/* Is this a preflight, by which a browser asks before it sends a page's request (WHATWG Fetch, section 3.2.2)? `method`: of
 * that request. */
bool cors_is_preflight(const struct request *request, struct slice *method);

#endif
