/* One try at an endpoint. */
#ifndef GATEWAY_EXCHANGE_ATTEMPT_H
#define GATEWAY_EXCHANGE_ATTEMPT_H

#include "gateway/exchange/state.h"

/* Chooses an endpoint, and either sends the request or connects first. */
struct step attempt_begin(struct exchange *exchange);
/* Gives the lease back; a clean connection may be used again. The outcome decides how the endpoint is judged. */
void attempt_end(struct exchange *exchange, enum outcome outcome);
/* Sends a part of the request's body, or keeps it while connecting. STEP_NEXT, or STEP_FAIL. */
struct step attempt_send_body(struct exchange *exchange, const struct pieces *pieces);
struct step attempt_connected(struct exchange *exchange);
/* The connection ended before a response came. */
struct step attempt_lost(struct exchange *exchange, enum lease_end end);
/* The upstream took all that was pending, or it was dropped: then the gateway throws away what the client still sends. */
struct step attempt_drained(struct exchange *exchange);

/* Does doing it twice equal doing it once, and would its body, with `more` bytes, be small enough to keep? */
static inline bool attempt_may_replay(const struct exchange *exchange, size_t more)
{
	return method_is_idempotent(exchange->request.method) && exchange->upload.bytes <= EXCHANGE_REPLAY_BYTES &&
	       exchange->kept.to + more <= EXCHANGE_REPLAY_BYTES;
}

#endif
