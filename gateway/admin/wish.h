/*
 * An operator's request: the body of POST /cluster/breakers/NAME.
 *
 *   { "updateState": "FORCE_OPEN",    CLOSE, FORCE_OPEN, DISABLE, METRICS_ONLY
 *     "for": "15m",                   1s to 24h, absent: 15 min; with CLOSE there is none
 *     "reason": "..." }               at most 200 bytes in one line; absent: none
 */
#ifndef GATEWAY_ADMIN_WISH_H
#define GATEWAY_ADMIN_WISH_H

#include <jansson.h>
#include <stdint.h>

#include "gateway/admin/overrides.h"

/* Fills in the entry's state and reason. `span_ms`: for how long; 0: CLOSE. NULL, or in static words why it can't be. */
const char *wish_read(json_t *body, struct override_entry *entry, uint64_t *span_ms);

#endif
