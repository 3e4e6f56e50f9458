/* Paths in gateway.yml. */
#ifndef ROUTES_CONFIG_PATH_H
#define ROUTES_CONFIG_PATH_H

#include "routes/config/reader.h"

/* When the whole route is read, `exact` too: what its paths are, and whether strip_prefix is a part of each. `node` is the
 * route's. */
void route_finish_paths(struct reader *reader, const struct yaml_node *node, struct route *route);

key_read read_path, read_strip_prefix, read_paths;

#endif
