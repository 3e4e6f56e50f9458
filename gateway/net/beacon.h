/*
 * Tells where the gateway that runs with a certain file has its admin listener. --healthcheck looks here first, because
 * the file itself may have been changed, broken or removed since the gateway read it.
 *
 * The beacon is the name of an abstract socket. It needs no folder to write in, is visible in the whole network
 * namespace, and ends with the process. Nobody sends anything to it.
 */
#ifndef GATEWAY_NET_BEACON_H
#define GATEWAY_NET_BEACON_H

#include <stddef.h>

#include "routes/address.h"

/* Returns the descriptor that keeps the beacon alive; -1 with errno. */
int beacon_light(const char *file, const struct address *address);
/* Returns how many there are, at most `most`: because of ${...} one file may serve several gateways. */
size_t beacon_find(const char *file, struct address *list, size_t most);

#endif
