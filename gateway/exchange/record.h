/* The record of an exchange: one line in the access log and some counters. Always, however it ended. */
#ifndef GATEWAY_EXCHANGE_RECORD_H
#define GATEWAY_EXCHANGE_RECORD_H

#include "gateway/exchange/outcome.h"

struct exchange;
void record(struct exchange *exchange);
/* Before a detour: a call of the route's upstream ended so, and the request goes on. It has no line in the log, and is counted as
 * a call only. */
void record_detoured(struct exchange *exchange, enum outcome outcome);

#endif
