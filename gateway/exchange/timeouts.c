/*
 * How long an attempt waits for its upstream: to connect, to take the request, to begin its answer, to continue it.
 * And how long the gateway waits for the client; the two deadlines never run for the same thing.
 */
#include "gateway/exchange/timeouts.h"

#include "gateway/exchange/places.h"
#include "gateway/exchange/settle.h"

static uint64_t streaming_due_ms(const struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint64_t due_ms = UINT64_MAX;

	if (!exchange->downstream->is_blocked) /* else it waits for its client */
		due_ms = exchange->attempt.heard_ms + settings->idle_timeout_ms;
	if (exchange->admission.holds_permit &&
	    exchange->timeline.response_us / 1000 + settings->response_timeout_ms < due_ms)
		due_ms = exchange->timeline.response_us / 1000 + settings->response_timeout_ms;
	return due_ms;
}

/* A client that waits for a 100 does as it should: the upstream decides when it comes. */
static bool waits_for_100(const struct exchange *exchange)
{
	return exchange->request.expects_continue && exchange->upload.bytes == 0;
}

/* Otherwise the gateway waits for the client. */
static bool is_upstreams_turn(const struct exchange *exchange)
{
	return exchange->upload.is_whole || waits_for_100(exchange);
}

uint64_t timeouts_total_due_ms(const struct exchange *exchange)
{
	if (!is_upstreams_turn(exchange))
		return UINT64_MAX;
	return exchange->timeline.asked_us / 1000 + exchange_upstream(exchange)->total_timeout_ms;
}

static uint64_t response_due_ms(const struct exchange *exchange)
{
	uint64_t due_ms, total_due_ms = timeouts_total_due_ms(exchange);

	if (!is_upstreams_turn(exchange))
		return UINT64_MAX;
	due_ms = exchange->timeline.sent_us / 1000 + exchange_upstream(exchange)->response_timeout_ms;
	return due_ms < total_due_ms ? due_ms : total_due_ms;
}

static uint64_t connecting_due_ms(const struct exchange *exchange)
{
	uint64_t due_ms = exchange->timeline.attempt_us / 1000 + exchange_upstream(exchange)->connect_timeout_ms;
	uint64_t total_due_ms = timeouts_total_due_ms(exchange);

	return due_ms < total_due_ms ? due_ms : total_due_ms;
}

static uint32_t taken_of(const struct lease *lease)
{
	return lease->operations->taken(lease);
}

static uint64_t awaiting_due_ms(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint64_t due_ms, look_ms;

	if (exchange->attempt.lease->is_blocked) {
		exchange->attempt.took = taken_of(exchange->attempt.lease);
		due_ms = worker_now_ms(exchange->worker) + settings->idle_timeout_ms;
		look_ms = timeouts_total_due_ms(exchange);
		return look_ms < due_ms ? look_ms : due_ms;
	}
	due_ms = response_due_ms(exchange);
	look_ms = exchange->timeline.sent_us / 1000 + settings->connect_timeout_ms; /* for awaiting_due() */
	return look_ms < due_ms ? look_ms : due_ms;
}

static uint64_t tunnel_due_ms(struct exchange *exchange)
{
	if (exchange->downstream->is_blocked) /* else it waits for its client */
		return UINT64_MAX;
	if (exchange->attempt.lease->is_blocked)
		exchange->attempt.took = taken_of(exchange->attempt.lease);
	return exchange->attempt.heard_ms + exchange_upstream(exchange)->idle_timeout_ms;
}

