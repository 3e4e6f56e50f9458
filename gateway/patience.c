/*
 * How long an attempt waits for its upstream: to connect, to take the request, to begin to answer, to go on answering. What the
 * client is waited for is upload.c's; the two never run for the same thing.
 */
#include "gateway/exchange.h"

static uint64_t streaming_due_ms(const struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint64_t due_ms = UINT64_MAX;

	if (!stream_is_pending(&exchange->client->stream)) /* else it waits for its client */
		due_ms = exchange->received_ms + settings->idle_timeout_ms;
	if (exchange->holds_permit && exchange->response_us / 1000 + settings->response_timeout_ms < due_ms)
		due_ms = exchange->response_us / 1000 + settings->response_timeout_ms;
	return due_ms;
}

/* Else it is the client who is waited for. */
static bool is_upstreams_turn(const struct exchange *exchange)
{
	return exchange->upload.is_whole || (exchange->expects_continue && exchange->upload.bytes == 0);
}

uint64_t exchange_total_due_ms(const struct exchange *exchange)
{
	if (!is_upstreams_turn(exchange))
		return UINT64_MAX;
	return exchange->asked_us / 1000 + exchange_upstream(exchange)->total_timeout_ms;
}

static uint64_t response_due_ms(const struct exchange *exchange)
{
	uint64_t due_ms, total_due_ms = exchange_total_due_ms(exchange);

	if (!is_upstreams_turn(exchange))
		return UINT64_MAX;
	due_ms = exchange->sent_us / 1000 + exchange_upstream(exchange)->response_timeout_ms;
	return due_ms < total_due_ms ? due_ms : total_due_ms;
}

static uint64_t connecting_due_ms(const struct exchange *exchange)
{
	uint64_t due_ms = exchange->attempt_us / 1000 + exchange_upstream(exchange)->connect_timeout_ms;
	uint64_t total_due_ms = exchange_total_due_ms(exchange);

	return due_ms < total_due_ms ? due_ms : total_due_ms;
}

static uint64_t awaiting_due_ms(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint64_t due_ms, look_ms;

	if (stream_is_pending(&exchange->connection->stream)) {
		exchange->upstream_took = stream_taken(&exchange->connection->stream);
		due_ms = worker_now_ms(exchange->worker) + settings->idle_timeout_ms;
		look_ms = exchange_total_due_ms(exchange);
		return look_ms < due_ms ? look_ms : due_ms;
	}
	due_ms = response_due_ms(exchange);
	look_ms = exchange->sent_us / 1000 + settings->connect_timeout_ms; /* for on_awaiting_due() */
	return look_ms < due_ms ? look_ms : due_ms;
}

static uint64_t tunnel_due_ms(struct exchange *exchange)
{
	if (stream_is_pending(&exchange->client->stream)) /* else it waits for its client */
		return UINT64_MAX;
	if (stream_is_pending(&exchange->connection->stream))
		exchange->upstream_took = stream_taken(&exchange->connection->stream);
	return exchange->received_ms + exchange_upstream(exchange)->idle_timeout_ms;
}

void attempt_set_deadline(struct exchange *exchange)
{
	struct deadlines *deadlines = &exchange->worker->io.deadlines;
	struct deadline *deadline = &exchange->connection->deadline;
	uint64_t due_ms = UINT64_MAX;

	if (exchange->state == EXCHANGE_CONNECTING)
		due_ms = connecting_due_ms(exchange);
	else if (exchange->state == EXCHANGE_AWAITING)
		due_ms = awaiting_due_ms(exchange);
	else if (exchange->state == EXCHANGE_STREAMING)
		due_ms = streaming_due_ms(exchange);
	else if (exchange->state == EXCHANGE_TUNNEL)
		due_ms = tunnel_due_ms(exchange);
	if (due_ms == UINT64_MAX)
		deadline_clear(deadline);
	else
		deadline_set(deadlines, deadline, due_ms);
}

static void on_streaming_due(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint64_t now_ms = worker_now_ms(exchange->worker);

	/* A long stream holds no permit: that its head came in time is all the breaker wants to know. */
	if (now_ms >= exchange->response_us / 1000 + settings->response_timeout_ms)
		exchange_settle(exchange, outcome_table[exchange->outcome].verdict);
	if (!stream_is_pending(&exchange->client->stream) && now_ms >= exchange->received_ms + settings->idle_timeout_ms)
		exchange_fail(exchange, OUTCOME_RESPONSE_STALLED);
	else
		attempt_set_deadline(exchange);
}

/*
 * A host that has vanished, with its network or its power, says nothing, while one that is slow still acknowledges what it was
 * sent: its kernel does. So after the time that connecting may take the socket is asked; most answers come long before, and
 * for them it costs nothing.
 */
static void on_awaiting_due(struct exchange *exchange)
{
	const struct stream *stream = &exchange->connection->stream, *client = &exchange->client->stream;
	uint64_t now_ms = worker_now_ms(exchange->worker), due_ms = response_due_ms(exchange);
	uint64_t look_ms = now_ms + exchange_upstream(exchange)->connect_timeout_ms;

	if (stream_is_unreachable(stream, exchange_upstream(exchange)->connect_timeout_ms))
		exchange_fail(exchange, OUTCOME_UPSTREAM_UNREACHABLE);
	else if (stream_is_pending(client)) /* what follows the interim response that it does not take is not read */
		deadline_set(&exchange->worker->io.deadlines, &exchange->connection->deadline, look_ms);
	else if (stream_is_pending(stream) && stream_taken(stream) != exchange->upstream_took &&
	         now_ms < exchange_total_due_ms(exchange))
		attempt_set_deadline(exchange); /* slow, but alive */
	else if (stream_is_pending(stream) || now_ms >= due_ms)
		exchange_fail(exchange, OUTCOME_RESPONSE_TIMEOUT);
	else
		deadline_set(&exchange->worker->io.deadlines, &exchange->connection->deadline, look_ms < due_ms ? look_ms : due_ms);
}

static void on_tunnel_due(struct exchange *exchange)
{
	const struct stream *upstream = &exchange->connection->stream;
	uint64_t now_ms = worker_now_ms(exchange->worker);

	if (stream_is_pending(upstream) && stream_taken(upstream) != exchange->upstream_took) /* slow, but alive */
		exchange->received_ms = now_ms;
	if (now_ms >= tunnel_due_ms(exchange))
		exchange_abort(exchange, OUTCOME_UPGRADED);
	else
		attempt_set_deadline(exchange);
}

void attempt_on_due(struct deadline *deadline)
{
	struct connection *connection = (struct connection *)((char *)deadline - offsetof(struct connection, deadline));
	struct exchange *exchange = connection->owner;

	if (exchange->state <= EXCHANGE_AWAITING && worker_now_ms(exchange->worker) >= exchange_total_due_ms(exchange) &&
	    !stream_is_pending(&exchange->client->stream))
		exchange->why = "timeouts.total is over";
	switch (exchange->state) {
	case EXCHANGE_CONNECTING:
		exchange_fail(exchange, OUTCOME_CONNECT_TIMEOUT);
		return;
	case EXCHANGE_AWAITING:
		on_awaiting_due(exchange);
		return;
	case EXCHANGE_STREAMING:
		on_streaming_due(exchange);
		return;
	case EXCHANGE_TUNNEL:
		on_tunnel_due(exchange);
		return;
	case EXCHANGE_WAITING:
	case EXCHANGE_ANSWERING:
	case EXCHANGE_ENDED:
		return;
	}
}
