/*
 * Tells where the gateway that runs with a certain file has its admin listener. --healthcheck asks here first, as the file itself
 * may have been changed, broken or removed since.
 *
 * It is the name of an abstract socket, which needs no folder to write in, is visible in the whole network namespace, and ends
 * with the process. Nobody sends anything to it.
 */
#ifndef GATEWAY_NET_BEACON_H
#define GATEWAY_NET_BEACON_H

#include <stddef.h>

#include "routes/address.h"

/* Returns the descriptor that keeps it lit; -1 with errno. */
int beacon_light(const char *file, const struct address *address);
/* Returns how many there are, at most `most`: by ${...} one file may serve several gateways. */
size_t beacon_find(const char *file, struct address *list, size_t most);

#endif
