/* A verdict for each line that nobody has dealt with. */
#ifndef GATEWAY_IMPORT_LEFTOVERS_H
#define GATEWAY_IMPORT_LEFTOVERS_H

#include "gateway/import/draft.h"

void leftovers_judge(struct import *import);

#endif
