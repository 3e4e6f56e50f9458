#include "gateway/exchange.h"

#include "gateway/record.h"

/* ---- the steps: each sets the outcome and returns false when the request goes no further --------------------- */

static bool stop(struct exchange *exchange, enum outcome outcome, const char *why)
{
	exchange->outcome = outcome;
	exchange->why = why;
	return false;
}

static bool find_route(struct exchange *exchange, const struct request *request, struct slice *path)
{
	const struct config *config = exchange->snapshot->config;
	struct worker *worker = exchange->worker;
	struct path_result normal;
	struct route_match match;

	if (request->path.length == 0 || request->path.data[0] != '/')
		return stop(exchange, OUTCOME_NOT_FOUND, NULL);
	normal = path_normalise(request->path.data, request->path.length, worker->head);
	if (normal.verdict == PATH_REFUSED)
		return stop(exchange, OUTCOME_REQUEST_REFUSED, normal.why);
	*path = (struct slice){ normal.path, normal.length };
	match = route_find(config, request->host_name.data, request->host_name.length, normal.path, normal.length,
	                   request->method_text.data, request->method_text.length);
	if (match.verdict == ROUTE_NOT_FOUND)
		return stop(exchange, OUTCOME_NOT_FOUND, NULL);
	exchange->route = match.route;
	if (normal.verdict == PATH_NORMALISED &&
	    (normal.length + request->path.length > worker->head_size ||
	     route_was_escaped(config, request->host_name.data, request->host_name.length, request->path.data,
	                       request->path.length, match.route, worker->head + normal.length)))
		return stop(exchange, OUTCOME_REQUEST_REFUSED, "dot segments lead out of the route's prefix");
	if (match.verdict == ROUTE_METHOD_NOT_ALLOWED)
		return stop(exchange, OUTCOME_METHOD_NOT_ALLOWED, NULL);
	if ((request->body.kind == BODY_LENGTH ? request->body.length : exchange->upload.bytes) > match.route->request_body_bytes)
		return stop(exchange, OUTCOME_REQUEST_TOO_LARGE, NULL);
	return true;
}

static bool write_head(struct exchange *exchange, const struct request *request, struct slice path)
{
	struct client *client = exchange->client;
	struct origin origin = {
		.peer = { client->peer_text, client->peer_text_length },
		.is_ipv6 = client->peer.family == 6,
		.is_trusted = exchange->is_trusted,
		.port = { client->port_text, client->port_text_length },
		.request_id = { exchange->request_id, exchange->request_id_length },
	};

	if (!buffer_reserve(&exchange->head, forward_request_bound(request, exchange->route)))
		return stop(exchange, OUTCOME_OUT_OF_MEMORY, NULL);
	exchange->head.to =
		(size_t)(forward_request(exchange->head.data, request, exchange->route, path, &origin) - exchange->head.data);
	return true;
}

static bool pass_breaker(struct exchange *exchange)
{
	if (exchange_may_pass(exchange))
		return true;
	exchange->outcome = OUTCOME_BREAKER_OPEN;
	return false;
}

size_t exchange_begin(struct client *client, const struct request *request, char *bytes, size_t length)
{
	struct exchange *exchange = exchange_open(client);
	struct transfer_parts parts;
	enum transfer_result taken;
	struct slice path;

	if (exchange == NULL)
		return length;
	if (!exchange_keep_request(exchange, request, bytes)) {
		exchange_fail(exchange, OUTCOME_OUT_OF_MEMORY);
		return length;
	}
	exchange->asked_us = io_now_us(&client->worker->io);
	transfer_begin(&exchange->upload, request->body, request->body.kind == BODY_CHUNKED);
	taken = transfer_take(&exchange->upload, bytes + request->head_length, length - request->head_length, &parts);
	if (taken == TRANSFER_BAD || taken == TRANSFER_NO_MEMORY) {
		exchange->why = parts.why;
		exchange_fail(exchange, taken == TRANSFER_BAD ? OUTCOME_REQUEST_REFUSED : OUTCOME_OUT_OF_MEMORY);
		return length;
	}
	/* The breaker is asked before anything is made ready that an open one has no use for. */
	if (!find_route(exchange, request, &path) || !pass_breaker(exchange) || !write_head(exchange, request, path))
		exchange_fail(exchange, exchange->outcome);
	else if (attempt_send_body(exchange, &parts))
		exchange_admit(exchange);
	return request->head_length + parts.used;
}

