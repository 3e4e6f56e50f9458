/* The head of an upstream's response. */
#ifndef GATEWAY_EXCHANGE_RESPONSE_HEAD_H
#define GATEWAY_EXCHANGE_RESPONSE_HEAD_H

#include "gateway/exchange/state.h"

/* A 1xx before it. */
struct step response_head_interim(struct exchange *exchange, const struct response *response);
/* ... and what came with it; see lease_events.on_head. */
struct step response_head_take(struct exchange *exchange, const struct response *response, struct pieces *pieces,
                               bool has_headroom);

#endif
