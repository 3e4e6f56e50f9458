/* Acts on what the steps return: nowhere else does an exchange fail, repeat, answer or end. */
#include "gateway/exchange/exchange.h"

#include "gateway/base/container.h"
#include "gateway/exchange/admission.h"
#include "gateway/exchange/arrival.h"
#include "gateway/exchange/attempt.h"
#include "gateway/exchange/call_events.h"
#include "gateway/exchange/cut.h"
#include "gateway/exchange/detour.h"
#include "gateway/exchange/filtering.h"
#include "gateway/exchange/intake.h"
#include "gateway/exchange/local_reply.h"
#include "gateway/exchange/places.h"
#include "gateway/exchange/reading.h"
#include "gateway/exchange/record.h"
#include "gateway/exchange/request_body.h"
#include "gateway/exchange/response_body.h"
#include "gateway/exchange/response_head.h"
#include "gateway/exchange/retry.h"
#include "gateway/exchange/settle.h"
#include "gateway/exchange/spare.h"
#include "gateway/exchange/timeouts.h"
#include "gateway/exchange/tunnel.h"

/* ---- what steps say ------------------------------------------------------------------------------------------- */

static struct step answer(struct exchange *exchange, enum outcome outcome)
{
	if (exchange->route != NULL && exchange->route->detour != NULL && detour_may(exchange, outcome))
		return detour_begin(exchange, outcome);
	return local_reply_send(exchange, outcome);
}

static struct step fail(struct exchange *exchange, enum outcome outcome)
{
	bool has_begun_answer = exchange->state == EXCHANGE_STREAMING || exchange->state == EXCHANGE_TUNNEL;

	exchange->outcome = outcome;
	exchange->attempt.is_client_late = timeouts_blame_client(exchange, outcome);
	attempt_end(exchange, outcome);
	if (!has_begun_answer && retry_may(exchange, outcome))
		return retry_begin(exchange);
	if (outcome == OUTCOME_BREAKER_OPEN)
		call_events_tell(exchange, BREAKER_EVENT_NOT_PERMITTED);
	settle_permit(exchange, outcome_table[outcome].verdict);
	if (has_begun_answer && outcome != OUTCOME_OUT_OF_MEMORY)
		return cut_response(exchange);
	if (has_begun_answer || outcome_table[outcome].answer == ANSWER_CUT)
		return step_abort(outcome);
	return answer(exchange, outcome);
}

static void end(struct exchange *exchange)
{
	exchange_enter(exchange, EXCHANGE_ENDED);
	record(exchange);
	if (exchange->filters != NULL)
		filtering_end(exchange);
	spare_close(exchange);
}

static struct step give_client_back(struct exchange *exchange)
{
	struct downstream *downstream = exchange->downstream;

	end(exchange);
	downstream->operations->finish(downstream, !exchange->upload.is_whole || exchange->download.status == 101);
	return step(STEP_WAIT);
}

static struct step finish(struct exchange *exchange)
{
	attempt_end(exchange, exchange->outcome);
	places_give_back(exchange); /* however long the client takes to read it: the upstream is done */
	settle_permit(exchange, outcome_table[exchange->outcome].verdict);
	exchange_enter(exchange, EXCHANGE_ANSWERING);
	if (!exchange->downstream->is_blocked)
		return step(STEP_OVER);
	timeouts_watch_client(exchange);
	/* A client may send its whole request before it reads: the gateway throws the rest away. */
	if (!exchange->upload.is_whole)
		exchange->downstream->operations->discard(exchange->downstream);
	return step(STEP_WAIT);
}

static struct step abort_now(struct exchange *exchange, enum outcome outcome)
{
	struct downstream *downstream = exchange->downstream;

	if (exchange->state == EXCHANGE_BREAKING_OFF)
		deadline_remove(&exchange->worker->io.deadlines, &exchange->waiting.deadline);
	exchange->outcome = outcome;
	attempt_end(exchange, outcome);
	settle_permit(exchange, outcome_table[outcome].verdict);
	places_give_back(exchange);
	end(exchange);
	downstream->operations->reset(downstream);
	return step(STEP_WAIT);
}

static struct step act(struct exchange *exchange, struct step said)
{
	switch (said.kind) {
	case STEP_NEXT:
		return attempt_begin(exchange);
	case STEP_REPEAT:
		attempt_end(exchange, exchange->outcome);
		return retry_begin(exchange);
	case STEP_REPLY:
		attempt_end(exchange, exchange->outcome);
		settle_permit(exchange, outcome_table[exchange->outcome].verdict);
		exchange->outcome = said.outcome;
		return answer(exchange, said.outcome);
	case STEP_FAIL:
		return fail(exchange, said.outcome);
	case STEP_DONE:
		return finish(exchange);
	case STEP_BREAK_OFF:
		return cut_break_off(exchange, said.outcome);
	case STEP_ABORT:
		return abort_now(exchange, said.outcome);
	case STEP_OVER:
		return give_client_back(exchange);
	case STEP_WAIT:
		break;
	}
	return step(STEP_WAIT);
}

