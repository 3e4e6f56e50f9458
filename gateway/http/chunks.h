/* Writes the chunked coding (RFC 9112 section 7.1). */
#ifndef GATEWAY_HTTP_CHUNKS_H
#define GATEWAY_HTTP_CHUNKS_H

#include "gateway/http/pieces.h"

enum { CHUNKS_PARTS = PIECES_MOST + 4 };

/*     [line][data ...][end] for sendmsg  */
struct chunks {
	struct iovec list[CHUNKS_PARTS];
	int count;
	char line[20]; /* the chunk-size line among them */
};

/* The result points into `pieces` and into itself. */
void chunks_encode(const struct pieces *pieces, struct chunks *chunks);

#endif
