/*
 * The upstream's answer on its way to the client: head, then body, with back-pressure. (What the gateway says itself:
 * reply.c.)
 */
#include "gateway/exchange.h"

#include <errno.h>

enum {
	SPLICE_LEAST_BYTES = 64 * 1024, /* below it a copy is cheaper than the calls it saves */
	INTERIM_MAX = 16,
};

/* ---- to the client ------------------------------------------------------------------------------------------- */

/* False: the exchange is over. */
static bool send_down(struct exchange *exchange, struct iovec *parts, int count)
{
	switch (exchange_send(exchange, parts, count, exchange->download.is_whole)) {
	case SEND_DONE:
		return true;
	case SEND_PENDING:
		if (exchange->connection != NULL)
			stream_pause(&exchange->connection->stream);
		exchange_watch_client(exchange);
		return true;
	case SEND_FAILED:
		exchange_abort(exchange, errno == ENOMEM ? OUTCOME_OUT_OF_MEMORY : OUTCOME_CLIENT_ABORTED);
		return false;
	}
	return false;
}

/* ---- the head ------------------------------------------------------------------------------------------------ */

static bool has_status(const uint64_t statuses[10], unsigned status)
{
	return statuses[status / 64] >> (status % 64) & 1;
}

static enum outcome outcome_of(const struct exchange *exchange, unsigned status)
{
	if (!upstream_settings_is_failure_status(exchange_upstream(exchange), status))
		return OUTCOME_ANSWERED;
	return status == 502 || status == 503 || status == 504 ? OUTCOME_ANSWERED_UNAVAILABLE : OUTCOME_ANSWERED_FAILURE;
}

static enum forward_closing closing_of(const struct exchange *exchange)
{
	if (!exchange->keeps_client)
		return FORWARD_CLOSE;
	return exchange->version_minor == 0 ? FORWARD_KEEP_1_0 : FORWARD_KEEP;
}

/* HTTP/1.0 knows no chunks: there the end of the connection is the end of the body. */
static void decide_framing(struct exchange *exchange, const struct response *response)
{
	bool is_unsized = response->body.kind == BODY_CHUNKED || response->body.kind == BODY_UNTIL_CLOSE;
	bool to_chunked = is_unsized && exchange->version_minor > 0;

	transfer_begin(&exchange->download, response->body, to_chunked);
	exchange->keeps_client = exchange->wants_keep_alive && exchange->upload.is_whole && (to_chunked || !is_unsized) &&
	                         exchange->worker->state == WORKER_SERVING;
	/* Who answers before it has the request may take the rest of it for the next. */
	exchange->keeps_connection = exchange->upload.is_whole && response->keep_alive && response->body.kind != BODY_UNTIL_CLOSE;
}

/* The head as the client gets it stands in worker->head. */
static size_t write_head(struct exchange *exchange, const struct response *response)
{
	struct worker *worker = exchange->worker;
	struct forward_response forward = {
		.response = response,
		.edits = &exchange->route->response_headers,
		.to_chunked = exchange->download.to_chunked,
		.is_head_request = exchange->method == METHOD_HEAD,
		.closing = closing_of(exchange),
		.date = worker_wall(worker)->date,
	};

	if (forward_response_bound(&forward) > worker->head_size)
		return 0;
	return (size_t)(forward_response(worker->head, &forward) - worker->head);
}

/* Bytes beyond its response: what comes next on the connection may be the rest of them. Said before anything goes down, as that
 * may end the exchange. */
static void note_excess(struct exchange *exchange, size_t excess)
{
	if (excess > 0)
		exchange->keeps_connection = false;
}

/* Done when all of the body has gone down. */
static void after_body(struct exchange *exchange, bool is_whole)
{
	if (is_whole)
		exchange_finish(exchange);
	else
		attempt_set_deadline(exchange);
}

/* What goes down first. A head that came in one read is followed by its body in the scratch: there the new one takes its place, and
 * both are one piece. */
static int join(const struct exchange *exchange, size_t head_length, const struct transfer_parts *body, char *rest,
                struct iovec parts[1 + TRANSFER_PARTS])
{
	char *head = exchange->worker->head;

