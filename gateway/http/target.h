/* A part of request_parse() in a file of its own: the form of the target, and the host; and the same judgement of other hosts. */
#ifndef GATEWAY_HTTP_TARGET_H
#define GATEWAY_HTTP_TARGET_H

#include "gateway/http/request_head.h"

/*
 * Sets path, host and host_name from the request's target, query, version and fields. The path of an absolute
 * target without one is a static "/" or "*", not the caller's bytes. NULL, or static words: refuse with 400.
 */
const char *target_judge(struct request *request);

/* `host` without its port and final dot; an empty slice if it is not an authority, or one with userinfo (RFC 3986 section 3.2).
 * *port: 80 if none is written. */
struct slice target_host_name(struct slice host, unsigned *port);

/* The digits of the port that is written in `host`, whose name is `name`. Empty: there is none. */
static inline struct slice target_port(struct slice host, struct slice name)
{
	size_t skip = name.length;

	if (skip == host.length)
		return (struct slice){ NULL, 0 };
	skip += host.data[skip] == '.';
	return skip + 1 < host.length ? (struct slice){ host.data + skip + 1, host.length - skip - 1 } : (struct slice){ NULL, 0 };
}

#endif
