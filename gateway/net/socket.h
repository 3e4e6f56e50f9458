/* Between struct address and the kernel's struct sockaddr; sockets with the options all of ours have. Any thread. */
#ifndef GATEWAY_NET_SOCKET_H
#define GATEWAY_NET_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "routes/address.h"

/* Returns the size of what was written. */
socklen_t socket_address_to(const struct address *address, struct sockaddr_storage *storage);
void socket_address_from(struct address *address, const struct sockaddr_storage *storage);

/* Does nobody listen there, not even another process of this user, which SO_REUSEPORT would let in beside us? False with errno. */
bool socket_is_free(const struct address *address);
/* A bound and listening SO_REUSEPORT socket, TCP_NODELAY inherited by what it accepts. -1 with errno. */
int socket_listen(const struct address *address);
/* From now on connections can be accepted before their first byte has come. Until then the kernel holds those back, and it would
 * reset them when the listening socket is closed, although for the client the connection was established. */
void socket_accept_at_once(int fd);
/* Begins to connect. -1 with errno; a connection refused at once is reported here, too. */
int socket_connect(const struct address *address);

#endif