void timeouts_set(struct exchange *exchange)
{
	struct deadlines *deadlines = &exchange->worker->io.deadlines;
	struct deadline *deadline = &exchange->attempt.lease->deadline;
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

static struct step streaming_due(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint64_t now_ms = worker_now_ms(exchange->worker);

	/* A long stream holds no permit: the breaker only wants to know that its head came in time. */
	if (now_ms >= exchange->timeline.response_us / 1000 + settings->response_timeout_ms)
		settle_permit(exchange, outcome_table[exchange->outcome].verdict);
	if (!exchange->downstream->is_blocked && now_ms >= exchange->attempt.heard_ms + settings->idle_timeout_ms)
		return step_fail(OUTCOME_RESPONSE_STALLED);
	timeouts_set(exchange);
	return step(STEP_WAIT);
}

static struct step time_out(struct exchange *exchange)
{
	if (exchange->upload.is_whole)
		places_end_uploads(exchange->worker, exchange_upstream(exchange)->upstream, true);
	return step_fail(OUTCOME_RESPONSE_TIMEOUT);
}

static void wait_until(struct exchange *exchange, uint64_t due_ms)
{
	deadline_set(&exchange->worker->io.deadlines, &exchange->attempt.lease->deadline, due_ms);
}

/* For as long as it takes, but no half-open breaker waits for it. */
static void leave_to_client(struct exchange *exchange)
{
	uint64_t due_ms = exchange->timeline.attempt_us / 1000 + exchange_upstream(exchange)->response_timeout_ms;

	if (breaker_permit_is_probe(&exchange->admission.permit) && worker_now_ms(exchange->worker) >= due_ms) {
		exchange->attempt.is_client_late = true;
		settle_permit(exchange, BREAKER_NEITHER);
	}
}

/*
 * A host that has vanished, with its network or its power, sends nothing, while the kernel of a slow host still acknowledges
 * what it receives. So after the time that connecting may take, the gateway asks the socket. Most answers come long before,
 * and for them it costs nothing.
 */
static struct step awaiting_due(struct exchange *exchange)
{
	const struct lease *lease = exchange->attempt.lease;
	uint64_t now_ms = worker_now_ms(exchange->worker), due_ms = response_due_ms(exchange);
	uint64_t look_ms = now_ms + exchange_upstream(exchange)->connect_timeout_ms;

	if (lease->operations->is_unreachable(lease, exchange_upstream(exchange)->connect_timeout_ms))
		return step_fail(OUTCOME_UPSTREAM_UNREACHABLE);
	if (exchange->downstream->is_blocked) { /* what follows the interim response that it does not take is not read */
		leave_to_client(exchange);
		wait_until(exchange, look_ms);
	} else if (lease->is_blocked && taken_of(lease) != exchange->attempt.took &&
	           now_ms < timeouts_total_due_ms(exchange)) {
		timeouts_set(exchange); /* slow, but alive */
	} else if (lease->is_blocked || now_ms >= due_ms) {
		return time_out(exchange);
	} else {
		if (exchange->upload.is_whole)
			places_end_uploads(exchange->worker, exchange_upstream(exchange)->upstream, false);
		wait_until(exchange, look_ms < due_ms ? look_ms : due_ms);
	}
	return step(STEP_WAIT);
}

static struct step tunnel_due(struct exchange *exchange)
{
	const struct lease *lease = exchange->attempt.lease;
	uint64_t now_ms = worker_now_ms(exchange->worker);

	if (lease->is_blocked && taken_of(lease) != exchange->attempt.took) /* slow, but alive */
		exchange->attempt.heard_ms = now_ms;
	if (now_ms >= tunnel_due_ms(exchange))
		return step_abort(OUTCOME_UPGRADED);
	timeouts_set(exchange);
	return step(STEP_WAIT);
}

struct step timeouts_upstream_due(struct exchange *exchange)
{
	bool is_for_head = exchange->state == EXCHANGE_CONNECTING || exchange->state == EXCHANGE_AWAITING;

	if (is_for_head && worker_now_ms(exchange->worker) >= timeouts_total_due_ms(exchange) &&
	    !exchange->downstream->is_blocked)
		exchange->why = "timeouts.total is over";
	switch (exchange->state) {
	case EXCHANGE_CONNECTING:
		places_end_uploads(exchange->worker, exchange_upstream(exchange)->upstream, true);
		return step_fail(OUTCOME_CONNECT_TIMEOUT);
	case EXCHANGE_AWAITING:
		return awaiting_due(exchange);
	case EXCHANGE_STREAMING:
		return streaming_due(exchange);
	case EXCHANGE_TUNNEL:
		return tunnel_due(exchange);
	case EXCHANGE_GATHERING:
	case EXCHANGE_FILTERING:
	case EXCHANGE_WAITING:
	case EXCHANGE_ANSWERING:
	case EXCHANGE_BREAKING_OFF:
	case EXCHANGE_ENDED:
		break;
	}
	return step(STEP_WAIT);
}

struct step timeouts_client_due(struct exchange *exchange)
{
	const struct downstream *client = exchange->downstream;

	if (client->is_blocked && client->operations->taken(client) == exchange->download.took)
		return step_abort(OUTCOME_CLIENT_STALLED);
	if (!client->is_blocked && !waits_for_100(exchange))
		return step_fail(OUTCOME_REQUEST_TIMEOUT);
	timeouts_watch_client(exchange); /* slow, but alive */
	return step(STEP_WAIT);
}

/* Must the client send next? Not "do we read it": if there was no memory for the read event, this deadline ends the
 * exchange. */
static bool is_awaited(const struct exchange *exchange)
{
	return !exchange->upload.is_whole && exchange->state != EXCHANGE_WAITING &&
	       exchange->state != EXCHANGE_FILTERING && exchange->state != EXCHANGE_CONNECTING &&
	       exchange->state <= EXCHANGE_STREAMING && !(exchange->state == EXCHANGE_AWAITING && waits_for_100(exchange)) &&
	       !(exchange->attempt.lease != NULL && exchange->attempt.lease->is_blocked);
}

/* The gateway may end it when others need its place (places.h). */
static void note_blocked(struct exchange *exchange, uint64_t now_ms)
{
	if (!exchange->admission.holds_place)
		return;
	if (exchange->admission.held.next == NULL || exchange->downstream->is_blocked) {
		exchange->admission.awaited_since_ms = now_ms;
		exchange->admission.awaited_from = exchange->upload.bytes;
	}
	exchange_release_ring(exchange);
	exchange->admission.held_since_ms = now_ms;
	ring_append(&exchange->worker->blocked, &exchange->admission.held);
}

/* One deadline serves both waits: for what the client must send, and for what it must read. */
void timeouts_watch_client(struct exchange *exchange)
{
	struct downstream *downstream = exchange->downstream;
	const struct limits *limits = &exchange->snapshot->config->limits;
	uint64_t now_ms = worker_now_ms(exchange->worker);
	struct deadlines *deadlines = &exchange->worker->io.deadlines;

	if (downstream->is_blocked) {
		/* No half-open breaker waits for a client to read its response: the head has come in time. */
		if (exchange->state == EXCHANGE_STREAMING && breaker_permit_is_probe(&exchange->admission.permit))
			settle_permit(exchange, outcome_table[exchange->outcome].verdict);
		if (exchange->download.pending_since_ms == 0)
			exchange->download.pending_since_ms = now_ms;
		exchange->download.took = downstream->operations->taken(downstream);
		deadline_set(deadlines, &downstream->deadline, now_ms + limits->write_timeout_ms);
		note_blocked(exchange, now_ms);
	} else if (is_awaited(exchange)) {
		deadline_set(deadlines, &downstream->deadline, now_ms + limits->body_timeout_ms);
		note_blocked(exchange, now_ms);
	} else {
		deadline_clear(&downstream->deadline);
		if (exchange->admission.holds_place)
			exchange_release_ring(exchange);
	}
}

static uint64_t client_pending_ms(const struct exchange *exchange)
{
	if (exchange->download.pending_since_ms == 0)
		return exchange->download.pending_ms;
	return exchange->download.pending_ms + worker_now_ms(exchange->worker) - exchange->download.pending_since_ms;
}

/* A host that acknowledges nothing is gone, and an upstream that does not take the bytes that have come hangs, whatever the
 * client does. */
static bool is_upstream_late(const struct exchange *exchange, enum outcome outcome)
{
	return outcome == OUTCOME_UPSTREAM_UNREACHABLE ||
	       (outcome == OUTCOME_RESPONSE_TIMEOUT && exchange->attempt.lease->is_blocked);
}

/* An upstream need not wait for its client for ever: if it gives up after a while, nobody is at fault. */
static bool is_cut_after_waiting(const struct exchange *exchange, enum outcome outcome)
{
	return (outcome == OUTCOME_RESPONSE_CUT || outcome == OUTCOME_UPSTREAM_RESET) &&
	       client_pending_ms(exchange) >= SLOW_MS;
}

/* timeouts.total had run before the first try began, and left it less than half of the time that it may have: one that had more
 * and stayed silent is slow. */
static bool is_cut_short(const struct exchange *exchange, enum outcome outcome)
{
	const struct upstream_settings *settings;
	uint64_t now_ms = worker_now_ms(exchange->worker), may_have_ms;

	if ((outcome != OUTCOME_CONNECT_TIMEOUT && outcome != OUTCOME_RESPONSE_TIMEOUT) || exchange->attempt.retries > 0 ||
	    exchange->avoid.count > 1 || now_ms < timeouts_total_due_ms(exchange))
		return false;
	settings = exchange_upstream(exchange);
	may_have_ms = outcome == OUTCOME_CONNECT_TIMEOUT ? settings->connect_timeout_ms : settings->response_timeout_ms;
	if (settings->total_timeout_ms < may_have_ms)
		may_have_ms = settings->total_timeout_ms;
	return (now_ms - exchange->timeline.attempt_us / 1000) * 2 < may_have_ms;
}

bool timeouts_blame_client(const struct exchange *exchange, enum outcome outcome)
{
	return (timeouts_is_client_late(exchange) && !is_upstream_late(exchange, outcome)) ||
	       is_cut_after_waiting(exchange, outcome) || is_cut_short(exchange, outcome);
}
