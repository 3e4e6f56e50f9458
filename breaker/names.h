/* The names of states and reasons, as logs and metrics have them. */
#ifndef BREAKER_NAMES_H
#define BREAKER_NAMES_H

#include "breaker/breaker.h"

const char *breaker_state_name(enum breaker_state state);    /* "closed", "open", "half_open", "forced_open", ... */
const char *breaker_reason_text(enum breaker_reason reason); /* "failure rate", ... for logs */

#endif
