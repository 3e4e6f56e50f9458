/* The gateway's knowledge of a request besides its own bytes. */
#ifndef GATEWAY_EXCHANGE_ORIGIN_H
#define GATEWAY_EXCHANGE_ORIGIN_H

#include "gateway/base/slice.h"

struct origin {
	struct slice peer;          /* the client's address without port and brackets */
	bool is_ipv6;
	bool is_trusted;            /* in trusted_proxies: its X-Forwarded-... are believed */
	struct slice removed;       /* the beginning of the path that the route's expression took off; empty: none */
	struct slice request_id;
	struct slice name;          /* the gateway's own, for Via */
};

#endif
