/* fallback.upstream: another upstream answers in place of the fallback. */
#ifndef GATEWAY_EXCHANGE_DETOUR_H
#define GATEWAY_EXCHANGE_DETOUR_H

#include "gateway/exchange/state.h"

/* For an exchange whose route has a detour. May the request go there after this failure? */
bool detour_may(const struct exchange *exchange, enum outcome outcome);
/* Sends it there: STEP_NEXT or STEP_WAIT, as admission_enter(); STEP_FAIL: the other upstream does not take it either. */
struct step detour_begin(struct exchange *exchange, enum outcome outcome);
/* The same for a request that has just arrived and that the breaker refuses. False: the other upstream's breaker refuses it,
 * too. */
bool detour_arrive(struct exchange *exchange);

#endif
