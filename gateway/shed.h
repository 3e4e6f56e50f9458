/*
 * Who has to go when there is no room for all: always clients that make us wait, never one whose request the gateway or an
 * upstream is working on.
 *
 * Each is counted by reason (gateway_connections_shed_total); the log tells at most once a second. For the worker's thread.
 */
#ifndef GATEWAY_SHED_H
#define GATEWAY_SHED_H

#include "gateway/worker.h"

/* A client that was answered a moment ago may be about to ask again, and its request may be on the way: where only
 * limits.connections are used up, a newcomer can wait this long. The flood that fills the gateway may be another worker's. */
enum { SHED_IDLE_LEAST_MS = 1000 };

/* limits.connections or the descriptors are used up: closes a client that we only wait for, which is the oldest of those that
 * have not sent one whole request yet, or else the one that has been idle longest, for at least `least_idle_ms`. False: there is
 * none, or enough had to go just now (the rest of the newcomers wait in the kernel). */
bool shed_for_newcomer(struct worker *worker, uint64_t least_idle_ms);
/* Would it? Asked before a newcomer is accepted. */
bool may_shed_for_newcomer(struct worker *worker, uint64_t least_idle_ms);
/* An upstream's bulkhead is full: ends a request that holds a place in it while its client neither sends nor takes. False:
 * there is none that slow. */
bool shed_for_request(struct worker *worker, const struct upstream *upstream);
/* All probes of an upstream's half-open breaker are out: the same for one of those. */
bool shed_for_probe(struct worker *worker, const struct upstream *upstream);
/* A descriptor is wanted for a request: as shed_for_newcomer(), but only clients that have nothing at all under way. False,
 * with errno EMFILE: there is none, and no more are accepted for the moment. */
bool shed_for_descriptor(struct worker *worker);
/* Clients and upstreams made the worker keep more bytes than it should: ends exchanges that are slow and heads that are half
 * sent, those that keep some of these bytes. */
void shed_for_memory(struct worker *worker);
/* Counts a newcomer that is turned away, and logs it. */
void shed_count(struct worker *worker, enum shed_reason reason);

#endif
