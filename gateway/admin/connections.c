/*
 * How many connections the admin listener has, and how long one may go without a request. evhttp counts neither: its timeout
 * begins anew with every byte, and whoever opens connections faster than they end takes the descriptors that proxying needs.
 *
 * evhttp owns the connections and does not say when one has ended, so each one's bufferevent is made here and a second
 * reference to it is kept. Giving that back tells: either it was the last, then the connection is gone, or not, then it is
 * taken again. That happens at every accept and every second while there are any; a descriptor stays open until then.
 */
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>

#include "gateway/admin/page.h"
#include "gateway/base/clock.h"

enum { CONNECTIONS_MAX = 64, PATIENCE_MS = 15000, SWEEP_S = 1 };

struct connections {
	struct event *timer;
	uint64_t last_order;
	struct place {
		struct bufferevent *io; /* NULL: the place is free */
		uint64_t active_ms;     /* accepted, or the last request */
		uint64_t order;         /* the same as a sequence: many happen in one millisecond */
		bool is_stream;
	} places[CONNECTIONS_MAX];
};

/* Ends it the way a timeout does. */
static void cut(struct place *place)
{
	bufferevent_trigger_event(place->io, BEV_EVENT_TIMEOUT | BEV_EVENT_READING, BEV_TRIG_DEFER_CALLBACKS);
	bufferevent_decref(place->io);
	place->io = NULL;
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
		if (!place->is_stream && now_ms - place->active_ms > PATIENCE_MS)
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

struct bufferevent *connections_accept(struct event_base *base, void *context)
{
	struct connections *connections = context;
	struct bufferevent *io = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	struct place *place;

	if (io == NULL)
		return NULL; /* evhttp tries for itself, and gives up */
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
		if (connections->places[i].io == io) {
			connections->places[i].active_ms = clock_now_ms();
			connections->places[i].order = ++connections->last_order;
			connections->places[i].is_stream = is_stream;
		}
	}
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
