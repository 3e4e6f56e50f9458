/*
 * A route's rules for pages of other origins (WHATWG Fetch, section 3.2): settings, and pure functions that ask them. Any
 * thread.
 *
 * Origins are compared as browsers write them: scheme, host and port in small letters, without the scheme's default port.
 */
#ifndef ROUTES_CORS_H
#define ROUTES_CORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/texts.h"

enum { CORS_PATTERN_PORTS_MAX = 8, CORS_ORIGIN_MAX = 512 };

/* As in "https:" "//" "*.example.com", with "*" or [8080,8443] for a port; or "*" alone. */
struct cors_pattern {
	const char *written;
	const char *scheme; /* NULL: any */
	const char *host;   /* a "*" in it stands for one or more bytes of a host's name */
	uint16_t ports[CORS_PATTERN_PORTS_MAX];
	size_t port_count; /* 0: the scheme's own */
	bool any_port;
};

struct cors {
	struct texts origins; /* as browsers write them; "null" is the origin of pages that have none */
	const struct cors_pattern *patterns;
	size_t pattern_count;
	struct texts methods, headers, expose; /* as written */
	bool any_origin, any_method, any_header; /* "*" is one of them */
	bool credentials;
	uint32_t max_age_ms;
	/* As the answers contain them. */
	const char *methods_text, *headers_text, *expose_text, *max_age_text;
};

/* Fills in a pattern except for `written`; puts its texts into `room`, which has strlen(text) + 1 bytes. Returns NULL, or
 * what is wrong with it. */
const char *cors_pattern_read(struct cors_pattern *pattern, const char *text, char *room);
/* The origin as a browser would write it, in `room` of strlen(text) + 1 bytes. Returns NULL, or what is wrong with it. */
const char *cors_origin_read(const char *text, char *room);

bool cors_allows_origin(const struct cors *cors, const char *origin, size_t length);
bool cors_allows_method(const struct cors *cors, const char *method, size_t length);
/* One name of a field. */
bool cors_allows_header(const struct cors *cors, const char *name, size_t length);
/* The request's own origin, as far as it is known. */
struct cors_own_origin {
	const char *scheme, *host, *port; /* the host maybe with a port, as in Host; `port` has precedence */
	size_t scheme_length, host_length, port_length; /* 0: not known. Without any port it is the scheme's */
};
/* While its own scheme is not known, a request has both origins of its host, http and https: a proxy in front of the gateway may
 * end TLS and say nothing of it. */
bool cors_is_same_origin(const char *origin, size_t length, const struct cors_own_origin *own);

#endif
