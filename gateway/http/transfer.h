/*
 * One body as it comes in: taken out of the framing of HTTP/1.1 (RFC 9112 sections 6 and 7). Pure; keeps nothing but a trailer
 * section.
 *
 *     bytes as read              plain bytes
 *   ----------------> take ------------------->
 *                       |
 *                       +-- used: what follows belongs to the next message
 */
#ifndef GATEWAY_HTTP_TRANSFER_H
#define GATEWAY_HTTP_TRANSFER_H

#include "gateway/http/framing.h"
#include "gateway/http/pieces.h"

enum { TRANSFER_TRAILER_BYTES = 8192, TRANSFER_TRAILER_FIELDS = 64 };

struct transfer {
	enum body_kind kind;
	bool is_whole;
	bool is_in_trailers;
	uint16_t trailer_bytes;
	union {
		uint64_t remaining;     /* BODY_LENGTH */
		struct chunked chunked; /* BODY_CHUNKED */
	};
	char *trailers; /* as they came, not yet whole; then as they go out */
};

void transfer_begin(struct transfer *transfer, struct body body);
/* Of a body that is not whole yet. */
void transfer_take_some(struct transfer *transfer, char *bytes, size_t length, struct pieces *pieces);
/* Decodes in place: `bytes` are changed, and `pieces` point into them and into `transfer`. */
static inline void transfer_take(struct transfer *transfer, char *bytes, size_t length, struct pieces *pieces)
{
	pieces->count = 0;
	pieces->used = 0;
	pieces->why = NULL;
	pieces->trailers.length = 0;
	pieces->result = PIECES_END;
	if (!transfer->is_whole)
		transfer_take_some(transfer, bytes, length, pieces);
}
/* `length` bytes of the body, at most the rest of a BODY_LENGTH, went another way. */
void transfer_skip(struct transfer *transfer, size_t length);
/* The sender closed. True: that was the end of the body. */
bool transfer_close(struct transfer *transfer);
void transfer_end(struct transfer *transfer); /* frees what it keeps */

#endif
