/*
 * The link between the exchange and the filters of its route, which know nothing of each other.
 */
#include "gateway/exchange/filtering.h"

#include "gateway/exchange/attempt.h"
#include "gateway/exchange/intake.h"
#include "gateway/exchange/reading.h"
#include "gateway/exchange/response_body.h"

static struct step reply_with(struct exchange *exchange)
{
	const struct filter_reply *reply = &exchange->filters->reply;

	exchange->why = reply->why;
	exchange->download.status = reply->status;
	return step_fail(reply->outcome);
}

struct step filtering_arrive(struct exchange *exchange, const struct request *request)
{
	const struct downstream *client = exchange->downstream;
	struct filter_run *run = filter_begin(exchange->worker, exchange->route->filters);

	exchange->filters = run;
	if (run == NULL)
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	run->origin = (struct filter_origin){
		.worker = exchange->worker,
		.snapshot = exchange->snapshot,
		.route = exchange->route,
		.peer = &client->peer,
		.peer_text = { client->peer_text, client->peer_text_length },
		.asked_for = exchange->request.asked_for,
		.request_id = { exchange->request_id, exchange->request.id_length },
		.is_trusted = exchange->request.is_trusted,
		.on_ready = exchange->upcalls->on_filters_ready,
		.owner = exchange,
	};

	return filter_arrive(run, request) == FILTER_CONTINUE ? step(STEP_NEXT) : reply_with(exchange);
}

/* Keeps the part of the request that has come, and reads no more of it. */
static struct step wait_for_filter(struct exchange *exchange, const struct request *request, const char *begin,
                                   struct pieces *pieces)
{
	struct step said = attempt_send_body(exchange, pieces);

	if (said.kind != STEP_NEXT)
		return said;
	if (!intake_save(exchange, request, begin))
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	exchange_enter(exchange, EXCHANGE_FILTERING);
	reading_resume(exchange);
	return step(STEP_WAIT);
}

/* A server that merges trailers into the fields before the body would take a client's value for a filter's. */
static void drop_trailers(struct exchange *exchange, struct pieces *pieces)
{
	exchange->upload.drops_trailers = true;
	exchange->upload.trailers.length = pieces->trailers.length = 0;
}

struct step filtering_admit(struct exchange *exchange, const struct request *request, const char *begin,
                            struct pieces *pieces)
{
	enum filter_verdict verdict = filter_admit(exchange->filters, request);

	if (request->body.kind == BODY_CHUNKED && (verdict == FILTER_WAIT || exchange->filters->request.count > 0))
		drop_trailers(exchange, pieces);
	switch (verdict) {
	case FILTER_CONTINUE:
		break;
	case FILTER_ANSWER:
		return reply_with(exchange);
	case FILTER_WAIT:
		return wait_for_filter(exchange, request, begin, pieces);
	}
	return step(STEP_NEXT);
}

struct step filtering_resume(struct exchange *exchange, const struct request *request)
{
	switch (filter_go_on(exchange->filters, request)) {
	case FILTER_CONTINUE:
		break;
	case FILTER_ANSWER:
		return reply_with(exchange);
	case FILTER_WAIT:
		return step(STEP_WAIT);
	}
	exchange_enter(exchange, EXCHANGE_GATHERING);
	return step(STEP_NEXT);
}

bool filtering_respond(struct exchange *exchange, const struct response *response, const struct changes **changes)
{
	return filter_respond(exchange->filters, response, changes);
}

struct step filtering_begin_body(struct exchange *exchange, const struct response *response, struct pieces *pieces, bool *takes)
{
	enum filter_body answer = filter_begin_body(exchange->filters, response);

	*takes = answer == FILTER_BODY_TAKE;
	if (answer == FILTER_BODY_REFUSE || (*takes && !filter_pieces(exchange->filters, pieces)))
		return reply_with(exchange);
	return step(STEP_NEXT);
}

struct step filtering_take(struct exchange *exchange, struct pieces *pieces)
{
	if (!filter_pieces(exchange->filters, pieces)) {
		exchange->why = exchange->filters->reply.why;
		return step_fail(exchange->filters->reply.outcome);
	}
	return response_body_take(exchange, pieces);
}

const struct filter_reply *filtering_reply(const struct exchange *exchange)
{
	if (exchange->filters == NULL || !exchange->filters->reply.has_body ||
	    exchange->filters->reply.outcome != exchange->outcome)
		return NULL;
	return &exchange->filters->reply;
}

void filtering_end(struct exchange *exchange)
{
	filter_end(exchange->filters);
	exchange->filters = NULL;
}
