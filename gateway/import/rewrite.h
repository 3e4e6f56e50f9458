/* Filters that change the path. */
#ifndef GATEWAY_IMPORT_REWRITE_H
#define GATEWAY_IMPORT_REWRITE_H

#include "gateway/import/definition.h"

void rewrite_apply(struct import *import, struct draft_route *route, const struct definition *filter);
bool rewrite_knows(const char *filter);

#endif
