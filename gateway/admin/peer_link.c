/*
 * evhttp calls back in the middle of its own work, where its connection can't be let go of. So what it says is only noted, and the
 * timer that limits the question is made active: its callback tells of the end, and nothing of evhttp is on the stack.
 *
 * An evhttp_connection could connect again by itself, but (in 2.1) keeps flags of the connection before, and a failed connection
 * attempt then ends the process by an assertion. Each of them serves one connection here.
 */
#include "gateway/admin/peer_link.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/http.h>
#include <stdlib.h>

#include "gateway/admin/peer_answer.h"
#include "gateway/net/timer.h"

enum { HEAD_MAX = 8 * 1024 };
enum { AHEAD_MAX = PEER_ANSWER_MAX + HEAD_MAX }; /* evhttp puts no bound on the line before a chunk */

struct peer_link {
	struct event_base *base;
	struct address address;
	peer_link_on_end *on_end;
	void *context;
	struct evhttp_connection *connection; /* NULL: none */
	bool is_spent;                        /* the connection has failed or ended */
	bool is_asking, has_ended;
	struct event timer;
	struct peer_link_result result;
	char *body;
};

/* ---- what evhttp says -------------------------------------------------------------------------------------------- */

static void end(struct peer_link *link, const char *error)
{
	if (link->has_ended)
		return;
	link->has_ended = true;
	link->is_spent = link->is_spent || error != NULL;
	link->result.error = error;
	event_active(&link->timer, EV_TIMEOUT, 0);
}

static void on_close(struct evhttp_connection *connection, void *context)
{
	struct peer_link *link = context;

	(void)connection;
	link->is_spent = true;
}

/* Nobody asked for an interim answer, and evhttp would keep the fields of any number of them. */
static int on_head(struct evhttp_request *request, void *context)
{
	if (evhttp_request_get_response_code(request) >= 200)
		return 0;
	end(context, "it does not speak HTTP as a gateway does");
	return -1;
}

static void on_error(enum evhttp_request_error error, void *context)
{
	switch (error) {
	case EVREQ_HTTP_INVALID_HEADER:
		end(context, "it does not speak HTTP as a gateway does");
		break;
	case EVREQ_HTTP_DATA_TOO_LONG:
		end(context, "the answer is larger than allowed, or no HTTP");
		break;
	case EVREQ_HTTP_TIMEOUT:
	case EVREQ_HTTP_EOF:
	case EVREQ_HTTP_BUFFER_ERROR:
	case EVREQ_HTTP_REQUEST_CANCEL:
		end(context, "the connection failed before all of it came");
		break;
	}
}

static void on_answer(struct evhttp_request *request, void *context)
{
	struct peer_link *link = context;
	struct evbuffer *body, *surplus;

	if (request == NULL) /* on_error() has been told why */
		return;
	link->result.status = evhttp_request_get_response_code(request);
	if (link->result.status == 0) {
		end(link, "it refuses the connection");
		return;
	}
	body = evhttp_request_get_input_buffer(request);
	link->result.length = evbuffer_get_length(body);
	link->body = malloc(link->result.length + 1);
	if (link->body != NULL)
		evbuffer_copyout(body, link->body, link->result.length);
	link->result.body = link->body;
	surplus = bufferevent_get_input(evhttp_connection_get_bufferevent(link->connection));
	if (evbuffer_get_length(surplus) > 0)
		link->is_spent = true; /* it would be taken for the next answer */
	end(link, link->body == NULL ? "out of memory" : NULL);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void disconnect(struct peer_link *link)
{
	if (link->connection != NULL)
		evhttp_connection_free(link->connection);
	link->connection = NULL;
	link->is_spent = false;
}

/* False: out of memory. */
static bool connect_anew(struct peer_link *link)
{
	char host[ADDRESS_TEXT_MAX];

	address_format_ip(&link->address, host);
	link->connection = evhttp_connection_base_new(link->base, NULL, host, link->address.port);
	if (link->connection == NULL)
		return false;
	evhttp_connection_set_max_headers_size(link->connection, HEAD_MAX);
	evhttp_connection_set_max_body_size(link->connection, PEER_ANSWER_MAX);
	evhttp_connection_set_closecb(link->connection, on_close, link);
	bufferevent_setwatermark(evhttp_connection_get_bufferevent(link->connection), EV_READ, 0, AHEAD_MAX);
	return true;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct peer_link *link = context;
	struct peer_link_result result = link->has_ended ? link->result : (struct peer_link_result){ .error = "it takes too long" };
	char *body = link->body;

	(void)fd, (void)what;
	if (link->is_spent || !link->has_ended)
		disconnect(link);
	link->body = NULL;
	link->is_asking = false;
	link->on_end(link->context, &result);
	free(body);
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

static struct evhttp_request *new_request(struct peer_link *link)
{
	struct evhttp_request *request = evhttp_request_new(on_answer, link);
	struct evkeyvalq *fields = request == NULL ? NULL : evhttp_request_get_output_headers(request);
	char host[ADDRESS_TEXT_MAX];

	if (request == NULL)
		return NULL;
	address_format(&link->address, host);
	if (evhttp_add_header(fields, "Host", host) != 0 || evhttp_add_header(fields, "User-Agent", "gateway/" GATEWAY_VERSION) != 0) {
		evhttp_request_free(request);
		return NULL;
	}
	evhttp_request_set_error_cb(request, on_error);
	evhttp_request_set_header_cb(request, on_head);
	return request;
}

bool peer_link_ask(struct peer_link *link, const char *path, uint32_t limit_ms)
{
	struct evhttp_request *request;

	if (link->is_spent)
		disconnect(link);
	if (link->connection == NULL && !connect_anew(link))
		return false;
	request = new_request(link);
	if (request == NULL)
		return false;
	link->is_asking = true;
	link->has_ended = false;
	link->result = (struct peer_link_result){ .status = 0 };
	timer_set(&link->timer, limit_ms);
	if (evhttp_make_request(link->connection, request, EVHTTP_REQ_GET, path) == 0)
		return true;
	event_del(&link->timer);
	link->is_asking = false;
	link->is_spent = true;
	return false;
}

bool peer_link_is_asking(const struct peer_link *link)
{
	return link->is_asking;
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

struct peer_link *peer_link_new(struct event_base *base, const struct address *address, peer_link_on_end *on_end, void *context)
{
	struct peer_link *link = calloc(1, sizeof *link);

	if (link == NULL)
		return NULL;
	*link = (struct peer_link){ .base = base, .address = *address, .on_end = on_end, .context = context };
	evtimer_assign(&link->timer, base, on_timer, link);
	return link;
}

void peer_link_free(struct peer_link *link)
{
	if (link == NULL)
		return;
	event_del(&link->timer);
	disconnect(link);
	free(link->body);
	free(link);
}
