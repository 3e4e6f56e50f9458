/* How long the gateway waits for the upstream and the client. */
#ifndef GATEWAY_EXCHANGE_TIMEOUTS_H
#define GATEWAY_EXCHANGE_TIMEOUTS_H

#include "gateway/exchange/state.h"

/* Sets the deadline for what the client must send or read next. */
void timeouts_watch_client(struct exchange *exchange);
/* The upstream has not got the whole request: its answer says nothing about it, however fast it comes. */
static inline bool timeouts_is_client_late(const struct exchange *exchange)
{
	return !exchange->upload.is_whole && exchange->state >= EXCHANGE_AWAITING;
}
void timeouts_set(struct exchange *exchange);
/* When timeouts.total is over; UINT64_MAX: it does not run yet, because the client is still sending. */
uint64_t timeouts_total_due_ms(const struct exchange *exchange);
/* The event that timeouts_set() and timeouts_watch_client() waited for has not come. */
struct step timeouts_upstream_due(struct exchange *exchange);
struct step timeouts_client_due(struct exchange *exchange);
/* Does its end say nothing about the upstream, because the upstream waited for the client, or had little time? */
bool timeouts_blame_client(const struct exchange *exchange, enum outcome outcome);

#endif
