/*
 * On one side the client's socket: its events go to the reader of requests (h1_request) or to the exchange that is under way. On
 * the other side that exchange: it asks through the table of operations.
 */
#include "gateway/downstream/h1.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/downstream/h1_client.h"
#include "gateway/downstream/h1_request.h"
#include "gateway/downstream/h1_response.h"
#include "gateway/exchange/exchange.h"
#include "gateway/net/stream_info.h"

/* ---- events -------------------------------------------------------------------------------------------------- */

static void on_bytes(struct stream *stream, char *bytes, size_t length)
{
	struct client *client = client_of_stream(stream);

	switch (client->state) {
	case CLIENT_IDLE:
		if (!h1_client_has_held(client)) {
			h1_request_read_fresh(client, bytes, length);
			return;
		}
		/* a part of the next request is held */
		/* fall through */
	case CLIENT_READING_HEAD:
		if (!buffer_append(&client->held, bytes, length))
			h1_request_shed(client, buffer_bytes(&client->held), buffer_length(&client->held));
		else
			h1_request_read_held(client);
		return;
	case CLIENT_EXCHANGE:
		h1_request_read_body(client, bytes, length);
		return;
	case CLIENT_LINGERING:
		h1_client_linger_on(client);
		return;
	case CLIENT_CLOSED:
		return;
	}
}

static void on_end(struct stream *stream)
{
	struct client *client = client_of_stream(stream);

	client->downstream.has_ended = true;
	switch (client->state) {
	case CLIENT_READING_HEAD:
		h1_request_give_up_head(client, OUTCOME_CLIENT_ABORTED);
		return;
	case CLIENT_EXCHANGE:
		exchange_on_client_end(client->downstream.exchange);
		return;
	case CLIENT_IDLE:
		if (h1_client_has_held(client)) /* the requests before the FIN get their answers */
			return;
		/* fall through */
	case CLIENT_LINGERING:
		h1_client_close(client, false);
		return;
	case CLIENT_CLOSED:
		return;
	}
}

static void on_error(struct stream *stream, int error)
{
	struct client *client = client_of_stream(stream);

	if (client->state == CLIENT_EXCHANGE)
		exchange_on_client_error(client->downstream.exchange,
		                         error == ENOMEM ? OUTCOME_OUT_OF_MEMORY : OUTCOME_CLIENT_ABORTED);
	else if (client->state == CLIENT_READING_HEAD)
		h1_request_give_up_head(client, OUTCOME_CLIENT_ABORTED);
	else
		h1_client_close(client, false);
}

static void on_drained(struct stream *stream)
{
	struct client *client = client_of_stream(stream);

	client->downstream.is_blocked = false;
	if (client->state == CLIENT_EXCHANGE)
		exchange_on_client_drained(client->downstream.exchange);
}

static void on_send_failed(struct stream *stream)
{
	struct client *client = client_of_stream(stream);

	client->downstream.has_failed = true;
	client->downstream.is_blocked = false; /* pending bytes are dropped */
	if (client->state == CLIENT_EXCHANGE)
		exchange_on_client_send_failed(client->downstream.exchange);
	else
		h1_client_close(client, false);
}

static const struct stream_events client_events = {
	.on_bytes = on_bytes,
	.on_end = on_end,
	.on_error = on_error,
	.on_drained = on_drained,
	.on_send_failed = on_send_failed,
	.on_connected = NULL,
};

static void on_due(struct deadline *deadline)
{
	struct client *client = container_of(deadline, struct client, downstream.deadline);

	switch (client->state) {
	case CLIENT_READING_HEAD:
		h1_request_give_up_head(client, OUTCOME_REQUEST_TIMEOUT);
		return;
	case CLIENT_EXCHANGE:
		exchange_on_client_due(client->downstream.exchange);
		return;
	case CLIENT_IDLE:
		if (h1_client_has_held(client)) /* its turn comes soon */
			return;
		/* fall through */
	case CLIENT_LINGERING:
		h1_client_close(client, false);
		return;
	case CLIENT_CLOSED:
		return;
	}
}

/* ---- what the exchange asks for ------------------------------------------------------------------------------ */

static uint32_t taken(const struct downstream *downstream)
{
	return stream_taken(&client_of(downstream)->stream);
}

