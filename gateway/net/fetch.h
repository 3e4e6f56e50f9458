/*
 * What the gateway itself asks over HTTP: the room of libcurl, which is loaded when first needed (its thirty libraries cost
 * 6 MiB resident and 15 ms at start; a gateway that only proxies never pays them).
 * No proxy from the environment, no redirects, http only.
 */
#ifndef GATEWAY_NET_FETCH_H
#define GATEWAY_NET_FETCH_H

#include <stddef.h>

/* One blocking GET (for --healthcheck). Returns the status, or 0 with the reason in `error`. */
unsigned fetch_once(const char *url, unsigned timeout_ms, char *error, size_t size);

#endif
