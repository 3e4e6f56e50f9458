/* Names of fields that gateway.yml has the gateway write. */
#ifndef ROUTES_CONFIG_HEADERS_H
#define ROUTES_CONFIG_HEADERS_H

#include "routes/config/reader.h"

/* May a filter set this field of requests? Complains if not: what the gateway writes itself, and what says who the client is. */
bool headers_may_be_written(struct reader *reader, const struct yaml_node *node, const char *name);

key_read read_headers, read_header_values, read_header_names;

#endif
