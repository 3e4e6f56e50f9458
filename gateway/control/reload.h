/* Another configuration. */
#ifndef GATEWAY_CONTROL_RELOAD_H
#define GATEWAY_CONTROL_RELOAD_H

#include "gateway/control/state.h"

/* Before the first reload_prepare(). False: out of memory. */
bool reload_note_beginning(struct control *control, const struct config *config);
/* Takes the reference. When the names are known discovery says so, and reload_take_prepared() follows. */
bool reload_prepare(struct control *control, struct config *config);
void reload_begin(struct control *control);
void reload_take_prepared(struct control *control);
/* Starts the threads besides the workers that this configuration needs. False: the system refuses it. */
bool reload_start_threads(struct control *control, const struct config *config);
/* At the end. */
void reload_forget(struct control *control);

#endif
