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

#include "gateway/exchange.h"

enum {
	LINGER_MS = 2000,
	DRAIN_IDLE_MS = 1000, /* a client may just be sending its next request: it is answered, with "Connection: close" */
};

static struct worker *worker_of(struct stream *stream)
{
	return ((struct client *)stream)->worker;
}

static const struct limits *limits_of(const struct client *client)
{
	return &client->worker->snapshot->config->limits;
}

static void set_deadline(struct client *client, uint32_t timeout_ms)
{
	deadline_set(&client->worker->io.deadlines, &client->deadline, worker_now_ms(client->worker) + timeout_ms);
}

/* The only place where a client's state changes. */
static void client_enter(struct client *client, enum client_state state)
{
	client->state = state;
	switch (state) {
	case CLIENT_IDLE:
		client->exchange = NULL;
		set_deadline(client, client->worker->state == WORKER_SERVING ? limits_of(client)->idle_timeout_ms : DRAIN_IDLE_MS);
		break;
	case CLIENT_READING_HEAD:
		set_deadline(client, limits_of(client)->head_timeout_ms);
		break;
	case CLIENT_EXCHANGE:
		deadline_clear(&client->deadline);
		break;
	case CLIENT_LINGERING:
		client->exchange = NULL;
		set_deadline(client, LINGER_MS);
		break;
	case CLIENT_CLOSED:
		client->exchange = NULL;
		deadline_remove(&client->worker->io.deadlines, &client->deadline);
		break;
	}
}

/* ---- bytes that wait --------------------------------------------------------------------------------------------------- */

static void drop_held(struct client *client)
{
	free(client->held);
	client->held = NULL;
	client->held_from = client->held_to = client->held_size = 0;
}

static bool append_held(struct client *client, const char *bytes, size_t length)
{
	if (client->held_to + length > client->held_size) {
		size_t size = client->held_to + length;
		char *grown;

		if (client->held_size > 0 && size < 2 * (size_t)client->held_size)
			size = 2 * (size_t)client->held_size;
		if (size > UINT32_MAX || (grown = realloc(client->held, size)) == NULL)
			return false;
		client->held = grown;
		client->held_size = (uint32_t)size;
	}
	memcpy(client->held + client->held_to, bytes, length);
	client->held_to += (uint32_t)length;
	return true;
}

void client_hold(struct client *client, const char *bytes, size_t length)
{
	if (!append_held(client, bytes, length)) {
		exchange_abort(client->exchange, OUTCOME_OUT_OF_MEMORY);
		return;
	}
	stream_pause(&client->stream);
}

static void take_held(struct client *client, size_t length)
{
	client->held_from += (uint32_t)length;
	if (client->held_from == client->held_to)
		drop_held(client);
}

static void queue_to_run(struct client *client)
{
	struct worker *worker = client->worker;

	if (client->is_in_run_list)
		return;
	client->is_in_run_list = true;
	client->run_next = NULL;
	*worker->run_last = client;
	worker->run_last = &client->run_next;
}

/* ---- requests --------------------------------------------------------------------------------------------------------- */

static enum parse_result parse(struct client *client, const char *bytes, size_t length)
{
	struct worker *worker = client->worker;
	const struct limits *limits = limits_of(client);