	if (body->count == 1 && body->list[0].iov_base == rest && head_length <= IO_HEADROOM_BYTES && exchange->partial.to == 0) {
		parts[0].iov_base = memcpy(rest - head_length, head, head_length);
		parts[0].iov_len = head_length + body->list[0].iov_len;
		return 1;
	}
	parts[0] = (struct iovec){ head, head_length };
	memcpy(parts + 1, body->list, (size_t)body->count * sizeof body->list[0]);
	return 1 + body->count;
}

/* The response is the upstream's, for better or worse: its head and what came with it go down in one send. */
static void pass(struct exchange *exchange, const struct response *response, char *rest, size_t length)
{
	struct iovec parts[1 + TRANSFER_PARTS];
	struct transfer_parts body;
	enum transfer_result taken;
	size_t head_length;
	int count;

	decide_framing(exchange, response);
	head_length = write_head(exchange, response);
	taken = transfer_take(&exchange->download, rest, length, &body);
	if (head_length == 0 || taken == TRANSFER_BAD || taken == TRANSFER_NO_MEMORY) {
		exchange->keeps_connection = false;
		exchange->why = head_length == 0 ? "the response's head is too long" : body.why;
		transfer_end(&exchange->download); /* nothing of it went down, and another try may begin its own */
		exchange->download = (struct transfer){ .is_whole = false };
		exchange_fail(exchange, taken == TRANSFER_NO_MEMORY ? OUTCOME_OUT_OF_MEMORY : OUTCOME_RESPONSE_INVALID);
		return;
	}
	exchange->status = response->status;
	exchange_enter(exchange, EXCHANGE_STREAMING);
	count = join(exchange, head_length, &body, rest, parts);
	if (exchange->download.body.kind == BODY_LENGTH && exchange->download.remaining >= SPLICE_LEAST_BYTES)
		attempt_splice(exchange, true);
	note_excess(exchange, length - body.used);
	if (send_down(exchange, parts, count))
		after_body(exchange, taken == TRANSFER_WHOLE);
}

static void begin_tunnel(struct exchange *exchange, const struct response *response, char *rest, size_t length)
{
	size_t head_length;

	if (!exchange->wants_upgrade) {
		exchange->why = "101 without a wish to upgrade";
		exchange_fail(exchange, OUTCOME_RESPONSE_INVALID);
		return;
	}
	exchange->keeps_client = exchange->keeps_connection = false;
	head_length = write_head(exchange, response);
	exchange->status = 101;
	exchange->outcome = OUTCOME_UPGRADED;
	exchange_settle(exchange, BREAKER_SUCCESS);
	exchange_enter(exchange, EXCHANGE_TUNNEL);
	if (head_length == 0)
		exchange_abort(exchange, OUTCOME_RESPONSE_INVALID);
	else if (send_down(exchange, &(struct iovec){ exchange->worker->head, head_length }, 1))
		tunnel_begin(exchange, rest, length);
}

static void take_response(struct exchange *exchange, const struct response *response, char *rest, size_t length)
{
	exchange->response_us = io_now_us(&exchange->worker->io);
	if (response->keep_alive_timeout_s != 0 && response->keep_alive_timeout_s < 86400)
		exchange->connection->peer_idle_ms = response->keep_alive_timeout_s * 1000;
	if (response->status == 101) {
		begin_tunnel(exchange, response, rest, length);
		return;
	}
	exchange->outcome = outcome_of(exchange, response->status);
	exchange->is_client_late = exchange_is_client_late(exchange);
	if (attempt_may_repeat(exchange, exchange->outcome)) {
		attempt_end(exchange);
		attempt_repeat(exchange);
	} else if (exchange->route->has_fallback_on_statuses &&
	           has_status(exchange->route->fallback_on_statuses, response->status)) {
		/* Breaker and endpoint learn what the upstream said, the client does not. */
		attempt_end(exchange);
		exchange_settle(exchange, outcome_table[exchange->outcome].verdict);
		exchange->replaced_status = response->status;
		exchange->outcome = OUTCOME_REPLACED;
		reply(exchange);
	} else {
		pass(exchange, response, rest, length);
	}
}

/* 1xx: an HTTP/1.0 client knows none (RFC 9110 section 15.2). False: the exchange is over. */
static bool pass_interim(struct exchange *exchange, const struct response *response)
{
	struct worker *worker = exchange->worker;
	char *end;

	if (exchange->version_minor == 0)
		return true;
	end = forward_interim(worker->head, response);
	return send_down(exchange, &(struct iovec){ worker->head, (size_t)(end - worker->head) }, 1);
}

