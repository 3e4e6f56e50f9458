/*
 *            bytes            whole head           over, kept
 *   IDLE ------------> READING_HEAD ------> EXCHANGE -----------> IDLE (run again when bytes are held)
 *     |                     |                   | over, not kept
 *     | deadline, FIN       | deadline, bad     v
 *     +-------> CLOSED <----+----------> LINGERING --FIN or deadline--> CLOSED
 *
 * A head that comes in one read, as nearly all do, is parsed where it was received; only a part of one is kept. While an
 * exchange is under way the socket is read for the request's body; what comes after it is held, one read at most, and then
 * reading stops: a client that pipelines waits in the kernel.
 */
#include "gateway/client.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "gateway/exchange.h"

enum { LINGER_MS = 2000 };

static struct worker *worker_of(struct stream *stream)
{
	return ((struct client *)stream)->worker;
}

static void set_deadline(struct client *client, uint32_t timeout_ms)
{
	deadline_set(&client->worker->io.deadlines, &client->deadline, worker_now_ms(client->worker) + timeout_ms);
}

static void move_to(struct client *client, struct ring *ring)
{
	ring_remove(&client->ring);
	ring_append(ring, &client->ring);
}

/* The only place where a client's state changes. */
void client_enter(struct client *client, enum client_state state)
{
	bool was_served = client->state == CLIENT_EXCHANGE;

	client->state = state;
	switch (state) {
	case CLIENT_IDLE:
		client->exchange = NULL;
		move_to(client, was_served ? &client->worker->waiting : &client->worker->strangers);
		client->idle_since_ms = worker_now_ms(client->worker);
		deadline_set(&client->worker->io.deadlines, &client->deadline,
		             client->idle_since_ms + client_limits(client)->idle_timeout_ms);
		break;
	case CLIENT_READING_HEAD:
		set_deadline(client, client_limits(client)->head_timeout_ms);
		break;
	case CLIENT_EXCHANGE:
		move_to(client, &client->worker->serving);
		deadline_clear(&client->deadline);
		break;
	case CLIENT_LINGERING:
		client->exchange = NULL;
		set_deadline(client, LINGER_MS);
		break;
	case CLIENT_CLOSED:
		client->exchange = NULL;
		ring_remove(&client->ring);
		deadline_remove(&client->worker->io.deadlines, &client->deadline);
		break;
	}
}

/* ---- bytes that wait ----------------------------------------------------------------------------------------- */

void client_hold(struct client *client, const char *bytes, size_t length)
{
	if (!buffer_append(&client->held, bytes, length)) {
		exchange_abort(client->exchange, OUTCOME_OUT_OF_MEMORY);
		return;
	}
	stream_pause(&client->stream);
}

void client_queue_to_run(struct client *client)
{
	struct worker *worker = client->worker;

	if (client->is_in_run_list)
		return;
	client->is_in_run_list = true;
	ring_append(&worker->run, &client->run);
}

void client_exchange_over(struct client *client, bool keep, bool may_linger)
{
	client->head_began_us = 0;
	if (keep) {
		client_enter(client, CLIENT_IDLE);
		if (client_has_held(client))
			client_queue_to_run(client);
		else if (client->stream.has_ended)
			client_close(client, false);
		else
			stream_resume(&client->stream);
		return;
	}
	/* The end goes out first, and with it what of the answer has waited for it: what the client sent and nobody has read would make
	 * close() a reset, which may overtake the answer, and takes back what is not on its way. */
	stream_finish(&client->stream);
	if (!client->stream.has_ended && (may_linger || client_has_held(client) || !client->stream.is_reading ||
	                                  !stream_is_quiet(&client->stream))) {
		client_enter(client, CLIENT_LINGERING);
		stream_resume(&client->stream);
		return;
	}
	client_close(client, false);
}

/* ---- events -------------------------------------------------------------------------------------------------- */

static void on_bytes(struct stream *stream, char *bytes, size_t length)
{
	struct client *client = (struct client *)stream;
	size_t used;

	switch (client->state) {
	case CLIENT_IDLE:
		if (!client_has_held(client)) {
			client_read_fresh(client, bytes, length);
			return;
		}
		/* a part of the next request was held */
		/* fall through */
	case CLIENT_READING_HEAD:
		if (!buffer_append(&client->held, bytes, length))
			client_shed(client, buffer_bytes(&client->held), buffer_length(&client->held));
		else
			client_read_held(client);
		return;
	case CLIENT_EXCHANGE:
		used = exchange_take(client->exchange, bytes, length);
		if (used < length && client->state == CLIENT_EXCHANGE)
			client_hold(client, bytes + used, length - used);
		else if (used < length && client->state == CLIENT_IDLE)
			client_hold_next(client, bytes + used, length - used);
		return;
	case CLIENT_LINGERING:
	case CLIENT_CLOSED:
		return;
	}
}

