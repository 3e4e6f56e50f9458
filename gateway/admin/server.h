/* A small HTTP server by evhttp with a limited number of clients (connections.h). The admin listener is one, the autoscaler
 * another. */
#ifndef GATEWAY_ADMIN_SERVER_H
#define GATEWAY_ADMIN_SERVER_H

#include <stddef.h>

#include "routes/address.h"

struct connections;
struct event_base;
struct evhttp_request;
struct server;

struct server_settings {
	size_t head_bytes, body_bytes; /* the most of a request */
	unsigned methods;              /* of evhttp's; it refuses the others */
	void (*on_request)(struct evhttp_request *request, void *context);
	void *context;
};

/* NULL: it can't listen; `error` says why. */
struct server *server_new(struct event_base *base, const struct address *address, const struct server_settings *settings,
                          char *error, size_t size);
void server_free(struct server *server); /* NULL: nothing */
struct connections *server_connections(struct server *server);

#endif
