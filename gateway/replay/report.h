/* The table: what each of several settings would have done with the log. */
#ifndef GATEWAY_REPLAY_REPORT_H
#define GATEWAY_REPLAY_REPORT_H

#include "gateway/replay/calls.h"

/* False: memory is short. */
bool report_write(const struct calls *calls, FILE *to);

#endif
