/*
 * Heads on their way through: which fields the gateway removes from a message, and which it adds (RFC 9110 sections 7.6 and
 * 7.8). Pure: from parsed structs to bytes, in room whose size the caller has asked for before (..._bound).
 */
#ifndef GATEWAY_EXCHANGE_FORWARD_REQUEST_H
#define GATEWAY_EXCHANGE_FORWARD_REQUEST_H

#include "gateway/exchange/origin.h"
#include "gateway/http/changes.h"
#include "gateway/http/request.h"
#include "gateway/http/response.h"
#include "gateway/upstream/lease.h"
#include "routes/config/config.h"

enum { REQUEST_ID_MAX = 128 };

size_t forward_request_bound(const struct request *request, const struct route *route, const struct upstream_protocol *protocol);
/* Writes the head in the upstream's protocol; returns its end. `path` is normalised, with no prefix removed or added yet.
 * `changes`: those of the route's filters, which need changes->bytes more room; NULL: none. */
char *forward_request(char *to, const struct request *request, const struct route *route, struct slice path,
                      const struct origin *origin, const struct changes *changes, const struct upstream_protocol *protocol);

#endif
