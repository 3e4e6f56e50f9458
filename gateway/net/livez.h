/* Asks a program of this project whether it is alive, for its --healthcheck: an image has neither a shell nor curl. */
#ifndef GATEWAY_NET_LIVEZ_H
#define GATEWAY_NET_LIVEZ_H

#include <stdbool.h>

#include "routes/address.h"

/* A blocking GET /livez from where the program listens; from loopback, if it listens on any address. False, after a line on
 * stderr that begins with `program`: it did not answer 200. */
bool livez_ask(struct address listener, const char *program);

#endif
