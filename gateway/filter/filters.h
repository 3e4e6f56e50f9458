/* The filters of a configuration's routes. */
#ifndef GATEWAY_FILTER_FILTERS_H
#define GATEWAY_FILTER_FILTERS_H

#include "routes/config/config.h"

/* For the control thread, before workers get the configuration: gives each route with filters its list. False: out of memory;
 * filters_free() frees what was made. */
bool filters_make(struct config *config);
/* Before the configuration's memory goes; any thread. */
void filters_free(struct config *config);

#endif
