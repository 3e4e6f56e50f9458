/* A route's fallback, as gateway.yml has it. */
#ifndef ROUTES_CONFIG_FALLBACK_H
#define ROUTES_CONFIG_FALLBACK_H

#include "routes/config/reader.h"

/* The fallback of a route that names none. */
void fallback_default(struct reader *reader, struct route *route);
/* When the whole route is read: what response_headers sets and adds is on the fallback, too. */
void fallback_add_headers(struct reader *reader, struct route *route);

key_read read_fallback, read_redirect;

#endif
