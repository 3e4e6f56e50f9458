/*
 * A response head as an upstream sends it (RFC 9112 section 4), judged as strictly as a request. Pure; allocates nothing.
 */
#ifndef GATEWAY_HTTP_RESPONSE_H
#define GATEWAY_HTTP_RESPONSE_H

#include "gateway/http/request.h"

struct response {
	unsigned status; /* 100 to 599 */
	struct slice reason;
	unsigned version_minor;
	bool keep_alive; /* may the upstream's connection be used again after the body? */
	bool is_interim; /* 1xx but 101 */
	struct body body; /* BODY_NONE for interim, 204, 304 and answers to HEAD */
	struct slice upgrade;     /* of a 101 */
	unsigned keep_alive_timeout_s; /* "Keep-Alive: timeout=5"; 0 = not said */
	struct fields fields;
	size_t head_length;
	const char *refused_why;
};

/* A head over limits->head_bytes or with too many fields is refused as well. */
enum parse_result response_parse(struct response *response, const char *bytes, size_t length, struct field *fields,
                                 const struct request_limits *limits, bool is_head_request);

/* The standard reason phrase, "Unknown" for others. */
const char *status_reason(unsigned status);

#endif
