/* Tells the breaker how an exchange ended. */
#ifndef GATEWAY_EXCHANGE_SETTLE_H
#define GATEWAY_EXCHANGE_SETTLE_H

#include "gateway/exchange/state.h"

/* Identifies the client as limits.connections_per_client does; behind a trusted proxy by the address that it names. */
uint64_t settle_client_hash(const struct exchange *exchange);
/* Tells the breaker, once. */
void settle_permit(struct exchange *exchange, enum breaker_verdict verdict);

#endif
