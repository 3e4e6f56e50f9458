/* The CircuitBreaker and Hystrix filters. */
#ifndef GATEWAY_IMPORT_BREAKER_H
#define GATEWAY_IMPORT_BREAKER_H

#include "gateway/import/definition.h"
#include "gateway/import/policy.h"

void breaker_apply(struct import *import, struct draft_route *route, const struct definition *filter,
                   struct policy *policy);

#endif
