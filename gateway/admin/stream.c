/*
 * The Hystrix dashboard's stream: an endless response with one line for each upstream every half second. Totals are kept even
 * if nobody watches, so that the first line already covers the last ten seconds. hystrix.c explains the lines.
 *
 * The gateway cuts a watcher that reads nothing as soon as more than BACKLOG_MAX_BYTES wait for it: what waits is stale
 * anyway.
 */
#include "gateway/admin/stream.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/cluster_view.h"
#include "gateway/admin/connections.h"
#include "gateway/admin/history.h"
#include "gateway/admin/hystrix.h"

enum { STREAMS_MAX = 5 };
enum { BACKLOG_MAX_BYTES = 256 * 1024, INPUT_MAX_BYTES = 4096, WRITE_TIMEOUT_S = 10 };

struct streams {
	struct event *timer;
	struct history *history;
	json_t *summed; /* an object, whose keys are the upstreams of the last sum; NULL: nobody watched it */
	struct watcher {
		struct evhttp_request *request; /* NULL: the place is free */
		struct cluster *cluster; /* of all gateways; NULL: of this one */
		struct evhttp_connection *connection;
	} watchers[STREAMS_MAX];
};

/* ---- a turn ---------------------------------------------------------------------------------------------------- */

static void add_message(struct evbuffer *turn, const json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);

	if (text != NULL)
		evbuffer_add_printf(turn, "data: %s\n\n", text);
	free(text);
}

/* The lines of a turn. NULL: memory is short. Takes the reference to `messages`. */
static struct evbuffer *write_turn(json_t *messages)
{
	struct evbuffer *turn = messages == NULL ? NULL : evbuffer_new();

	for (size_t i = 0; turn != NULL && i < json_array_size(messages); i++)
		add_message(turn, json_array_get(messages, i));
	if (turn != NULL && evbuffer_get_length(turn) == 0)
		evbuffer_add_printf(turn, "ping: \n\n");
	json_decref(messages);
	return turn;
}

/* An upstream that no gateway tells of any more disappears from the dashboard; it comes back with the next that does. */
static void add_deletions(struct streams *streams, json_t *sums)
{
	json_t *names = json_object(), *ignored;
	const char *name;

	for (size_t i = 0; i < json_array_size(sums); i++)
		json_object_set_new(names, json_string_value(json_object_get(json_array_get(sums, i), "name")), json_null());
	json_object_foreach(streams->summed, name, ignored)
		if (json_object_get(names, name) == NULL)
			json_array_append_new(sums, hystrix_deletion(name));
	json_decref(streams->summed);
	streams->summed = names;
}

static void forget_sum(struct streams *streams)
{
	json_decref(streams->summed);
	streams->summed = NULL;
}

/* The lines for those who watch all gateways. NULL: nobody does, or memory is short. */
static struct evbuffer *sum_turn(struct streams *streams)
{
	struct cluster *cluster = NULL;
	json_t *own, *sums;

	for (size_t i = 0; i < STREAMS_MAX && cluster == NULL; i++)
		if (streams->watchers[i].request != NULL)
			cluster = streams->watchers[i].cluster;
	if (cluster == NULL) {
		forget_sum(streams);
		return NULL;
	}
	own = history_messages(streams->history);
	sums = cluster_sum_messages(cluster, own);
	json_decref(own);
	add_deletions(streams, sums);
	return write_turn(sums);
}

static size_t backlog_of(const struct watcher *watcher)
{
	return evbuffer_get_length(bufferevent_get_output(evhttp_connection_get_bufferevent(watcher->connection)));
}

