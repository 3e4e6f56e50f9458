/*
 * The response that is ready for when the upstream can't give one.
 *
 * Built when the configuration is read; serving it needs no memory: the caller sends head, then its own
 * per-request fields (Date, Retry-After, Proxy-Status, Connection), then body.
 */
#ifndef ROUTES_FALLBACK_H
#define ROUTES_FALLBACK_H

#include <stdbool.h>
#include <stddef.h>

struct fallback {
	unsigned status;
	/* "HTTP/1.1 503 Service Unavailable\r\nContent-Type: ...\r\nContent-Length: ...\r\nCache-Control: no-store\r\n" */
	const char *head;
	size_t head_length;
	const char *body;
	size_t body_length;
	const char *content_type, *file; /* as configured, for --print-config; file NULL unless read from one */
};

/* What it is made from. The caller has checked that the status is final and the content type a field value. */
struct fallback_source {
	unsigned status;
	const char *content_type; /* NULL: plain text in UTF-8 */
	const char *body;
	size_t body_length;
};

/* Fills all but `file`, with copies of its own. Statuses that have no content (204, 205, 304) get none, whatever the
 * source says. False: memory is short. */
bool fallback_build(struct fallback *fallback, const struct fallback_source *source,
                    void *(*allocate)(void *context, size_t size), void *context);

#endif
