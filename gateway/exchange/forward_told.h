/* The fields that tell a service about its client, if a trusted proxy in front of the gateway says something about it. */
#ifndef GATEWAY_EXCHANGE_FORWARD_TOLD_H
#define GATEWAY_EXCHANGE_FORWARD_TOLD_H

#include "gateway/exchange/origin.h"
#include "gateway/http/request_head.h"
#include "routes/config/config.h"

/* Room for all that forward_told() writes besides the request's head and one host. */
size_t forward_told_bound(const struct request *request);
/* Writes X-Forwarded-For, -Proto, -Host and -Port and Forwarded, except those that the route edits. */
char *forward_told(char *to, const struct request *request, const struct origin *origin, const struct header_edits *edits);
/* Writes the prefixes in X-Forwarded-Prefix, and a comma behind them. */
char *forward_told_prefixes(char *to, const struct request *request);

#endif
