/*
 * Where a message ends (RFC 9112 sections 6 and 7): one decision for requests and responses, and the chunk decoder.
 */
#ifndef GATEWAY_HTTP_FRAMING_H
#define GATEWAY_HTTP_FRAMING_H

#include "gateway/http/fields.h"

enum body_kind {
	BODY_NONE,
	BODY_LENGTH,      /* exactly body.length bytes; may be 0 */
	BODY_CHUNKED,
	BODY_UNTIL_CLOSE, /* responses only */
};

struct body {
	enum body_kind kind;
	bool is_end_certain; /* else the sender closes or breaks the rules: don't use its connection again */
	uint64_t length;     /* BODY_LENGTH only */
};

/* Is there at least one byte, or at least the mark of the body's end? */
static inline bool body_is_sent(const struct body *body)
{
	return body->kind == BODY_CHUNKED || body->kind == BODY_UNTIL_CLOSE || body->length > 0;
}

struct framing_input {
	bool is_request;
	bool is_bodyless;       /* requests: a message with this method has no body */
	unsigned version_minor; /* of HTTP/1.x */
	bool is_head_request;   /* responses: the request was HEAD */
	unsigned status;        /* responses */
	const struct fields *fields;
};

/* A request whose head mentions no body has none: most requests are like that. */
static inline bool framing_is_unsaid(const struct framing_input *input)
{
	const uint32_t saying = FIELD_BIT(FIELD_CONTENT_LENGTH) | FIELD_BIT(FIELD_TRANSFER_ENCODING) |
	                        FIELD_BIT(FIELD_FRAMING_LOOKALIKE);

	return input->is_request && !fields_have(input->fields, saying);
}

/* 0: `body` is set. Otherwise the status to refuse a request with (400, 501), or 502 for a response; *why says which
 * rule. */
unsigned framing_decide(const struct framing_input *input, struct body *body, const char **why);

/*
 * Decodes chunked coding in place, as the bytes come. Zero-initialised = at the first chunk-size line.
 * Refuses: sign, 0x, blanks, more than 16 digits, overflow over 2^63-1; bare LF or CR; extensions that are
 * malformed, over 1 KiB on a line, or over 64 KiB more than twice the data; a missing CRLF after the data.
 */
struct chunked {
	uint64_t remaining; /* of the current chunk's data */
	uint32_t excess_bytes; /* of extensions, beyond what the data allows */
	uint16_t line_bytes;   /* of this line's extensions */
	uint8_t state; /* opaque */
	uint8_t digits;
};

enum chunked_result {
	CHUNKED_MORE,     /* all bytes consumed */
	CHUNKED_TRAILERS, /* the last chunk's line was read: next comes the trailer section, for fields_parse() */
	CHUNKED_BAD,
};

/* Moves the decoded data to the front of `bytes`: *data bytes of it. *used: how many of the `length` bytes were
 * read. */
enum chunked_result chunked_decode(struct chunked *chunked, char *bytes, size_t length, size_t *data, size_t *used,
                                   const char **why);

#endif
