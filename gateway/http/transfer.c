#include "gateway/http/transfer.h"

#include <stdlib.h>

#include "gateway/base/text.h"

static void put_part(struct transfer_parts *parts, const char *data, size_t length)
{
	parts->list[parts->count++] = (struct iovec){ .iov_base = (char *)data, .iov_len = length };
}

void transfer_begin(struct transfer *transfer, struct body body, bool to_chunked)
{
	*transfer = (struct transfer){ .body = body, .to_chunked = to_chunked, .remaining = body.length };
	transfer->is_whole = body.kind == BODY_NONE || (body.kind == BODY_LENGTH && body.length == 0);
}

void transfer_end(struct transfer *transfer)
{
	free(transfer->trailers);
	transfer->trailers = NULL;
}

static void put_data(struct transfer *transfer, struct transfer_parts *parts, const char *data, size_t length)
{
	transfer->bytes += length;
	if (length == 0)
		return;
	if (transfer->to_chunked) {
		char *end = text_put_literal(text_put_hex(parts->line, length), "\r\n");

		put_part(parts, parts->line, (size_t)(end - parts->line));
	}
	put_part(parts, data, length);
}

/* The line break after the last chunk's data, if there was any, goes with the end. */
static void put_end(struct transfer_parts *parts, bool is_after_data, const char *trailers, size_t length)
{
	put_part(parts, is_after_data ? "\r\n0\r\n" : "0\r\n", is_after_data ? 5 : 3);
	if (length > 0)
		put_part(parts, trailers, length);
	put_part(parts, "\r\n", 2);
}

/* Leaves what may be forwarded in transfer->trailers, each line with its line break. */
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
	transfer->trailer_bytes = (uint32_t)(to - room);
	return true;
}

/* `bytes` from `parts->used` on belong to the trailer section. */
static enum transfer_result take_trailers(struct transfer *transfer, const char *bytes, size_t length, bool is_after_data,
                                          struct transfer_parts *parts)
{
	struct field list[TRANSFER_TRAILER_FIELDS] = {0};
	struct fields fields = { .list = list };
	size_t fresh = length - parts->used, kept = transfer->trailer_bytes, used;
	bool is_too_large;
	char *grown;

	if (fresh > TRANSFER_TRAILER_BYTES - kept)
		fresh = TRANSFER_TRAILER_BYTES - kept;
	grown = realloc(transfer->trailers, kept + fresh + 1);
	if (grown == NULL)
		return TRANSFER_NO_MEMORY;
	memcpy(grown + kept, bytes + parts->used, fresh);
	transfer->trailers = grown;
	transfer->trailer_bytes = (uint32_t)(kept + fresh);
	switch (fields_parse(grown, kept + fresh, &fields, TRANSFER_TRAILER_FIELDS, &used, &parts->why, &is_too_large)) {
	case PARSE_REFUSED:
		return TRANSFER_BAD;
	case PARSE_MORE:
		parts->used += fresh;
		parts->why = "the trailer section is too long";
		/* The data that came with it goes out now; its line break must not wait for the end. */
		if (is_after_data && transfer->to_chunked)
			put_part(parts, "\r\n", 2);
		return kept + fresh < TRANSFER_TRAILER_BYTES ? TRANSFER_MORE : TRANSFER_BAD;
	case PARSE_DONE:
		break;
	}
	parts->used += used - kept;
	if (transfer->to_chunked) {
		if (!rewrite_trailers(transfer, list, fields.count))
			return TRANSFER_NO_MEMORY;
		put_end(parts, is_after_data, transfer->trailers, transfer->trailer_bytes);
	}
	transfer->is_whole = true;
	return TRANSFER_WHOLE;
}

/* Out of line: bodies of known length, and none, would pay for its frame. */
static __attribute__((noinline)) enum transfer_result take_chunked(struct transfer *transfer, char *bytes, size_t length,
                                                                   struct transfer_parts *parts)
{
	size_t data = 0;

	if (!transfer->is_in_trailers) {
		enum chunked_result result = chunked_decode(&transfer->chunked, bytes, length, &data, &parts->used, &parts->why);

		if (result == CHUNKED_BAD)
			return TRANSFER_BAD;
		put_data(transfer, parts, bytes, data);
		if (result == CHUNKED_MORE) {
			if (transfer->to_chunked && data > 0)
				put_part(parts, "\r\n", 2);
			return TRANSFER_MORE;
		}
		transfer->is_in_trailers = true;
	}
	return take_trailers(transfer, bytes, length, data > 0, parts);
}

enum transfer_result transfer_take(struct transfer *transfer, char *bytes, size_t length, struct transfer_parts *parts)
{
	parts->count = 0;
	parts->used = 0;
	parts->why = NULL;
	if (transfer->is_whole)
		return TRANSFER_WHOLE;
	if (transfer->body.kind == BODY_CHUNKED)
		return take_chunked(transfer, bytes, length, parts);
	parts->used = length;
	if (transfer->body.kind == BODY_LENGTH) {
		if (length > transfer->remaining)
			parts->used = (size_t)transfer->remaining;
		transfer->remaining -= parts->used;
		transfer->is_whole = transfer->remaining == 0;
	}
	put_data(transfer, parts, bytes, parts->used);
	if (transfer->to_chunked && parts->used > 0)
		put_part(parts, "\r\n", 2);
	return transfer->is_whole ? TRANSFER_WHOLE : TRANSFER_MORE;
}

void transfer_skip(struct transfer *transfer, size_t length)
{
	transfer->bytes += length;
	transfer->remaining -= length;
	transfer->is_whole = transfer->remaining == 0;
}

bool transfer_close(struct transfer *transfer, struct transfer_parts *parts)
{
	parts->count = 0;
	parts->used = 0;
	parts->why = NULL;
	if (transfer->body.kind != BODY_UNTIL_CLOSE)
		return false;
	transfer->is_whole = true;
	if (transfer->to_chunked)
		put_end(parts, false, NULL, 0);
	return true;
}
