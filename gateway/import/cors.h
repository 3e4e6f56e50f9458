/* globalcors. */
#ifndef GATEWAY_IMPORT_CORS_H
#define GATEWAY_IMPORT_CORS_H

#include "gateway/import/draft.h"

/* After all routes are read. */
void cors_import(struct import *import);

#endif
