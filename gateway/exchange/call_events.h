/* The single calls that a worker reports to the control thread, for /actuator/circuitbreakerevents. Costs a success
 * nothing. */
#ifndef GATEWAY_EXCHANGE_CALL_EVENTS_H
#define GATEWAY_EXCHANGE_CALL_EVENTS_H

#include "breaker/event.h"

struct exchange;

/* How long the upstream has taken so far, up to the head of its response. */
uint64_t call_events_took_ms(const struct exchange *exchange);
/* For the worker's thread, before the breaker hears of the call. Reports nothing if the breaker is off, or if memory is
 * short. */
void call_events_tell(struct exchange *exchange, enum breaker_event event);

#endif
