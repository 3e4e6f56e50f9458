/* Filters that edit header fields. */
#ifndef GATEWAY_IMPORT_HEADERS_H
#define GATEWAY_IMPORT_HEADERS_H

#include "gateway/import/definition.h"

/* False: it is none of them. */
bool headers_apply(struct import *import, struct draft_route *route, const struct definition *filter);
/* After all filters of the route: SecureHeaders adds only what no other filter has a say in. */
void headers_finish(struct import *import, struct draft_route *route);

#endif
