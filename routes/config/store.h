/* rate_limit.store. */
#ifndef ROUTES_CONFIG_STORE_H
#define ROUTES_CONFIG_STORE_H

#include "routes/config/reader.h"

key_read read_store;

#endif