void exchange_refuse(struct client *client, const struct request *request, enum outcome outcome)
{
	struct exchange *exchange = exchange_open(client);

	if (exchange == NULL)
		return;
	exchange_keep_line(exchange, request);
	exchange->version_minor = 1;
	exchange->upload.body.kind = BODY_UNTIL_CLOSE; /* where it would have ended is unknown */
	exchange->status = outcome == OUTCOME_REQUEST_REFUSED ? request->refused_status : 0;
	exchange->why = outcome == OUTCOME_REQUEST_REFUSED ? request->refused_why : NULL;
	exchange_fail(exchange, outcome);
}

/* ---- endings ------------------------------------------------------------------------------------------------- */

const struct upstream_settings *exchange_upstream(const struct exchange *exchange)
{
	return exchange->route->upstream;
}

void exchange_enter(struct exchange *exchange, enum exchange_state state)
{
	if (exchange->state == EXCHANGE_WAITING)
		exchange_stop_waiting(exchange);
	if (state == EXCHANGE_TUNNEL)
		counter_add(&exchange->worker->counters.tunnels_open, 1);
	if (exchange->state == EXCHANGE_TUNNEL)
		counter_add(&exchange->worker->counters.tunnels_open, (uint64_t)-1);
	exchange->state = state;
}

void exchange_settle(struct exchange *exchange, enum breaker_verdict verdict)
{
	const struct upstream_settings *settings;
	struct worker *worker = exchange->worker;
	uint64_t from_us, until_us;

	if (!exchange->holds_permit)
		return;
	exchange->holds_permit = false;
	settings = exchange_upstream(exchange);
	/* What was under way at an endpoint when it was ejected says nothing about the service as a whole; nor does it what becomes
	 * of a request whose client does not send it. */
	if (verdict == BREAKER_FAILURE && (exchange->is_endpoint_out || exchange->is_client_late))
		verdict = BREAKER_NEITHER;
	until_us = exchange->response_us != 0 ? exchange->response_us : io_now_us(&worker->io);
	/* A slow call is the upstream's slowness: what the client took to send its request, or to take what came before the response,
	 * is left out. */
	from_us = exchange->asked_us > exchange->attempt_us ? exchange->asked_us : exchange->attempt_us;
	breaker_settle(settings->upstream->breaker, &settings->breaker, worker_now_ms(worker),
	               worker_jitter(worker), &exchange->permit, verdict,
	               exchange->attempt_us == 0 || until_us < from_us ? 0 : (until_us - from_us) / 1000);
}

void exchange_fail(struct exchange *exchange, enum outcome outcome)
{
	bool has_begun_answer = exchange->state == EXCHANGE_STREAMING || exchange->state == EXCHANGE_TUNNEL;

	exchange->outcome = outcome;
	/* A host that acknowledges nothing is gone, whatever its client does. */
	exchange->is_client_late = outcome != OUTCOME_UPSTREAM_UNREACHABLE && exchange_is_client_late(exchange);
	attempt_end(exchange);
	if (!has_begun_answer && attempt_may_repeat(exchange, outcome)) {
		attempt_repeat(exchange);
		return;
	}
	exchange_settle(exchange, outcome_table[outcome].verdict);
	if (has_begun_answer || outcome_table[outcome].answer == ANSWER_CUT)
		exchange_abort(exchange, outcome);
	else
		reply(exchange);
}

void exchange_finish(struct exchange *exchange)
{
	attempt_end(exchange);
	exchange_leave_bulkhead(exchange); /* however long the client takes to take it: the upstream is done */
	exchange_settle(exchange, outcome_table[exchange->outcome].verdict);
	exchange_enter(exchange, EXCHANGE_ANSWERING);
	if (stream_is_pending(&exchange->client->stream))
		exchange_watch_client(exchange);
	else
		exchange_end(exchange);
}

static void end(struct exchange *exchange)
{
	exchange_enter(exchange, EXCHANGE_ENDED);
	record(exchange);
	exchange_close(exchange);
}

void exchange_end(struct exchange *exchange)
{
	struct client *client = exchange->client;

	end(exchange);
	client_exchange_over(client, exchange->keeps_client, !exchange->upload.is_whole);
}

void exchange_abort(struct exchange *exchange, enum outcome outcome)
{
	struct client *client = exchange->client;

	if (exchange->state == EXCHANGE_ENDED)
		return;
	exchange->outcome = outcome;
	attempt_end(exchange);
	exchange_settle(exchange, outcome_table[outcome].verdict);
	exchange_leave_bulkhead(exchange);
	end(exchange);
	client_close(client, true);
}
