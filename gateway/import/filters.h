/* All filters of a route, one after the other. */
#ifndef GATEWAY_IMPORT_FILTERS_H
#define GATEWAY_IMPORT_FILTERS_H

#include "gateway/import/policy.h"

void filters_apply(struct import *import, struct draft_route *route, struct property *filters, struct policy *policy);

#endif
