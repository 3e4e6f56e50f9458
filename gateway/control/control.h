/*
 * The control thread: everything that is not a request. Signals, the configuration and its reload, discovery, the admin
 * listener, the drain.
 *
 *   STARTING --names known--> SERVING --SIGTERM--> LEAVING --drain.delay--> DRAINING --all gone or drain.timeout--> stopped
 *                              |   ^                readiness fails,         no new connections
 *                              +---+ SIGHUP         still accepted
 */
#ifndef GATEWAY_CONTROL_CONTROL_H
#define GATEWAY_CONTROL_CONTROL_H

#include "routes/config/config.h"

/* Runs the gateway until a signal ends it. Takes the reference to `config`. Returns the exit status. */
int control_run(struct config *config);

#endif
