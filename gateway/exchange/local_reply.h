/* The gateway's own answer. */
#ifndef GATEWAY_EXCHANGE_LOCAL_REPLY_H
#define GATEWAY_EXCHANGE_LOCAL_REPLY_H

#include "gateway/exchange/state.h"

struct step local_reply_send(struct exchange *exchange, enum outcome outcome);

#endif
