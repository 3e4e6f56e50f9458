/* auth.jwt for `--print-config`. */
#ifndef ROUTES_CONFIG_PRINT_JWT_H
#define ROUTES_CONFIG_PRINT_JWT_H

#include "routes/config/config.h"

void print_jwt(FILE *to, const struct config *config, const struct jwt_settings *settings);

#endif
