/*
 * The protocols that an Upgrade field names (RFC 9110 section 7.8). Pure.
 */
#ifndef GATEWAY_HTTP_UPGRADE_H
#define GATEWAY_HTTP_UPGRADE_H

#include <stdbool.h>

#include "gateway/base/slice.h"

/* Is it a well-formed, non-empty list of protocols that may all run through a tunnel? */
bool upgrade_may_pass(struct slice protocols);
/* Are all of `protocols`, and at least one, among the offered ones? */
bool upgrade_is_offered(struct slice offered, struct slice protocols);

#endif