static void on_end(struct stream *stream)
{
	struct client *client = (struct client *)stream;

	switch (client->state) {
	case CLIENT_READING_HEAD:
		client_give_up_head(client, OUTCOME_CLIENT_ABORTED);
		return;
	case CLIENT_EXCHANGE:
		exchange_on_client_end(client->exchange);
		return;
	case CLIENT_IDLE:
		if (client_has_held(client)) /* the requests before the FIN are answered */
			return;
		/* fall through */
	case CLIENT_LINGERING:
		client_close(client, false);
		return;
	case CLIENT_CLOSED:
		return;
	}
}

static void on_error(struct stream *stream, int error)
{
	struct client *client = (struct client *)stream;

	if (client->state == CLIENT_EXCHANGE)
		exchange_abort(client->exchange, error == ENOMEM ? OUTCOME_OUT_OF_MEMORY : OUTCOME_CLIENT_ABORTED);
	else if (client->state == CLIENT_READING_HEAD)
		client_give_up_head(client, OUTCOME_CLIENT_ABORTED);
	else
		client_close(client, false);
}

static void on_drained(struct stream *stream)
{
	struct client *client = (struct client *)stream;

	if (client->state == CLIENT_EXCHANGE)
		exchange_on_client_drained(client->exchange);
}

static const struct stream_events client_events = {
	.on_bytes = on_bytes,
	.on_end = on_end,
	.on_error = on_error,
	.on_drained = on_drained,
	.on_connected = NULL,
};

static void on_due(struct deadline *deadline)
{
	struct client *client = (struct client *)((char *)deadline - offsetof(struct client, deadline));

	switch (client->state) {
	case CLIENT_READING_HEAD:
		client_give_up_head(client, OUTCOME_REQUEST_TIMEOUT);
		return;
	case CLIENT_EXCHANGE:
		exchange_on_client_due(client->exchange);
		return;
	case CLIENT_IDLE:
		if (client_has_held(client)) /* its turn is about to come */
			return;
		/* fall through */
	case CLIENT_LINGERING:
		client_close(client, false);
		return;
	case CLIENT_CLOSED:
		return;
	}
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

bool client_open(struct worker *worker, int fd, const struct address *peer, uint16_t listener_port)
{
	struct client *client = calloc(1, sizeof *client);

	if (client == NULL) {
		close(fd);
		return false;
	}
	if (!stream_open(&client->stream, &worker->io, fd, false, &client_events)) {
		free(client);
		return false;
	}
	client->worker = worker;
	client->peer = *peer;
	client->peer_text_length = (uint8_t)address_format_ip(peer, client->peer_text);
	client->port_text_length = (uint8_t)(text_put_number(client->port_text, listener_port) - client->port_text);
	ring_init(&client->ring);
	counter_add(&worker->counters.connections_accepted, 1);
	counter_add(&worker->counters.connections_open, 1);
	deadline_init(&client->deadline, on_due);
	client_enter(client, CLIENT_IDLE);
	/* TCP_DEFER_ACCEPT wakes us when the request is there already. */
	stream_read(&client->stream);
	if (client->state != CLIENT_EXCHANGE)
		stream_resume(&client->stream);
	return true;
}

static void dig(struct grave *grave)
{
	struct client *client = (struct client *)((char *)grave - offsetof(struct client, grave));

	buffer_free(&client->held);
	free(client);
}

void client_close(struct client *client, bool is_reset)
{
	struct worker *worker = worker_of(&client->stream);

	if (client->state == CLIENT_CLOSED)
		return;
	client_enter(client, CLIENT_CLOSED);
	stream_close(&client->stream, is_reset);
	if (client->is_in_run_list)
		ring_remove(&client->run);
	client->is_in_run_list = false;
	counter_add(&worker->counters.connections_open, (uint64_t)-1);
	crowd_leave(&worker->shared->crowd, &client->peer);
	bulkhead_leave(&worker->shared->clients);
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_wake(&worker->listeners[i]);
	io_bury(&worker->io, &client->grave, dig);
}
