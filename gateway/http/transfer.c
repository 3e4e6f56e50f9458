#include "gateway/http/transfer.h"

#include <stdlib.h>

#include "gateway/base/text.h"
#include "gateway/http/trailers.h"

void transfer_begin(struct transfer *transfer, struct body body)
{
	*transfer = (struct transfer){ .kind = body.kind };
	if (body.kind == BODY_LENGTH)
		transfer->remaining = body.length;
	transfer->is_whole = body.kind == BODY_NONE || (body.kind == BODY_LENGTH && body.length == 0);
}

void transfer_end(struct transfer *transfer)
{
	free(transfer->trailers);
	transfer->trailers = NULL;
}

static void put_data(struct pieces *pieces, char *data, size_t length)
{
	if (length > 0)
		pieces->list[pieces->count++] = (struct iovec){ .iov_base = data, .iov_len = length };
}

/* Leaves the fields that may be forwarded in transfer->trailers, each line with its line break. */
static bool rewrite_trailers(struct transfer *transfer, const struct field *fields, size_t count)
{
	size_t bound = 1;
	char *room, *to;

	for (size_t i = 0; i < count; i++)
		bound += fields[i].name.length + fields[i].value.length + 4;
	to = room = malloc(bound);
	if (room == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!field_may_be_trailer(&fields[i]))
			continue;
		to = text_put_slice(to, fields[i].name);
		to = text_put_literal(to, ": ");
		to = text_put_slice(to, fields[i].value);
		to = text_put_literal(to, "\r\n");
	}
	free(transfer->trailers);
	transfer->trailers = room;
	transfer->trailer_bytes = (uint16_t)(to - room);
	return true;
}

/* `bytes` from `pieces->used` on belong to the trailer section. */
static enum pieces_result take_trailers(struct transfer *transfer, const char *bytes, size_t length, struct pieces *pieces)
{
	struct field list[TRANSFER_TRAILER_FIELDS] = {0};
	struct fields fields = { .list = list };
	size_t fresh = length - pieces->used, kept = transfer->trailer_bytes, used;
	bool is_too_large;
	char *grown;

	if (fresh > TRANSFER_TRAILER_BYTES - kept)
		fresh = TRANSFER_TRAILER_BYTES - kept;
	grown = realloc(transfer->trailers, kept + fresh + 1);
	if (grown == NULL)
		return PIECES_NO_MEMORY;
	memcpy(grown + kept, bytes + pieces->used, fresh);
	transfer->trailers = grown;
	transfer->trailer_bytes = (uint16_t)(kept + fresh);
	switch (fields_parse(grown, kept + fresh, &fields, TRANSFER_TRAILER_FIELDS, &used, &pieces->why, &is_too_large)) {
	case PARSE_REFUSED:
		return PIECES_BAD;
	case PARSE_MORE:
		pieces->used += fresh;
		pieces->why = "the trailer section is too long";
		return kept + fresh < TRANSFER_TRAILER_BYTES ? PIECES_MORE : PIECES_BAD;
	case PARSE_DONE:
		break;
	}
	pieces->used += used - kept;
	if (!rewrite_trailers(transfer, list, fields.count))
		return PIECES_NO_MEMORY;
	pieces->trailers = (struct slice){ transfer->trailers, transfer->trailer_bytes };
	transfer->is_whole = true;
	return PIECES_END;
}

/* Out of line: bodies of known length, and requests without a body, would pay for its frame. */
static __attribute__((noinline)) enum pieces_result take_chunked(struct transfer *transfer, char *bytes, size_t length,
                                                                 struct pieces *pieces)
{
	size_t data = 0;

	if (!transfer->is_in_trailers) {
		enum chunked_result result = chunked_decode(&transfer->chunked, bytes, length, &data, &pieces->used, &pieces->why);

		put_data(pieces, bytes, data);
		if (result != CHUNKED_TRAILERS)
			return result == CHUNKED_BAD ? PIECES_BAD : PIECES_MORE;
		transfer->is_in_trailers = true;
	}
	return take_trailers(transfer, bytes, length, pieces);
}

void transfer_take_some(struct transfer *transfer, char *bytes, size_t length, struct pieces *pieces)
{
	if (transfer->kind == BODY_CHUNKED) {
		pieces->result = take_chunked(transfer, bytes, length, pieces);
		return;
	}
	pieces->used = length;
	if (transfer->kind == BODY_LENGTH) {
		if (length > transfer->remaining)
			pieces->used = (size_t)transfer->remaining;
		transfer->remaining -= pieces->used;
		transfer->is_whole = transfer->remaining == 0;
	}
	put_data(pieces, bytes, pieces->used);
	pieces->result = transfer->is_whole ? PIECES_END : PIECES_MORE;
}

void transfer_skip(struct transfer *transfer, size_t length)
{
	transfer->remaining -= length;
	transfer->is_whole = transfer->remaining == 0;
}

bool transfer_close(struct transfer *transfer)
{
	if (transfer->kind != BODY_UNTIL_CLOSE)
		return false;
	transfer->is_whole = true;
	return true;
}
