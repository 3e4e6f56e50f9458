/*
 * One try at an endpoint: choose, connect or reuse, send, wait for the response's head.
 *
 * A send that fails is no verdict by itself: an upstream may answer early and close its receiving side (RFC 9112 section 9.5).
 * Then the rest of the request is thrown away and the read event tells what happened. Only when the very first
 * send is refused as a whole is it certain that nothing was sent, and any method may go elsewhere.
 */
#include "gateway/exchange.h"

#include <errno.h>
#include <sys/socket.h>

#include "gateway/base/log.h"
#include "gateway/shed.h"

static struct pool_limits pool_limits_of(const struct upstream_settings *settings)
{
	return (struct pool_limits){
		.max_idle = settings->pool_max_idle,
		.idle_timeout_ms = settings->pool_idle_timeout_ms,
		.max_age_ms = settings->pool_max_age_ms,
	};
}

static struct exchange *exchange_of(struct stream *stream)
{
	return ((struct connection *)stream)->owner;
}

/* ---- what is learnt about the endpoint ----------------------------------------------------------------------- */

/* A worker could not connect: the address may be that of a container that is gone. */
static void ask_to_resolve(struct exchange *exchange)
{
	struct upstream *upstream = exchange_upstream(exchange)->upstream;

	if (atomic_exchange(&upstream->refresh_wanted, 1) == 0 &&
	    !inbox_send(&exchange->worker->shared->control, CONTROL_RESOLVE, upstream_reference(upstream), NULL))
		upstream_release(upstream);
}

static void blame_endpoint(struct exchange *exchange, struct endpoint *endpoint, bool is_unreachable)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	const struct endpoint_set *set = worker_local(exchange->worker, settings->upstream)->set;
	const char *words = outcome_table[exchange->outcome].words;
	struct worker *worker = exchange->worker;

	exchange->is_endpoint_out = (exchange->is_endpoint_out || exchange->avoid.count <= 1) &&
	                            balance_is_passed_over(set, &settings->ejection, worker_now_ms(worker), endpoint);
	atomic_fetch_add_explicit(&endpoint->failures_total, 1, memory_order_relaxed);
	atomic_store_explicit(&endpoint->last_error, words, memory_order_relaxed);
	if (settings->ejection.enabled &&
	    ejection_failure(&endpoint->ejection, &settings->ejection, worker_now_ms(worker), (uint32_t)random_next(&worker->random),
	                     is_unreachable || exchange->outcome == OUTCOME_UPSTREAM_RESET, set != NULL && set->count == 1))
		log_warn("upstream %s: endpoint %s is ejected after failures in a row, the last: %s%s", settings->name, endpoint->text,
		         words,
		         balance_is_passed_over(set, &settings->ejection, worker_now_ms(worker), endpoint)
		                 ? ""
		                 : "; it serves on, as too many would rest");
}

static void judge_endpoint(struct exchange *exchange, struct endpoint *endpoint)
{
	const struct outcome_row *row = &outcome_table[exchange->outcome];
	bool is_unreachable = row->retry == RETRY_UNSENT || row->retry == RETRY_UNSENT_LATE ||
	                      exchange->outcome == OUTCOME_UPSTREAM_UNREACHABLE;

	if (is_unreachable)
		ask_to_resolve(exchange);
	if (row->verdict == BREAKER_SUCCESS)
		ejection_success(&endpoint->ejection);
	else if (row->verdict == BREAKER_FAILURE && row->retry != RETRY_STALE && !exchange->is_client_late)
		blame_endpoint(exchange, endpoint, is_unreachable);
}

static void leave_endpoint(struct exchange *exchange, struct endpoint *endpoint)
{
	atomic_fetch_sub_explicit(&endpoint->in_flight, 1, memory_order_relaxed);
	judge_endpoint(exchange, endpoint);
}

void attempt_end(struct exchange *exchange)
{
	struct connection *connection = exchange->connection;

	if (connection == NULL)
		return;
	exchange->connection = NULL;
	leave_endpoint(exchange, connection->pool->endpoint);
	if (!exchange->keeps_connection || !exchange->download.is_whole || exchange->is_deaf) {
		connection_close(connection, !exchange->download.is_whole);
		return;
	}
	pool_release(connection, pool_limits_of(exchange_upstream(exchange)));
}

/* ---- sending ------------------------------------------------------------------------------------------------- */

/* What was sent is kept only as long as it may be sent again: a small body of an idempotent request. */
static bool may_keep_sent(const struct exchange *exchange, size_t more)
{
	return exchange_may_replay(exchange, more) && !io_is_memory_tight(&exchange->worker->io);
}

static void lose_body(struct exchange *exchange)
{
	exchange->has_lost_body = true;
	buffer_free(&exchange->kept);
}

