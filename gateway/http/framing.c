/*
 * Where a message ends. Two readers that disagree on this read two different requests out of the same bytes (request
 * smuggling), so whatever has ever been read in two ways is refused, even where the RFC would allow to repair it: both
 * framing fields at once, a length said twice, a coding that is not exactly "chunked".
 *
 * One table decides, for requests and responses alike: `rows`. A coding other than chunked could not be passed on anyway:
 * Transfer-Encoding is hop by hop, and the gateway does not decode gzip.
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

/* ---- what stands in the head ---------------------------------------------------------------------------------- */

/* Each of these is a set of one, so that a row of the table can name several. */
enum message {
	REQUEST = 1,
	TRACE = 2,      /* "A client MUST NOT send content in a TRACE request" (RFC 9110 section 9.3.8) */
	RESPONSE = 4,
	ABOUT_GET = 8,  /* the answer to HEAD, 304: the fields speak of the body that is left out */
	BODYLESS = 16,  /* 1xx, 204: neither field may be there at all (RFC 9110 section 8.6, RFC 9112 section 6.1) */
	ANY_REQUEST = REQUEST | TRACE,
	ANY_RESPONSE = RESPONSE | ABOUT_GET | BODYLESS,
	ANY_MESSAGE = ANY_REQUEST | ANY_RESPONSE,
};
enum version { V1_0 = 1, V1_1 = 2, ANY_VERSION = V1_0 | V1_1 };
enum length { NO_LENGTH = 1, ZERO = 2, LENGTH = 4, BAD_LENGTH = 8, LENGTHS = 16, SAID = 30, ANY_LENGTH = 31 };
enum coding { NO_CODING = 1, CHUNKED = 2, OTHER = 4, BAD_CODING = 8, CODINGS = 16, CODED = 30, ANY_CODING = 31 };

/* 1*DIGIT and nothing else, at most 2^63-1. */
static enum length classify_length(struct slice text, uint64_t *length)
{
	uint64_t value = 0;

	if (text.length == 0 || text.length > LENGTH_DIGITS_MAX)
		return BAD_LENGTH;
	for (size_t i = 0; i < text.length; i++) {
		if (!char_is(text.data[i], CHAR_DIGIT))
			return BAD_LENGTH;
		value = value * 10 + (uint64_t)(text.data[i] - '0');
	}
	*length = value;
	return value > INT64_MAX ? BAD_LENGTH : value > 0 ? LENGTH : ZERO;
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
static enum coding classify_coding(struct slice list)
{
	const char *at = list.data, *end = list.data + list.length;
	unsigned known = 0;

