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

static uint64_t awaiting_due_ms(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);

	if (stream_is_pending(&exchange->connection->stream)) {
		exchange->watched = exchange->connection->stream.pending_from;
		return worker_now_ms(exchange->worker) + settings->idle_timeout_ms;
	}
	if (exchange->upload.is_whole || (exchange->expects_continue && exchange->upload.bytes == 0))
		return exchange->sent_us / 1000 + settings->response_timeout_ms;
	return UINT64_MAX; /* the client is waited for */
}

void attempt_set_deadline(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	struct deadlines *deadlines = &exchange->worker->io.deadlines;
	struct deadline *deadline = &exchange->connection->deadline;
	uint64_t due_ms = UINT64_MAX;

	if (exchange->state == EXCHANGE_CONNECTING)
		due_ms = exchange->attempt_us / 1000 + settings->connect_timeout_ms;
	else if (exchange->state == EXCHANGE_AWAITING)
		due_ms = awaiting_due_ms(exchange);
	else if (exchange->state == EXCHANGE_STREAMING)
		due_ms = streaming_due_ms(exchange);
	else if (exchange->state == EXCHANGE_TUNNEL)
		due_ms = exchange->received_ms + settings->idle_timeout_ms;
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

void attempt_on_due(struct deadline *deadline)
{
	struct connection *connection = (struct connection *)((char *)deadline - offsetof(struct connection, deadline));
	struct exchange *exchange = connection->owner;

	switch (exchange->state) {
	case EXCHANGE_CONNECTING:
		exchange_fail(exchange, OUTCOME_CONNECT_TIMEOUT);
		return;
	case EXCHANGE_AWAITING:
		if (stream_is_pending(&connection->stream) && connection->stream.pending_from != exchange->watched)
			attempt_set_deadline(exchange); /* slow, but alive */
		else
			exchange_fail(exchange, OUTCOME_RESPONSE_TIMEOUT);
		return;
	case EXCHANGE_STREAMING:
		on_streaming_due(exchange);
		return;
	case EXCHANGE_TUNNEL:
		if (worker_now_ms(exchange->worker) >= exchange->received_ms + exchange_upstream(exchange)->idle_timeout_ms)
			exchange_abort(exchange, OUTCOME_UPGRADED);
		else
			attempt_set_deadline(exchange);
		return;
	case EXCHANGE_ANSWERING:
	case EXCHANGE_ENDED:
		return;
	}
}
