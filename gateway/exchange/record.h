/* The record of an exchange: one line in the access log and some counters. Always, however it ended. */
#ifndef GATEWAY_EXCHANGE_RECORD_H
#define GATEWAY_EXCHANGE_RECORD_H

struct exchange;
void record(struct exchange *exchange);

#endif
