/* After a 101. */
#ifndef GATEWAY_EXCHANGE_TUNNEL_H
#define GATEWAY_EXCHANGE_TUNNEL_H

#include "gateway/exchange/state.h"

enum tunnel_side { TUNNEL_CLIENT, TUNNEL_UPSTREAM };

/* `pieces`: the bytes that the upstream sent after its 101. */
struct step tunnel_begin(struct exchange *exchange, const struct pieces *pieces);
/* One side sent something. */
struct step tunnel_relay(struct exchange *exchange, enum tunnel_side from, const struct pieces *pieces);
/* It took all that was pending for it, or takes no more. */
struct step tunnel_drained(struct exchange *exchange, enum tunnel_side side);
/* It sends no more. */
struct step tunnel_ended(struct exchange *exchange, enum tunnel_side from);
/* It is gone. */
struct step tunnel_broken(struct exchange *exchange, enum tunnel_side side, enum outcome outcome);

#endif
