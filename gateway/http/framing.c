/*
 * Where a message ends. Two readers that disagree on this read two different requests out of the same bytes (request
 * smuggling), so whatever has ever been read in two ways is refused, even where the RFC would allow to repair it: both
 * framing fields at once, a length said twice, a coding that is not exactly "chunked".
 *
 * Responses are judged by the same rules. A coding other than chunked could not be passed on anyway: Transfer-Encoding
 * is hop by hop, and the gateway does not decode gzip.
 *
 * The chunk decoder is a machine over bytes whose whole memory is struct chunked:
 *
 *     SIZE ---CR---> SIZE_LF ---LF---> DATA ---all---> DATA_CR ---CR---> DATA_LF ---LF---> SIZE
 *      |                ^       |
 *      ;--> EXTENSION --CR      +-- size 0 --> TRAILERS
 *
 * Every refusal ends in BAD, which refuses for ever: after it nobody knows what the next byte means.
 */
#include "gateway/http/framing.h"

#include "gateway/http/characters.h"

enum { SIZE_DIGITS_MAX = 16, EXTENSION_BYTES_MAX = 1024, LENGTH_DIGITS_MAX = 19 };

/* ---- the decision --------------------------------------------------------------------------------------------- */

/* "Content_Length": servers that take '_' for '-' would see a framing field where this parser sees none. */
static bool is_lookalike(const struct field *field)
{
	static const struct slice names[] = {{"content-length", 14}, {"transfer-encoding", 17}};

	if (field->id != FIELD_OTHER)
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t at = 0;

		if (field->name.length != names[i].length)
			continue;
		while (at < field->name.length &&
		       (field->name.data[at] == '_' ? '-' : char_lower(field->name.data[at])) == names[i].data[at])
			at++;
		if (at == field->name.length)
			return true;
	}
	return false;
}

/* 1*DIGIT and nothing else, at most 2^63-1. */
static bool parse_length(struct slice text, uint64_t *length)
{
	uint64_t value = 0;

	if (text.length == 0 || text.length > LENGTH_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.length; i++) {
		if (!char_is(text.data[i], CHAR_DIGIT))
			return false;
		value = value * 10 + (uint64_t)(text.data[i] - '0');
	}
	*length = value;
	return value <= INT64_MAX;
}

static bool is_known_coding(struct slice coding)
{
	static const struct slice known[] = {{"gzip", 4},       {"x-gzip", 6},     {"deflate", 7},
	                                     {"compress", 8},   {"x-compress", 10}, {"identity", 8}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (slice_equal_nocase(coding, known[i]))
			return true;
	return false;
}

/* Is this a well-formed list of codings that we just don't have? Then 501 tells the client so; else it is a trick. */
static unsigned judge_codings(struct slice list, const char **why)
{
	const char *at = list.data, *end = list.data + list.length;
	unsigned known = 0;

	while (at < end) {
		const char *start = at, *comma = memchr(at, ',', (size_t)(end - at)), *last = comma != NULL ? comma : end;
		struct slice coding;

		at = comma != NULL ? comma + 1 : end;
		while (start < last && *start == ' ')
			start++;
		while (last > start && last[-1] == ' ')
			last--;
		coding = (struct slice){start, (size_t)(last - start)};
		if (is_known_coding(coding)) {
			known++;
		} else if (!slice_equal_nocase(coding, SLICE("chunked")) || comma != NULL) {
			*why = "Transfer-Encoding other than chunked";
			return 400;
		}
	}
	*why = known > 0 ? "transfer coding not implemented" : "Transfer-Encoding other than chunked";
	return known > 0 ? 501 : 400;
}

struct framing_fields {
	unsigned lengths, encodings;
	struct slice length, encoding;
};

static unsigned judge_fields(const struct framing_input *input, const struct framing_fields *seen, struct body *body,
                             const char **why)
{
	if (seen->encodings > 0 && seen->lengths > 0)
		*why = "both Content-Length and Transfer-Encoding";
	else if (seen->lengths > 1)
		*why = "more than one Content-Length";
	else if (seen->encodings > 1)
		*why = "more than one Transfer-Encoding";
	else if (seen->encodings == 1 && input->version_minor == 0)
		*why = "Transfer-Encoding in HTTP/1.0";
	else if (seen->lengths == 1 && !parse_length(seen->length, &body->length))
		*why = "malformed Content-Length";
	else if (seen->encodings == 1 && !slice_equal_nocase(seen->encoding, SLICE("chunked")))
		return judge_codings(seen->encoding, why);
	else
		return 0;
	return 400;
}

unsigned framing_decide(const struct framing_input *input, struct body *body, const char **why)
{
	struct framing_fields seen = {0, 0, {NULL, 0}, {NULL, 0}};
	unsigned status;

	*body = (struct body){BODY_NONE, 0};
	for (size_t i = 0; i < input->field_count; i++) {
		const struct field *field = &input->fields[i];

		if (field->id == FIELD_CONTENT_LENGTH) {
			seen.length = field->value;
			seen.lengths++;
		} else if (field->id == FIELD_TRANSFER_ENCODING) {
			seen.encoding = field->value;
			seen.encodings++;
		} else if (is_lookalike(field)) {
			*why = "a field name that looks like a framing field";
			return input->is_request ? 400 : 502;
		}
	}
	status = judge_fields(input, &seen, body, why);
	if (status != 0) {
		*body = (struct body){BODY_NONE, 0};
		return input->is_request ? status : 502;
	}
	if (!input->is_request && (input->is_head_request || input->status / 100 == 1 || input->status == 204 ||
	                           input->status == 304)) {
		body->length = 0; /* what a Content-Length says here is about another response */
		return 0;
	}
	if (seen.encodings > 0)
		body->kind = BODY_CHUNKED;
	else if (seen.lengths > 0)
		body->kind = BODY_LENGTH;
	else
		body->kind = input->is_request ? BODY_NONE : BODY_UNTIL_CLOSE;
	return 0;
}

/* ---- chunked coding ------------------------------------------------------------------------------------------- */

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILERS, BAD };

