#include "gateway/filter/call.h"

#include "breaker/look.h"
#include "gateway/exchange/outcome.h"
#include "gateway/worker/abandoned.h"
#include "gateway/worker/upstreams.h"

static void finish(struct call *call, enum call_state state);
static void attempt_until_settled(struct call *call);

static struct local_upstream *local_of(const struct call *call)
{
	return worker_local(call->worker, call->settings->upstream);
}

/* ---- what is learnt ------------------------------------------------------------------------------------------------ */

static void blame(const struct call *call, struct endpoint *endpoint, enum outcome outcome, bool is_lost)
{
	upstreams_blame(call->worker, call->settings, endpoint, outcome_table[outcome].reason, is_lost);
}

static enum outcome lost_by(const struct call *call)
{
	if (call->has_head)
		return OUTCOME_RESPONSE_CUT;
	return call->is_sent ? OUTCOME_UPSTREAM_RESET : OUTCOME_CONNECT_FAILED;
}

static void judge_endpoint(const struct call *call, struct endpoint *endpoint, enum call_state state)
{
	if (state == CALL_LOST)
		blame(call, endpoint, lost_by(call), true);
	else if (state == CALL_LATE)
		blame(call, endpoint, call->is_sent ? OUTCOME_RESPONSE_TIMEOUT : OUTCOME_CONNECT_TIMEOUT, !call->is_sent);
	else if (state == CALL_GARBAGE)
		blame(call, endpoint, OUTCOME_RESPONSE_INVALID, false);
	else if (call->is_failure)
		blame(call, endpoint, OUTCOME_ANSWERED_FAILURE, false);
	else if (state == CALL_ANSWERED || state == CALL_TOO_LONG)
		ejection_success(&endpoint->ejection);
}

static void release(struct call *call, enum lease_release how, enum call_state state)
{
	struct lease *lease = call->lease;

	call->lease = NULL;
	atomic_fetch_sub_explicit(&lease->endpoint->in_flight, 1, memory_order_relaxed);
	if (how != LEASE_STALE)
		judge_endpoint(call, lease->endpoint, state);
	lease->operations->release(lease, how, call->settings);
}

static void settle(struct call *call, enum breaker_verdict verdict)
{
	struct upstream *upstream = call->settings->upstream;
	uint64_t now_ms = worker_now_ms(call->worker);

	if (call->holds_permit)
		breaker_settle(upstream->breaker, &call->settings->breaker, now_ms, worker_jitter(call->worker), &call->permit, verdict,
		               now_ms - call->began_ms);
	call->holds_permit = false;
	if (call->holds_place)
		upstreams_leave(call->worker, upstream);
	call->holds_place = false;
}

static enum breaker_verdict verdict_of(const struct call *call, enum call_state state)
{
	switch (state) {
	case CALL_ANSWERED:
	case CALL_TOO_LONG:
		return call->is_failure ? BREAKER_FAILURE : BREAKER_SUCCESS;
	case CALL_LOST:
	case CALL_LATE:
	case CALL_GARBAGE:
		return BREAKER_FAILURE;
	case CALL_WAITING:
	case CALL_REFUSED:
	case CALL_CROWDED:
	case CALL_NOWHERE:
	case CALL_NO_MEMORY:
	case CALL_NO_PORT:
		break;
	}
	return BREAKER_NEITHER;
}

/* Tells the owner nothing: call_begin() returns the state, and events tell it. */
static void finish(struct call *call, enum call_state state)
{
	if (call->lease != NULL)
		release(call, state == CALL_ANSWERED && call->is_whole ? LEASE_KEEP : LEASE_CUT, state);
	settle(call, verdict_of(call, state));
	call->state = state;
}

static void tell(struct call *call)
{
	if (call->state != CALL_WAITING)
		call->on_done(call);
}

static void give_up(struct call *call, enum call_state state)
{
	finish(call, state);
	tell(call);
}

/* ---- the lease's events -------------------------------------------------------------------------------------------- */

static void wait_until(struct call *call, uint32_t timeout_ms)
{
	uint64_t due_ms = worker_now_ms(call->worker) + timeout_ms;
	uint64_t total_ms = call->began_ms + call->settings->total_timeout_ms;

	deadline_set(&call->worker->io.deadlines, &call->lease->deadline, due_ms < total_ms ? due_ms : total_ms);
}

/*
 * The steps below return whether another attempt is necessary; attempt_until_settled() makes it.
 *
 * An idle connection that had ended says nothing about the service.
 */
