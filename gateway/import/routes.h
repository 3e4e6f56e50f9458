/* All routes. */
#ifndef GATEWAY_IMPORT_ROUTES_H
#define GATEWAY_IMPORT_ROUTES_H

#include "gateway/import/draft.h"

void routes_import(struct import *import);

#endif
