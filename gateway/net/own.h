/*
 * Which connections to the admin listener this process has opened itself: a worker opens one if a route leads there.
 * Everything on such a connection comes from a client, and none of its bytes can hide that.
 *
 * The admin listener recognises such a connection by its source port. The port stays known for a minute after the
 * connection was opened, because a worker may close a connection before the control thread has read its bytes.
 */
#ifndef GATEWAY_NET_OWN_H
#define GATEWAY_NET_OWN_H

#include <stdbool.h>
#include <stdint.h>

/* Sets the port of the listener. Once, before the threads start. */
void own_watch(uint16_t port);
/* A worker has opened this connection to the listener's port, and has sent nothing yet. */
void own_note(int fd, uint16_t port, uint64_t now_ms);
/* Did this process open this accepted connection? Any thread; `accepted_ms`: when, or later. */
bool own_is_peer(int fd, uint64_t accepted_ms);

#endif
