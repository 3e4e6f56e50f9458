/* routes[].response_body: the largest body that an upstream's response may have. */
#ifndef GATEWAY_FILTER_BODY_LIMIT_H
#define GATEWAY_FILTER_BODY_LIMIT_H

#include "gateway/filter/filter.h"

extern const struct filter_type filter_body_limit;

#endif
