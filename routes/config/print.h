/* `--print-config`. */
#ifndef ROUTES_CONFIG_PRINT_H
#define ROUTES_CONFIG_PRINT_H

#include "routes/config/config.h"

/* The effective configuration, defaults included, as YAML that config_parse() reads back to the same. */
void config_print(const struct config *config, FILE *to);

#endif
