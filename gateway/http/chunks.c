#include "gateway/http/chunks.h"

#include "gateway/base/text.h"

static void put(struct chunks *chunks, const char *data, size_t length)
{
	chunks->list[chunks->count++] = (struct iovec){ .iov_base = (char *)data, .iov_len = length };
}

void chunks_encode(const struct pieces *pieces, struct chunks *chunks)
{
	size_t length = pieces_bytes(pieces);

	chunks->count = 0;
	if (length > 0) {
		char *end = text_put_literal(text_put_hex(chunks->line, length), "\r\n");

		put(chunks, chunks->line, (size_t)(end - chunks->line));
		for (int i = 0; i < pieces->count; i++)
			chunks->list[chunks->count++] = pieces->list[i];
	}
	/* The line break after the last chunk's data is part of the end. */
	if (pieces->result != PIECES_END) {
		if (length > 0)
			put(chunks, "\r\n", 2);
		return;
	}
	put(chunks, length > 0 ? "\r\n0\r\n" : "0\r\n", length > 0 ? 5 : 3);
	if (pieces->trailers.length > 0)
		put(chunks, pieces->trailers.data, pieces->trailers.length);
	put(chunks, "\r\n", 2);
}
