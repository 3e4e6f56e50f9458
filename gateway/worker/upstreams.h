/*
 * The common part of all requests to an upstream, whether for a client (gateway/exchange) or for the gateway itself
 * (gateway/filter/call.h): connecting, the failures of an endpoint, who has to learn of them, and the place in the bulkhead.
 * For the worker's thread.
 */
#ifndef GATEWAY_WORKER_UPSTREAMS_H
#define GATEWAY_WORKER_UPSTREAMS_H

#include "gateway/upstream/lease.h"
#include "gateway/worker/worker.h"

/* On a new connection. Where descriptors are short, a client that waits in vain gives up its own. NULL: errno is in *error. */
struct lease *upstreams_connect(struct worker *worker, const struct upstream *upstream, const struct endpoint *endpoint,
                                int *error);
/* Did it fail because this process has no room, and not because of the endpoint? */
bool upstreams_is_shortage(int error);
/* Did it fail because all local ports for connections to this endpoint are in use? */
bool upstreams_is_without_port(int error, const struct endpoint *endpoint);
/* A request has failed because of this endpoint. `reason` is static. `is_lost`: its connection was; it may be gone, with its
 * container. The failure may eject it, which people are told of. */
void upstreams_blame(struct worker *worker, const struct upstream_settings *settings, struct endpoint *endpoint, const char *reason,
                     bool is_lost);
/* Its addresses may be old: the control thread asks DNS again. */
void upstreams_resolve(struct worker *worker, struct upstream *upstream);
/* May a request be repeated that the upstream may have acted on? Not if it is a probe, nor while the breaker is open; takes a place
 * in the budget of retries, so ask last. */
bool upstreams_may_repeat(const struct upstream_settings *settings, const struct breaker_permit *permit, uint64_t now_ms);
/* Gives a place in its bulkhead back, for the next. */
void upstreams_leave(struct worker *worker, struct upstream *upstream);

#endif
