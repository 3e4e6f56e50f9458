/* A route's auth for `--print-config`. */
#ifndef ROUTES_CONFIG_PRINT_AUTH_H
#define ROUTES_CONFIG_PRINT_AUTH_H

#include "routes/config/config.h"

void print_auth(FILE *to, const struct config *config, const struct route *route);

#endif