/* Until there is a connection all of it is kept, then what may be sent again. */
static bool keep_body(struct exchange *exchange, const struct transfer_parts *parts)
{
	size_t length = 0;

	for (int i = 0; i < parts->count; i++)
		length += parts->list[i].iov_len;
	if (length == 0 || exchange->has_lost_body)
		return true;
	if (exchange->state > EXCHANGE_CONNECTING && !may_keep_sent(exchange, length)) {
		lose_body(exchange);
		return true;
	}
	for (int i = 0; i < parts->count; i++)
		if (!buffer_append(&exchange->kept, parts->list[i].iov_base, parts->list[i].iov_len))
			return false;
	return true;
}

bool attempt_send_body(struct exchange *exchange, struct transfer_parts *parts)
{
	if (exchange->state <= EXCHANGE_AWAITING && !keep_body(exchange, parts)) {
		exchange_fail(exchange, OUTCOME_OUT_OF_MEMORY);
		return false;
	}
	if (exchange->state <= EXCHANGE_CONNECTING || exchange->is_deaf || parts->count == 0)
		return true;
	if (stream_send(&exchange->connection->stream, parts->list, parts->count) == SEND_FAILED) {
		if (errno == ENOMEM) {
			exchange_fail(exchange, OUTCOME_OUT_OF_MEMORY);
			return false;
		}
		exchange->is_deaf = true;
	}
	exchange->sent_us = io_now_us(&exchange->worker->io);
	attempt_set_deadline(exchange);
	return true;
}

static void send_request(struct exchange *exchange)
{
	struct connection *connection = exchange->connection;
	struct iovec parts[2] = {
		{ exchange->head.data, exchange->head.to },
		{ exchange->kept.data, exchange->kept.to },
	};

	exchange_enter(exchange, EXCHANGE_AWAITING);
	if (stream_send(&connection->stream, parts, exchange->kept.to > 0 ? 2 : 1) == SEND_FAILED) {
		exchange_fail(exchange, errno == ENOMEM            ? OUTCOME_OUT_OF_MEMORY
		                        : connection->is_reused ? OUTCOME_STALE_CONNECTION
		                                                : OUTCOME_UPSTREAM_RESET);
		return;
	}
	if (exchange->kept.to > 0 && !may_keep_sent(exchange, 0))
		lose_body(exchange);
	exchange->sent_us = io_now_us(&exchange->worker->io);
	attempt_set_deadline(exchange);
	if (!exchange->upload.is_whole || !exchange->client->stream.is_reading)
		exchange_resume_client(exchange);
}

/* ---- the connection's events --------------------------------------------------------------------------------- */

static void on_connected(struct stream *stream)
{
	struct exchange *exchange = exchange_of(stream);

	exchange->connected_us = io_now_us(&exchange->worker->io);
	send_request(exchange);
}

static void on_bytes(struct stream *stream, char *bytes, size_t length)
{
	struct exchange *exchange = exchange_of(stream);

	exchange->received_ms = worker_now_ms(exchange->worker);
	switch (exchange->state) {
	case EXCHANGE_AWAITING:
		endpoint_heard(exchange->connection->pool->endpoint, exchange->received_ms);
		answer_head(exchange, bytes, length);
		return;
	case EXCHANGE_STREAMING:
		answer_body(exchange, bytes, length);
		return;
	case EXCHANGE_TUNNEL:
		tunnel_relay(exchange, &exchange->client->stream, bytes, length);
		return;
	case EXCHANGE_WAITING:
	case EXCHANGE_CONNECTING:
	case EXCHANGE_ANSWERING:
	case EXCHANGE_ENDED:
		return;
	}
}

/* The connection ended before a response had. */
static void lose_response(struct exchange *exchange)
{
	bool is_silent = exchange->partial.to == 0 && exchange->received_ms == 0;

	exchange_fail(exchange, exchange->connection->is_reused && is_silent ? OUTCOME_STALE_CONNECTION : OUTCOME_UPSTREAM_RESET);
}

static void on_end(struct stream *stream)
{
	struct exchange *exchange = exchange_of(stream);

	if (exchange->state == EXCHANGE_AWAITING)
		lose_response(exchange);
	else if (exchange->state == EXCHANGE_STREAMING)
		answer_close(exchange);
	else if (exchange->state == EXCHANGE_TUNNEL)
		tunnel_ended(exchange, stream);
}

static void on_error(struct stream *stream, int error)
{
	struct exchange *exchange = exchange_of(stream);

	if (error == ENOMEM)
		exchange_fail(exchange, OUTCOME_OUT_OF_MEMORY);
	else if (exchange->state == EXCHANGE_CONNECTING)
		exchange_fail(exchange, OUTCOME_CONNECT_FAILED);
	else if (exchange->state == EXCHANGE_AWAITING)
		lose_response(exchange);
	else if (exchange->state == EXCHANGE_STREAMING)
		exchange_fail(exchange, OUTCOME_RESPONSE_CUT);
	else if (exchange->state == EXCHANGE_TUNNEL)
		exchange_abort(exchange, OUTCOME_UPGRADED);
}

