/* Requests that an upstream still works on after their client has left. For the worker's thread. */
#ifndef GATEWAY_WORKER_ABANDONED_H
#define GATEWAY_WORKER_ABANDONED_H

#include "gateway/upstream/lease.h"
#include "gateway/worker/worker.h"

/* The owner of the lease is about to end while it awaits the response to a whole request. True: it has handed over its lease and
 * its place in the bulkhead, which stay taken until the upstream is done, at most until then. False: the upstream has not got the
 * whole request, or memory is short; nothing has changed. */
bool abandoned_begin(struct worker *worker, struct snapshot *snapshot, struct upstream *upstream, struct lease *lease,
                     uint64_t due_ms);
/* When the worker stops. */
void abandoned_end_all(struct worker *worker);

#endif
