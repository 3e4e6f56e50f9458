/* `route_defaults` of gateway.yml: what routes inherit. */
#ifndef ROUTES_CONFIG_ROUTE_DEFAULTS_H
#define ROUTES_CONFIG_ROUTE_DEFAULTS_H

#include "routes/config/reader.h"

/* The mapping, for so many routes; NULL: there is none, or none that can be used (complained of). */
const struct yaml_node *route_defaults_find(struct reader *reader, size_t routes);
/* A route's mapping with what it leaves open from `defaults`, as if all of it had been written there. Nodes keep their places.
 * Returns the route itself when it inherits nothing, or memory is short. */
const struct yaml_node *route_defaults_merge(struct reader *reader, const struct yaml_node *route,
                                             const struct yaml_node *defaults);

#endif
