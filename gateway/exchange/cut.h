/* One side ended before the exchange was over. */
#ifndef GATEWAY_EXCHANGE_CUT_H
#define GATEWAY_EXCHANGE_CUT_H

#include "gateway/exchange/state.h"

/* No more of the response will come. The client gets what was received, and an end that it can't take for a complete
 * response. */
struct step cut_response(struct exchange *exchange);
/* The remaining side gets everything that came for it, then a reset. */
struct step cut_break_off(struct exchange *exchange, enum outcome outcome);
/* Is that done? Called each time that waiting.deadline is due; then, or in the end, STEP_ABORT. */
struct step cut_look(struct exchange *exchange);

#endif
