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
	bool is_end_certain; /* else the sender closes, or is likely to send what it may not: don't use its connection again */
	uint64_t length;     /* BODY_LENGTH only */
};

struct framing_input {
	bool is_request;
	bool is_trace;          /* requests: the method is TRACE */
	unsigned version_minor; /* of HTTP/1.x */
	bool is_head_request;   /* responses: the request was HEAD */
	unsigned status;        /* responses */
	const struct fields *fields;
};

/* 0 = fine, `body` is set; else the status to refuse a request with (400, 501), or 502 for a response; *why says which rule. */
unsigned framing_decide(const struct framing_input *input, struct body *body, const char **why);

/*
 * Decodes chunked coding in place, as the bytes come. Zero-initialised = at the first chunk-size line.
 * Refuses: sign, 0x, blanks, more than 16 digits, overflow over 2^63-1; bare LF or CR; extensions with controls in them or
 * over 1 KiB in all; a missing CRLF after the data.
 */
struct chunked {
	uint64_t remaining; /* of the current chunk's data */
	uint32_t extension_bytes;
	uint8_t state; /* opaque */
	uint8_t digits;
};

enum chunked_result {
	CHUNKED_MORE,     /* all bytes consumed */
	CHUNKED_TRAILERS, /* the last chunk's line was consumed: what follows is the trailer section, for fields_parse() */
	CHUNKED_BAD,
};

/* The decoded data is moved to the front of `bytes`: *data bytes of it. *used: how many of the `length` bytes were consumed. */
enum chunked_result chunked_decode(struct chunked *chunked, char *bytes, size_t length, size_t *data, size_t *used,
                                   const char **why);

#endif
