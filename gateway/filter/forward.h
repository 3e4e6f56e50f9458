/* Another upstream decides whether a request may pass (routes/forward.h). */
#ifndef GATEWAY_FILTER_FORWARD_H
#define GATEWAY_FILTER_FORWARD_H

#include "gateway/filter/filter.h"

extern const struct filter_type filter_forward;

#endif
