/*
 * The other upstream is that of route->detour, a second route that is made with the first one (routes/config/route.c) and
 * differs from it in little more. So no other file needs to know that there are two: from here on the exchange takes that
 * route, asks its breaker, waits in its queue and is counted there. A detour has no detour. The call that ended before it is
 * counted for the first upstream, or that would seem to be fine.
 *
 * A request that an upstream may have acted upon goes on only if doing it twice equals doing it once, as with another try
 * (retry.c); and all of the request must still be there.
 */
#include "gateway/exchange/detour.h"

#include "gateway/exchange/admission.h"
#include "gateway/exchange/call_events.h"
#include "gateway/exchange/intake.h"
#include "gateway/exchange/places.h"
#include "gateway/exchange/record.h"

bool detour_may(const struct exchange *exchange, enum outcome outcome)
{
	if (outcome_table[outcome].answer != ANSWER_FALLBACK || exchange->saved == NULL || exchange->upload.is_lost)
		return false;
	return exchange->timeline.sent_us == 0 || method_is_idempotent(exchange->request.method);
}

static void take(struct exchange *exchange, enum outcome outcome)
{
	record_detoured(exchange, outcome);
	exchange->route = exchange->route->detour;
	exchange->why = NULL;
	exchange->admission.retry_after_ms = 0;
	exchange->download.replaced_status = 0;
	exchange->avoid.count = 0;
	exchange->attempt.retries = 0;
	exchange->attempt.earlier = exchange->attempt.count;
	exchange->attempt.must_connect = exchange->attempt.is_endpoint_out = exchange->attempt.is_client_late = false;
	exchange->attempt.endpoint_text_length = 0;
	exchange->timeline.asked_us = io_now_us(&exchange->worker->io); /* timeouts.total is each upstream's own */
	exchange->timeline.attempt_us = exchange->timeline.connected_us = 0;
	exchange->timeline.sent_us = exchange->timeline.response_us = 0;
}

bool detour_arrive(struct exchange *exchange)
{
	call_events_tell(exchange, BREAKER_EVENT_NOT_PERMITTED);
	take(exchange, OUTCOME_BREAKER_OPEN);
	return admission_ask_breaker(exchange);
}

struct step detour_begin(struct exchange *exchange, enum outcome outcome)
{
	struct intake_route found;
	const struct request *request = intake_saved(exchange, &found);
	struct step said = step(STEP_NEXT);

	places_give_back(exchange);
	take(exchange, outcome);
	if (exchange->route->expression != NULL)
		said = intake_rewrite(exchange, request, &found);
	if (said.kind != STEP_NEXT)
		return said;
	if (!intake_write_head(exchange, request, &found))
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	return admission_ask_breaker(exchange) ? admission_enter(exchange) : step_fail(OUTCOME_BREAKER_OPEN);
}
