/*
 * From bytes to requests: a head that came in one read is parsed where it lies, one that came in pieces or before its turn is
 * parsed in `held`.
 */
#include "gateway/client.h"

#include "gateway/exchange.h"
#include "gateway/shed.h"

static void take_held(struct client *client, size_t length)
{
	buffer_take(&client->held, length);
	if (buffer_length(&client->held) == 0)
		buffer_free(&client->held);
}

static enum parse_result parse(struct client *client, const char *bytes, size_t length)
{
	struct worker *worker = client->worker;
	const struct limits *limits = client_limits(client);

	return request_parse(&worker->request, bytes, length, worker->fields,
	                     &(struct request_limits){ limits->request_head_bytes, limits->request_fields });
}

/* What was just parsed is not to be served. */
static void refuse(struct client *client, enum outcome outcome)
{
	client_enter(client, CLIENT_EXCHANGE);
	exchange_refuse(client, &client->worker->request, outcome);
}

/* The part of a head that is held never becomes whole. */
void client_give_up_head(struct client *client, enum outcome outcome)
{
	parse(client, buffer_bytes(&client->held), buffer_length(&client->held));
	refuse(client, outcome);
}

/* What it sends can't be kept: limits.memory is reached, or there is none at all. */
void client_shed(struct client *client, const char *bytes, size_t length)
{
	if (client->head_began_us == 0)
		client->head_began_us = io_now_us(&client->worker->io);
	parse(client, bytes, length);
	refuse(client, OUTCOME_SHED);
	shed_count(client->worker, SHED_NO_MEMORY);
}

/* The head is whole: `bytes` begin with it. Returns how many of them the exchange took. */
static size_t begin(struct client *client, char *bytes, size_t length)
{
	client_enter(client, CLIENT_EXCHANGE);
	return exchange_begin(client, &client->worker->request, bytes, length);
}

void client_hold_next(struct client *client, const char *bytes, size_t length)
{
	if (!buffer_append(&client->held, bytes, length)) {
		client_shed(client, bytes, length);
		return;
	}
	stream_pause(&client->stream);
	client_queue_to_run(client);
}

/* A read that begins a request: nothing is held. */
void client_read_fresh(struct client *client, char *bytes, size_t length)
{
	size_t used;

	client->head_began_us = io_now_us(&client->worker->io);
	switch (parse(client, bytes, length)) {
	case PARSE_REFUSED:
		refuse(client, OUTCOME_REQUEST_REFUSED);
		return;
	case PARSE_MORE:
		if (!buffer_append(&client->held, bytes, length))
			client_shed(client, bytes, length);
		else
			client_enter(client, CLIENT_READING_HEAD);
		return;
	case PARSE_DONE:
		break;
	}
	used = begin(client, bytes, length);
	if (used == length || client->state == CLIENT_CLOSED || client->state == CLIENT_LINGERING)
		return;
	if (client->state == CLIENT_IDLE)
		client_hold_next(client, bytes + used, length - used);
	else
		client_hold(client, bytes + used, length - used);
}

/* `held` has grown, or its turn has come. */
void client_read_held(struct client *client)
{
	size_t length = buffer_length(&client->held), used;

	if (client->head_began_us == 0)
		client->head_began_us = io_now_us(&client->worker->io);
	switch (parse(client, buffer_bytes(&client->held), length)) {
	case PARSE_REFUSED:
		refuse(client, OUTCOME_REQUEST_REFUSED);
		return;
	case PARSE_MORE:
		if (client->state == CLIENT_IDLE)
			client_enter(client, CLIENT_READING_HEAD);
		if (client->stream.has_ended)
			refuse(client, OUTCOME_CLIENT_ABORTED);
		else
			stream_resume(&client->stream);
		return;
	case PARSE_DONE:
		break;
	}
	/* Even when the exchange ends at once and closes the client, these bytes stay until the turn is over. */
	used = begin(client, buffer_bytes(&client->held), length);
	if (client->state == CLIENT_CLOSED || client->state == CLIENT_LINGERING)
		return;
	take_held(client, used);
	if (client->state == CLIENT_IDLE)
		client_queue_to_run(client);
	else if (client->stream.has_ended) /* that was heard while this request waited for its turn */
		exchange_on_client_end(client->exchange);
	else if (!client_has_held(client))
		exchange_resume_client(client->exchange);
	else
		stream_pause(&client->stream);
}

void client_run(struct client *client)
{
	if (client->state != CLIENT_IDLE)
		return;
	if (client_has_held(client))
		client_read_held(client);
	else if (client->stream.has_ended)
		client_close(client, false);
	else
		stream_resume(&client->stream);
}
