/* The listeners of a worker: how it opens them, which connections it accepts, how it closes them. The worker's own thread calls
 * these functions, but for accept_open(). */
#ifndef GATEWAY_WORKER_ACCEPT_H
#define GATEWAY_WORKER_ACCEPT_H

#include "gateway/worker/worker.h"

/* Takes the sockets `fds`, one for each of config->listen. False: out of memory. */
bool accept_open(struct worker *worker, const struct config *config, const int *fds);
/* From now on the worker accepts a connection before its first byte has come: a drain is to follow. */
void accept_at_once(struct worker *worker);
/* From now on no connection begins; the worker still accepts those whose handshake is under way. */
void accept_finish(struct worker *worker);
/* Accepts what is in the kernel's queues, and closes the listeners. */
void accept_close(struct worker *worker);

#endif