	if (slice_equal_nocase(list, SLICE("chunked")))
		return CHUNKED;
	while (at < end) {
		const char *start = at, *comma = memchr(at, ',', (size_t)(end - at)), *last = comma != NULL ? comma : end;
		struct slice coding;

		at = comma != NULL ? comma + 1 : end;
		while (start < last && *start == ' ')
			start++;
		while (last > start && last[-1] == ' ')
			last--;
		coding = (struct slice){start, (size_t)(last - start)};
		if (is_known_coding(coding))
			known++;
		else if (!slice_equal_nocase(coding, SLICE("chunked")) || comma != NULL)
			return BAD_CODING;
	}
	return known > 0 ? OTHER : BAD_CODING;
}

static enum message classify_message(const struct framing_input *input)
{
	if (input->is_request)
		return input->is_trace ? TRACE : REQUEST;
	if (input->status / 100 == 1 || input->status == 204)
		return BODYLESS;
	return input->is_head_request || input->status == 304 ? ABOUT_GET : RESPONSE;
}

/* ---- the decision --------------------------------------------------------------------------------------------- */

/*
 * The first row that fits decides. What may pass is listed exactly; whatever is not in the first part is refused, and the
 * second part only says with which words. The commonest come first. `status` is a request's; a response is always a 502.
 */
static const struct row {
	uint8_t message, version, length, coding; /* sets of the above */
	uint8_t body;
	bool is_end_certain;
	uint16_t status;
	const char *why;
} rows[] = {
	/* message    version      Content-Length    Transfer-Encoding   the body                  the end is certain */
	{REQUEST,     ANY_VERSION, NO_LENGTH,        NO_CODING,          BODY_NONE,                true,  0, NULL},
	{RESPONSE,    ANY_VERSION, ZERO | LENGTH,    NO_CODING,          BODY_LENGTH,              true,  0, NULL},
	{REQUEST,     ANY_VERSION, ZERO | LENGTH,    NO_CODING,          BODY_LENGTH,              true,  0, NULL},
	{REQUEST,     V1_1,        NO_LENGTH,        CHUNKED,            BODY_CHUNKED,             true,  0, NULL},
	{TRACE,       ANY_VERSION, NO_LENGTH | ZERO, NO_CODING,          BODY_NONE,                true,  0, NULL},
	{RESPONSE,    V1_1,        NO_LENGTH,        CHUNKED,            BODY_CHUNKED,             true,  0, NULL},
	{RESPONSE,    ANY_VERSION, NO_LENGTH,        NO_CODING,          BODY_UNTIL_CLOSE,         false, 0, NULL},
	{ABOUT_GET,   ANY_VERSION, NO_LENGTH | ZERO | LENGTH, NO_CODING, BODY_NONE,                true,  0, NULL},
	{ABOUT_GET,   V1_1,        NO_LENGTH,        CHUNKED,            BODY_NONE,                true,  0, NULL},
	/* Who announces a body where none may be will probably send it. */
	{BODYLESS,    ANY_VERSION, NO_LENGTH | ZERO, NO_CODING,          BODY_NONE,                true,  0, NULL},
	{BODYLESS,    ANY_VERSION, LENGTH,           NO_CODING,          BODY_NONE,                false, 0, NULL},
	{BODYLESS,    V1_1,        NO_LENGTH,        CHUNKED,            BODY_NONE,                false, 0, NULL},

	{ANY_MESSAGE, ANY_VERSION, SAID,       CODED,      BODY_NONE, false, 400, "both Content-Length and Transfer-Encoding"},
	{ANY_MESSAGE, ANY_VERSION, LENGTHS,    ANY_CODING, BODY_NONE, false, 400, "more than one Content-Length"},
	{ANY_MESSAGE, ANY_VERSION, ANY_LENGTH, CODINGS,    BODY_NONE, false, 400, "more than one Transfer-Encoding"},
	{ANY_MESSAGE, V1_0,        ANY_LENGTH, CODED,      BODY_NONE, false, 400, "Transfer-Encoding in HTTP/1.0"},
	{ANY_MESSAGE, ANY_VERSION, BAD_LENGTH, ANY_CODING, BODY_NONE, false, 400, "malformed Content-Length"},
	{ANY_MESSAGE, ANY_VERSION, ANY_LENGTH, BAD_CODING, BODY_NONE, false, 400, "Transfer-Encoding other than chunked"},
	{ANY_MESSAGE, ANY_VERSION, ANY_LENGTH, OTHER,      BODY_NONE, false, 501, "transfer coding not implemented"},
	{TRACE,       ANY_VERSION, ANY_LENGTH, ANY_CODING, BODY_NONE, false, 400, "a body in a TRACE"},
	{ANY_MESSAGE, ANY_VERSION, ANY_LENGTH, ANY_CODING, BODY_NONE, false, 400, "framing"},
};

static const struct row *find_row(unsigned message, unsigned version, unsigned length, unsigned coding)
{
	const struct row *row = rows;

	while (!(row->message & message) || !(row->version & version) || !(row->length & length) || !(row->coding & coding))
		row++;
	return row;
}

unsigned framing_decide(const struct framing_input *input, struct body *body, const char **why)
{
	const struct fields *fields = input->fields;
	enum length length = NO_LENGTH;
	enum coding coding = NO_CODING;
	uint64_t length_value = 0;
	const struct row *row;

	*body = (struct body){ .kind = BODY_NONE };
	if (fields_have(fields, FIELD_BIT(FIELD_FRAMING_LOOKALIKE))) {
		*why = "a field name that looks like a framing field";
		return input->is_request ? 400 : 502;
	}
	if (fields_have(fields, FIELD_BIT(FIELD_CONTENT_LENGTH) | FIELD_BIT(FIELD_TRANSFER_ENCODING))) {
		for (const struct field *field = fields->list; field < fields->list + fields->count; field++) {
			if (field->id == FIELD_CONTENT_LENGTH)
				length = length == NO_LENGTH ? classify_length(field->value, &length_value) : LENGTHS;
			else if (field->id == FIELD_TRANSFER_ENCODING)
				coding = coding == NO_CODING ? classify_coding(field->value) : CODINGS;
		}
	}
	row = find_row(classify_message(input), input->version_minor == 0 ? V1_0 : V1_1, length, coding);
	*why = row->why;
	if (row->why != NULL)
		return input->is_request ? row->status : 502;
	body->kind = (enum body_kind)row->body;
	body->is_end_certain = row->is_end_certain;
	body->length = body->kind == BODY_LENGTH ? length_value : 0;
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
