/*
 * The response for when the upstream can't give one.
 *
 * It is built when the configuration is read. Serving it needs no memory: the caller sends the head, then its own per-request
 * fields (Date, Retry-After, Proxy-Status, Connection), then the body.
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
	const char *redirect; /* the URL that the client is sent to; NULL: none */
};

/* The parts of a fallback. The caller has checked that the status is final and the content type is a field value. */
struct fallback_source {
	unsigned status;
	const char *content_type; /* NULL: plain text in UTF-8 */
	const char *body;
	size_t body_length;
	const char *location; /* NULL: none */
	bool is_lasting; /* the body lives as long as the fallback, so no copy is needed */
};

/* Fills everything but `file` and `redirect`, and copies what does not last. Statuses without content (204, 205, 304) get
 * none, whatever the source says. False: out of memory. */
bool fallback_build(struct fallback *fallback, const struct fallback_source *source,
                    void *(*allocate)(void *context, size_t size), void *context);

#endif
