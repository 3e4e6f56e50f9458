/* A route's rate_limit. */
#ifndef ROUTES_CONFIG_RATE_LIMIT_H
#define ROUTES_CONFIG_RATE_LIMIT_H

#include "routes/config/reader.h"

/* When all keys are read. `node` is what complaints are about. */
void rate_limit_check(struct reader *reader, const struct yaml_node *node, const struct route *route);
/* One of its values as in the file: 10/s, client, header:NAME. */
enum { RATE_LIMIT_TEXT_MAX = 160 };
void rate_limit_format(const struct key *key, const struct rate_limit_settings *settings, char text[RATE_LIMIT_TEXT_MAX]);

key_read read_rate, read_limit_key;

#endif
