/*
 * Lets a request into the upstream, or into the queue in front of it, or neither.
 *
 * A waiting exchange holds no permit of the breaker. A half-open breaker has few probes, and none of them may stand in a
 * queue; and a permit of a second ago may be out of date. So the exchange asks for a permit when it gets its place.
 *
 * The queue of an upstream consists of the lists of all workers, the oldest request first (breaker/queue.h). A worker looks
 * at it at the end of a loop iteration in which a place became free or another worker woke it. It does not look at once,
 * because a request that it lets in may end at once and let in the next, and so on down the stack.
 */
#include "gateway/exchange/admission.h"

#include "breaker/look.h"
#include "gateway/base/container.h"
#include "gateway/exchange/places.h"
#include "gateway/exchange/reading.h"
#include "gateway/exchange/settle.h"
#include "gateway/exchange/timeouts.h"
#include "gateway/worker/upstreams.h"

/* How often a waiting request checks whether a client that has become slow holds a place. */
enum { LOOK_FOR_SLOW_MS = 100 };

static struct local_upstream *local_of(const struct exchange *exchange)
{
	return worker_local(exchange->worker, exchange_upstream(exchange)->upstream);
}

static void look_soon(struct worker *worker, struct local_upstream *local)
{
	local->is_woken = worker->has_woken = true;
}

/* Call after everything that may free a place while a request waits. */
static void look_if_must(struct exchange *exchange)
{
	struct local_upstream *local = local_of(exchange);

	if (bulkhead_must_wake(&local->upstream->bulkhead, local->limits.max_in_flight))
		look_soon(exchange->worker, local);
}

/* A request that is incomplete, or whose client has given up a probe before, gets no probe: it would keep a half-open breaker
 * waiting. */
static bool is_reliable(const struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	const struct doubt *doubt = &settings->upstream->doubt;

	return exchange->upload.is_whole &&
	       (!doubt_has_any(doubt) ||
	        breaker_state_now(settings->upstream->breaker, &settings->breaker) == BREAKER_CLOSED ||
	        !doubt_has(doubt, settle_client_hash(exchange)));
}

bool admission_ask_breaker(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	struct breaker *breaker = settings->upstream->breaker;
	struct worker *worker = exchange->worker;
	uint64_t now_ms = worker_now_ms(worker);
	uint32_t jitter = worker_jitter(worker);

	exchange->admission.holds_permit = (is_reliable(exchange) ? breaker_admit : breaker_admit_aside)(
		breaker, &settings->breaker, now_ms, jitter, &exchange->admission.permit, &exchange->admission.retry_after_ms);
	exchange->admission.breaker_seen = (uint8_t)(1 + breaker_state_now(breaker, &settings->breaker));
	return exchange->admission.holds_permit;
}

static struct step go_in(struct exchange *exchange)
{
	exchange->admission.holds_place = true;
	retry_budget_count_call(&exchange_upstream(exchange)->upstream->retry_budget, worker_now_ms(exchange->worker));
	return step(STEP_NEXT);
}

/* ---- the worker's list ----------------------------------------------------------------------------------------- */

static void show_first(const struct exchange *exchange, const struct local_upstream *local, uint64_t ticket)
{
	queue_show(&local->upstream->queue, exchange->worker->index, ticket);
}

static struct exchange *first_of(const struct local_upstream *local)
{
	return ring_is_empty(&local->queue) ? NULL : container_of(local->queue.next, struct exchange, waiting.queue);
}

static void append(struct local_upstream *local, struct exchange *exchange, uint64_t ticket)
{
	exchange->admission.ticket = ticket;
	ring_append(&local->queue, &exchange->waiting.queue);
}

static void take_out(struct local_upstream *local, struct exchange *exchange)
{
	bool was_first = first_of(local) == exchange;
	const struct exchange *first;

	ring_remove(&exchange->waiting.queue);
	exchange->admission.ticket = 0;
	exchange->admission.waited_us = io_now_us(&exchange->worker->io) - exchange->admission.waited_since_us;
	deadline_remove(&exchange->worker->io.deadlines, &exchange->waiting.deadline);
	first = first_of(local);
	if (was_first)
		show_first(exchange, local, first == NULL ? 0 : first->admission.ticket);
}

