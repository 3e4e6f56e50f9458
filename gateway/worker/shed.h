/*
 * Which client has to go when there is no room for all: always one that makes the gateway wait, never one whose request
 * the gateway or an upstream is working on.
 *
 * The worker counts each by reason (gateway_connections_shed_total) and logs it at most once a second. For the worker's
 * thread.
 */
#ifndef GATEWAY_WORKER_SHED_H
#define GATEWAY_WORKER_SHED_H

#include "gateway/worker/worker.h"

/* A client that got its answer a moment ago may be about to send its next request. If only limits.connections are used
 * up, a new client waits this long for its place. Clients of another worker may cause the flood. */
enum { SHED_IDLE_LEAST_MS = 1000 };

/* limits.connections or the descriptors are used up: closes a client that the gateway only waits for. That is the
 * oldest client that has not sent one whole request yet; or else the one that has been idle longest, for at least
 * `least_idle_ms`; or else the tunnel or event stream that has been silent longest. False: there is none, or the worker
 * has closed enough clients in this span (the other new clients wait in the kernel). */
bool shed_for_newcomer(struct worker *worker, uint64_t least_idle_ms);
/* Would it? Asked before accepting a new client. */
bool shed_may_for_newcomer(struct worker *worker, uint64_t least_idle_ms);

/* A request needs a descriptor: as shed_for_newcomer(), but closes only clients that have nothing at all under way.
 * False with errno EMFILE: there is none, and the worker accepts no clients for a moment. */
bool shed_for_descriptor(struct worker *worker);
/* Clients and upstreams make the worker keep more bytes than it should: ends slow exchanges and half-sent heads that
 * hold some of these bytes. */
void shed_for_memory(struct worker *worker);
/* Ends it, and counts it. */
void shed_exchange(struct exchange *exchange, enum shed_reason reason);

#endif
