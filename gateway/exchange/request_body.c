/*
 * A request's body on its way from the client to the upstream, with back-pressure.
 */
#include "gateway/exchange/request_body.h"

#include "gateway/exchange/admission.h"
#include "gateway/exchange/attempt.h"
#include "gateway/exchange/reading.h"
#include "gateway/exchange/settle.h"
#include "gateway/exchange/timeouts.h"

bool request_body_must_gather(const struct exchange *exchange)
{
	return !exchange->upload.is_whole && exchange->upload.framing.kind == BODY_LENGTH &&
	       exchange->upload.framing.length <= EXCHANGE_REPLAY_BYTES && !exchange->request.expects_continue &&
	       !io_is_memory_tight(&exchange->worker->io);
}

/* Without a permit of the breaker, as for a request that waits for a place. */
struct step request_body_gather(struct exchange *exchange)
{
	settle_permit(exchange, BREAKER_NEITHER);
	reading_resume(exchange);
	return step(STEP_WAIT);
}

static struct step stop_gathering(struct exchange *exchange)
{
	timeouts_watch_client(exchange);
	return admission_ask_breaker(exchange) ? admission_enter(exchange) : step_fail(OUTCOME_BREAKER_OPEN);
}

struct step request_body_take(struct exchange *exchange, struct pieces *pieces)
{
	struct step said = request_body_note(exchange, pieces);

	if (said.kind != STEP_NEXT)
		return said;
	if (exchange->upload.bytes > exchange->route->request_body_bytes)
		return step_fail(OUTCOME_REQUEST_TOO_LARGE);
	said = attempt_send_body(exchange, pieces);
	if (said.kind != STEP_NEXT)
		return said;
	if (exchange->state == EXCHANGE_GATHERING && !request_body_must_gather(exchange))
		return stop_gathering(exchange);
	reading_resume(exchange);
	return step(STEP_WAIT);
}
