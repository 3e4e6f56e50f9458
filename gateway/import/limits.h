/* Filters that bound or repeat requests. */
#ifndef GATEWAY_IMPORT_LIMITS_H
#define GATEWAY_IMPORT_LIMITS_H

#include "gateway/import/definition.h"
#include "gateway/import/policy.h"

void limits_apply(struct import *import, struct draft_route *route, const struct definition *filter,
                  struct policy *policy);

#endif
