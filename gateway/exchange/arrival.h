/* A request as it comes. */
#ifndef GATEWAY_EXCHANGE_ARRIVAL_H
#define GATEWAY_EXCHANGE_ARRIVAL_H

#include "gateway/exchange/state.h"

/* `head` is what `request` points into, `pieces` what has come of its body. Says what admission_enter() says, or what stopped it
 * before. */
struct step arrival_take(struct exchange *exchange, const struct request *request, const char *head, struct pieces *pieces);
/* The same of a request for which a filter has waited. */
struct step arrival_resume(struct exchange *exchange);

#endif
