/*
 * The connection over which another gateway is asked: HTTP/1.1 through evhttp, which the admin listener has anyway. libcurl would
 * cost each gateway a mebibyte more.
 *
 * The other side may be anybody. An answer that is larger or slower than allowed is an error, and so is one that is no plain
 * answer; what is read ahead is bounded. A connection is kept for the next question; once it has failed or ended, a new one takes
 * its place.
 */
#ifndef GATEWAY_ADMIN_PEER_LINK_H
#define GATEWAY_ADMIN_PEER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/address.h"

struct event_base;
struct peer_link;

struct peer_link_result {
	int status;        /* 0: there was no answer */
	const char *error; /* a static text; NULL: there was one */
	const char *body;  /* valid during the callback */
	size_t length;
};
typedef void peer_link_on_end(void *context, const struct peer_link_result *result);

/* It connects with the first question. NULL: out of memory. */
struct peer_link *peer_link_new(struct event_base *base, const struct address *address, peer_link_on_end *on_end, void *context);
/* A question under way is dropped without a callback. */
void peer_link_free(struct peer_link *link);

/* A GET, one at a time, with `limit_ms` for all of it. Calls back exactly once, never before it returns; the callback may ask
 * again, or free the link. False: out of memory, and nobody is called. */
bool peer_link_ask(struct peer_link *link, const char *path, uint32_t limit_ms);
bool peer_link_is_asking(const struct peer_link *link);

#endif
