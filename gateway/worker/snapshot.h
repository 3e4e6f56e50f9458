/* A worker's configuration and endpoints. For its own thread. */
#ifndef GATEWAY_WORKER_SNAPSHOT_H
#define GATEWAY_WORKER_SNAPSHOT_H

#include "gateway/worker/worker.h"

/* Takes a reference to each. If memory is short the old endpoints stay, and the set must be renewed. */
void snapshot_take_endpoints(struct worker *worker, struct upstream *upstream, struct endpoint_set *set);
/* Takes the reference, unless memory is short: then the old configuration stays. */
bool snapshot_take_config(struct worker *worker, struct config *config);
/* At the end: frees issuers and upstreams, including those of a configuration that was prepared and never taken. */
void snapshot_forget_all(struct worker *worker);
struct snapshot *snapshot_use(struct worker *worker);
void snapshot_release(struct worker *worker, struct snapshot *snapshot);

#endif
