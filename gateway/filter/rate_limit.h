/*
 * Rate limits: by client, field or route before authentication, by claim after it.
 *
 * The gateway answers a request over the limit at once, with the status of the route's rate_limit (429) and a Retry-After
 * that holds if no other request with the same key comes before. All workers count in one table (limiter.h).
 */
#ifndef GATEWAY_FILTER_RATE_LIMIT_H
#define GATEWAY_FILTER_RATE_LIMIT_H

#include "gateway/filter/filter.h"

extern const struct filter_type filter_rate_limit, filter_rate_limit_by_claim;

#endif
