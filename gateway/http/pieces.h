/*
 * A part of a body on its way from one side to the other: plain bytes, without any framing. One side's protocol decodes
 * them, the other side's encodes them, and filters in between may change them. Valid until the next part of the same
 * body is decoded.
 */
#ifndef GATEWAY_HTTP_PIECES_H
#define GATEWAY_HTTP_PIECES_H

#include <sys/uio.h>

#include "gateway/base/slice.h"

enum { PIECES_MOST = 2 };

enum pieces_result {
	PIECES_MORE,
	PIECES_END,       /* these are the last */
	PIECES_BAD,       /* the framing after them is broken, and nothing follows: `why` */
	PIECES_NO_MEMORY, /* nothing follows */
};

struct pieces {
	struct iovec list[PIECES_MOST];
	int count;
	enum pieces_result result;
	struct slice trailers; /* at the END: lines "Name: value", each with CRLF */
	size_t used;           /* of the encoded bytes: the rest belongs to the next message */
	const char *why;       /* BAD: which rule; static */
};

static inline bool pieces_is_nothing(const struct pieces *pieces)
{
	return pieces->count == 0 && pieces->result == PIECES_MORE;
}

static inline size_t pieces_bytes(const struct pieces *pieces)
{
	size_t bytes = 0;

	for (int i = 0; i < pieces->count; i++)
		bytes += pieces->list[i].iov_len;
	return bytes;
}

#endif
