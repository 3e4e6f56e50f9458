/*
 * Limits the number of connections to the admin listener, the time that one may spend without sending a request and without
 * reading of its answer, and the bytes of answers that wait for their clients. evhttp limits none of them. Its timeout begins
 * anew with every byte that a client sends, but not with those that it reads; clients that open connections faster than they end
 * would take the descriptors that proxying needs, and clients that read nothing the memory.
 *
 * evhttp owns the connections and does not tell when one has ended. So each one's bufferevent is made here, and a second
 * reference to it is kept. Giving that reference back tells: if it was the last, the connection is gone; if not, the
 * reference is taken again. That happens at every accept, and every second while there are any; a descriptor stays open until
 * then.
 */
#include "gateway/admin/connections.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/net/own.h"

enum { CONNECTIONS_MAX = 128, TIMEOUT_MS = 15000, SWEEP_S = 1, PENDING_MAX_BYTES = 16 * 1024 * 1024 };

struct connections {
	struct event *timer;
	uint64_t last_order;
	struct place {
		struct bufferevent *io; /* NULL: the place is free */
		uint64_t active_ms;     /* when it was accepted, sent a request, or last read of an answer */
		size_t pending_bytes;   /* of an answer, when it was looked last */
		uint64_t order;         /* the same as a sequence: many happen in one millisecond */
		bool is_stream;
		bool is_own;            /* a worker's: what comes on it comes through a route */
	} places[CONNECTIONS_MAX];
};

/* Ends it the way a timeout does. */
static void cut(struct place *place)
{
	bufferevent_trigger_event(place->io, BEV_EVENT_TIMEOUT | BEV_EVENT_READING, BEV_TRIG_DEFER_CALLBACKS);
	bufferevent_decref(place->io);
	place->io = NULL;
}

/* A client behind a slow line may take a large answer for as long as it goes on reading. */
static void note_taken(struct place *place, uint64_t now_ms)
{
	size_t pending_bytes = evbuffer_get_length(bufferevent_get_output(place->io));

	if (pending_bytes == place->pending_bytes)
		return;
	place->pending_bytes = pending_bytes;
	place->active_ms = now_ms;
}

static void sweep(struct connections *connections)
{
	uint64_t now_ms = clock_now_ms();
	size_t count = 0;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct place *place = &connections->places[i];

		if (place->io == NULL)
			continue;
		if (bufferevent_decref(place->io)) {
			place->io = NULL;
			continue;
		}
		bufferevent_incref(place->io);
		note_taken(place, now_ms);
		if (!place->is_stream && now_ms - place->active_ms > TIMEOUT_MS)
			cut(place);
		else
			count++;
	}
	if (count == 0)
		event_del(connections->timer);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	sweep(context);
}

/* A free place; when there is none, that of the connection which has been silent for longest. */
static struct place *make_place(struct connections *connections)
{
	struct place *oldest = NULL;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct place *place = &connections->places[i];

		if (place->io == NULL)
			return place;
		if (!place->is_stream && (oldest == NULL || place->order < oldest->order))
			oldest = place;
	}
	if (oldest != NULL)
		cut(oldest);
	return oldest;
}

static size_t pending_of_all(const struct connections *connections)
{
	size_t sum = 0;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (connections->places[i].io != NULL)
			sum += evbuffer_get_length(bufferevent_get_output(connections->places[i].io));
	return sum;
}

/* Of the connections on which an answer waits, the one whose client has read nothing for longest. NULL: there is none but that
 * of `output`, whose client has had no time to read. stream.c bounds what waits for a stream. */
static struct place *find_slowest(struct connections *connections, const struct evbuffer *output)
{
	struct place *slowest = NULL;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct place *place = &connections->places[i];
		const struct evbuffer *pending = place->io == NULL ? NULL : bufferevent_get_output(place->io);

		if (pending == NULL || place->is_stream || pending == output || evbuffer_get_length(pending) == 0)
			continue;
		if (slowest == NULL || place->active_ms < slowest->active_ms ||
		    (place->active_ms == slowest->active_ms && place->order < slowest->order))
			slowest = place;
	}
	return slowest;
}

/* An answer is written to `output`. Clients that read none of theirs must not fill the memory. */
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *context)
{
	struct connections *connections = context;
	struct place *slowest;

	if (info->n_added == 0 || pending_of_all(connections) <= PENDING_MAX_BYTES)
		return;
	sweep(connections); /* some may be gone already, and others may have read */
	while (pending_of_all(connections) > PENDING_MAX_BYTES && (slowest = find_slowest(connections, output)) != NULL)
		cut(slowest);
}

struct bufferevent *connections_accept(struct event_base *base, void *context)
{
	struct connections *connections = context;
	struct bufferevent *io = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	struct place *place;

	if (io == NULL)
		return NULL; /* evhttp tries for itself, and gives up */
	if (evbuffer_add_cb(bufferevent_get_output(io), on_output, connections) == NULL) {
		bufferevent_free(io);
		return NULL;
	}
	sweep(connections);
	place = make_place(connections);
	if (place != NULL) {
		bufferevent_incref(io);
		*place = (struct place){ .io = io, .active_ms = clock_now_ms(), .order = ++connections->last_order };
	}
	if (!event_pending(connections->timer, EV_TIMEOUT, NULL))
		event_add(connections->timer, &(struct timeval){ .tv_sec = SWEEP_S });
	return io;
}

void connections_note(struct connections *connections, struct bufferevent *io, bool is_stream)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct place *place = &connections->places[i];

		if (place->io != io)
			continue;
		place->is_own = place->is_own || own_is_peer(bufferevent_getfd(io), place->active_ms);
		place->active_ms = clock_now_ms();
		place->order = ++connections->last_order;
		place->is_stream = is_stream;
	}
}

bool connections_is_own(const struct connections *connections, struct bufferevent *io)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (connections->places[i].io == io)
			return connections->places[i].is_own;
	return own_is_peer(bufferevent_getfd(io), clock_now_ms()); /* all places are taken by streams */
}

struct connections *connections_new(struct event_base *base)
{
	struct connections *connections = calloc(1, sizeof *connections);

	if (connections == NULL)
		return NULL;
	connections->timer = event_new(base, -1, EV_PERSIST, on_timer, connections);
	if (connections->timer == NULL) {
		free(connections);
		return NULL;
	}
	return connections;
}

void connections_free(struct connections *connections)
{
	if (connections == NULL)
		return;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (connections->places[i].io != NULL)
			bufferevent_decref(connections->places[i].io);
	event_free(connections->timer);
	free(connections);
}