	worker->request = (struct request){ .method = METHOD_OTHER };
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
static void give_up_head(struct client *client, enum outcome outcome)
{
	parse(client, client->held + client->held_from, client->held_to - client->held_from);
	refuse(client, outcome);
}

/* The head is whole: `bytes` begin with it. Returns how many of them the exchange took. */
static size_t begin(struct client *client, char *bytes, size_t length)
{
	client_enter(client, CLIENT_EXCHANGE);
	return exchange_begin(client, &client->worker->request, bytes, length);
}

/* The exchange is over already, and the next request came with it. */
static void hold_next(struct client *client, const char *bytes, size_t length)
{
	if (!append_held(client, bytes, length)) {
		client_close(client, true);
		return;
	}
	stream_pause(&client->stream);
	queue_to_run(client);
}

/* A read that begins a request: nothing is held. */
static void read_fresh(struct client *client, char *bytes, size_t length)
{
	size_t used;

	client->head_began_us = io_now_us(&client->worker->io);
	switch (parse(client, bytes, length)) {
	case PARSE_REFUSED:
		refuse(client, OUTCOME_REQUEST_REFUSED);
		return;
	case PARSE_MORE:
		if (!append_held(client, bytes, length))
			client_close(client, true);
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
		hold_next(client, bytes + used, length - used);
	else
		client_hold(client, bytes + used, length - used);
}

/* `held` has grown, or its turn has come. */
static void read_held(struct client *client)
{
	size_t length = client->held_to - client->held_from, used;

	if (client->head_began_us == 0)
		client->head_began_us = io_now_us(&client->worker->io);
	switch (parse(client, client->held + client->held_from, length)) {
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
	used = begin(client, client->held + client->held_from, length);
	if (client->state == CLIENT_CLOSED || client->state == CLIENT_LINGERING)
		return;
	take_held(client, used);
	if (client->state == CLIENT_IDLE)
		queue_to_run(client);
	else if (client->held == NULL)
		exchange_resume_client(client->exchange);
	else
		stream_pause(&client->stream);
}

void client_run(struct client *client)
{
	if (client->state != CLIENT_IDLE)
		return;
	if (client->held != NULL)
		read_held(client);
	else if (client->stream.has_ended)
		client_close(client, false);
	else
		stream_resume(&client->stream);
}

void client_exchange_over(struct client *client, bool keep, bool may_linger)
{
	client->head_began_us = 0;
	if (keep) {
		client_enter(client, CLIENT_IDLE);
		if (client->held != NULL)
			queue_to_run(client);
		else if (client->stream.has_ended)
			client_close(client, false);
		else
			stream_resume(&client->stream);
		return;
	}
	if (!client->stream.has_ended && (may_linger || client->held != NULL || !client->stream.is_reading)) {
		client_enter(client, CLIENT_LINGERING);
		stream_finish(&client->stream);
		stream_resume(&client->stream);
		return;
	}
	client_close(client, false);
}

/* ---- events ----------------------------------------------------------------------------------------------------------- */

static void on_bytes(struct stream *stream, char *bytes, size_t length)
{
	struct client *client = (struct client *)stream;
	size_t used;

	switch (client->state) {
	case CLIENT_IDLE:
		if (client->held == NULL) {
			read_fresh(client, bytes, length);
			return;
		}
		/* a part of the next request was held */
		/* fall through */
	case CLIENT_READING_HEAD:
		if (!append_held(client, bytes, length))
			client_close(client, true);
		else
			read_held(client);
		return;
	case CLIENT_EXCHANGE:
		used = exchange_take(client->exchange, bytes, length);
		if (used < length && client->state == CLIENT_EXCHANGE)
			client_hold(client, bytes + used, length - used);
		else if (used < length && client->state == CLIENT_IDLE)
			hold_next(client, bytes + used, length - used);
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
		give_up_head(client, OUTCOME_CLIENT_ABORTED);
		return;
	case CLIENT_EXCHANGE:
		exchange_on_client_end(client->exchange);
		return;
	case CLIENT_IDLE:
		if (client->held != NULL) /* the requests before the FIN are answered */
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
		give_up_head(client, OUTCOME_CLIENT_ABORTED);
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
		give_up_head(client, OUTCOME_REQUEST_TIMEOUT);
		return;
	case CLIENT_EXCHANGE:
		exchange_on_client_due(client->exchange);
		return;
	case CLIENT_IDLE:
		if (client->held != NULL) /* its turn is about to come */
			return;
		/* fall through */
	case CLIENT_LINGERING:
		client_close(client, false);
		return;
	case CLIENT_CLOSED:
		return;
	}
}

/* ---- birth and death --------------------------------------------------------------------------------------------------- */

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
	client->listener_port = listener_port;
	client->next = worker->clients;
	client->link = &worker->clients;
	if (client->next != NULL)
		client->next->link = &client->next;
	worker->clients = client;
	counter_add(&worker->counters.connections_accepted, 1);
	counter_add(&worker->counters.connections_open, 1);
	deadline_init(&client->deadline, on_due);
	client_enter(client, CLIENT_IDLE);
	/* TCP_DEFER_ACCEPT wakes us when the request is there already. */
	stream_read(&client->stream);
	return true;
}

static void dig(struct grave *grave)
{
	struct client *client = (struct client *)((char *)grave - offsetof(struct client, grave));

	drop_held(client);
	free(client);
}

static void leave_run_list(struct client *client)
{
	struct worker *worker = client->worker;
	struct client **link = &worker->run_first;

	while (client->is_in_run_list) {
		if (*link == client) {
			*link = client->run_next;
			if (*link == NULL)
				worker->run_last = link;
			client->is_in_run_list = false;
			return;
		}
		link = &(*link)->run_next;
	}
}

void client_close(struct client *client, bool is_reset)
{
	struct worker *worker = worker_of(&client->stream);

	if (client->state == CLIENT_CLOSED)
		return;
	client_enter(client, CLIENT_CLOSED);
	stream_close(&client->stream, is_reset);
	leave_run_list(client);
	*client->link = client->next;
	if (client->next != NULL)
		client->next->link = client->link;
	counter_add(&worker->counters.connections_open, (uint64_t)-1);
	bulkhead_leave(&worker->shared->clients);
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_wake(&worker->listeners[i]);
	io_bury(&worker->io, &client->grave, dig);
}

void client_drain(struct client *client)
{
	if (client->state == CLIENT_IDLE && client->held == NULL)
		set_deadline(client, DRAIN_IDLE_MS);
}
