/*
 * Into the upstream, or into the queue before it, or neither.
 *
 * While an exchange waits it holds no permit of the breaker: of a half-open breaker's few probes none may stand in a queue,
 * and what the breaker thought a second ago is old. So it asks again when it has its place.
 *
 * The queue of an upstream is the lists of all workers together, the oldest first (breaker/queue.h). A worker looks at it at
 * the end of a turn in which a place became free or another worker called: not at once, because one that is let in may end
 * at once and let in the next, and so on down the stack.
 */
#include "gateway/exchange.h"
#include "gateway/shed.h"

/* How often one who waits looks whether a place is held by a client that has become slow. */
enum { LOOK_FOR_SLOW_MS = 100 };

static struct local_upstream *local_of(const struct exchange *exchange)
{
	return worker_local(exchange->worker, exchange_upstream(exchange)->upstream);
}

static void look_soon(struct worker *worker, struct local_upstream *local)
{
	local->is_called = worker->has_calls = true;
}

/* After everything that may leave a place free beside somebody who waits. */
static void look_if_must(struct exchange *exchange)
{
	struct local_upstream *local = local_of(exchange);

	if (bulkhead_must_call(&local->upstream->bulkhead, local->limits.max_in_flight))
		look_soon(exchange->worker, local);
}

static bool ask_breaker(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	struct breaker *breaker = settings->upstream->breaker;
	struct worker *worker = exchange->worker;

	exchange->holds_permit = breaker_admit(breaker, &settings->breaker, worker_now_ms(worker),
	                                       worker_jitter(worker), &exchange->permit, &exchange->retry_after_ms);
	exchange->breaker_seen = (uint8_t)(1 + breaker_state_now(breaker, &settings->breaker));
	return exchange->holds_permit;
}

/* A few clients that send slowly must not keep a half-open breaker from its verdict: the next one takes the probe over. */
bool exchange_may_pass(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);

	return ask_breaker(exchange) ||
	       (breaker_state_now(settings->upstream->breaker, &settings->breaker) == BREAKER_HALF_OPEN &&
	        shed_for_probe(exchange->worker, settings->upstream) && ask_breaker(exchange));
}

static void go_in(struct exchange *exchange)
{
	exchange->holds_place = true;
	retry_budget_count_call(&exchange_upstream(exchange)->upstream->retry_budget, worker_now_ms(exchange->worker));
	attempt_begin(exchange);
}

/* ---- the worker's list ----------------------------------------------------------------------------------------- */

static void show_first(const struct exchange *exchange, const struct local_upstream *local, uint64_t ticket)
{
	queue_show(&local->upstream->queue, exchange->worker->index, ticket);
}

static void append(struct local_upstream *local, struct exchange *exchange, uint64_t ticket)
{
	exchange->ticket = ticket;
	exchange->previous_waiting = local->last_waiting;
	if (local->last_waiting != NULL)
		local->last_waiting->next_waiting = exchange;
	else
		local->first_waiting = exchange;
	local->last_waiting = exchange;
}

static void take_out(struct local_upstream *local, struct exchange *exchange)
{
	struct exchange *next = exchange->next_waiting, *previous = exchange->previous_waiting;

	if (next != NULL)
		next->previous_waiting = previous;
	else
		local->last_waiting = previous;
	if (previous != NULL)
		previous->next_waiting = next;
	else
		local->first_waiting = next;
	exchange->next_waiting = exchange->previous_waiting = NULL;
	exchange->ticket = 0;
	exchange->waited_us = io_now_us(&exchange->worker->io) - exchange->waited_since_us;
	deadline_remove(&exchange->worker->io.deadlines, &exchange->patience);
	if (previous == NULL)
		show_first(exchange, local, next == NULL ? 0 : next->ticket);
}

/* Without a place. */
static void give_up(struct exchange *exchange, bool is_rejected)
{
	take_out(local_of(exchange), exchange);
	bulkhead_give_up(&exchange_upstream(exchange)->upstream->bulkhead, is_rejected);
	look_if_must(exchange);
}

static void turn_away(struct exchange *exchange, const char *why)
{
	give_up(exchange, true);
	exchange->why = why;
	exchange_fail(exchange, OUTCOME_OVERLOADED);
}

static uint64_t impatient_at_ms(const struct exchange *exchange)
{
	uint64_t at_ms = exchange->waited_since_us / 1000 + exchange_upstream(exchange)->bulkhead_max_wait_ms;
	uint64_t total_due_ms = exchange_total_due_ms(exchange);

	return at_ms < total_due_ms ? at_ms : total_due_ms;
}

static void be_patient(struct exchange *exchange)
{
	struct worker *worker = exchange->worker;
	uint64_t look_ms = worker_now_ms(worker) + LOOK_FOR_SLOW_MS, end_ms = impatient_at_ms(exchange);

	deadline_set(&worker->io.deadlines, &exchange->patience, look_ms < end_ms ? look_ms : end_ms);
}

static void on_impatient(struct deadline *deadline)
{
	struct exchange *exchange = (struct exchange *)((char *)deadline - offsetof(struct exchange, patience));

	if (worker_now_ms(exchange->worker) < impatient_at_ms(exchange)) {
		shed_for_request(exchange->worker, exchange_upstream(exchange)->upstream);
		be_patient(exchange);
		return;
	}
	turn_away(exchange, worker_now_ms(exchange->worker) < exchange_total_due_ms(exchange)
	                            ? "no place in the bulkhead within max_wait"
	                            : "timeouts.total is over");
}

