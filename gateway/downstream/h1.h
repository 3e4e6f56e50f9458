/* HTTP/1 as a client speaks it: the events of its connection, and what the exchange asks of it. */
#ifndef GATEWAY_DOWNSTREAM_H1_H
#define GATEWAY_DOWNSTREAM_H1_H

#include "gateway/worker/worker.h"

/* Takes the descriptor. False: memory is short; the descriptor is closed. */
bool h1_open(struct worker *worker, int fd, const struct address *peer);

#endif
