/* `routes` of gateway.yml. */
#ifndef ROUTES_CONFIG_ROUTE_H
#define ROUTES_CONFIG_ROUTE_H

#include "routes/config/reader.h"

void routes_read(struct reader *reader);

key_read read_route_name, read_host, read_methods, read_upstream_name, read_upstream_or_off;

#endif
