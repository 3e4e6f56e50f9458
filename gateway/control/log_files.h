/* The access log's descriptors. */
#ifndef GATEWAY_CONTROL_LOG_FILES_H
#define GATEWAY_CONTROL_LOG_FILES_H

#include "gateway/control/state.h"

/* After there is a loop. False: out of memory. */
bool log_files_init(struct control *control);
/* Opens the configured log for every worker and hands it over. False: it can't be opened; all workers keep what they have,
 * and a timer tries again. */
bool log_files_send(struct control *control);

#endif
