/*
 * Requests that the gateway itself sends over HTTP. This is the room of libcurl, which is loaded when first needed: its
 * thirty libraries cost 6 MiB resident and 15 ms at start, and a gateway that only proxies never pays that. The fetcher
 * speaks http, and https where the caller asks for it; it takes no proxy from the environment and follows no redirects.
 * It throws an unwanted body away, and treats one that is larger than allowed as an error.
 */
#ifndef GATEWAY_NET_FETCH_H
#define GATEWAY_NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

enum { FETCH_BYTES_MAX = 64 * 1024 }; /* for fields, and for an unwanted body */

/* One blocking GET (for --healthcheck). Returns the status, or 0 with the reason in `error`. */
unsigned fetch_once(const char *url, unsigned timeout_ms, char *error, size_t size);

/* ---- on an event loop; all functions for its thread ---- */

struct fetcher; /* keeps connections and uses them again */
struct fetch;   /* a request under way */

/* NULL: libcurl can't be used; `error` says why. */
struct fetcher *fetcher_new(struct event_base *base, char *error, size_t size);
void fetcher_free(struct fetcher *fetcher); /* only when no fetch is under way any more */

struct fetch_result {
	unsigned status;   /* 0: there was no answer */
	const char *error; /* a static text; NULL: there was one */
	const char *body;  /* if the caller wanted it and there is one; valid during the callback */
	size_t length;
};
typedef void fetch_on_end(void *context, const struct fetch_result *result);

struct fetch_order {
	const char *url;  /* with an IP address, unless connect_to says where to connect */
	const char *host; /* the value of the Host field; NULL: taken from the URL */
	const char *connect_to; /* "::ADDRESS:PORT"; NULL: the URL's */
	bool may_use_tls; /* the URL may be https; the certificate must be one for its host that this system trusts */
	uint32_t timeout_ms; /* for all of it */
	size_t body_most; /* the caller wants the body, up to so many bytes; 0: it does not */
};

/* A GET. Calls back exactly once, never before it returns, unless it is cancelled first. NULL: out of memory. */
struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_order *order, fetch_on_end *on_end, void *context);
void fetch_cancel(struct fetch *fetch);

#endif
