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
 *      ;--> extension --CR      +-- size 0 --> TRAILERS
 *
 * An extension is NAME, NAME=TOKEN or NAME="QUOTED", and is read only to be left out.
 *
 * Every refusal ends in BAD, which refuses for ever: after it nobody knows what the next byte means.
 */
#include "gateway/http/framing.h"

#include "gateway/http/characters.h"

enum { SIZE_DIGITS_MAX = 16, LENGTH_DIGITS_MAX = 19 };
/* On one line; and how much beyond twice the data of all chunks so far. */
enum { EXTENSION_LINE_MAX = 1024, EXTENSION_EXCESS_MAX = 64 * 1024 };

/* ---- what stands in the head ---------------------------------------------------------------------------------- */

/* Each of these is a set of one member, so that a row of the table can name several. */
enum message {
	REQUEST = 1,
	/* "A client MUST NOT send content in a TRACE request" (RFC 9110 section 9.3.8). A body in a HEAD means nothing
	 * (9.3.2), and servers that don't read it take it for the next request. */
	BODYLESS_REQUEST = 2,
	RESPONSE = 4,
	ABOUT_GET = 8,  /* the answer to HEAD, 304: the fields describe the body that is left out */
	BODYLESS = 16,  /* 1xx, 204: neither field may be present (RFC 9110 section 8.6, RFC 9112 section 6.1) */
	ANY_REQUEST = REQUEST | BODYLESS_REQUEST,
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

/* Is this a well-formed list of codings that we don't know, and then chunked? Then a 501 tells the client so. Otherwise
 * it is an attack, or nobody can know where the body ends: a 400 (RFC 9112 section 6.3). */
static enum coding classify_coding(struct slice list)
{
	const char *at = list.data, *end = list.data + list.length;
	bool has_known = false, is_last_known = true;

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
		is_last_known = is_known_coding(coding);
		has_known |= is_last_known;
		if (!is_last_known && (!slice_equal_nocase(coding, SLICE("chunked")) || comma != NULL))
			return BAD_CODING;
	}
	return has_known && !is_last_known ? OTHER : BAD_CODING;
}

static enum message classify_message(const struct framing_input *input)
{
	if (input->is_request)
		return input->is_bodyless ? BODYLESS_REQUEST : REQUEST;
	if (input->status / 100 == 1 || input->status == 204)
		return BODYLESS;
	return input->is_head_request || input->status == 304 ? ABOUT_GET : RESPONSE;
}

/* ---- the decision --------------------------------------------------------------------------------------------- */

/*
 * The first row that fits decides. The first part lists exactly the messages that may pass; every other message is
 * refused, and the second part only says with which words. The commonest come first. `status` is a request's; a
 * response is always a 502.
 */
static const struct row {
	uint8_t sets[4]; /* of the above: message, version, length, coding */
	uint8_t body;
	bool is_end_certain;
	uint16_t status;
	const char *why;
} rows[] = {
	/* message    version      Content-Length    Transfer-Encoding   the body                  the end is certain */
	{{REQUEST,     ANY_VERSION, NO_LENGTH,        NO_CODING},          BODY_NONE,                true,  0, NULL},
	{{RESPONSE,    ANY_VERSION, ZERO | LENGTH,    NO_CODING},          BODY_LENGTH,              true,  0, NULL},
	{{REQUEST,     ANY_VERSION, ZERO | LENGTH,    NO_CODING},          BODY_LENGTH,              true,  0, NULL},
	{{REQUEST,     V1_1,        NO_LENGTH,        CHUNKED},            BODY_CHUNKED,             true,  0, NULL},
	{{BODYLESS_REQUEST, ANY_VERSION, NO_LENGTH | ZERO, NO_CODING},     BODY_NONE,                true,  0, NULL},
	{{RESPONSE,    V1_1,        NO_LENGTH,        CHUNKED},            BODY_CHUNKED,             true,  0, NULL},
	{{RESPONSE,    ANY_VERSION, NO_LENGTH,        NO_CODING},          BODY_UNTIL_CLOSE,         false, 0, NULL},
	{{ABOUT_GET,   ANY_VERSION, NO_LENGTH | ZERO | LENGTH, NO_CODING}, BODY_NONE,                true,  0, NULL},
	{{ABOUT_GET,   V1_1,        NO_LENGTH,        CHUNKED},            BODY_NONE,                true,  0, NULL},
	/* A peer that announces a body where none may be will probably send it. */
	{{BODYLESS,    ANY_VERSION, NO_LENGTH | ZERO, NO_CODING},          BODY_NONE,                true,  0, NULL},
	{{BODYLESS,    ANY_VERSION, LENGTH,           NO_CODING},          BODY_NONE,                false, 0, NULL},
	{{BODYLESS,    V1_1,        NO_LENGTH,        CHUNKED},            BODY_NONE,                false, 0, NULL},

	{{ANY_MESSAGE, ANY_VERSION, SAID,       CODED},      BODY_NONE, false, 400, "both Content-Length and Transfer-Encoding"},
	{{ANY_MESSAGE, ANY_VERSION, LENGTHS,    ANY_CODING}, BODY_NONE, false, 400, "more than one Content-Length"},
	{{ANY_MESSAGE, ANY_VERSION, ANY_LENGTH, CODINGS},    BODY_NONE, false, 400, "more than one Transfer-Encoding"},
	{{ANY_MESSAGE, V1_0,        ANY_LENGTH, CODED},      BODY_NONE, false, 400, "Transfer-Encoding in HTTP/1.0"},
	{{ANY_MESSAGE, ANY_VERSION, BAD_LENGTH, ANY_CODING}, BODY_NONE, false, 400, "malformed Content-Length"},
	{{ANY_MESSAGE, ANY_VERSION, ANY_LENGTH, BAD_CODING}, BODY_NONE, false, 400, "Transfer-Encoding other than chunked"},
	{{ANY_MESSAGE, ANY_VERSION, ANY_LENGTH, OTHER},      BODY_NONE, false, 501, "transfer coding not implemented"},
	{{BODYLESS_REQUEST, ANY_VERSION, ANY_LENGTH, ANY_CODING}, BODY_NONE, false, 400, "a body in a HEAD or TRACE"},
	{{ANY_MESSAGE, ANY_VERSION, ANY_LENGTH, ANY_CODING}, BODY_NONE, false, 400, "framing"},
};

