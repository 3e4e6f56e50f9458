/* routes[].cors. */
#ifndef ROUTES_CONFIG_CORS_H
#define ROUTES_CONFIG_CORS_H

#include "routes/config/reader.h"

key_read read_cors, read_origins, read_origin_patterns, read_cors_methods, read_field_names;

#endif
