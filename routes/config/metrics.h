/* metrics.tags. */
#ifndef ROUTES_CONFIG_METRICS_H
#define ROUTES_CONFIG_METRICS_H

#include "routes/config/reader.h"

key_read read_tags;

#endif
