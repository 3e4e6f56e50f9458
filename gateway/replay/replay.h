/*
 * gateway --replay: an access log through the real breakers, to see what their settings would have done, before they do it.
 */
#ifndef GATEWAY_REPLAY_REPLAY_H
#define GATEWAY_REPLAY_REPLAY_H

#include <stddef.h>

#include "routes/config/config.h"

/* The logs one after the other, "-" for stdin; the table on stdout. 0; 1 when memory is short or a log can't be read; 2
 * when no log is named or there is no call in it. */
int replay_run(const struct config *config, char *const *logs, size_t count);

#endif