/* Without a place. */
static void give_up(struct exchange *exchange, bool is_rejected)
{
	take_out(local_of(exchange), exchange);
	bulkhead_give_up(&exchange_upstream(exchange)->upstream->bulkhead, is_rejected);
	look_if_must(exchange);
}

static struct step turn_away(struct exchange *exchange, const char *why)
{
	give_up(exchange, true);
	exchange->why = why;
	return step_fail(OUTCOME_OVERLOADED);
}

static uint64_t wait_ends_ms(const struct exchange *exchange)
{
	uint64_t at_ms = exchange->admission.waited_since_us / 1000 + exchange_upstream(exchange)->bulkhead_max_wait_ms;
	uint64_t total_due_ms = timeouts_total_due_ms(exchange);

	return at_ms < total_due_ms ? at_ms : total_due_ms;
}

static void set_wait_deadline(struct exchange *exchange)
{
	struct worker *worker = exchange->worker;
	uint64_t look_ms = worker_now_ms(worker) + LOOK_FOR_SLOW_MS, end_ms = wait_ends_ms(exchange);

	deadline_set(&worker->io.deadlines, &exchange->waiting.deadline, look_ms < end_ms ? look_ms : end_ms);
}

struct step admission_due(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	struct worker *worker = exchange->worker;
	uint64_t now_ms = worker_now_ms(worker), end_ms = wait_ends_ms(exchange);
	bool is_total_over = now_ms >= timeouts_total_due_ms(exchange);
	bool is_last_resort = now_ms + settings->bulkhead_max_wait_ms / 2 >= end_ms;
	bool has_shed = !is_total_over && places_make_room(worker, settings->upstream, is_last_resort);

	look_if_must(exchange); /* at places that are free although nobody could tell us: memory was short */
	if (now_ms < end_ms)
		set_wait_deadline(exchange);
	else if (has_shed) /* the place goes to the request that has waited longest, which is this one or lets it come next */
		deadline_set(&worker->io.deadlines, &exchange->waiting.deadline, now_ms + LOOK_FOR_SLOW_MS);
	else
		return turn_away(exchange, is_total_over ? "timeouts.total is over" : "no place in the bulkhead within max_wait");
	return step(STEP_WAIT);
}

static struct step wait_for_place(struct exchange *exchange)
{
	struct worker *worker = exchange->worker;
	struct local_upstream *local = local_of(exchange);
	bool is_first = ring_is_empty(&local->queue);
	uint64_t ticket = queue_ticket(&local->upstream->queue);
	enum bulkhead_answer answer;

	if (is_first)
		show_first(exchange, local, ticket);
	answer = bulkhead_wait(&local->upstream->bulkhead, &local->limits, worker_now_ms(worker));
	if (is_first && answer != BULKHEAD_WAITING)
		show_first(exchange, local, 0);
	switch (answer) {
	case BULKHEAD_ENTERED:
		return go_in(exchange);
	case BULKHEAD_WAITING:
		exchange_enter(exchange, EXCHANGE_WAITING);
		exchange->admission.waited_since_us = io_now_us(&worker->io);
		append(local, exchange, ticket);
		settle_permit(exchange, BREAKER_NEITHER);
		deadline_init(&exchange->waiting.deadline, exchange->upcalls->on_wait_due);
		set_wait_deadline(exchange);
		reading_resume(exchange);
		look_if_must(exchange);
		return step(STEP_WAIT);
	case BULKHEAD_FULL:
		look_if_must(exchange);
		break;
	}
	return step_fail(OUTCOME_OVERLOADED);
}

/* ---- in and out ------------------------------------------------------------------------------------------------ */

struct step admission_enter(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);

	if (bulkhead_try(&settings->upstream->bulkhead, settings->bulkhead_max_in_flight))
		return go_in(exchange);
	places_make_room(exchange->worker, settings->upstream,
	                 bulkhead_waiting(&settings->upstream->bulkhead) >= settings->bulkhead_max_waiting / 2);
	return wait_for_place(exchange);
}

void admission_stop_waiting(struct exchange *exchange)
{
	if (exchange->admission.ticket != 0)
		give_up(exchange, false);
	else if (exchange->waiting.deadline.link != NULL)
		deadline_remove(&exchange->worker->io.deadlines, &exchange->waiting.deadline);
}

