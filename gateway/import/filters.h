/* All filters of a route, in the order in which Spring applies them. */
#ifndef GATEWAY_IMPORT_FILTERS_H
#define GATEWAY_IMPORT_FILTERS_H

#include "gateway/import/policy.h"

/* `defaults`: default-filters. Either may be NULL. */
void filters_apply(struct import *import, struct draft_route *route, struct property *defaults, struct property *own,
                   struct policy *policy);

#endif