/* Each is a set of one member; this is all four. */
static const struct row *find_row(enum message message, enum version version, enum length length, enum coding coding)
{
	const uint8_t one_of_each[4] = { (uint8_t)message, (uint8_t)version, (uint8_t)length, (uint8_t)coding };
	uint32_t wanted, sets;

	memcpy(&wanted, one_of_each, sizeof wanted);
	for (const struct row *row = rows;; row++) {
		memcpy(&sets, row->sets, sizeof sets);
		if ((sets & wanted) == wanted)
			return row;
	}
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

enum {
	SIZE, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILERS,
	NAME_BEGIN, NAME, NAME_BLANK, VALUE_BEGIN, TOKEN, QUOTED, ESCAPED, VALUE_END, VALUE_BLANK, /* an extension */
	BAD,
};

static const char *count_extension(struct chunked *chunked)
{
	if (++chunked->line_bytes > EXTENSION_LINE_MAX)
		return "chunk extension too long";
	return ++chunked->excess_bytes > EXTENSION_EXCESS_MAX ? "chunk extensions outweigh the data" : NULL;
}

/* A body may have a million chunks, and a client may sign each of them. */
static void weigh_extension(struct chunked *chunked)
{
	uint64_t data = chunked->remaining < EXTENSION_EXCESS_MAX ? 2 * chunked->remaining : EXTENSION_EXCESS_MAX;

	chunked->line_bytes = 0;
	chunked->excess_bytes = data < chunked->excess_bytes ? chunked->excess_bytes - (uint32_t)data : 0;
}

/* The state after this byte of an extension (RFC 9112 section 7.1.1); BAD: the byte is not allowed here. */
static uint8_t after_extension_byte(uint8_t state, char c)
{
	bool is_blank = c == ' ' || c == '\t', is_token = char_is(c, CHAR_TOKEN);
	bool is_behind_name = state == NAME || state == NAME_BLANK;

	switch (state) {
	case NAME_BEGIN:
		return is_blank ? NAME_BEGIN : is_token ? NAME : BAD;
	case VALUE_BEGIN:
		return is_blank ? VALUE_BEGIN : is_token ? TOKEN : c == '"' ? QUOTED : BAD;
	case QUOTED:
		return c == '"' ? VALUE_END : c == '\\' ? ESCAPED : char_is(c, CHAR_VALUE) ? QUOTED : BAD;
	case ESCAPED:
		return char_is(c, CHAR_VALUE) ? QUOTED : BAD;
	case NAME:
	case TOKEN:
		if (is_token)
			return state;
		break;
	default:
		break;
	}
	if (is_blank)
		return is_behind_name ? NAME_BLANK : VALUE_BLANK;
	if (c == '\r')
		return state == NAME_BLANK || state == VALUE_BLANK ? BAD : SIZE_LF;
	return c == ';' ? NAME_BEGIN : c == '=' && is_behind_name ? VALUE_BEGIN : BAD;
}

/* Takes one byte between the data. Returns NULL, or why it is refused. */
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
		chunked->state = c == ';' ? NAME_BEGIN : SIZE_LF;
		return c == ';' ? count_extension(chunked) : NULL;
	case SIZE_LF:
		if (c != '\n')
			return "bare CR in a chunk-size line";
		chunked->state = chunked->remaining > 0 ? DATA : TRAILERS;
		chunked->digits = 0;
		weigh_extension(chunked);
		return NULL;
	case DATA_CR:
		chunked->state = DATA_LF;
		return c == '\r' ? NULL : "no CRLF after a chunk's data";
	case DATA_LF:
		chunked->state = SIZE;
		return c == '\n' ? NULL : "no CRLF after a chunk's data";
	case DATA:
	case TRAILERS:
	case BAD:
		return "bytes after a malformed chunk";
	default:
		chunked->state = after_extension_byte(chunked->state, c);
		return chunked->state == BAD ? "malformed chunk extension" : chunked->state == SIZE_LF ? NULL : count_extension(chunked);
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
