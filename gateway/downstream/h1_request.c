/*
 * From bytes to requests. A head that came in one read is parsed where it lies; one that came in pieces or before its turn is
 * parsed in `held`.
 */
#include "gateway/downstream/h1_request.h"

#include "gateway/exchange/exchange.h"

static void take_held(struct client *client, size_t length)
{
	buffer_take(&client->held, length);
	if (buffer_length(&client->held) == 0)
		buffer_free(&client->held);
}

static enum parse_result parse(struct client *client, const char *bytes, size_t length)
{
	struct worker *worker = client->downstream.worker;
	const struct limits *limits = h1_client_limits(client);

	return request_parse(&worker->request, bytes, length, worker->fields,
	                     &(struct request_limits){ limits->request_head_bytes, limits->request_fields });
}

/* The request that was just parsed can't be served. */
static void refuse(struct client *client, enum outcome outcome)
{
	transfer_begin(&client->body, (struct body){ .kind = BODY_UNTIL_CLOSE }); /* nobody knows where it would end */
	h1_client_enter(client, CLIENT_EXCHANGE);
	exchange_refuse(&client->downstream, &client->downstream.worker->request, client->head_began_us, outcome);
}

/* The held part of a head never becomes complete. */
void h1_request_give_up_head(struct client *client, enum outcome outcome)
{
	parse(client, buffer_bytes(&client->held), buffer_length(&client->held));
	refuse(client, outcome);
}

/* There is no room for its bytes: limits.memory is reached, or malloc() failed. */
void h1_request_shed(struct client *client, const char *bytes, size_t length)
{
	if (client->head_began_us == 0)
		client->head_began_us = io_now_us(&client->downstream.worker->io);
	parse(client, bytes, length);
	refuse(client, OUTCOME_SHED);
	worker_count_shed(client->downstream.worker,
	                  io_is_memory_tight(&client->downstream.worker->io) ? SHED_NO_MEMORY : SHED_OUT_OF_MEMORY);
}

/* The head is complete: `bytes` begin with it. Returns how many of them belong to this request. */
static size_t begin(struct client *client, char *bytes, size_t length)
{
	const struct request *request = &client->downstream.worker->request;
	size_t head_length = request->head_length;
	struct pieces pieces;

	client->downstream.takes_chunks = request->version_minor > 0; /* HTTP/1.0 knows none */
	transfer_begin(&client->body, request->body);
	transfer_take(&client->body, bytes + head_length, length - head_length, &pieces);
	h1_client_enter(client, CLIENT_EXCHANGE);
	exchange_begin(&client->downstream, request, client->head_began_us, bytes, &pieces);
	return h1_client_takes_all(client) ? length : head_length + pieces.used;
}

/* The exchange is over already, and the next request came with its last bytes. */
static void hold_next(struct client *client, const char *bytes, size_t length)
{
	if (!buffer_append(&client->held, bytes, length)) {
		h1_request_shed(client, bytes, length);
		return;
	}
	stream_pause(&client->stream);
	h1_client_queue_to_run(client);
}

/* A read that begins a request: nothing is held. */
void h1_request_read_fresh(struct client *client, char *bytes, size_t length)
{
	size_t used;

	client->head_began_us = io_now_us(&client->downstream.worker->io);
	switch (parse(client, bytes, length)) {
	case PARSE_REFUSED:
		refuse(client, OUTCOME_REQUEST_REFUSED);
		return;
	case PARSE_MORE:
		if (!buffer_append(&client->held, bytes, length))
			h1_request_shed(client, bytes, length);
		else
			h1_client_enter(client, CLIENT_READING_HEAD);
		return;
	case PARSE_DONE:
		break;
	}
	used = begin(client, bytes, length);
	if (used == length || client->state == CLIENT_CLOSED || client->state == CLIENT_LINGERING)
		return;
	if (client->state == CLIENT_IDLE)
		hold_next(client, bytes + used, length - used);
	else
		h1_client_hold(client, bytes + used, length - used);
}

void h1_request_read_body(struct client *client, char *bytes, size_t length)
{
	struct pieces pieces = { .used = 0 };

	if (!client->body.is_whole) {
		transfer_take(&client->body, bytes, length, &pieces);
		exchange_take(client->downstream.exchange, &pieces);
	}
	if (pieces.used == length || h1_client_takes_all(client))
		return;
	if (client->state == CLIENT_EXCHANGE)
		h1_client_hold(client, bytes + pieces.used, length - pieces.used);
	else if (client->state == CLIENT_IDLE)
		hold_next(client, bytes + pieces.used, length - pieces.used);
}

/* `held` has grown, or its turn has come. */
void h1_request_read_held(struct client *client)
{
	size_t length = buffer_length(&client->held), used;

	if (client->head_began_us == 0)
		client->head_began_us = io_now_us(&client->downstream.worker->io);
	switch (parse(client, buffer_bytes(&client->held), length)) {
	case PARSE_REFUSED:
		refuse(client, OUTCOME_REQUEST_REFUSED);
		return;
	case PARSE_MORE:
		if (client->state == CLIENT_IDLE)
			h1_client_enter(client, CLIENT_READING_HEAD);
		if (client->stream.has_ended)
			refuse(client, OUTCOME_CLIENT_ABORTED);
		else
			stream_resume(&client->stream);
		return;
	case PARSE_DONE:
		break;
	}
	/* Even if the exchange ends at once and closes the client, these bytes stay until the end of the loop iteration. */
	used = begin(client, buffer_bytes(&client->held), length);
	if (client->state == CLIENT_CLOSED || client->state == CLIENT_LINGERING)
		return;
	take_held(client, used);
	if (client->state == CLIENT_IDLE) {
		h1_client_queue_to_run(client);
		if (h1_client_has_held(client)) /* until they have had their turn: what one client may send ahead is bounded */
			stream_pause(&client->stream);
	} else if (client->stream.has_ended) /* it ended while this request waited for its turn */
		exchange_on_client_end(client->downstream.exchange);
	else if (!h1_client_has_held(client))
		exchange_resume(client->downstream.exchange);
	else
		stream_pause(&client->stream);
}

void h1_request_run(struct client *client)
{
	if (client->state != CLIENT_IDLE)
		return;
	if (h1_client_has_held(client))
		h1_request_read_held(client);
	else if (client->stream.has_ended)
		h1_client_close(client, false);
	else
		stream_resume(&client->stream);
}
