/* First match against longest prefix. */
#ifndef GATEWAY_IMPORT_ORDER_H
#define GATEWAY_IMPORT_ORDER_H

#include "gateway/import/draft.h"

/* After all routes are read. */
void order_check(struct import *import);

#endif
