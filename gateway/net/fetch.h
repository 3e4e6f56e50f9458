/*
 * What the gateway itself asks over HTTP: the room of libcurl, which is loaded when first needed (its thirty libraries cost
 * 6 MiB resident and 15 ms at start; a gateway that only proxies never pays them).
 * http only, no proxy from the environment, no redirects, no HTTP/0.9; an answer's body is thrown away, and one that is larger
 * than FETCH_BYTES_MAX is an error.
 */
#ifndef GATEWAY_NET_FETCH_H
#define GATEWAY_NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

enum { FETCH_BYTES_MAX = 64 * 1024 }; /* fields and body */

/* One blocking GET (for --healthcheck). Returns the status, or 0 with the reason in `error`. */
unsigned fetch_once(const char *url, unsigned timeout_ms, char *error, size_t size);

/* ---- on an event loop; all functions for its thread ---- */

struct fetcher; /* connections are kept and used again */
struct fetch;   /* a request under way */

/* NULL: libcurl can't be used; `error` says why. */
struct fetcher *fetcher_new(struct event_base *base, char *error, size_t size);
void fetcher_free(struct fetcher *fetcher); /* when nothing is under way any more */

struct fetch_result {
	unsigned status;   /* 0: there was no answer */
	const char *error; /* static words; NULL: there was one */
};
typedef void fetch_on_end(void *context, const struct fetch_result *result);

/* A GET; `url` has an IP address, `host` is what the Host field says. `timeout_ms` is for all of it. Calls back exactly once,
 * never before it returns, unless it is cancelled first. NULL: memory is short. */
struct fetch *fetch_start(struct fetcher *fetcher, const char *url, const char *host, uint32_t timeout_ms, fetch_on_end *on_end,
                          void *context);
void fetch_cancel(struct fetch *fetch);

#endif
