/* The body of an upstream's response. */
#ifndef GATEWAY_EXCHANGE_RESPONSE_BODY_H
#define GATEWAY_EXCHANGE_RESPONSE_BODY_H

#include "gateway/exchange/state.h"

struct step response_body_take(struct exchange *exchange, const struct pieces *pieces);
struct step response_body_splice(struct exchange *exchange); /* there is something to read */
/* The client has read all that was pending for it. */
struct step response_body_drained(struct exchange *exchange);
/* After sending to the client, which may not read it at once. STEP_DONE: that was the last of it. */
struct step response_body_sent(struct exchange *exchange, enum send_result sent, bool was_blocked);
/* Counts a part of the body. */
void response_body_note(struct exchange *exchange, const struct pieces *pieces);

#endif
