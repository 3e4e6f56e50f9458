/*
 * The Hystrix dashboard's stream: an endless response, every half second one line for each upstream. While nobody watches
 * it costs nothing. What a line says: hystrix.c.
 *
 * A watcher that takes nothing is cut as soon as more than BACKLOG_MAX_BYTES wait for it: what waits is stale anyway.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/hystrix.h"
#include "gateway/admin/page.h"

enum { STREAMS_MAX = 5 };
enum { BACKLOG_MAX_BYTES = 256 * 1024, INPUT_MAX_BYTES = 4096, WRITE_TIMEOUT_S = 10 };

struct watched {
	char *name;
	struct hystrix_history history;
	bool was_seen; /* in this turn's configuration */
};

struct streams {
	struct event_base *base;
	struct event *timer;
	const struct admin_view *view;
	struct watcher {
		struct evhttp_request *request; /* NULL: the place is free */
		struct evhttp_connection *connection;
	} watchers[STREAMS_MAX];
	struct watched *watched;
	size_t watched_count;
};

/* ---- what is watched --------------------------------------------------------------------------------------------------- */

static struct watched *find_watched(struct streams *streams, const char *name)
{
	struct watched *larger;
	char *copy;

	for (size_t i = 0; i < streams->watched_count; i++)
		if (strcmp(streams->watched[i].name, name) == 0)
			return &streams->watched[i];
	larger = realloc(streams->watched, (streams->watched_count + 1) * sizeof *larger);
	if (larger == NULL)
		return NULL;
	streams->watched = larger;
	copy = strdup(name);
	if (copy == NULL)
		return NULL;
	streams->watched[streams->watched_count] = (struct watched){ .name = copy };
	return &streams->watched[streams->watched_count++];
}

static void forget_watched(struct streams *streams)
{
	for (size_t i = 0; i < streams->watched_count; i++)
		free(streams->watched[i].name);
	free(streams->watched);
	streams->watched = NULL;
	streams->watched_count = 0;
}

/* ---- a turn ---------------------------------------------------------------------------------------------------- */

static void add_message(struct evbuffer *turn, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);

	json_decref(message);
	if (text != NULL)
		evbuffer_add_printf(turn, "data: %s\n\n", text);
	free(text);
}

/* An upstream that a reload took away disappears from the dashboard. */
static void drop_unseen(struct streams *streams, struct evbuffer *turn)
{
	for (size_t i = 0; i < streams->watched_count;) {
		struct watched *watched = &streams->watched[i];

		if (watched->was_seen) {
			watched->was_seen = false;
			i++;
			continue;
		}
		add_message(turn, hystrix_deletion(watched->name));
		free(watched->name);
		*watched = streams->watched[--streams->watched_count];
	}
}

static void make_turn(struct streams *streams, struct evbuffer *turn)
{
	const struct admin_view *view = streams->view;
	size_t count = view->service_count(view->context);

	for (size_t i = 0; i < count; i++) {
		struct admin_service service = view->service(view->context, i);
		struct watched *watched = find_watched(streams, service.settings->name);

		if (watched == NULL)
			continue; /* memory is short */
		watched->was_seen = true;
		add_message(turn, hystrix_message(&watched->history, view, service.settings));
	}
	drop_unseen(streams, turn);
	if (evbuffer_get_length(turn) == 0)
		evbuffer_add_printf(turn, "ping: \n\n");
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
	struct evbuffer *turn = evbuffer_new();

	(void)fd, (void)what;
	if (turn != NULL)
		make_turn(streams, turn);
	for (size_t i = 0; turn != NULL && i < STREAMS_MAX; i++) {
		const struct watcher *watcher = &streams->watchers[i];
		struct evbuffer *copy;

		if (watcher->request == NULL)
			continue;
		if (backlog_of(watcher) > BACKLOG_MAX_BYTES) {
			evhttp_connection_free(watcher->connection); /* on_close forgets it */
			continue;
		}
		copy = evbuffer_new();
		if (copy != NULL && evbuffer_add_buffer_reference(copy, turn) == 0)
			evhttp_send_reply_chunk(watcher->request, copy);
		if (copy != NULL)
			evbuffer_free(copy);
	}
	if (turn != NULL)
		evbuffer_free(turn);
	if (watcher_count(streams) == 0)
		event_del(streams->timer);
}

/* ---- watchers -------------------------------------------------------------------------------------------------- */

/* A connection that its client ended has parted with the request before it says so here, and left it to us. */
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
	if (watcher_count(streams) == 0) {
		event_del(streams->timer);
		forget_watched(streams);
	}
}

static void refuse(struct page_request *request)
{
	char *text = strdup("MaxConcurrentConnections reached: 5");

	page_text(request, 503, "text/plain; charset=utf-8", text, text == NULL ? 0 : strlen(text));
}

void stream_page(struct page_request *request)
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
	streams->watchers[place] = (struct watcher){ request->http, connection };
	evhttp_connection_set_closecb(connection, on_close, streams);
	evhttp_send_reply_start(request->http, 200, "OK");
	/* It has nothing more to say: its silence is no fault, and what it says all the same is not kept. */
	io = evhttp_connection_get_bufferevent(connection);
	bufferevent_set_timeouts(io, NULL, &(struct timeval){ .tv_sec = WRITE_TIMEOUT_S });
	bufferevent_setwatermark(io, EV_READ, 0, INPUT_MAX_BYTES);
	connections_note(request->connections, io, true);
	if (!event_pending(streams->timer, EV_TIMEOUT, NULL)) {
		event_add(streams->timer, &(struct timeval){ .tv_usec = HYSTRIX_TURN_MS * 1000L });
		event_active(streams->timer, EV_TIMEOUT, 0); /* the first turn at once */
	}
}

struct streams *streams_new(struct event_base *base, const struct admin_view *view)
{
	struct streams *streams = calloc(1, sizeof *streams);

	if (streams == NULL)
		return NULL;
	streams->base = base;
	streams->view = view;
	streams->timer = event_new(base, -1, EV_PERSIST, on_turn, streams);
	if (streams->timer == NULL) {
		free(streams);
		return NULL;
	}
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
	forget_watched(streams);
	free(streams);
}
