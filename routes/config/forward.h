/* routes[].auth.forward. */
#ifndef ROUTES_CONFIG_FORWARD_H
#define ROUTES_CONFIG_FORWARD_H

#include "routes/config/reader.h"

/* When the route is read. `auth` is its mapping. */
void forward_check(struct reader *reader, const struct yaml_node *auth, const struct route *route);

#endif
