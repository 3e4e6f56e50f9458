/*
 * A request head (RFC 9112 section 3): whole and well formed, or refused with a reason. Pure; allocates nothing.
 */
#ifndef GATEWAY_HTTP_REQUEST_H
#define GATEWAY_HTTP_REQUEST_H

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

/* Sending it twice is the same as sending it once (RFC 9110 section 9.2.2). */
static inline bool method_is_idempotent(enum method method)
{
	return method == METHOD_GET || method == METHOD_HEAD || method == METHOD_PUT || method == METHOD_DELETE ||
	       method == METHOD_OPTIONS || method == METHOD_TRACE;
}

struct request_limits {
	size_t head_bytes; /* request line and fields together; above it 431, or 414 while still in the line */
	size_t fields;
};

struct request {
	enum method method;
	struct slice method_text;
	struct slice target; /* as it came */
	/* From the origin form or the absolute form; for "*" the path is "*" (OPTIONS only). */
	struct slice path;  /* without the query */
	struct slice query; /* without '?'; see has_query */
	bool has_query;
	struct slice host;      /* Host, or the authority of an absolute target (which must agree): with port, as written */
	struct slice host_name; /* without port and, for IPv6, with brackets */
	unsigned version_minor; /* of HTTP/1.x: 0 or 1 */
	bool keep_alive;        /* what the client wishes (RFC 9112 section 9.3) */
	bool expects_continue;
	bool wants_upgrade; /* 1.1, with Upgrade and "Connection: upgrade", without a body */
	struct slice upgrade;
	struct body body;
	struct fields fields;
	size_t head_length; /* bytes up to and including the empty line */

	/* PARSE_REFUSED: */
	unsigned refused_status; /* 400, 405 (CONNECT), 414, 417, 431, 501, 505 */
	const char *refused_why; /* static words for the log */
};

/*
 * Parses from the beginning of `bytes` each time it is called. At most one CRLF before the request line is skipped
 * (it counts into head_length). `fields` has room for limits->fields. What is refused: the tables of SECURITY.md.
 * CONNECT is refused; Host is required in 1.1, allowed once, and must be a valid authority without userinfo.
 */
enum parse_result request_parse(struct request *request, const char *bytes, size_t length, struct field *fields,
                                const struct request_limits *limits);

#endif
