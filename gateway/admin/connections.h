/* The admin listener's connections, which are bounded. */
#ifndef GATEWAY_ADMIN_CONNECTIONS_H
#define GATEWAY_ADMIN_CONNECTIONS_H

#include <stdbool.h>

struct bufferevent;
struct connections;
struct event_base;

struct connections *connections_new(struct event_base *base);
void connections_free(struct connections *connections); /* after evhttp's are gone */
/* For evhttp: makes the bufferevent of a connection that is about to be accepted. */
struct bufferevent *connections_accept(struct event_base *base, void *context);
/* A request came on it; of a stream no more are awaited. */
void connections_note(struct connections *connections, struct bufferevent *io, bool is_stream);
/* Was it opened by a worker of this process? */
bool connections_is_own(const struct connections *connections, struct bufferevent *io);

#endif