static void advance(struct exchange *exchange, struct step said)
{
	while (said.kind != STEP_WAIT) {
		if (exchange->state == EXCHANGE_WAITING)
			admission_stop_waiting(exchange);
		said = act(exchange, said);
	}
}

void exchange_abort(struct exchange *exchange, enum outcome outcome)
{
	advance(exchange, step_abort(outcome));
}

/* ---- from the client ---------------------------------------------------------------------------------------- */

void exchange_take(struct exchange *exchange, struct pieces *pieces)
{
	if (exchange->state == EXCHANGE_TUNNEL)
		advance(exchange, tunnel_relay(exchange, TUNNEL_CLIENT, pieces));
	else if (exchange->state < EXCHANGE_ANSWERING) /* else nobody wants it any more */
		advance(exchange, request_body_take(exchange, pieces));
}

void exchange_resume(struct exchange *exchange)
{
	reading_resume(exchange);
}

void exchange_on_client_end(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_TUNNEL)
		advance(exchange, tunnel_ended(exchange, TUNNEL_CLIENT));
	else if (!exchange->upload.is_whole && exchange->state < EXCHANGE_ANSWERING)
		exchange_abort(exchange, OUTCOME_CLIENT_ABORTED);
}

/* There is nobody to answer any more; but bytes that a client sent into a tunnel are still on their way to the upstream. */
void exchange_on_client_error(struct exchange *exchange, enum outcome outcome)
{
	if (exchange->state == EXCHANGE_TUNNEL && outcome != OUTCOME_OUT_OF_MEMORY)
		advance(exchange, tunnel_broken(exchange, TUNNEL_CLIENT, outcome));
	else
		exchange_abort(exchange, exchange->state == EXCHANGE_BREAKING_OFF ? exchange->outcome : outcome);
}

void exchange_on_client_send_failed(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_TUNNEL)
		exchange_on_client_drained(exchange); /* from now on the gateway throws away what comes for it */
	else if (exchange->state != EXCHANGE_BREAKING_OFF || exchange->attempt.lease == NULL) /* the upstream gets all of its bytes */
		exchange_on_client_error(exchange, OUTCOME_CLIENT_ABORTED);
}

void exchange_on_client_drained(struct exchange *exchange)
{
	advance(exchange, response_body_drained(exchange));
}

void exchange_on_client_due(struct exchange *exchange)
{
	advance(exchange, timeouts_client_due(exchange));
}

/* ---- from the upstream -------------------------------------------------------------------------------------- */

static void on_connected(struct lease *lease)
{
	advance(lease->owner, attempt_connected(lease->owner));
}

static bool on_interim(struct lease *lease, const struct response *response)
{
	struct exchange *exchange = lease->owner;

	advance(exchange, response_head_interim(exchange, response));
	return exchange->attempt.lease == lease;
}

static void on_head(struct lease *lease, const struct response *response, struct pieces *pieces, bool has_headroom)
{
	struct exchange *exchange = lease->owner;

	exchange->attempt.heard_ms = worker_now_ms(exchange->worker);
	advance(exchange, response_head_take(exchange, response, pieces, has_headroom));
}

static void on_body(struct lease *lease, struct pieces *pieces)
{
	struct exchange *exchange = lease->owner;

	if (exchange->state == EXCHANGE_STREAMING)
		advance(exchange, response_body_take(exchange, pieces));
	else if (exchange->state == EXCHANGE_TUNNEL)
		advance(exchange, tunnel_relay(exchange, TUNNEL_UPSTREAM, pieces));
}

static void on_filtered_body(struct lease *lease, struct pieces *pieces)
{
	struct exchange *exchange = lease->owner;

	if (exchange->state == EXCHANGE_STREAMING)
		advance(exchange, filtering_take(exchange, pieces));
}

static void on_readable(struct lease *lease)
{
	advance(lease->owner, response_body_splice(lease->owner));
}

static void on_writable(struct lease *lease)
{
	struct exchange *exchange = lease->owner;

	advance(exchange, exchange->state == EXCHANGE_TUNNEL ? tunnel_drained(exchange, TUNNEL_UPSTREAM)
	                                                     : attempt_drained(exchange));
}

