/*
 *   SIGTERM             drain.delay, less a moment     that moment              all workers, or drain.timeout
 *      |---- LEAVING: clients still connect ----|-- FINISHING: none begins --|-- DRAINING: requests end --| STOPPED
 *
 * The control thread calls these functions.
 */
#ifndef GATEWAY_CONTROL_DRAIN_H
#define GATEWAY_CONTROL_DRAIN_H

#include "gateway/control/state.h"

void drain_begin(struct control *control, int signal_number);
/* control->drain_timer has fired. */
void drain_on_timer(evutil_socket_t fd, short what, void *context);
/* drain.timeout was over, and the workers have ended: only now the gateway knows how many requests it cut. */
void drain_tell_cut(const struct control *control);
/* A worker has nothing under way any more. */
void drain_on_drained(struct control *control, const struct worker *worker);
/* Ends the control thread's loop. */
void drain_stop(struct control *control);

#endif
