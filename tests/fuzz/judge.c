#include "tests/fuzz/judge.h"

#include <string.h>
#include <strings.h>

void judge_begin(struct judge *judge, bool is_response)
{
	/* Not all of it: a line is only read as far as it was written. */
	memset(judge, 0, offsetof(struct judge, line));
	judge->is_response = is_response;
}

bool judge_is_inside(const struct judge *judge)
{
	return judge->state != JUDGE_BETWEEN && judge->state != JUDGE_UNTIL_CLOSE && judge->state != JUDGE_RAW;
}

static enum judge_event refuse(struct judge *judge, const char *complaint)
{
	judge->state = JUDGE_BAD;
	judge->complaint = complaint;
	return JUDGE_REFUSED;
}

static enum judge_event whole(struct judge *judge)
{
	judge->state = JUDGE_BETWEEN;
	judge->messages++;
	return JUDGE_WHOLE;
}

static bool is_token(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", text[i]) != NULL)
			return false;
	return length > 0;
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* ---- the head ------------------------------------------------------------------------------------------------ */

/* "METHOD target HTTP/1.1": two single spaces, nothing but visible ASCII in the target. */
static const char *check_request_line(struct judge *judge)
{
	const char *line = judge->line, *first = memchr(line, ' ', judge->line_length), *last;
	size_t length = judge->line_length, method_length = first == NULL ? 0 : (size_t)(first - line);

	if (length >= JUDGE_LINE)
		return "the request line is too long for this reader";
	if (first == NULL || !is_token(line, method_length))
		return "the method is no token";
	last = line + length - 9;
	if (last <= first + 1 || memcmp(last, " HTTP/1.1", 9) != 0)
		return "the request line does not end with the version";
	for (const char *at = first + 1; at < last; at++)
		if (*at <= ' ' || *at >= 0x7f || *at == '#')
			return "a byte in the target that two readers may take differently";
	if (first[1] != '/' && !(first[1] == '*' && last == first + 2))
		return "the target is neither a path nor an asterisk";
	if (method_length >= sizeof judge->method)
		method_length = sizeof judge->method - 1;
	memcpy(judge->method, line, method_length);
	judge->method[method_length] = '\0';
	return NULL;
}

/* The space before an empty reason is often forgotten, and nobody is confused. */
static const char *check_status_line(struct judge *judge)
{
	const char *line = judge->line;

	if (judge->line_length < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
	    line[9] < '1' || line[9] > '5' || !is_digit(line[10]) || !is_digit(line[11]) ||
	    (judge->line_length > 12 && line[12] != ' '))
		return "not a status line";
	judge->is_old = line[7] == '0';
	judge->status = (unsigned)((line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0');
	return NULL;
}

static const char *check_length(struct judge *judge, const char *value, size_t length)
{
	if (length == 0 || length > 19)
		return "Content-Length is empty or too long";
	judge->length = 0;
	for (size_t i = 0; i < length; i++) {
		if (!is_digit(value[i]))
			return "Content-Length is no number";
		judge->length = judge->length * 10 + (uint64_t)(value[i] - '0');
	}
	judge->lengths++;
	return judge->length > INT64_MAX ? "Content-Length is above 2^63-1" : NULL;
}

/* The end of it, when it is long. */
static void keep(char *to, size_t size, const char *value, size_t length)
{
	if (length >= size) {
		value += length - (size - 1);
		length = size - 1;
	}
	memcpy(to, value, length);
	to[length] = '\0';
}

static void trim(const char **value, size_t *length)
{
	while (*length > 0 && (**value == ' ' || **value == '\t')) {
		++*value;
		--*length;
	}
	while (*length > 0 && ((*value)[*length - 1] == ' ' || (*value)[*length - 1] == '\t'))
		--*length;
}

static bool has_option(const char *value, size_t length, const char *option)
{
	while (length > 0) {
		const char *comma = memchr(value, ',', length), *element = value;
		size_t element_length = comma == NULL ? length : (size_t)(comma - value);

		value += element_length + (comma != NULL);
		length -= element_length + (comma != NULL);
		trim(&element, &element_length);
		if (element_length == strlen(option) && strncasecmp(element, option, element_length) == 0)
			return true;
	}
	return false;
}

static bool is_named(const char *line, size_t length, const char *name)
{
	return length == strlen(name) && strncasecmp(line, name, length) == 0;
}

/* As CGI and some frameworks fold names: "Content_Length". */
static bool is_disguised(const char *line, size_t length, const char *name)
{
	char unfolded[32];

	if (length != strlen(name) || memchr(line, '_', length) == NULL)
		return false;
	for (size_t i = 0; i < length; i++)
		unfolded[i] = line[i] == '_' ? '-' : line[i];
	return strncasecmp(unfolded, name, length) == 0;
}

static const char *take_field(struct judge *judge, const char *line, size_t name_length, const char *value, size_t length)
{
	if (is_named(line, name_length, "Content-Length"))
		return check_length(judge, value, length);
	if (is_named(line, name_length, "Transfer-Encoding")) {
		judge->codings++;
		return length == 7 && memcmp(value, "chunked", 7) == 0 ? NULL : "Transfer-Encoding is not exactly chunked";
	}
	if (is_named(line, name_length, "Host"))
		judge->hosts++;
	if (is_named(line, name_length, "Connection")) {
		judge->wants_close |= has_option(value, length, "close");
		judge->wants_keep |= has_option(value, length, "keep-alive");
		judge->wants_upgrade |= has_option(value, length, "upgrade");
	}
	if (is_named(line, name_length, "X-Forwarded-For")) {
		judge->forwarded++;
		keep(judge->forwarded_for, sizeof judge->forwarded_for, value, length);
	}
	if (is_named(line, name_length, "Upgrade"))
		keep(judge->upgrade, sizeof judge->upgrade, value, length);
	if (is_named(line, name_length, "X-Request-Id"))
		keep(judge->request_id, sizeof judge->request_id, value, length);
	return NULL;
}

static const char *check_field(struct judge *judge)
{
	const char *line = judge->line, *colon = memchr(line, ':', judge->line_length), *value;
	size_t name_length = colon == NULL ? 0 : (size_t)(colon - line), length;

	if (colon == NULL || !is_token(line, name_length))
		return "a field name is no token";
	if (is_disguised(line, name_length, "Content-Length") || is_disguised(line, name_length, "Transfer-Encoding"))
		return "a name that some take for framing";
	value = colon + 1;
	length = judge->line_length - name_length - 1;
	trim(&value, &length);
	judge->trailers += judge->state == JUDGE_TRAILERS;
	if (judge->state == JUDGE_TRAILERS)
		return is_named(line, name_length, "Content-Length") || is_named(line, name_length, "Transfer-Encoding") ||
		                       is_named(line, name_length, "Host")
		               ? "framing in the trailers"
		               : NULL;
	return take_field(judge, line, name_length, value, length);
}

static enum judge_event frame_response(struct judge *judge)
{
	if (judge->status == 101) {
		judge->state = JUDGE_RAW;
		return JUDGE_HEAD_READ;
	}
	if (judge->status < 200) {
		judge->state = JUDGE_BETWEEN;
		return judge->lengths + judge->codings > 0 ? refuse(judge, "framing in a 1xx") : JUDGE_INTERIM;
	}
	if (judge->is_old && judge->codings > 0)
		return refuse(judge, "a coding in HTTP/1.0");
	if (judge->status == 204 && judge->lengths + judge->codings > 0)
		return refuse(judge, "framing in a 204");
	if (judge->answers_head || judge->status == 204 || judge->status == 304)
		return whole(judge);
	if (judge->codings == 0 && judge->lengths == 0) {
		judge->state = JUDGE_UNTIL_CLOSE;
		return JUDGE_HEAD_READ;
	}
	return JUDGE_NOTHING;
}

/* A server that expects no body with a method may take it for the next request. */
static const char *complain_of_body(const struct judge *judge)
{
	if (judge->is_response || (judge->codings == 0 && (judge->lengths == 0 || judge->length == 0)))
		return NULL;
	if (strcmp(judge->method, "HEAD") == 0 || strcmp(judge->method, "TRACE") == 0)
		return "a body in a HEAD or TRACE";
	if (strcmp(judge->method, "POST") == 0 || strcmp(judge->method, "PUT") == 0 || strcmp(judge->method, "PATCH") == 0)
		return NULL;
	return judge->wants_close ? NULL : "more may follow a body whose method gives it no meaning";
}

static enum judge_event end_head(struct judge *judge)
{
	enum judge_event event = JUDGE_NOTHING;

	judge->body_length = 0;
	judge->body_hash = 5381;
	if (judge->lengths + judge->codings > 1)
		return refuse(judge, "more than one framing");
	if (!judge->is_response && judge->hosts != 1)
		return refuse(judge, "not exactly one Host");
	if (complain_of_body(judge) != NULL)
		return refuse(judge, complain_of_body(judge));
	if (judge->is_response)
		event = frame_response(judge);
	if (event != JUDGE_NOTHING)
		return event;
	if (judge->codings > 0) {
		judge->state = JUDGE_CHUNK_SIZE;
		judge->length = 0;
		return JUDGE_HEAD_READ;
	}
	judge->remaining = judge->lengths > 0 ? judge->length : 0;
	if (judge->remaining == 0)
		return whole(judge);
	judge->state = JUDGE_LENGTH;
	return JUDGE_HEAD_READ;
}

/* ---- lines --------------------------------------------------------------------------------------------------- */

static void keep_line(struct judge *judge)
{
	if (judge->head_length == UINT32_MAX || judge->line_length >= JUDGE_HEAD_BYTES - judge->head_length) {
		judge->head_length = UINT32_MAX;
		return;
	}
	memcpy(judge->head + judge->head_length, judge->line, judge->line_length);
	judge->head_length += judge->line_length;
	judge->head[judge->head_length++] = '\n';
}

static enum judge_event end_line(struct judge *judge)
{
	const char *complaint;

	if (judge->state == JUDGE_HEAD && judge->line_length > 0)
		keep_line(judge);
	if (judge->state == JUDGE_HEAD && !judge->has_start) {
		judge->has_start = true;
		complaint = judge->is_response ? check_status_line(judge) : check_request_line(judge);
	} else if (judge->line_length == 0) {
		return judge->state == JUDGE_HEAD ? end_head(judge) : whole(judge);
	} else {
		complaint = check_field(judge);
	}
	judge->line_length = 0;
	return complaint == NULL ? JUDGE_NOTHING : refuse(judge, complaint);
}

static enum judge_event take_line_byte(struct judge *judge, uint8_t byte)
{
	if (judge->is_after_cr) {
		judge->is_after_cr = false;
		return byte == '\n' ? end_line(judge) : refuse(judge, "a CR alone");
	}
	if (byte == '\r') {
		judge->is_after_cr = true;
		return JUDGE_NOTHING;
	}
	if (byte < ' ' && byte != '\t')
		return refuse(judge, byte == '\n' ? "an LF alone" : "a control byte");
	if (byte == 0x7f)
		return refuse(judge, "a control byte");
	if (judge->line_length == 0 && (byte == ' ' || byte == '\t'))
		return refuse(judge, "a line that begins with white space");
	if (judge->line_length < JUDGE_LINE)
		judge->line[judge->line_length++] = (char)byte;
	return JUDGE_NOTHING;
}

static void begin_message(struct judge *judge)
{
	judge->state = JUDGE_HEAD;
	judge->has_start = judge->is_old = judge->wants_close = judge->wants_keep = judge->wants_upgrade = false;
	judge->hosts = judge->forwarded = judge->lengths = judge->codings = judge->trailers = judge->head_length = 0;
	judge->forwarded_for[0] = judge->request_id[0] = judge->upgrade[0] = '\0';
	judge->line_length = 0;
}

/* ---- bodies -------------------------------------------------------------------------------------------------- */

static void take_body_byte(struct judge *judge, uint8_t byte)
{
	judge->body_length++;
	judge->body_hash = judge->body_hash * 33 + byte;
}

bool judge_is_in_body(const struct judge *judge)
{
	return judge->state == JUDGE_LENGTH || judge->state == JUDGE_CHUNK_DATA || judge->state == JUDGE_UNTIL_CLOSE ||
	       judge->state == JUDGE_RAW;
}

size_t judge_body(struct judge *judge, const uint8_t *data, size_t length)
{
	if (judge->state == JUDGE_LENGTH || judge->state == JUDGE_CHUNK_DATA) {
		if (length >= judge->remaining)
			length = (size_t)judge->remaining - 1;
		judge->remaining -= length;
	} else if (judge->state != JUDGE_UNTIL_CLOSE) {
		return judge->state == JUDGE_RAW ? length : 0;
	}
	for (size_t i = 0; i < length; i++)
		take_body_byte(judge, data[i]);
	return length;
}

/* Hexadecimal digits and CRLF: no sign, no blanks, no extension. */
static enum judge_event take_chunk_size(struct judge *judge, uint8_t byte)
{
	int digit = is_digit((char)byte)               ? byte - '0'
	            : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
	            : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
	                                         : -1;

	if (judge->is_after_cr) {
		judge->is_after_cr = false;
		if (byte != '\n')
			return refuse(judge, "a chunk size with a CR alone");
		judge->line_length = 0;
		judge->remaining = judge->length;
		judge->state = judge->remaining > 0 ? JUDGE_CHUNK_DATA : JUDGE_TRAILERS;
		return JUDGE_NOTHING;
	}
	if (byte == '\r' && judge->line_length > 0) {
		judge->is_after_cr = true;
		return JUDGE_NOTHING;
	}
	if (digit < 0 || judge->line_length > 14)
		return refuse(judge, "a chunk size that is not a short number");
	judge->length = judge->line_length++ == 0 ? (uint64_t)digit : judge->length * 16 + (uint64_t)digit;
	return JUDGE_NOTHING;
}

static enum judge_event take_chunk_end(struct judge *judge, uint8_t byte)
{
	if (judge->is_after_cr) {
		judge->is_after_cr = false;
		judge->state = JUDGE_CHUNK_SIZE;
		judge->line_length = 0;
		return byte == '\n' ? JUDGE_NOTHING : refuse(judge, "a chunk that does not end with CRLF");
	}
	judge->is_after_cr = byte == '\r';
	return judge->is_after_cr ? JUDGE_NOTHING : refuse(judge, "a chunk that is longer than it said");
}

enum judge_event judge_byte(struct judge *judge, uint8_t byte)
{
	switch (judge->state) {
	case JUDGE_BETWEEN:
		begin_message(judge);
		/* fall through */
	case JUDGE_HEAD:
	case JUDGE_TRAILERS:
		return take_line_byte(judge, byte);
	case JUDGE_LENGTH:
		take_body_byte(judge, byte);
		return --judge->remaining == 0 ? whole(judge) : JUDGE_BODY;
	case JUDGE_CHUNK_SIZE:
		return take_chunk_size(judge, byte);
	case JUDGE_CHUNK_DATA:
		take_body_byte(judge, byte);
		if (--judge->remaining == 0)
			judge->state = JUDGE_CHUNK_END;
		return JUDGE_BODY;
	case JUDGE_CHUNK_END:
		return take_chunk_end(judge, byte);
	case JUDGE_UNTIL_CLOSE:
		take_body_byte(judge, byte);
		return JUDGE_BODY;
	case JUDGE_RAW:
		return JUDGE_BODY;
	case JUDGE_BAD:
		break;
	}
	return JUDGE_REFUSED;
}