static void wait_for_place(struct exchange *exchange)
{
	struct worker *worker = exchange->worker;
	struct local_upstream *local = local_of(exchange);
	bool is_first = local->first_waiting == NULL;
	uint64_t ticket = queue_ticket(&local->upstream->queue);
	enum bulkhead_answer answer;

	if (is_first)
		show_first(exchange, local, ticket);
	answer = bulkhead_wait(&local->upstream->bulkhead, &local->limits, worker_now_ms(worker));
	if (is_first && answer != BULKHEAD_WAITING)
		show_first(exchange, local, 0);
	switch (answer) {
	case BULKHEAD_ENTERED:
		go_in(exchange);
		return;
	case BULKHEAD_WAITING:
		exchange->waited_since_us = io_now_us(&worker->io);
		append(local, exchange, ticket);
		exchange_settle(exchange, BREAKER_NEITHER);
		deadline_init(&exchange->patience, on_impatient);
		be_patient(exchange);
		exchange_resume_client(exchange);
		look_if_must(exchange);
		return;
	case BULKHEAD_FULL:
		look_if_must(exchange);
		exchange_fail(exchange, OUTCOME_OVERLOADED);
		return;
	}
}

/* ---- in and out ------------------------------------------------------------------------------------------------ */

void exchange_admit(struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);

	if (bulkhead_try(&settings->upstream->bulkhead, settings->bulkhead_max_in_flight))
		go_in(exchange);
	else {
		shed_for_request(exchange->worker, settings->upstream);
		wait_for_place(exchange);
	}
}

void exchange_stop_waiting(struct exchange *exchange)
{
	if (exchange->ticket != 0)
		give_up(exchange, false);
	else if (exchange->patience.link != NULL)
		deadline_remove(&exchange->worker->io.deadlines, &exchange->patience);
}

void exchange_leave_bulkhead(struct exchange *exchange)
{
	if (exchange->holds_place && bulkhead_leave(&exchange_upstream(exchange)->upstream->bulkhead))
		look_soon(exchange->worker, local_of(exchange));
	exchange->holds_place = false;
}

/* ---- the end of a turn ------------------------------------------------------------------------------------------- */

static void call(struct worker *worker, struct upstream *upstream, unsigned line)
{
	if (!queue_call(&upstream->queue, line))
		return;
	if (inbox_send(&worker->shared->workers[line].inbox, WORKER_CALL, upstream_reference(upstream), NULL))
		return;
	upstream_release(upstream);
	queue_answer(&upstream->queue, line);
}

/* Nobody waits for a place that the breaker would not let it use. */
static void dismiss(struct local_upstream *local)
{
	struct exchange *exchange;

	while ((exchange = local->first_waiting) != NULL) {
		enum breaker_state state = breaker_state_now(local->upstream->breaker, &exchange_upstream(exchange)->breaker);

		if (state != BREAKER_OPEN && state != BREAKER_FORCED_OPEN)
			return;
		if (ask_breaker(exchange)) { /* it is about to be half-open, or only observes */
			exchange_settle(exchange, BREAKER_NEITHER);
			return;
		}
		give_up(exchange, false);
		exchange_fail(exchange, OUTCOME_BREAKER_OPEN);
	}
}

static void let_in(struct worker *worker, struct upstream *upstream)
{
	uint32_t max_in_flight = UINT32_MAX;

	while (bulkhead_must_call(&upstream->bulkhead, max_in_flight)) {
		struct local_upstream *local;
		struct exchange *exchange;
		unsigned line = queue_next(&upstream->queue);

		if (line != worker->index) {
			if (line != QUEUE_LINES)
				call(worker, upstream, line);
			return;
		}
		local = worker_local(worker, upstream);
		exchange = local->first_waiting;
		max_in_flight = local->limits.max_in_flight;
		if (bulkhead_is_too_long(&upstream->bulkhead, &local->limits)) {
			turn_away(exchange, "waited longest when overload began");
			continue;
		}
		if (!bulkhead_take(&upstream->bulkhead, max_in_flight))
			return;
		take_out(local, exchange);
		atomic_fetch_add_explicit(&upstream->queue.waited_total, 1, memory_order_relaxed);
		exchange->holds_place = true;
		if (ask_breaker(exchange))
			go_in(exchange);
		else
			exchange_fail(exchange, OUTCOME_BREAKER_OPEN);
	}
}

void admission_run(struct worker *worker)
{
	while (worker->has_calls) {
		worker->has_calls = false;
		for (size_t i = 0; i < worker->local_count; i++) {
			struct local_upstream *local = &worker->locals[i];
			struct upstream *upstream;

			if (!local->is_called)
				continue;
			local->is_called = false;
			upstream = upstream_reference(local->upstream); /* the last exchange that knows it may end here */
			dismiss(local);
			let_in(worker, upstream);
			upstream_release(upstream);
		}
	}
}

void admission_take_limits(struct worker *worker, const struct upstream_settings *settings)
{
	struct local_upstream *local = worker_local(worker, settings->upstream);

	local->limits = (struct bulkhead_limits){
		.max_in_flight = settings->bulkhead_max_in_flight,
		.max_waiting = settings->bulkhead_max_waiting,
		.max_wait_ms = settings->bulkhead_max_wait_ms,
	};
	if (local->first_waiting != NULL)
		look_soon(worker, local);
}

void admission_forget(struct worker *worker, struct local_upstream *local)
{
	if (local->is_called)
		let_in(worker, local->upstream);
}

void admission_on_call(struct worker *worker, struct upstream *upstream)
{
	queue_answer(&upstream->queue, worker->index);
	if (upstream->index < worker->local_count && worker_local(worker, upstream)->upstream == upstream)
		look_soon(worker, worker_local(worker, upstream));
	else
		let_in(worker, upstream); /* none of ours waits for it, but others may */
	upstream_release(upstream);
}