static size_t watcher_count(const struct streams *streams)
{
	size_t count = 0;

	for (size_t i = 0; i < STREAMS_MAX; i++)
		count += streams->watchers[i].request != NULL;
	return count;
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct streams *streams = context;
	json_t *messages = watcher_count(streams) > 0 ? json_array() : NULL;
	struct evbuffer *turn, *sum;

	(void)fd, (void)what;
	history_turn(streams->history, messages);
	turn = write_turn(messages);
	sum = sum_turn(streams);
	for (size_t i = 0; turn != NULL && i < STREAMS_MAX; i++) {
		const struct watcher *watcher = &streams->watchers[i];
		struct evbuffer *copy;

		if (watcher->request == NULL || (watcher->cluster != NULL && sum == NULL))
			continue;
		if (backlog_of(watcher) > BACKLOG_MAX_BYTES) {
			evhttp_connection_free(watcher->connection); /* on_close forgets it */
			continue;
		}
		copy = evbuffer_new();
		if (copy != NULL && evbuffer_add_buffer_reference(copy, watcher->cluster == NULL ? turn : sum) == 0)
			evhttp_send_reply_chunk(watcher->request, copy);
		if (copy != NULL)
			evbuffer_free(copy);
	}
	if (turn != NULL)
		evbuffer_free(turn);
	if (sum != NULL)
		evbuffer_free(sum);
}

/* ---- watchers -------------------------------------------------------------------------------------------------- */

/* When its client has ended a connection, evhttp has dropped the request before it tells us, and left it to us. */
static void on_close(struct evhttp_connection *connection, void *context)
{
	struct streams *streams = context;

	for (size_t i = 0; i < STREAMS_MAX; i++) {
		struct watcher *watcher = &streams->watchers[i];

		if (watcher->request == NULL || watcher->connection != connection)
			continue;
		if (evhttp_request_get_connection(watcher->request) == NULL)
			evhttp_request_free(watcher->request);
		*watcher = (struct watcher){ 0 };
	}
}

static void refuse(struct page_request *request)
{
	char *text = strdup("MaxConcurrentConnections reached: 5");

	page_text(request, 503, "text/plain; charset=utf-8", text, text == NULL ? 0 : strlen(text));
}

static void watch(struct page_request *request, struct cluster *cluster)
{
	struct streams *streams = request->streams;
	struct evhttp_connection *connection = evhttp_request_get_connection(request->http);
	struct bufferevent *io;
	size_t place = 0;

	while (place < STREAMS_MAX && streams->watchers[place].request != NULL)
		place++;
	if (request->is_head) {
		page_text(request, 200, "text/event-stream;charset=UTF-8", NULL, 0);
		return;
	}
	if (place == STREAMS_MAX) {
		refuse(request);
		return;
	}
	page_header(request, "Content-Type", "text/event-stream;charset=UTF-8");
	page_header(request, "Cache-Control", "no-cache, no-store, max-age=0, must-revalidate");
	page_header(request, "Pragma", "no-cache");
	page_header(request, "Connection", "close");
	streams->watchers[place] = (struct watcher){ .request = request->http, .connection = connection, .cluster = cluster };
	evhttp_connection_set_closecb(connection, on_close, streams);
	evhttp_send_reply_start(request->http, 200, "OK");
	/* The watcher has nothing more to send: its silence is no fault, and bytes that it sends all the same are not
	 * kept. */
	io = evhttp_connection_get_bufferevent(connection);
	bufferevent_set_timeouts(io, NULL, &(struct timeval){ .tv_sec = WRITE_TIMEOUT_S });
	bufferevent_setwatermark(io, EV_READ, 0, INPUT_MAX_BYTES);
	connections_note(request->connections, io, true);
}

void stream_page(struct page_request *request)
{
	watch(request, NULL);
}

void stream_turbine_page(struct page_request *request)
{
	watch(request, request->cluster);
}

struct streams *streams_new(struct event_base *base, struct history *history)
{
	struct streams *streams = calloc(1, sizeof *streams);

	if (streams == NULL)
		return NULL;
	streams->history = history;
	streams->timer = event_new(base, -1, EV_PERSIST, on_turn, streams);
	if (streams->timer == NULL || event_add(streams->timer, &(struct timeval){ .tv_usec = HYSTRIX_TURN_MS * 1000L }) < 0) {
		if (streams->timer != NULL)
			event_free(streams->timer);
		free(streams);
		return NULL;
	}
	event_active(streams->timer, EV_TIMEOUT, 0); /* the first turn at once */
	return streams;
}

void streams_free(struct streams *streams)
{
	if (streams == NULL)
		return;
	for (size_t i = 0; i < STREAMS_MAX; i++)
		if (streams->watchers[i].request != NULL)
			evhttp_connection_free(streams->watchers[i].connection);
	event_free(streams->timer);
	forget_sum(streams);
	free(streams);
}
