/*
 * The names under which routes stand in metrics and admin paths (their `id`).
 */
#ifndef ROUTES_CONFIG_ROUTE_NAMES_H
#define ROUTES_CONFIG_ROUTE_NAMES_H

#include "routes/config/reader.h"

/* Gives every route its id, once all were read, and complains of names that two of them have. `nodes`: one for each route. */
void route_names_give(struct reader *reader, const struct yaml_node **nodes);

#endif
