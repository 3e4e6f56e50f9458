/* Hystrix' settings of one command. */
#ifndef GATEWAY_IMPORT_HYSTRIX_H
#define GATEWAY_IMPORT_HYSTRIX_H

#include "gateway/import/policy.h"

/* Lines of the sections breaker (`lines`) and bulkhead. *limit_ms: of a call; -1 = none. */
void hystrix_read(struct import *import, const struct policy *policy, struct lines *lines, struct lines *bulkhead,
                  int64_t *limit_ms);

#endif