static void on_drained(struct stream *stream)
{
	struct exchange *exchange = exchange_of(stream);

	exchange->sent_us = io_now_us(&exchange->worker->io);
	if (exchange->state == EXCHANGE_TUNNEL) {
		tunnel_drained(exchange, stream);
		return;
	}
	attempt_set_deadline(exchange);
	exchange_resume_client(exchange);
}

static const struct stream_events attempt_events = {
	.on_bytes = on_bytes,
	.on_end = on_end,
	.on_error = on_error,
	.on_drained = on_drained,
	.on_connected = on_connected,
};

static void on_readable(struct stream *stream)
{
	struct exchange *exchange = exchange_of(stream);

	exchange->received_ms = worker_now_ms(exchange->worker);
	answer_splice(exchange);
}

static const struct stream_events splicing_events = {
	.on_bytes = on_bytes,
	.on_end = on_end,
	.on_error = on_error,
	.on_drained = on_drained,
	.on_connected = on_connected,
	.on_readable = on_readable,
};

void attempt_splice(struct exchange *exchange, bool is_splicing)
{
	exchange->connection->stream.events = is_splicing ? &splicing_events : &attempt_events;
}

/* ---- the beginning ------------------------------------------------------------------------------------------- */

static void reset_attempt(struct exchange *exchange)
{
	exchange->attempts++;
	exchange->why = NULL; /* of the try before */
	exchange->attempt_us = io_now_us(&exchange->worker->io);
	exchange->connected_us = exchange->sent_us = exchange->response_us = 0;
	exchange->received_ms = 0;
	buffer_clear(&exchange->partial);
	exchange->is_deaf = exchange->is_client_late = false;
	exchange->keeps_connection = false;
	exchange_enter(exchange, EXCHANGE_CONNECTING);
}

static void note_endpoint(struct exchange *exchange, struct endpoint *endpoint)
{
	if (exchange->avoid.count < BALANCE_AVOID_MAX)
		exchange->avoid.tried[exchange->avoid.count++] = endpoint;
	memcpy(exchange->endpoint_text, endpoint->text, endpoint->text_length);
	exchange->endpoint_text_length = (uint8_t)endpoint->text_length;
	atomic_fetch_add_explicit(&endpoint->in_flight, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&endpoint->requests_total, 1, memory_order_relaxed);
	if (!exchange->upload.is_whole)
		endpoint_excuse(endpoint);
}

static struct connection *take_idle(const struct exchange *exchange, struct pool *pool, struct pool_limits limits)
{
	struct connection *connection;

	while ((connection = pool_take(pool, limits)) != NULL) {
		if (method_is_idempotent(exchange->method) || stream_is_quiet(&connection->stream))
			return connection;
		connection->owner = pool; /* busy, as far as closing is concerned */
		connection_close(connection, false);
	}
	return NULL;
}

void attempt_begin(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	struct worker *worker = exchange->worker;
	struct local_upstream *local = worker_local(worker, settings->upstream);
	struct connection *connection;
	struct endpoint *endpoint;
	struct pool *pool;

	endpoint = balance_choose(local->set, settings, worker_now_ms(worker),
	                          random_next(&worker->random), &local->turn, &exchange->avoid);
	if (endpoint == NULL) {
		exchange_fail(exchange, OUTCOME_NO_ENDPOINT);
		return;
	}
	reset_attempt(exchange);
	note_endpoint(exchange, endpoint);
	pool = worker->pools[endpoint->index];
	connection = exchange->must_connect ? NULL : take_idle(exchange, pool, pool_limits_of(settings));
	if (connection != NULL) {
		counter_add(&worker->counters.upstream_reuses, 1);
		connection->owner = exchange;
		connection->stream.events = &attempt_events;
		connection->deadline.on_due = attempt_on_due;
		exchange->connection = connection;
		send_request(exchange);
		return;
	}
	counter_add(&worker->counters.upstream_connects, 1);
	connection = pool_connect(pool, &attempt_events, exchange);
	if (connection == NULL && errno == EMFILE && shed_for_descriptor(worker))
		connection = pool_connect(pool, &attempt_events, exchange);
	if (connection == NULL) {
		exchange->outcome = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS ? OUTCOME_OUT_OF_MEMORY
		                                                                                              : OUTCOME_CONNECT_FAILED;
		leave_endpoint(exchange, endpoint);
		exchange_fail(exchange, exchange->outcome);
		return;
	}
	connection->deadline.on_due = attempt_on_due;
	exchange->connection = connection;
	attempt_set_deadline(exchange);
	exchange_resume_client(exchange);
}