/* In all, not a chunk: a body may have a million chunks. */
static const char *count_extension(struct chunked *chunked)
{
	return ++chunked->extension_bytes > EXTENSION_BYTES_MAX ? "chunk extensions too long" : NULL;
}

/* One byte of what stands between the data. NULL, or why it is refused. */
static const char *step(struct chunked *chunked, char c)
{
	switch (chunked->state) {
	case SIZE:
		if (char_is(c, CHAR_HEX)) {
			if (chunked->digits++ == SIZE_DIGITS_MAX)
				return "chunk size of too many digits";
			chunked->remaining = chunked->remaining << 4 | char_hex(c);
			return chunked->remaining > INT64_MAX ? "chunk size too large" : NULL;
		}
		if (chunked->digits == 0 || (c != ';' && c != '\r'))
			return "malformed chunk size";
		chunked->state = c == ';' ? EXTENSION : SIZE_LF;
		return c == ';' ? count_extension(chunked) : NULL;
	case EXTENSION:
		if (c == '\r') {
			chunked->state = SIZE_LF;
			return NULL;
		}
		return char_is(c, CHAR_VALUE) ? count_extension(chunked) : "control character in a chunk extension";
	case SIZE_LF:
		if (c != '\n')
			return "bare CR in a chunk-size line";
		chunked->state = chunked->remaining > 0 ? DATA : TRAILERS;
		chunked->digits = 0;
		return NULL;
	case DATA_CR:
		chunked->state = DATA_LF;
		return c == '\r' ? NULL : "no CRLF after a chunk's data";
	case DATA_LF:
		chunked->state = SIZE;
		return c == '\n' ? NULL : "no CRLF after a chunk's data";
	default:
		return "bytes after a malformed chunk";
	}
}

enum chunked_result chunked_decode(struct chunked *chunked, char *bytes, size_t length, size_t *data, size_t *used,
                                   const char **why)
{
	char *to = bytes, *at = bytes, *end = bytes + length;
	const char *complaint = NULL;

	if (chunked->state == BAD)
		complaint = "bytes after a malformed chunk";
	while (at < end && complaint == NULL && chunked->state != TRAILERS) {
		if (chunked->state == DATA) {
			size_t size = (size_t)(end - at);

			if (size > chunked->remaining)
				size = (size_t)chunked->remaining;
			if (to != at)
				memmove(to, at, size);
			to += size;
			at += size;
			chunked->remaining -= size;
			if (chunked->remaining == 0)
				chunked->state = DATA_CR;
		} else {
			complaint = step(chunked, *at);
			at += complaint == NULL;
		}
	}
	*data = (size_t)(to - bytes);
	*used = (size_t)(at - bytes);
	if (complaint != NULL) {
		chunked->state = BAD;
		*why = complaint;
		return CHUNKED_BAD;
	}
	return chunked->state == TRAILERS ? CHUNKED_TRAILERS : CHUNKED_MORE;
}
