/*
 * A request head (RFC 9112 section 3): whole and well formed, or refused with a reason. Pure; allocates nothing.
 */
#ifndef GATEWAY_HTTP_REQUEST_H
#define GATEWAY_HTTP_REQUEST_H

#include "gateway/http/request_head.h"

struct request_limits {
	size_t head_bytes; /* request line and fields together; above it 431, or 414 if the line alone exceeds it */
	size_t fields;
};

/*
 * Parses from the beginning of `bytes` each time it is called. At most one CRLF before the request line is skipped
 * (it counts into head_length). `fields` has room for limits->fields. The tables of SECURITY.md list the refused requests.
 * CONNECT is refused; Host is required in 1.1, allowed once, and must be a valid authority without userinfo.
 */
enum parse_result request_parse(struct request *request, const char *bytes, size_t length, struct field *fields,
                                const struct request_limits *limits);

/* METHOD_OTHER: a method that the gateway does not know by name. */
enum method method_identify(struct slice text);

#endif
