/*
 * The client's side of an exchange: its request's body, its silence, its slowness, its leaving.
 */
#include "gateway/exchange.h"

/* ---- the client's side --------------------------------------------------------------------------------------- */

void exchange_resume_client(struct exchange *exchange)
{
	const struct stream *upstream = exchange->connection == NULL ? NULL : &exchange->connection->stream;

	switch (exchange->state) {
	case EXCHANGE_WAITING:
	case EXCHANGE_CONNECTING: /* its body waits in the kernel until somebody takes it */
		if (!exchange->upload.is_whole)
			stream_pause(&exchange->client->stream);
		exchange_watch_client(exchange); /* it is not waited for any more */
		return;
	case EXCHANGE_AWAITING:
	case EXCHANGE_STREAMING:
	case EXCHANGE_TUNNEL:
		if ((upstream != NULL && stream_is_pending(upstream)) || exchange->client->held.data != NULL)
			stream_pause(&exchange->client->stream);
		else
			stream_resume(&exchange->client->stream);
		if (!stream_is_pending(&exchange->client->stream)) /* else its deadline runs on, whatever it sends */
			exchange_watch_client(exchange);
		return;
	case EXCHANGE_ANSWERING:
	case EXCHANGE_ENDED:
		return;
	}
}

/* Is it the client who must send next? Not "do we read it": where the read event could not be had for want of memory, this
 * deadline is what ends the exchange. */
static bool is_awaited(const struct exchange *exchange)
{
	return !exchange->upload.is_whole && (exchange->state == EXCHANGE_AWAITING || exchange->state == EXCHANGE_STREAMING) &&
	       !(exchange->connection != NULL && stream_is_pending(&exchange->connection->stream));
}

/* One deadline serves both waits: for what the client should send, and for what it should take. */
void exchange_watch_client(struct exchange *exchange)
{
	struct client *client = exchange->client;
	const struct limits *limits = &exchange->snapshot->config->limits;
	uint64_t now_ms = worker_now_ms(exchange->worker);
	struct deadlines *deadlines = &exchange->worker->io.deadlines;

	if (stream_is_pending(&client->stream)) {
		exchange->client_took = stream_taken(&client->stream);
		deadline_set(deadlines, &client->deadline, now_ms + limits->write_timeout_ms);
	} else if (is_awaited(exchange)) {
		deadline_set(deadlines, &client->deadline, now_ms + limits->body_timeout_ms);
	} else {
		deadline_clear(&client->deadline);
	}
}

bool exchange_is_rest_late(const struct exchange *exchange)
{
	const struct client *client = exchange->client;
	uint64_t now_ms, age_ms, waited_ms;

	if (client->deadline.at_ms == 0 || stream_is_pending(&client->stream))
		return false;
	now_ms = worker_now_ms(exchange->worker);
	age_ms = now_ms - exchange->attempt_us / 1000;
	waited_ms = now_ms + exchange->snapshot->config->limits.body_timeout_ms - client->deadline.at_ms;
	return waited_ms >= SLOW_MS || (age_ms >= SLOW_MS && exchange->upload.bytes * 1000 < age_ms * SLOW_BYTES_PER_S);
}

size_t exchange_take(struct exchange *exchange, char *bytes, size_t length)
{
	struct transfer_parts parts;

	if (exchange->state == EXCHANGE_TUNNEL) {
		tunnel_relay(exchange, &exchange->connection->stream, bytes, length);
		return length;
	}
	if (exchange->upload.is_whole || exchange->state >= EXCHANGE_ANSWERING)
		return exchange->upload.is_whole ? 0 : length;
	switch (transfer_take(&exchange->upload, bytes, length, &parts)) {
	case TRANSFER_BAD:
		exchange->why = parts.why;
		exchange_fail(exchange, OUTCOME_REQUEST_REFUSED);
		return length;
	case TRANSFER_NO_MEMORY:
		exchange_fail(exchange, OUTCOME_OUT_OF_MEMORY);
		return length;
	case TRANSFER_MORE:
	case TRANSFER_WHOLE:
		exchange->asked_us = io_now_us(&exchange->worker->io);
		break;
	}
	if (exchange->upload.bytes > exchange->route->request_body_bytes) {
		exchange_fail(exchange, OUTCOME_REQUEST_TOO_LARGE);
		return parts.used;
	}
	if (attempt_send_body(exchange, &parts))
		exchange_resume_client(exchange);
	return parts.used;
}

void exchange_on_client_end(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_TUNNEL)
		tunnel_ended(exchange, &exchange->client->stream);
	else if (!exchange->upload.is_whole)
		exchange_abort(exchange, OUTCOME_CLIENT_ABORTED);
}

void exchange_on_client_drained(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_ANSWERING) {
		exchange_end(exchange);
		return;
	}
	exchange_watch_client(exchange);
	/* Who was not read could say nothing. */
	if (exchange->state >= EXCHANGE_STREAMING)
		exchange->received_ms = worker_now_ms(exchange->worker);
	else if (exchange->state == EXCHANGE_AWAITING)
		exchange->asked_us = exchange->sent_us = io_now_us(&exchange->worker->io);
	if (exchange->state == EXCHANGE_TUNNEL)
		tunnel_drained(exchange, &exchange->client->stream);
	if (exchange->connection != NULL) {
		stream_resume(&exchange->connection->stream);
		attempt_set_deadline(exchange);
	}
}

void exchange_on_client_due(struct exchange *exchange)
{
	const struct stream *stream = &exchange->client->stream;

	if (stream_is_pending(stream)) {
		if (stream_taken(stream) != exchange->client_took)
			exchange_watch_client(exchange); /* slow, but alive */
		else
			exchange_abort(exchange, OUTCOME_CLIENT_STALLED);
	} else if (exchange->expects_continue && exchange->upload.bytes == 0) {
		exchange_watch_client(exchange); /* it does as it should, until it is told to go on */
	} else {
		exchange_fail(exchange, OUTCOME_REQUEST_TIMEOUT);
	}
}