static bool try_again(struct call *call)
{
	release(call, LEASE_STALE, CALL_LOST);
	call->must_connect = true;
	call->avoid.count = 0;
	return true;
}

static bool try_elsewhere(struct call *call, enum call_state state)
{
	uint64_t now_ms = worker_now_ms(call->worker);

	if (call->lease != NULL)
		release(call, LEASE_CUT, state);
	if (call->retries++ < call->settings->retry_attempts && now_ms < call->began_ms + call->settings->total_timeout_ms &&
	    (call->is_sent ? upstreams_may_repeat(call->settings, &call->permit, now_ms)
	                   : balance_has_untried(local_of(call)->set, &call->avoid)))
		return true;
	finish(call, state);
	return false;
}

static bool send_request(struct call *call)
{
	static const struct lease_request request = { .is_head = false };
	static const struct pieces nothing = { .result = PIECES_END };
	struct lease *lease = call->lease;
	const struct iovec head = { (char *)call->head, call->head_length };

	call->is_sent = true;
	call->sent_ms = worker_now_ms(call->worker);
	switch (lease->operations->request(lease, &request, head, &nothing)) {
	case SEND_NO_MEMORY:
		finish(call, CALL_NO_MEMORY);
		return false;
	case SEND_FAILED:
		if (lease->is_reused)
			return try_again(call);
		break;
	case SEND_DONE:
	case SEND_PENDING:
		break;
	}
	wait_until(call, call->settings->response_timeout_ms);
	return false;
}

static void on_connected(struct lease *lease)
{
	struct call *call = lease->owner;

	if (send_request(call))
		attempt_until_settled(call);
	tell(call);
}

static bool on_interim(struct lease *lease, const struct response *response)
{
	(void)lease, (void)response; /* until its deadline */
	return true;
}

static enum call_state keep(struct call *call, const struct pieces *pieces)
{
	if (buffer_length(&call->body) + pieces_bytes(pieces) > CALL_BODY_MAX)
		return CALL_TOO_LONG;
	for (int i = 0; i < pieces->count; i++)
		if (!buffer_append(&call->body, pieces->list[i].iov_base, pieces->list[i].iov_len))
			return CALL_NO_MEMORY;
	switch (pieces->result) {
	case PIECES_MORE:
		return CALL_WAITING;
	case PIECES_END:
		return CALL_ANSWERED;
	case PIECES_BAD:
		break;
	case PIECES_NO_MEMORY:
		return CALL_NO_MEMORY;
	}
	return CALL_GARBAGE;
}

static void take_body(struct call *call, const struct pieces *pieces)
{
	enum call_state state = keep(call, pieces);

	call->is_whole = state == CALL_ANSWERED;
	if (state != CALL_WAITING)
		give_up(call, state);
}

static void on_head(struct lease *lease, const struct response *response, struct pieces *pieces, bool has_headroom)
{
	struct call *call = lease->owner;

	(void)has_headroom;
	endpoint_heard(lease->endpoint, worker_now_ms(call->worker));
	call->has_head = true;
	call->is_failure = upstream_settings_is_failure_status(call->settings, response->status);
	if (response->status == 101) {
		give_up(call, CALL_GARBAGE);
	} else if (call->on_head(call, response)) {
		take_body(call, pieces);
	} else { /* a body that came with its head leaves the connection clean; the filter does not wait for any other */
		call->is_whole = pieces->result == PIECES_END;
		give_up(call, CALL_ANSWERED);
	}
}

static void on_body(struct lease *lease, struct pieces *pieces)
{
	take_body(lease->owner, pieces);
}

static void on_writable(struct lease *lease)
{
	(void)lease;
}

static void on_end(struct lease *lease, enum lease_end end)
{
	struct call *call = lease->owner;

	if (end == LEASE_NO_MEMORY)
		finish(call, CALL_NO_MEMORY);
	else if (end == LEASE_INVALID)
		finish(call, CALL_GARBAGE);
	else if (call->has_head)
		finish(call, CALL_LOST);
	else if (lease->is_reused && !lease->is_heard ? try_again(call) : try_elsewhere(call, CALL_LOST))
		attempt_until_settled(call);
	tell(call);
}

/* An endpoint that takes no connection may be gone, with its container; another may be there. */
static void on_due(struct lease *lease)
{
	struct call *call = lease->owner;

	if (call->is_sent)
		finish(call, CALL_LATE);
	else if (try_elsewhere(call, CALL_LATE))
		attempt_until_settled(call);
	tell(call);
}

