#include "gateway/admin/server.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/connections.h"

/* evhttp's own timeout cuts a client that reads a large answer slowly, because it does not see what a client reads.
 * connections.c does, and knows how long a client may be silent. */
enum { TIMEOUT_S = 24 * 60 * 60 };

struct server {
	struct evhttp *http;
	struct connections *connections;
	struct server_settings settings;
};

static void on_request(struct evhttp_request *request, void *context)
{
	struct server *server = context;

	connections_note(server->connections, evhttp_connection_get_bufferevent(evhttp_request_get_connection(request)), false);
	server->settings.on_request(request, server->settings.context);
}

static struct bufferevent *on_accept(struct event_base *base, void *context)
{
	const struct server *server = context;
	struct bufferevent *io = connections_accept(base, server->connections);

	/* While a request waits for its answer, or the answer for its client, evhttp goes on reading and keeps all that comes. With
	 * this bound the rest stays with the client. A whole request has room. */
	if (io != NULL)
		bufferevent_setwatermark(io, EV_READ, 0, server->settings.head_bytes + server->settings.body_bytes);
	return io;
}

static bool bind_to(struct server *server, const struct address *address, char *error, size_t size)
{
	char ip[ADDRESS_TEXT_MAX], text[ADDRESS_TEXT_MAX];

	address_format_ip(address, ip);
	errno = 0;
	if (evhttp_bind_socket(server->http, ip, address->port) == 0)
		return true;
	address_format(address, text);
	snprintf(error, size, "can't listen on %s: %s", text, errno == 0 ? "no such address" : strerror(errno));
	return false;
}

struct server *server_new(struct event_base *base, const struct address *address, const struct server_settings *settings,
                          char *error, size_t size)
{
	struct server *server = calloc(1, sizeof *server);

	if (server != NULL) {
		server->settings = *settings;
		server->http = evhttp_new(base);
		server->connections = connections_new(base);
	}
	if (server == NULL || server->http == NULL || server->connections == NULL) {
		snprintf(error, size, "out of memory");
		server_free(server);
		return NULL;
	}
	evhttp_set_max_headers_size(server->http, (ev_ssize_t)settings->head_bytes);
	evhttp_set_max_body_size(server->http, (ev_ssize_t)settings->body_bytes);
	evhttp_set_timeout(server->http, TIMEOUT_S);
	evhttp_set_allowed_methods(server->http, (ev_uint32_t)settings->methods);
	evhttp_set_gencb(server->http, on_request, server);
	evhttp_set_bevcb(server->http, on_accept, server);
	if (!bind_to(server, address, error, size)) {
		server_free(server);
		return NULL;
	}
	return server;
}

struct connections *server_connections(struct server *server)
{
	return server->connections;
}

void server_free(struct server *server)
{
	if (server == NULL)
		return;
	if (server->http != NULL)
		evhttp_free(server->http);
	connections_free(server->connections);
	free(server);
}
