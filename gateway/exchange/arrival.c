/* The first steps of a request: the gateway keeps it, finds its route, runs the filters, asks the breaker, and writes the
 * upstream's head. */
#include "gateway/exchange/arrival.h"

#include "gateway/exchange/admission.h"
#include "gateway/exchange/attempt.h"
#include "gateway/exchange/detour.h"
#include "gateway/exchange/filtering.h"
#include "gateway/exchange/intake.h"
#include "gateway/exchange/request_body.h"
#include "gateway/exchange/timeouts.h"

/* Up to the route and everything that the route checks. */
static struct step take_up(struct exchange *exchange, const struct request *request, const char *head, struct pieces *pieces,
                           struct intake_route *found)
{
	struct step said;

	exchange->upload = (struct exchange_upload){ .framing = request->body };
	said = request_body_note(exchange, pieces);
	if (!intake_keep(exchange, request, head))
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	if (said.kind == STEP_NEXT)
		said = intake_find_route(exchange, request, found);
	if (said.kind == STEP_NEXT && exchange->route->filters != NULL)
		said = filtering_arrive(exchange, request);
	if (said.kind == STEP_NEXT)
		said = intake_check_route(exchange, request, found);
	if (said.kind == STEP_NEXT && exchange->filters != NULL)
		said = filtering_admit(exchange, request, head, pieces);
	return said;
}

/* On to the upstream. */
static inline __attribute__((always_inline)) struct step go_on(struct exchange *exchange, const struct request *request,
                                                               const char *head, const struct pieces *pieces,
                                                               struct intake_route *found)
{
	struct step said = step(STEP_NEXT);

	if (exchange->route->expression != NULL)
		said = intake_rewrite(exchange, request, found);
	if (said.kind != STEP_NEXT)
		return said;
	if (exchange->route->detour != NULL && exchange->saved == NULL && !intake_save(exchange, request, head))
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	/* Ask the breaker before preparing anything that an open one makes useless. */
	if (!admission_ask_breaker(exchange) && !(exchange->route->detour != NULL && detour_arrive(exchange)))
		return step_fail(OUTCOME_BREAKER_OPEN);
	if (!intake_write_head(exchange, request, found))
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	if (pieces->count > 0)
		said = attempt_send_body(exchange, pieces);
	if (said.kind != STEP_NEXT)
		return said;
	return request_body_must_gather(exchange) ? request_body_gather(exchange) : admission_enter(exchange);
}

struct step arrival_take(struct exchange *exchange, const struct request *request, const char *head, struct pieces *pieces)
{
	struct intake_route found;
	struct step said = take_up(exchange, request, head, pieces, &found);

	return said.kind == STEP_NEXT ? go_on(exchange, request, head, pieces, &found) : said;
}

struct step arrival_resume(struct exchange *exchange)
{
	static const struct pieces kept = { .count = 0 }; /* the part of its body that had come is kept */
	struct intake_route found;
	const struct request *request = intake_saved(exchange, &found);
	struct step said = filtering_resume(exchange, request);

	if (said.kind == STEP_NEXT && worker_now_ms(exchange->worker) >= timeouts_total_due_ms(exchange)) {
		exchange->why = "timeouts.total is over";
		return step_fail(OUTCOME_OVERLOADED);
	}
	return said.kind == STEP_NEXT ? go_on(exchange, request, NULL, &kept, &found) : said;
}