static const struct lease_events events = {
	.on_connected = on_connected, .on_interim = on_interim, .on_head = on_head, .on_body = on_body, .on_writable = on_writable,
	.on_end = on_end, .on_due = on_due,
};

/* ---- the beginning ------------------------------------------------------------------------------------------------- */

static bool fail_to_connect(struct call *call, struct endpoint *endpoint, int error)
{
	if (upstreams_is_shortage(error)) {
		finish(call, CALL_NO_MEMORY);
		return false;
	}
	if (upstreams_is_without_port(error, endpoint))
		return try_elsewhere(call, CALL_NO_PORT);
	blame(call, endpoint, OUTCOME_CONNECT_FAILED, true);
	return try_elsewhere(call, CALL_LOST);
}

/* Chooses an endpoint, and sends the request or connects first. True: another attempt is necessary. */
static bool attempt(struct call *call)
{
	struct worker *worker = call->worker;
	struct local_upstream *local = local_of(call);
	struct endpoint *endpoint = balance_choose(local->set, call->settings, worker_now_ms(worker), random_next(&worker->random),
	                                           &local->round_robin, &call->avoid);
	bool is_new = call->must_connect;
	int error = 0;

	call->is_sent = false;
	if (endpoint == NULL) {
		finish(call, CALL_NOWHERE);
		return false;
	}
	if (call->avoid.count < BALANCE_AVOID_MAX)
		call->avoid.tried[call->avoid.count++] = endpoint;
	if (!is_new && (call->lease = local->protocol->take(worker->pools[endpoint->index], call->settings, false)) != NULL)
		counter_add(&worker->counters.upstream_reuses, 1);
	if (call->lease == NULL) {
		is_new = true;
		call->lease = upstreams_connect(worker, call->settings->upstream, endpoint, &error);
	}
	if (call->lease == NULL)
		return fail_to_connect(call, endpoint, error);
	atomic_fetch_add_explicit(&endpoint->in_flight, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&endpoint->requests_total, 1, memory_order_relaxed);
	call->lease->owner = call;
	call->lease->events = &events;
	if (!is_new)
		return send_request(call);
	wait_until(call, call->settings->connect_timeout_ms);
	return false;
}

static uint64_t client_hash(const struct call *call)
{
	return client_counts_hash(call->worker->shared->client_counts.seed, &call->client);
}

/* A client that has given up a probe before takes the place of no other. */
static bool is_doubted(const struct call *call)
{
	const struct upstream *upstream = call->settings->upstream;

	return doubt_has_any(&upstream->doubt) &&
	       breaker_state_now(upstream->breaker, &call->settings->breaker) != BREAKER_CLOSED &&
	       doubt_has(&upstream->doubt, client_hash(call));
}

/* Until an attempt is under way, or the call is over. */
static void attempt_until_settled(struct call *call)
{
	while (attempt(call))
		;
}

enum call_state call_begin(struct call *call)
{
	struct upstream *upstream = call->settings->upstream;
	struct worker *worker = call->worker;
	uint64_t retry_after_ms = 0; /* nobody is told */

	call->state = CALL_WAITING;
	call->began_ms = worker_now_ms(worker);
	call->holds_permit = (is_doubted(call) ? breaker_admit_aside : breaker_admit)(
		upstream->breaker, &call->settings->breaker, call->began_ms, worker_jitter(worker), &call->permit, &retry_after_ms);
	if (!call->holds_permit)
		return call->state = CALL_REFUSED;
	if (!bulkhead_try(&upstream->bulkhead, call->settings->bulkhead_max_in_flight)) {
		finish(call, CALL_CROWDED);
		return call->state;
	}
	call->holds_place = true;
	retry_budget_count_call(&upstream->retry_budget, call->began_ms);
	attempt_until_settled(call);
	return call->state;
}

/* The service may still work on it: it keeps its place as long, as a client's request does. */
static void hand_over(struct call *call)
{
	uint64_t due_ms = call->sent_ms + call->settings->response_timeout_ms;

	if (call->lease == NULL || !call->is_sent || call->has_head ||
	    !abandoned_begin(call->worker, call->snapshot, call->settings->upstream, call->lease, due_ms))
		return;
	call->lease = NULL;
	call->holds_place = false;
}

void call_end(struct call *call)
{
	if (call->state == CALL_WAITING) { /* the client is gone: that says nothing of the service */
		if (call->holds_permit && breaker_permit_is_probe(&call->permit))
			doubt_note(&call->settings->upstream->doubt, client_hash(call));
		hand_over(call);
		finish(call, CALL_REFUSED);
	}
	buffer_free(&call->body);
}