void answer_head(struct exchange *exchange, char *bytes, size_t length)
{
	static const struct request_limits limits = { RESPONSE_HEAD_BYTES, RESPONSE_FIELDS };
	struct worker *worker = exchange->worker;
	struct response *response = &worker->response;
	bool is_partial = exchange->partial.to > 0;

	if (is_partial) {
		if (!buffer_append(&exchange->partial, bytes, length)) {
			exchange_fail(exchange, OUTCOME_OUT_OF_MEMORY);
			return;
		}
		bytes = buffer_bytes(&exchange->partial);
		length = buffer_length(&exchange->partial);
	}
	while (length > 0) {
		switch (response_parse(response, bytes, length, worker->fields, &limits, exchange->method == METHOD_HEAD)) {
		case PARSE_MORE:
			if (!is_partial && !buffer_append(&exchange->partial, bytes, length))
				exchange_fail(exchange, OUTCOME_OUT_OF_MEMORY);
			return;
		case PARSE_REFUSED:
			exchange->why = response->refused_why;
			exchange_fail(exchange, OUTCOME_RESPONSE_INVALID);
			return;
		case PARSE_DONE:
			break;
		}
		bytes += response->head_length;
		length -= response->head_length;
		if (is_partial)
			buffer_take(&exchange->partial, response->head_length);
		if (!response->is_interim) {
			take_response(exchange, response, bytes, length);
			return;
		}
		if (++exchange->interim_count > INTERIM_MAX) {
			exchange->why = "too many interim responses";
			exchange_fail(exchange, OUTCOME_RESPONSE_INVALID);
			return;
		}
		if (!pass_interim(exchange, response))
			return;
		if (response->status == 100) { /* from now on it is the client's */
			exchange->expects_continue = false;
			attempt_set_deadline(exchange);
			exchange_watch_client(exchange);
		}
	}
	buffer_clear(&exchange->partial);
}

/* ---- the body ------------------------------------------------------------------------------------------------ */

void answer_body(struct exchange *exchange, char *bytes, size_t length)
{
	struct transfer_parts parts;
	enum transfer_result taken = transfer_take(&exchange->download, bytes, length, &parts);

	if (taken == TRANSFER_BAD || taken == TRANSFER_NO_MEMORY) {
		exchange->why = parts.why;
		exchange_fail(exchange, taken == TRANSFER_BAD ? OUTCOME_RESPONSE_INVALID : OUTCOME_OUT_OF_MEMORY);
		return;
	}
	note_excess(exchange, length - parts.used);
	if (!send_down(exchange, parts.list, parts.count))
		return;
	if (taken == TRANSFER_WHOLE)
		after_body(exchange, true);
}

static void lose_rest(struct exchange *exchange, ssize_t taken)
{
	if (taken < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (taken < 0 && (errno == EINVAL || errno == ENOMEM || errno == EMFILE || errno == ENFILE)) {
		attempt_splice(exchange, false); /* it works without, too */
		stream_read(&exchange->connection->stream);
		return;
	}
	exchange_fail(exchange, OUTCOME_RESPONSE_CUT);
}

void answer_splice(struct exchange *exchange)
{
	struct stream *upstream = &exchange->connection->stream, *client = &exchange->client->stream;
	bool has_client_failed;
	ssize_t taken = stream_splice(upstream, client, exchange->download.remaining, &has_client_failed);

	if (taken <= 0) {
		lose_rest(exchange, taken);
		return;
	}
	transfer_skip(&exchange->download, (size_t)taken);
	if (has_client_failed) {
		exchange_abort(exchange, OUTCOME_CLIENT_ABORTED);
		return;
	}
	if (stream_is_pending(client)) {
		stream_pause(upstream);
		exchange_watch_client(exchange);
	}
	if (exchange->download.is_whole)
		after_body(exchange, true);
}

void answer_close(struct exchange *exchange)
{
	struct transfer_parts parts;

	if (!transfer_close(&exchange->download, &parts))
		exchange_fail(exchange, OUTCOME_RESPONSE_CUT);
	else if (send_down(exchange, parts.list, parts.count))
		exchange_finish(exchange);
}
