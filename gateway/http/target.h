/* A part of request_parse() in a file of its own: the form of the target, and the host. */
#ifndef GATEWAY_HTTP_TARGET_H
#define GATEWAY_HTTP_TARGET_H

#include "gateway/http/request_head.h"

/*
 * Sets path, host and host_name from the request's target, query, version and fields. The path of an absolute
 * target without one is a static "/" or "*", not the caller's bytes. NULL, or static words: refuse with 400.
 */
const char *target_judge(struct request *request);

#endif
