/* Another try. */
#ifndef GATEWAY_EXCHANGE_RETRY_H
#define GATEWAY_EXCHANGE_RETRY_H

#include "gateway/exchange/state.h"

/* For retry_may(): the part that is not inline. */
bool retry_may_after(struct exchange *exchange, enum retry retry);
/* May the request be sent again after this outcome? Takes from the retry budget. Then retry_begin() follows. */
static inline bool retry_may(struct exchange *exchange, enum outcome outcome)
{
	return outcome_table[outcome].retry != RETRY_NEVER && retry_may_after(exchange, outcome_table[outcome].retry);
}
/* After a pause if one is necessary; else STEP_NEXT. */
struct step retry_begin(struct exchange *exchange);

#endif
