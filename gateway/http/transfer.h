/*
 * One body on its way through: taken out of the framing it came in, put into the framing it leaves with (RFC 9112
 * sections 6 and 7). Pure; keeps nothing but a trailer section that came in pieces.
 *
 *     bytes as read          [line][data][end] for sendmsg
 *   ----------------> take ---------------------------------> the other side
 *                       |
 *                       +-- used: what follows belongs to the next message
 */
#ifndef GATEWAY_HTTP_TRANSFER_H
#define GATEWAY_HTTP_TRANSFER_H

#include <sys/uio.h>

#include "gateway/http/framing.h"

enum { TRANSFER_PARTS = 5, TRANSFER_TRAILER_BYTES = 8192, TRANSFER_TRAILER_FIELDS = 64 };

enum transfer_result {
	TRANSFER_MORE,  /* all bytes were used */
	TRANSFER_WHOLE, /* the body has ended */
	TRANSFER_BAD,   /* the framing is broken */
	TRANSFER_NO_MEMORY,
};

struct transfer {
	struct body body;
	bool to_chunked;      /* the receiver gets chunked coding */
	bool is_whole;
	bool is_in_trailers;
	uint64_t remaining;   /* of BODY_LENGTH */
	uint64_t bytes;       /* of the body itself, so far */
	struct chunked chunked;
	char *trailers;       /* as they came, not yet whole; then as they go out */
	uint32_t trailer_bytes;
};

struct transfer_parts {
	struct iovec list[TRANSFER_PARTS];
	int count;
	size_t used; /* of the bytes given */
	char line[20]; /* the chunk-size line among them */
	const char *why; /* TRANSFER_BAD: which rule */
};

void transfer_begin(struct transfer *transfer, struct body body, bool to_chunked);
/* Decodes in place: `bytes` are changed, and `parts` point into them, into `transfer` and into themselves; send before the
 * next call. */
enum transfer_result transfer_take(struct transfer *transfer, char *bytes, size_t length, struct transfer_parts *parts);
/* `length` bytes of the body, not more than remain of a BODY_LENGTH, went another way. */
void transfer_skip(struct transfer *transfer, size_t length);
/* The sender closed. True: that was the end of the body, and `parts` hold what ends it for the receiver. */
bool transfer_close(struct transfer *transfer, struct transfer_parts *parts);
void transfer_end(struct transfer *transfer); /* frees what it keeps */

#endif
