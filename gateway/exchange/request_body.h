/* A request's body. */
#ifndef GATEWAY_EXCHANGE_REQUEST_BODY_H
#define GATEWAY_EXCHANGE_REQUEST_BODY_H

#include "gateway/exchange/state.h"

/* More of it. */
struct step request_body_take(struct exchange *exchange, struct pieces *pieces);
/* Counts what has come: STEP_NEXT, or STEP_FAIL: the downstream could not decode it. */
static inline struct step request_body_note(struct exchange *exchange, struct pieces *pieces)
{
	exchange->upload.bytes += pieces_bytes(pieces);
	exchange->timeline.asked_us = io_now_us(&exchange->worker->io);
	if (pieces->result == PIECES_END) {
		exchange->upload.is_whole = true;
		if (exchange->upload.drops_trailers)
			pieces->trailers.length = 0;
		exchange->upload.trailers = pieces->trailers;
	} else if (pieces->result != PIECES_MORE) {
		exchange->why = pieces->why;
		return step_fail(pieces->result == PIECES_BAD ? OUTCOME_REQUEST_REFUSED : OUTCOME_OUT_OF_MEMORY);
	}
	return step(STEP_NEXT);
}
/* Must the gateway read the rest of the body before it admits the request? Then request_body_gather(), and admission_enter()
 * when more has come. */
bool request_body_must_gather(const struct exchange *exchange);
struct step request_body_gather(struct exchange *exchange);

#endif
