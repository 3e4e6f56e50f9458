/* A request head as data: the method, the target and its parts, the fields, and what follows from them. */
#ifndef GATEWAY_HTTP_REQUEST_HEAD_H
#define GATEWAY_HTTP_REQUEST_HEAD_H

#include "gateway/http/framing.h"

enum method {
	METHOD_OTHER,
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_PATCH,
	METHOD_TRACE,
	METHOD_CONNECT,
};

/* Sending it twice has the same effect as sending it once (RFC 9110 section 9.2.2). */
static inline bool method_is_idempotent(enum method method)
{
	return method == METHOD_GET || method == METHOD_HEAD || method == METHOD_PUT || method == METHOD_DELETE ||
	       method == METHOD_OPTIONS || method == METHOD_TRACE;
}

/*
 * Does the method give a body a meaning? A server that expects no body may leave it unread and take it for the next request
 * (RFC 9112 section 11.2).
 */
static inline bool method_gives_body_meaning(enum method method)
{
	return method == METHOD_POST || method == METHOD_PUT || method == METHOD_PATCH;
}

/* ... and does this request have one? */
static inline bool body_is_odd(enum method method, const struct body *body)
{
	return body_is_sent(body) && !method_gives_body_meaning(method);
}

struct request {
	enum method method;
	struct slice method_text;
	struct slice target; /* as it came */
	/* From the origin form or the absolute form; for "*" the path is "*" (OPTIONS only). */
	struct slice path;  /* without the query */
	struct slice query; /* without '?'; see has_query */
	bool has_query;
	struct slice host;      /* Host, or the authority of an absolute target (both must agree), with port */
	struct slice host_name; /* without port and final dot; for IPv6, with brackets */
	unsigned version_minor; /* of HTTP/1.x: 0 or 1 */
	bool keep_alive;        /* as the client asks (RFC 9112 section 9.3) */
	bool expects_continue;
	bool has_max_forwards; /* OPTIONS and TRACE only: through how many more proxies it may go */
	uint32_t max_forwards;
	bool wants_upgrade; /* 1.1, with Upgrade and "Connection: upgrade", without a body */
	struct slice upgrade;
	struct body body;
	struct fields fields;
	size_t head_length; /* bytes up to and including the empty line */

	/* PARSE_REFUSED: */
	unsigned refused_status; /* 400, 405 (CONNECT), 414, 417, 431, 501, 505 */
	const char *refused_why; /* a static text for the log */
};

#endif
