/* The draft as text. */
#ifndef GATEWAY_IMPORT_WRITE_H
#define GATEWAY_IMPORT_WRITE_H

#include "gateway/import/draft.h"

/* Fills in where everything was printed. */
void draft_write(struct import *import, FILE *to);

#endif
