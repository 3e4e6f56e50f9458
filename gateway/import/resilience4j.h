/* Resilience4j's settings of one breaker. */
#ifndef GATEWAY_IMPORT_RESILIENCE4J_H
#define GATEWAY_IMPORT_RESILIENCE4J_H

#include "gateway/import/policy.h"

/* Lines of the sections breaker (`lines`) and bulkhead. *limit_ms: of a call; -1 = none. */
void resilience4j_read(struct import *import, const struct policy *policy, struct lines *lines, struct lines *bulkhead,
                       int64_t *limit_ms);

#endif
