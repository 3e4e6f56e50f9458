/*
 * The control thread: everything that is not a request. Signals, the configuration and its reload, discovery, the admin
 * listener, the drain.
 *
 *   STARTING --names, keys and peers known--> SERVING --SIGTERM--> LEAVING --> FINISHING --> DRAINING --all gone--> STOPPED
 *                                              |   ^                 drain.h                    |
 *                                              +---+ SIGHUP                                     +-drain.timeout-> OVERDUE
 *
 * From LEAVING on, readiness fails. SIGINT does the same as SIGTERM; a second signal, or one during STARTING, leads to STOPPED at
 * once. OVERDUE: the loop ends, and the workers cut the requests that are left.
 */
#ifndef GATEWAY_CONTROL_CONTROL_H
#define GATEWAY_CONTROL_CONTROL_H

#include "routes/config/config.h"

/* Runs the gateway until a signal ends it. Takes the reference to `config`. Returns the exit status. */
int control_run(struct config *config);

#endif
