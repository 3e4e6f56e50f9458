/* A route's rate_limit. Nothing here changes while the configuration is in use. */
#ifndef ROUTES_RATE_LIMIT_H
#define ROUTES_RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "breaker/rate_limit.h"
#include "routes/address.h"

enum rate_limit_key {
	RATE_LIMIT_CLIENT, /* the address; its first 64 bits for IPv6 */
	RATE_LIMIT_HEADER, /* the value of a field */
	RATE_LIMIT_JWT,    /* the value of a claim */
	RATE_LIMIT_ROUTE,  /* one for all */
};

/* A server that counts for all gateways. */
struct store_settings {
	const char *written; /* with ${NAME} as in the file, because the environment may hold a password */
	const char *name;    /* host:port, for people */
	const char *host;    /* a name, or an IP address without brackets */
	uint16_t port;
	struct address address; /* family 0 when host is a name */
	const char *user, *password; /* NULL: none */
	uint32_t database;
};

struct rate_limit_settings {
	bool enabled;
	uint32_t calls;      /* 10/s: 10 in 1000 ms; 0: none was given */
	uint64_t period_ms;
	uint32_t burst;      /* 0: as many as come in one second, at least one */
	enum rate_limit_key key;
	const char *name;    /* of the field or the claim; NULL = neither */
	size_t name_length;
	uint32_t status;     /* of a refusal */
	bool headers;        /* RateLimit and RateLimit-Policy in responses */
	const struct store_settings *store; /* NULL: off */
	bool dry_run;        /* counts what it would refuse, but refuses nothing */
};

/* The burst; if the file leaves it out, the rate decides. */
static inline uint32_t rate_limit_burst(const struct rate_limit_settings *settings)
{
	uint64_t in_a_second = settings->period_ms == 0 ? 0 : settings->calls * UINT64_C(1000) / settings->period_ms;

	if (settings->burst != 0)
		return settings->burst;
	return in_a_second == 0 ? 1 : (uint32_t)in_a_second;
}

static inline struct rate rate_limit_rate(const struct rate_limit_settings *settings)
{
	return rate_of(settings->calls, settings->period_ms, rate_limit_burst(settings));
}

#endif
