/*
 * One try at an endpoint: choose, connect or reuse a connection, send, wait for the response's head.
 *
 * A failed send is no verdict by itself: an upstream may answer early and close its receiving side (RFC 9112 section 9.5).
 * Then the gateway throws the rest of the request away, and the read event tells what happened. Only if a reused connection
 * refuses the whole of the very first send is it certain that nothing was sent, and any method may go elsewhere.
 */
#include "gateway/exchange/attempt.h"

#include "gateway/exchange/reading.h"
#include "gateway/exchange/timeouts.h"
#include "gateway/worker/abandoned.h"
#include "gateway/worker/upstreams.h"

/* ---- what is learnt about the endpoint ----------------------------------------------------------------------- */

static void blame_endpoint(struct exchange *exchange, struct endpoint *endpoint, enum outcome outcome, bool is_lost)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	struct worker *worker = exchange->worker;
	const struct endpoint_set *set = worker_local(worker, settings->upstream)->set;

	exchange->attempt.is_endpoint_out = (exchange->attempt.is_endpoint_out || exchange->avoid.count <= 1) &&
	                            balance_is_passed_over(set, &settings->ejection, worker_now_ms(worker), endpoint);
	upstreams_blame(worker, settings, endpoint, outcome_table[outcome].reason, is_lost);
}

static void judge_failure(struct exchange *exchange, struct endpoint *endpoint, enum outcome outcome)
{
	const struct outcome_row *row = &outcome_table[outcome];
	bool is_unreachable = row->retry == RETRY_UNSENT || row->retry == RETRY_UNSENT_LATE ||
	                      outcome == OUTCOME_UPSTREAM_UNREACHABLE;
	bool is_lost = is_unreachable || outcome == OUTCOME_UPSTREAM_RESET;
	bool is_blamed = row->verdict == BREAKER_FAILURE && row->retry != RETRY_STALE && !exchange->attempt.is_client_late;

	if (is_blamed)
		blame_endpoint(exchange, endpoint, outcome, is_lost);
	else if (is_unreachable)
		upstreams_resolve(exchange->worker, exchange_upstream(exchange)->upstream);
}

static void leave_endpoint(struct exchange *exchange, struct endpoint *endpoint, enum outcome outcome)
{
	atomic_fetch_sub_explicit(&endpoint->in_flight, 1, memory_order_relaxed);
	if (outcome_table[outcome].verdict == BREAKER_SUCCESS)
		ejection_success(&endpoint->ejection);
	else if (outcome_table[outcome].fault != FAULT_GATEWAY)
		judge_failure(exchange, endpoint, outcome);
}

/* The upstream has the request, and nobody wants its response any more. */
static bool is_abandoned(const struct exchange *exchange, enum outcome outcome)
{
	return exchange->state == EXCHANGE_AWAITING &&
	       (outcome_table[outcome].fault == FAULT_CLIENT || outcome == OUTCOME_SHED);
}

static bool hand_over(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint64_t due_ms = exchange->timeline.sent_us / 1000 + settings->response_timeout_ms;

	if (!exchange->admission.holds_place || !exchange->upload.is_whole ||
	    !abandoned_begin(exchange->worker, exchange->snapshot, settings->upstream, exchange->attempt.lease, due_ms))
		return false;
	exchange_release_ring(exchange);
	exchange->admission.holds_place = false;
	exchange->attempt.lease = NULL;
	return true;
}

void attempt_end(struct exchange *exchange, enum outcome outcome)
{
	struct lease *lease = exchange->attempt.lease;
	enum lease_release how = exchange->attempt.is_clean ? LEASE_KEEP : LEASE_CLOSE;

	if (lease == NULL || (is_abandoned(exchange, outcome) && hand_over(exchange)))
		return;
	exchange->attempt.lease = NULL;
	leave_endpoint(exchange, lease->endpoint, outcome);
	if (!exchange->download.is_whole)
		how = outcome == OUTCOME_STALE_CONNECTION ? LEASE_STALE : LEASE_CUT;
	lease->operations->release(lease, how, exchange_upstream(exchange));
}

