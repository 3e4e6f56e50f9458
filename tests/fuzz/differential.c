/*
 * The gateway's reading of the bytes a client sends, for tests/fuzz/differential: one request, as text, with its body framed
 * as it would go on.
 */
#include <stdlib.h>

#include "gateway/http/request.h"
#include "gateway/http/chunks.h"
#include "gateway/http/transfer.h"

enum { FIELDS = 100, HEAD_BYTES = 16 * 1024 };
enum verdict { VERDICT_INCOMPLETE, VERDICT_WHOLE, VERDICT_REFUSED };

struct out {
	char *at, *end;
};

enum verdict differential_read(const char *bytes, size_t length, char *room, size_t room_length, size_t *out_length,
                               size_t *used);

static void put(struct out *out, const void *bytes, size_t length)
{
	if ((size_t)(out->end - out->at) < length)
		abort();
	memcpy(out->at, bytes, length);
	out->at += length;
}

static void put_line(struct out *out, struct slice before, const char *between, struct slice after)
{
	put(out, before.data, before.length);
	put(out, between, strlen(between));
	put(out, after.data, after.length);
	put(out, "\n", 1);
}

static void put_head(struct out *out, const struct request *request)
{
	put_line(out, request->method_text, " ", request->target);
	put_line(out, request->version_minor == 0 ? SLICE("1.0") : SLICE("1.1"), "", SLICE(""));
	for (size_t i = 0; i < request->fields.count; i++)
		put_line(out, request->fields.list[i].name, ":", request->fields.list[i].value);
	put(out, "\n", 1);
}

static void put_pieces(struct out *out, const struct pieces *pieces, bool is_chunked)
{
	struct chunks chunks;

	if (pieces->result == PIECES_BAD)
		return;
	chunks_encode(pieces, &chunks);
	for (int i = 0; is_chunked && i < chunks.count; i++)
		put(out, chunks.list[i].iov_base, chunks.list[i].iov_len);
	for (int i = 0; !is_chunked && i < pieces->count; i++)
		put(out, pieces->list[i].iov_base, pieces->list[i].iov_len);
}

/* `bytes` may be changed. Adds to *used. */
static enum verdict put_body(struct out *out, struct body body, char *bytes, size_t length, size_t *used)
{
	struct transfer transfer;
	struct pieces pieces;

	transfer_begin(&transfer, body);
	transfer_take(&transfer, bytes, length, &pieces);
	put_pieces(out, &pieces, body.kind == BODY_CHUNKED);
	*used += pieces.used;
	transfer_end(&transfer);
	return pieces.result == PIECES_END ? VERDICT_WHOLE : pieces.result == PIECES_MORE ? VERDICT_INCOMPLETE : VERDICT_REFUSED;
}

enum verdict differential_read(const char *bytes, size_t length, char *room, size_t room_length, size_t *out_length,
                               size_t *used)
{
	static const struct request_limits limits = { .head_bytes = HEAD_BYTES, .fields = FIELDS };
	struct out out = { room, room + room_length };
	struct field fields[FIELDS];
	struct request request;
	enum verdict verdict;
	char *copy;

	switch (request_parse(&request, bytes, length, fields, &limits)) {
	case PARSE_REFUSED:
		return VERDICT_REFUSED;
	case PARSE_MORE:
		return VERDICT_INCOMPLETE;
	case PARSE_DONE:
		break;
	}
	put_head(&out, &request);
	*used = request.head_length;
	copy = malloc(length - *used + 1);
	if (copy == NULL)
		abort();
	memcpy(copy, bytes + *used, length - *used);
	verdict = put_body(&out, request.body, copy, length - *used, used);
	*out_length = (size_t)(out.at - room);
	free(copy);
	return verdict;
}
