/* Whether the client is read. */
#ifndef GATEWAY_EXCHANGE_READING_H
#define GATEWAY_EXCHANGE_READING_H

#include "gateway/exchange/state.h"

/* Reads the client again, if the exchange has use for what comes; else it waits. Sets the deadline for what it should send. */
void reading_resume(struct exchange *exchange);

#endif