bool admission_become_stream(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	struct upstream *upstream = settings->upstream;
	uint32_t most = settings->bulkhead_max_streams == 0 ? UINT32_MAX : settings->bulkhead_max_streams;

	if (!bulkhead_try(&upstream->streams, most) &&
	    !(places_make_room_for_stream(exchange->worker, upstream) && bulkhead_try(&upstream->streams, most))) {
		bulkhead_reject(&upstream->streams);
		exchange->why = "bulkhead.max_streams tunnels and event streams are open";
		return false;
	}
	places_give_back(exchange);
	exchange->admission.holds_stream = true;
	ring_append(&exchange->worker->streams, &exchange->admission.held);
	return true;
}

/* ---- the end of a loop iteration ----------------------------------------------------------------------------------- */

static void wake(struct worker *worker, struct upstream *upstream, unsigned line)
{
	if (!queue_wake(&upstream->queue, line))
		return;
	if (inbox_send(&worker->shared->workers[line].inbox, WORKER_WAKE, upstream_reference(upstream), NULL))
		return;
	upstream_release(upstream);
	queue_woken(&upstream->queue, line);
}

/* No request waits for a place that the breaker would not let it use. */
struct exchange *admission_dismiss(struct worker *worker, struct upstream *upstream, struct step *said)
{
	struct exchange *exchange = first_of(worker_local(worker, upstream));
	enum breaker_state state;

	if (exchange == NULL)
		return NULL;
	state = breaker_state_now(upstream->breaker, &exchange_upstream(exchange)->breaker);
	if (state != BREAKER_OPEN && state != BREAKER_FORCED_OPEN)
		return NULL;
	if (admission_ask_breaker(exchange)) { /* the breaker is about to be half-open, or only observes */
		settle_permit(exchange, BREAKER_NEITHER);
		return NULL;
	}
	give_up(exchange, false);
	*said = step_fail(OUTCOME_BREAKER_OPEN);
	return exchange;
}

/* Wakes the worker whose request has waited longest. False: that is this worker, which goes on by itself. */
static bool wake_other(struct worker *worker, struct upstream *upstream)
{
	unsigned line = queue_next(&upstream->queue);

	if (line != worker->index && line != QUEUE_LINES)
		wake(worker, upstream, line);
	return line != worker->index;
}

struct exchange *admission_let_in(struct worker *worker, struct upstream *upstream, uint32_t *max_in_flight, struct step *said)
{
	struct local_upstream *local = worker_local(worker, upstream);
	struct exchange *exchange;

	if (!bulkhead_must_wake(&upstream->bulkhead, *max_in_flight) || wake_other(worker, upstream) ||
	    (exchange = first_of(local)) == NULL)
		return NULL;
	*max_in_flight = local->limits.max_in_flight;
	if (bulkhead_is_too_long(&upstream->bulkhead, &local->limits)) {
		*said = turn_away(exchange, "waited longest when overload began");
		return exchange;
	}
	if (!bulkhead_take(&upstream->bulkhead, *max_in_flight))
		return NULL;
	take_out(local, exchange);
	atomic_fetch_add_explicit(&upstream->queue.waited_total, 1, memory_order_relaxed);
	exchange->admission.holds_place = true;
	*said = admission_ask_breaker(exchange) ? go_in(exchange) : step_fail(OUTCOME_BREAKER_OPEN);
	return exchange;
}

void admission_take_limits(struct worker *worker, const struct upstream_settings *settings)
{
	struct local_upstream *local = worker_local(worker, settings->upstream);

	local->limits = (struct bulkhead_limits){
		.max_in_flight = settings->bulkhead_max_in_flight,
		.max_waiting = settings->bulkhead_max_waiting,
		.max_wait_ms = settings->bulkhead_max_wait_ms,
	};
	if (!ring_is_empty(&local->queue))
		look_soon(worker, local);
}

void admission_forget(struct worker *worker, struct local_upstream *local)
{
	if (local->is_woken && bulkhead_must_wake(&local->upstream->bulkhead, UINT32_MAX))
		wake_other(worker, local->upstream);
}

void admission_on_wake(struct worker *worker, struct upstream *upstream)
{
	queue_woken(&upstream->queue, worker->index);
	if (upstream->index < worker->local_count && worker_local(worker, upstream)->upstream == upstream)
		look_soon(worker, worker_local(worker, upstream));
	else if (bulkhead_must_wake(&upstream->bulkhead, UINT32_MAX)) /* none of ours waits for it, but others may */
		wake_other(worker, upstream);
	upstream_release(upstream);
}