static void on_end(struct lease *lease, enum lease_end end)
{
	struct exchange *exchange = lease->owner;

	if (exchange->state == EXCHANGE_BREAKING_OFF) {
		if (end != LEASE_ENDED)
			exchange_abort(exchange, exchange->outcome);
	} else if (end == LEASE_NO_MEMORY)
		advance(exchange, step_fail(OUTCOME_OUT_OF_MEMORY));
	else if (exchange->state == EXCHANGE_CONNECTING)
		advance(exchange, step_fail(OUTCOME_CONNECT_FAILED));
	else if (exchange->state == EXCHANGE_AWAITING)
		advance(exchange, attempt_lost(exchange, end));
	else if (exchange->state == EXCHANGE_STREAMING)
		advance(exchange, step_fail(OUTCOME_RESPONSE_CUT));
	else if (exchange->state == EXCHANGE_TUNNEL)
		advance(exchange, end == LEASE_ENDED ? tunnel_ended(exchange, TUNNEL_UPSTREAM)
		                                     : tunnel_broken(exchange, TUNNEL_UPSTREAM, OUTCOME_UPGRADED));
}

static void on_due(struct lease *lease)
{
	advance(lease->owner, timeouts_upstream_due(lease->owner));
}

#define UPSTREAM_EVENTS \
	.on_connected = on_connected, .on_interim = on_interim, .on_head = on_head, .on_readable = on_readable, \
	.on_writable = on_writable, .on_end = on_end, .on_due = on_due

static const struct lease_events lease_events = { UPSTREAM_EVENTS, .on_body = on_body };
static const struct lease_events filtered_events = { UPSTREAM_EVENTS, .on_body = on_filtered_body };

/* ---- time ---------------------------------------------------------------------------------------------------- */

static void on_wait_due(struct deadline *deadline)
{
	struct exchange *exchange = container_of(deadline, struct exchange, waiting.deadline);

	if (exchange->state == EXCHANGE_BREAKING_OFF)
		advance(exchange, cut_look(exchange));
	else if (exchange->admission.ticket != 0)
		advance(exchange, admission_due(exchange));
	else
		advance(exchange, step(STEP_NEXT)); /* the pause before another try is over */
}

static void on_filters_ready(void *owner)
{
	struct exchange *exchange = owner;

	if (exchange->state == EXCHANGE_FILTERING) /* else an answer of the gateway, as when memory is short, is on its way already */
		advance(exchange, arrival_resume(exchange));
}

/* ---- the beginning ------------------------------------------------------------------------------------------- */

static const struct exchange_upcalls upcalls = {
	.lease = &lease_events, .filtered = &filtered_events, .on_wait_due = on_wait_due, .on_filters_ready = on_filters_ready,
};

void exchange_begin(struct downstream *downstream, const struct request *request, uint64_t began_us, const char *head,
                    struct pieces *pieces)
{
	struct exchange *exchange = spare_open(downstream, &upcalls, began_us);

	if (exchange != NULL)
		advance(exchange, arrival_take(exchange, request, head, pieces));
}

void exchange_refuse(struct downstream *downstream, const struct request *request, uint64_t began_us, enum outcome outcome)
{
	struct exchange *exchange = spare_open(downstream, &upcalls, began_us);

	if (exchange == NULL)
		return;
	intake_keep_line(exchange, request);
	downstream->version_minor = 1;
	exchange->upload = (struct exchange_upload){ .framing.kind = BODY_UNTIL_CLOSE }; /* nobody knows where it would end */
	exchange->download.status = outcome == OUTCOME_REQUEST_REFUSED ? request->refused_status : 0;
	exchange->why = outcome == OUTCOME_REQUEST_REFUSED ? request->refused_why : NULL;
	advance(exchange, step_fail(outcome));
}

/* ---- the end of a loop iteration ------------------------------------------------------------------------------- */

static void run_queue(struct worker *worker, struct upstream *upstream)
{
	uint32_t max_in_flight = UINT32_MAX;
	struct exchange *exchange;
	struct step said;

	while ((exchange = admission_dismiss(worker, upstream, &said)) != NULL)
		advance(exchange, said);
	while ((exchange = admission_let_in(worker, upstream, &max_in_flight, &said)) != NULL)
		advance(exchange, said);
}

void exchange_run_queues(struct worker *worker)
{
	while (worker->has_woken) {
		worker->has_woken = false;
		for (size_t i = 0; i < worker->local_count; i++) {
			struct upstream *upstream;

			if (!worker->locals[i].is_woken)
				continue;
			worker->locals[i].is_woken = false;
			upstream = upstream_reference(worker->locals[i].upstream); /* the last exchange that knows it may end here */
			run_queue(worker, upstream);
			upstream_release(upstream);
		}
	}
}