/* ---- sending ------------------------------------------------------------------------------------------------- */

/* The sent part is kept only as long as it may be sent again: a small body of an idempotent request. */
static bool may_keep_sent(const struct exchange *exchange, size_t more)
{
	return attempt_may_replay(exchange, more) && !io_is_memory_tight(&exchange->worker->io);
}

static void lose_body(struct exchange *exchange)
{
	exchange->upload.is_lost = true;
	buffer_free(&exchange->kept);
}

/* Until there is a connection all of the body is kept, afterwards only what may be sent again. */
static bool keep_body(struct exchange *exchange, const struct pieces *pieces)
{
	size_t length = pieces_bytes(pieces);

	if (length == 0 || exchange->upload.is_lost)
		return true;
	if (exchange->state > EXCHANGE_CONNECTING && !may_keep_sent(exchange, length)) {
		lose_body(exchange);
		return true;
	}
	if (exchange->state == EXCHANGE_GATHERING && !buffer_reserve_exactly(&exchange->kept, length))
		return false;
	for (int i = 0; i < pieces->count; i++)
		if (!buffer_append(&exchange->kept, pieces->list[i].iov_base, pieces->list[i].iov_len))
			return false;
	return true;
}

struct step attempt_send_body(struct exchange *exchange, const struct pieces *pieces)
{
	if (exchange->state <= EXCHANGE_AWAITING && pieces->count > 0 && !keep_body(exchange, pieces))
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	if (exchange->state <= EXCHANGE_CONNECTING || pieces_is_nothing(pieces))
		return step(STEP_NEXT);
	if (exchange->attempt.lease->operations->send(exchange->attempt.lease, pieces) == SEND_NO_MEMORY)
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	exchange->timeline.sent_us = io_now_us(&exchange->worker->io);
	timeouts_set(exchange);
	return step(STEP_NEXT);
}

/* Out of line: most requests have no body. */
static __attribute__((noinline)) enum send_result send_with_body(struct exchange *exchange, const struct lease_request *request,
                                                                 struct iovec head)
{
	const struct pieces kept = {
		.list = { { exchange->kept.data, exchange->kept.to } },
		.count = exchange->kept.to > 0,
		.result = exchange->upload.is_whole ? PIECES_END : PIECES_MORE,
		.trailers = exchange->upload.trailers,
	};

	return exchange->attempt.lease->operations->request(exchange->attempt.lease, request, head, &kept);
}

static struct step send_request(struct exchange *exchange)
{
	static const struct pieces nothing = { .result = PIECES_END };
	const struct iovec head = { exchange->head.data, exchange->head.to };
	struct lease *lease = exchange->attempt.lease;
	const struct lease_request request = {
		.is_head = exchange->request.method == METHOD_HEAD,
		.is_body_odd = body_is_odd(exchange->request.method, &exchange->upload.framing),
		.is_unsized = exchange->upload.framing.kind == BODY_CHUNKED,
	};
	enum send_result sent;

	exchange_enter(exchange, EXCHANGE_AWAITING);
	if (exchange->upload.framing.kind == BODY_NONE)
		sent = lease->operations->request(lease, &request, head, &nothing);
	else
		sent = send_with_body(exchange, &request, head);
	if (sent == SEND_NO_MEMORY)
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	if (sent == SEND_FAILED && lease->is_reused)
		return step_fail(OUTCOME_STALE_CONNECTION);
	if (exchange->kept.to > 0 && !may_keep_sent(exchange, 0))
		lose_body(exchange);
	exchange->timeline.sent_us = io_now_us(&exchange->worker->io);
	timeouts_set(exchange);
	if (!exchange->upload.is_whole)
		reading_resume(exchange);
	return step(STEP_WAIT);
}

/* ---- the lease's events --------------------------------------------------------------------------------- */

