/* `defaults` and `upstreams` of gateway.yml. */
#ifndef ROUTES_CONFIG_UPSTREAM_H
#define ROUTES_CONFIG_UPSTREAM_H

#include "routes/config/reader.h"

void defaults_read(struct reader *reader, struct upstream_settings *defaults);
void upstreams_read(struct reader *reader, const struct upstream_settings *defaults);

/* Cuts "host:port" in two, in place, into host, port and address. Returns why it can't be; NULL: it is done. */
const char *upstream_parse_authority(struct upstream_settings *settings, char *host);

key_read read_url, read_window, read_peers;

#endif
