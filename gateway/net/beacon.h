/*
 * Where the admin listener of the gateway that runs with a file is: what --healthcheck asks first, as the file itself may since
 * have been changed, broken or removed.
 *
 * It is the name of a socket, which takes no folder to write in, is seen by everybody in the network namespace, and ends with
 * the process. Nobody sends anything to it.
 */
#ifndef GATEWAY_NET_BEACON_H
#define GATEWAY_NET_BEACON_H

#include <stddef.h>

#include "routes/address.h"

/* Returns the descriptor that keeps it lit; -1 with errno. */
int beacon_light(const char *file, const struct address *address);
/* Returns how many there are, `most` at most: one file may serve several, by ${...}. */
size_t beacon_find(const char *file, struct address *list, size_t most);

#endif
