/* A worker's life: its loop, its listeners. For the control thread. */
#ifndef GATEWAY_WORKER_LOOP_H
#define GATEWAY_WORKER_LOOP_H

#include "gateway/worker/worker.h"

/* Takes the listening sockets (listen_count of them) and a reference to `config`. False: memory or descriptors are short. */
bool loop_init(struct worker *worker, unsigned index, struct shared *shared, struct config *config, const int *listen_fds);
bool loop_start(struct worker *worker);
void loop_join(struct worker *worker);
void loop_destroy(struct worker *worker); /* after loop_join() */

#endif
