/* Which servers are asked, and for how long. */
#ifndef GATEWAY_NET_RESOLVER_SETTINGS_H
#define GATEWAY_NET_RESOLVER_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "routes/address.h"

struct resolver_settings {
	const struct address *servers; /* none: resolv.conf */
	size_t server_count;
	uint32_t timeout_ms; /* for each server; the resolver tries all of them once */
};

#endif
