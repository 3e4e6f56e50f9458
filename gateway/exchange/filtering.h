/* The filters of a request's route. */
#ifndef GATEWAY_EXCHANGE_FILTERING_H
#define GATEWAY_EXCHANGE_FILTERING_H

#include "gateway/exchange/state.h"

/* The route is found and has filters. STEP_NEXT, or STEP_FAIL: one of them answers. */
struct step filtering_arrive(struct exchange *exchange, const struct request *request);
/* STEP_NEXT; STEP_WAIT: one of them waits, in the state FILTERING; STEP_FAIL. `begin`: what `request` points into. */
struct step filtering_admit(struct exchange *exchange, const struct request *request, const char *begin,
                            struct pieces *pieces);
/* After on_filters_ready(). */
struct step filtering_resume(struct exchange *exchange, const struct request *request);
/* For a route with filters: their changes to the response; NULL: none. `response` NULL: it is the gateway's own. False:
 * memory is short. */
bool filtering_respond(struct exchange *exchange, const struct response *response, const struct changes **changes);
/* The gateway is about to pass on the upstream's response: asks the filters about its body, of which these are the first
 * pieces. STEP_NEXT, or STEP_FAIL. *takes: the rest goes through filtering_take(). */
struct step filtering_begin_body(struct exchange *exchange, const struct response *response, struct pieces *pieces, bool *takes);
/* ... before response_body_take(). */
struct step filtering_take(struct exchange *exchange, struct pieces *pieces);
/* The answer of a filter, when the exchange ends with it; NULL: it does not. */
const struct filter_reply *filtering_reply(const struct exchange *exchange);
void filtering_end(struct exchange *exchange);

#endif
