/*
 * /turbine.stream: one message for each upstream, summed over all gateways as Netflix' Turbine sums them. The dashboard
 * divides by reportingHosts again where it shows a mean or a share.
 */
#ifndef GATEWAY_ADMIN_TURBINE_H
#define GATEWAY_ADMIN_TURBINE_H

#include <jansson.h>

/*
 * `own`: this gateway's messages (hystrix.h); `others`: for each other gateway that answers an array of its own, which
 * may be anything.
 * Members that ours do not have, and values of another kind, are left out. Numbers are added; a breaker is open,
 * closed, or
 * "true: 1, false: 2", which the dashboard shows as "Open: 1, Closed: 2"; forced is what all are. A new array; NULL:
 * out of memory.
 */
json_t *turbine_sum(const json_t *own, const json_t *others);

#endif
