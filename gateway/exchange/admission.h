/* Into an upstream past its breaker and its bulkhead, and out again. */
#ifndef GATEWAY_EXCHANGE_ADMISSION_H
#define GATEWAY_EXCHANGE_ADMISSION_H

#include "gateway/exchange/state.h"

/* Asks the breaker for a permit. True: the exchange holds it. */
bool admission_ask_breaker(struct exchange *exchange);
/* Asks the bulkhead for a place: the request goes in (STEP_NEXT), or waits for a place, or fails. */
struct step admission_enter(struct exchange *exchange);
/* It waits no longer. */
void admission_stop_waiting(struct exchange *exchange);
/* The response's head has come and it is a tunnel or an event stream: from now on it counts against bulkhead.max_streams.
 * False: there are as many already. */
bool admission_become_stream(struct exchange *exchange);
/* waiting.deadline is due while the exchange waits for a place. */
struct step admission_due(struct exchange *exchange);
/* Call until NULL. The first waiting request of this worker that the breaker refuses, with its next step. */
struct exchange *admission_dismiss(struct worker *worker, struct upstream *upstream, struct step *said);
/* The same for one that gets a place, or that has to go because of an overload. *max_in_flight: UINT32_MAX before the first
 * call. */
struct exchange *admission_let_in(struct worker *worker, struct upstream *upstream, uint32_t *max_in_flight, struct step *said);
/* Handles a WORKER_WAKE, whose reference it takes. */
void admission_on_wake(struct worker *worker, struct upstream *upstream);
/* A configuration that names this upstream comes into use. */
void admission_take_limits(struct worker *worker, const struct upstream_settings *settings);
/* The last exchange of an upstream that is no longer configured has ended: requests may still wait in other workers. */
void admission_forget(struct worker *worker, struct local_upstream *local);

#endif
