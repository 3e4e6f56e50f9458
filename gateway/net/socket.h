/* Converts the kernel's struct sockaddr to a struct address; opens sockets with the options that all of ours have. Any
 * thread. */
#ifndef GATEWAY_NET_SOCKET_H
#define GATEWAY_NET_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "routes/address.h"

void socket_address_from(struct address *address, const struct sockaddr_storage *storage);

/* Is the address free? SO_REUSEPORT would let us bind beside another process of this user. False with errno. */
bool socket_is_free(const struct address *address);
/* A bound and listening socket; the connections that it accepts inherit TCP_NODELAY. *may_repeat: others may bind the
 * same address (SO_REUSEPORT), unless the kernel refuses that. -1 with errno. */
int socket_listen(const struct address *address, bool *may_repeat);
/* From now on the kernel hands over connections before their first byte has come. Until then it holds them back, and
 * would reset them when the listening socket closes, although for the client the connection is established. */
void socket_accept_at_once(int fd);
/*
 * From now on the kernel drops the packets that reach this listening socket itself, which are the SYNs of new connections: it asks
 * for more hops to live than they have left (IP_MINTTL, RFC 5082). Handshakes under way are not the socket's own and go on.
 * A packet of a host on the same link that begins with 255 still gets through.
 */
void socket_drop_packets(int fd, const struct address *address);
/* A connection inherits that from its listening socket: takes its packets again. */
void socket_take_packets(int fd);
/* Begins to connect. -1 with errno; a connection refused at once is reported here, too. */
int socket_connect(const struct address *address);

#endif
