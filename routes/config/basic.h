/* A route's auth.basic. */
#ifndef ROUTES_CONFIG_BASIC_H
#define ROUTES_CONFIG_BASIC_H

#include "routes/config/reader.h"

/* When all keys are read. `node` is what complaints are about. */
void basic_check(struct reader *reader, const struct yaml_node *node, struct route *route);

key_read read_htpasswd, read_realm;

#endif