static bool has_taken_all(const struct downstream *downstream)
{
	return stream_has_taken_all(&client_of(downstream)->stream);
}

static void send_end(struct downstream *downstream)
{
	stream_finish(&client_of(downstream)->stream);
}

static size_t pending_bytes(const struct downstream *downstream)
{
	return stream_pending_bytes(&client_of(downstream)->stream);
}

static void pause_reading(struct downstream *downstream)
{
	stream_pause(&client_of(downstream)->stream);
}

/* If a client has sent more than its request, the gateway does not read it before the next request's turn. */
static void resume_reading(struct downstream *downstream)
{
	struct client *client = client_of(downstream);

	if (h1_client_has_held(client))
		stream_pause(&client->stream);
	else
		stream_resume(&client->stream);
}

static void finish(struct downstream *downstream, bool may_linger)
{
	struct client *client = client_of(downstream);

	client->head_began_us = 0;
	if (downstream->keeps) {
		if (client->body.trailers != NULL)
			transfer_end(&client->body);
		h1_client_enter(client, CLIENT_IDLE);
		if (h1_client_has_held(client))
			h1_client_queue_to_run(client);
		else if (client->stream.has_ended)
			h1_client_close(client, false);
		else
			stream_resume(&client->stream);
		return;
	}
	/* Send the end first, with the part of the answer that has waited for it. Unread bytes of the client make close() a
	 * reset, which may overtake the answer and takes back what is not on its way yet. */
	stream_finish(&client->stream);
	if (!client->stream.has_ended && (may_linger || h1_client_has_held(client) || !client->stream.is_reading ||
	                                  !stream_is_quiet(&client->stream))) {
		h1_client_enter(client, CLIENT_LINGERING);
		stream_resume(&client->stream);
		return;
	}
	h1_client_close(client, false);
}

static void reset(struct downstream *downstream)
{
	h1_client_close(client_of(downstream), true);
}

static struct stream *raw(struct downstream *downstream)
{
	return &client_of(downstream)->stream;
}

/* Bytes that nobody decodes are a body that ends with the connection. */
static void take_all(struct client *client)
{
	transfer_end(&client->body);
	transfer_begin(&client->body, (struct body){ .kind = BODY_UNTIL_CLOSE });
}

static struct buffer upgrade(struct downstream *downstream)
{
	struct client *client = client_of(downstream);
	struct buffer held = client->held;

	client->held = (struct buffer){ .data = NULL };
	take_all(client);
	return held;
}

static void discard(struct downstream *downstream)
{
	struct client *client = client_of(downstream);

	if (client->body.is_whole) /* else it holds nothing but this request, which may still be looked at */
		buffer_free(&client->held);
	take_all(client);
	stream_resume(&client->stream);
}

static const struct downstream_operations operations = {
	.respond = h1_response_respond, .interim = h1_response_interim, .reply = h1_response_reply, .body = h1_response_body,
	.send_end = send_end, .taken = taken, .has_taken_all = has_taken_all, .pending_bytes = pending_bytes,
	.pause = pause_reading, .resume = resume_reading, .discard = discard, .upgrade = upgrade, .finish = finish, .reset = reset,
	.raw = raw,
};

/* ---- birth ----------------------------------------------------------------------------------------- */

bool h1_open(struct worker *worker, int fd, const struct address *peer)
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
	client->downstream.operations = &operations;
	client->downstream.worker = worker;
	client->downstream.peer = *peer;
	client->downstream.peer_text_length = (uint8_t)address_format_ip(peer, client->downstream.peer_text);
	ring_init(&client->ring);
	counter_add(&worker->counters.connections_accepted, 1);
	counter_add(&worker->counters.connections_open, 1);
	deadline_init(&client->downstream.deadline, on_due);
	h1_client_enter(client, CLIENT_IDLE);
	/* TCP_DEFER_ACCEPT wakes us when the request is there already. */
	stream_read(&client->stream);
	if (client->state == CLIENT_EXCHANGE) {
		if (client->body.is_whole && !client->stream.is_reading) /* the exchange paused before the rest of the body came */
			resume_reading(&client->downstream);
	} else if (client->state != CLIENT_IDLE || !h1_client_has_held(client)) { /* what it sent ahead has its turn first */
		stream_resume(&client->stream); /* also if a part of a head is held: the rest is to come */
	}
	return true;
}
