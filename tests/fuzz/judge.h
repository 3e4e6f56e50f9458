/*
 * A second reader of HTTP/1.1, for one direction of one connection: small, strict, one byte at a time, and sharing no line
 * with the gateway's parsers. What it calls bad may be framed in two ways by somebody (RFC 9112 sections 2.2, 5, 6, 7 and
 * 11), or is nothing the gateway should ever write.
 */
#ifndef TESTS_FUZZ_JUDGE_H
#define TESTS_FUZZ_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JUDGE_LINE = 4096, JUDGE_HEAD_BYTES = 3072, JUDGE_ID = 136, JUDGE_UPGRADE = 64 };

enum judge_state {
	JUDGE_BETWEEN, /* messages */
	JUDGE_HEAD,
	JUDGE_LENGTH,
	JUDGE_CHUNK_SIZE,
	JUDGE_CHUNK_DATA,
	JUDGE_CHUNK_END,
	JUDGE_TRAILERS,
	JUDGE_UNTIL_CLOSE,
	JUDGE_RAW, /* a tunnel */
	JUDGE_BAD,
};

enum judge_event {
	JUDGE_NOTHING,
	JUDGE_HEAD_READ, /* and a body follows, or the other protocol */
	JUDGE_INTERIM,   /* a 1xx was read */
	JUDGE_BODY,      /* this byte belongs to a body */
	JUDGE_WHOLE,     /* the message ended with this byte; for one without a body instead of JUDGE_HEAD_READ */
	JUDGE_REFUSED,   /* `complaint` says why */
};

struct judge {
	enum judge_state state;
	bool is_response;
	bool answers_head; /* set before the end of the head: the response is to a HEAD */
	const char *complaint;
	unsigned messages; /* whole ones */

	/* Of the message that is read, or was read last. */
	char method[16];
	unsigned status;
	bool is_old, wants_close, wants_keep, wants_upgrade;
	unsigned hosts, forwarded, lengths, codings, trailers;
	char forwarded_for[64], request_id[JUDGE_ID], upgrade[JUDGE_UPGRADE];
	uint64_t length, remaining, body_length, body_hash;

	bool has_start, is_after_cr, is_in_chunk_line;
	uint32_t line_length, head_length;
	char line[JUDGE_LINE]; /* what is longer is cut: it is checked byte by byte all the same */
	char head[JUDGE_HEAD_BYTES]; /* its lines, each with a '\n'; head_length UINT32_MAX: it did not fit */
};

void judge_begin(struct judge *judge, bool is_response);
enum judge_event judge_byte(struct judge *judge, uint8_t byte);
/* Of a body, or of a tunnel: where judge_body() may take more than nothing. */
bool judge_is_in_body(const struct judge *judge);
/* Takes of these bytes those that are a body's and not its last, and tells how many: as judge_byte(), but fast. */
size_t judge_body(struct judge *judge, const uint8_t *data, size_t length);
/* Is it in the middle of a message whose end is not the end of the connection? */
bool judge_is_inside(const struct judge *judge);

#endif
