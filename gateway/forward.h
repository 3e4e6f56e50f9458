/*
 * Heads on their way through: what the gateway takes away from a message, what it adds (RFC 9110 sections 7.6 and 7.8).
 * Pure: from parsed structs to bytes, in room whose size the caller has asked for beforehand (..._bound).
 */
#ifndef GATEWAY_FORWARD_H
#define GATEWAY_FORWARD_H

#include "gateway/http/request.h"
#include "gateway/http/response.h"
#include "routes/config.h"

enum { REQUEST_ID_MAX = 128 };

/* What the gateway knows of a request besides its own bytes. */
struct origin {
	struct slice peer;          /* the client's address without port and brackets */
	bool is_ipv6;
	bool is_trusted;            /* in trusted_proxies: its X-Forwarded-... are believed */
	struct slice port;          /* of the listener */
	struct slice request_id;
};

size_t forward_request_bound(const struct request *request, const struct route *route);
/* Writes the head for the upstream; returns its end. `path` is normalised and not yet rewritten. */
char *forward_request(char *to, const struct request *request, const struct route *route, struct slice path,
                      const struct origin *origin);

enum forward_closing { FORWARD_KEEP, FORWARD_KEEP_1_0, FORWARD_CLOSE };

/* What the client gets. */
struct forward_response {
	const struct response *response;
	const struct header_edits *edits;
	bool to_chunked;
	bool is_head_request;
	enum forward_closing closing;
	const char *date; /* TEXT_HTTP_DATE bytes, for a response that has none */
};
size_t forward_response_bound(const struct forward_response *forward);
char *forward_response(char *to, const struct forward_response *forward);
/* A 1xx as it goes on: RFC 9110 section 15.2. */
char *forward_interim(char *to, const struct response *response);

#endif