struct step attempt_connected(struct exchange *exchange)
{
	exchange->timeline.connected_us = io_now_us(&exchange->worker->io);
	return send_request(exchange);
}

struct step attempt_lost(struct exchange *exchange, enum lease_end end)
{
	const struct lease *lease = exchange->attempt.lease;

	if (end == LEASE_INVALID) {
		exchange->why = lease->why;
		return step_fail(OUTCOME_RESPONSE_INVALID);
	}
	return step_fail(lease->is_reused && !lease->is_heard ? OUTCOME_STALE_CONNECTION : OUTCOME_UPSTREAM_RESET);
}

struct step attempt_drained(struct exchange *exchange)
{
	exchange->timeline.sent_us = io_now_us(&exchange->worker->io);
	timeouts_set(exchange);
	reading_resume(exchange);
	return step(STEP_WAIT);
}

/* ---- the beginning ------------------------------------------------------------------------------------------- */

static void reset_attempt(struct exchange *exchange)
{
	exchange->attempt.count++;
	exchange->why = NULL; /* of the try before */
	exchange->timeline.attempt_us = io_now_us(&exchange->worker->io);
	exchange->timeline.connected_us = exchange->timeline.sent_us = exchange->timeline.response_us = 0;
	exchange->attempt.heard_ms = 0;
	exchange->download.interim_count = 0;
	exchange->download.is_whole = false;
	exchange->attempt.is_client_late = false;
	exchange->attempt.is_clean = false;
	exchange_enter(exchange, EXCHANGE_CONNECTING);
}

static void note_endpoint(struct exchange *exchange, struct endpoint *endpoint)
{
	if (exchange->avoid.count < BALANCE_AVOID_MAX)
		exchange->avoid.tried[exchange->avoid.count++] = endpoint;
	memcpy(exchange->endpoint_text, endpoint->text, endpoint->text_length);
	exchange->attempt.endpoint_text_length = (uint8_t)endpoint->text_length;
	atomic_fetch_add_explicit(&endpoint->in_flight, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&endpoint->requests_total, 1, memory_order_relaxed);
	if (!exchange->upload.is_whole)
		endpoint_excuse(endpoint);
}

static void use(struct exchange *exchange, struct lease *lease)
{
	lease->owner = exchange;
	lease->events = exchange->upcalls->lease;
	exchange->attempt.lease = lease;
}

static struct step connect_to(struct exchange *exchange, struct endpoint *endpoint)
{
	enum outcome outcome;
	struct lease *lease;
	int error;

	lease = upstreams_connect(exchange->worker, exchange_upstream(exchange)->upstream, endpoint, &error);
	if (lease != NULL) {
		use(exchange, lease);
		timeouts_set(exchange);
		reading_resume(exchange);
		return step(STEP_WAIT);
	}
	if (upstreams_is_shortage(error))
		outcome = OUTCOME_OUT_OF_MEMORY;
	else
		outcome = upstreams_is_without_port(error, endpoint) ? OUTCOME_NO_FREE_PORT : OUTCOME_CONNECT_FAILED;
	leave_endpoint(exchange, endpoint, outcome);
	return step_fail(outcome);
}

struct step attempt_begin(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	struct worker *worker = exchange->worker;
	struct local_upstream *local = worker_local(worker, settings->upstream);
	struct lease *lease = NULL;
	struct endpoint *endpoint;

	endpoint = balance_choose(local->set, settings, worker_now_ms(worker), random_next(&worker->random), &local->round_robin,
	                          &exchange->avoid);
	if (endpoint == NULL)
		return step_fail(OUTCOME_NO_ENDPOINT);
	reset_attempt(exchange);
	note_endpoint(exchange, endpoint);
	if (!exchange->attempt.must_connect)
		lease = local->protocol->take(worker->pools[endpoint->index], settings,
		                              !method_is_idempotent(exchange->request.method));
	if (lease == NULL)
		return connect_to(exchange, endpoint);
	counter_add(&worker->counters.upstream_reuses, 1);
	use(exchange, lease);
	return send_request(exchange);
}
