/* The events of an exchange (state.h), which exchange.c turns into steps. For the worker's thread. */
#ifndef GATEWAY_EXCHANGE_EXCHANGE_H
#define GATEWAY_EXCHANGE_EXCHANGE_H

#include "gateway/downstream/downstream.h"
#include "gateway/exchange/outcome.h"
#include "gateway/http/pieces.h"
#include "gateway/http/request.h"

/* The request's head is complete and valid: request->head_length bytes from `head` on, which the slices point into. `pieces`:
 * the part of its body that has come. The exchange may be over when this returns. */
void exchange_begin(struct downstream *downstream, const struct request *request, uint64_t began_us, const char *head,
                    struct pieces *pieces);
/* The request can't be served; `request` holds what is known of it. */
void exchange_refuse(struct downstream *downstream, const struct request *request, uint64_t began_us, enum outcome outcome);
/* More of its body, which is not whole yet; after a 101 of the other protocol. */
void exchange_take(struct exchange *exchange, struct pieces *pieces);
/* Reads the client again, if the exchange needs more bytes. */
void exchange_resume(struct exchange *exchange);
void exchange_on_client_end(struct exchange *exchange);
void exchange_on_client_drained(struct exchange *exchange);
void exchange_on_client_send_failed(struct exchange *exchange);
void exchange_on_client_error(struct exchange *exchange, enum outcome outcome);
void exchange_on_client_due(struct exchange *exchange);
/* At the end of a loop iteration with worker->has_woken: lets requests in if there are places. */
void exchange_run_queues(struct worker *worker);
/* Ends it in any state, and resets the client's connection. */
void exchange_abort(struct exchange *exchange, enum outcome outcome);

#endif
