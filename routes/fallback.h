/*
 * The response that stands ready when the upstream can't give one.
 *
 * Built when the configuration is read; serving it needs no memory: the caller sends head, then its own
 * per-request fields (Date, Retry-After, Proxy-Status, Connection), then body.
 */
#ifndef ROUTES_FALLBACK_H
#define ROUTES_FALLBACK_H

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

#endif
