/*
 * After a 101 the connection speaks another protocol (RFC 9110 section 7.8): bytes go both ways as they are, an end is passed on
 * as an end, and only silence in both directions, a client that takes nothing or two ends finish it.
 */
#include "gateway/exchange.h"

#include <errno.h>

static struct stream *other_side(const struct exchange *exchange, const struct stream *stream)
{
	return stream == &exchange->client->stream ? &exchange->connection->stream : &exchange->client->stream;
}

void tunnel_begin(struct exchange *exchange, char *rest, size_t length)
{
	struct client *client = exchange->client;
	struct stream *upstream = &exchange->connection->stream;

	attempt_set_deadline(exchange);
	if (length > 0)
		tunnel_relay(exchange, &client->stream, rest, length);
	/* What the client sent before it heard the 101. */
	if (exchange->state == EXCHANGE_TUNNEL && client->held.data != NULL) {
		struct buffer held = client->held;

		client->held = (struct buffer){ .data = NULL };
		tunnel_relay(exchange, upstream, buffer_bytes(&held), buffer_length(&held));
		buffer_free(&held);
	}
	if (exchange->state != EXCHANGE_TUNNEL)
		return;
	if (client->stream.has_ended)
		tunnel_ended(exchange, &client->stream);
	else
		exchange_resume_client(exchange);
}

void tunnel_relay(struct exchange *exchange, struct stream *to, char *bytes, size_t length)
{
	exchange->received_ms = worker_now_ms(exchange->worker);
	if (to == &exchange->client->stream)
		exchange->download.bytes += length;
	else
		exchange->upload.bytes += length;
	switch (stream_send(to, &(struct iovec){ bytes, length }, 1)) {
	case SEND_DONE:
		return;
	case SEND_PENDING:
		stream_pause(other_side(exchange, to));
		if (to == &exchange->client->stream)
			exchange_watch_client(exchange);
		return;
	case SEND_FAILED:
		exchange_abort(exchange, errno == ENOMEM ? OUTCOME_OUT_OF_MEMORY : OUTCOME_UPGRADED);
		return;
	}
}

static void finish_if_both_ended(struct exchange *exchange)
{
	struct stream *client = &exchange->client->stream, *upstream = &exchange->connection->stream;

	if (!client->has_ended || !upstream->has_ended || stream_is_pending(client) || stream_is_pending(upstream))
		return;
	exchange->download.is_whole = true;
	exchange_finish(exchange);
}

void tunnel_drained(struct exchange *exchange, struct stream *drained)
{
	struct stream *source = other_side(exchange, drained);

	if (source->has_ended)
		stream_finish(drained);
	else
		stream_resume(source);
	finish_if_both_ended(exchange);
}

void tunnel_ended(struct exchange *exchange, struct stream *from)
{
	struct stream *to = other_side(exchange, from);

	if (!stream_is_pending(to))
		stream_finish(to);
	finish_if_both_ended(exchange);
}
