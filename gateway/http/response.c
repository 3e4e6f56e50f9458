/*
 * Response heads. An upstream may be broken or taken over, so its head is read as strictly as a client's: what can be
 * read in two ways ends in a 502, never in a guess. One liberty: the blank after the status may be missing when there is
 * no reason phrase, as many small servers write it and nobody reads it differently.
 */
#include "gateway/http/response.h"

#include "gateway/http/characters.h"

enum { KEEP_ALIVE_TIMEOUT_MAX_S = 86400 };

static enum parse_result refuse(struct response *response, const char *why)
{
	response->refused_why = why;
	return PARSE_REFUSED;
}

/* Nearly all begin like this; then no byte needs to be searched for. */
static bool is_usual(const char *line, const char *end)
{
	return end - line > 12 && memcmp(line, "HTTP/1.1 ", 9) == 0 && line[9] >= '1' && line[9] <= '5' &&
	       char_is(line[10], CHAR_DIGIT) && char_is(line[11], CHAR_DIGIT);
}

/* "HTTP/1.1 200 OK" and its CRLF, left to right. */
static enum parse_result parse_status_line(struct response *response, const char **at, const char *end)
{
	static const char shape[] = "HTTP/1.d sdd"; /* d: a digit, s: 1 to 5 */
	size_t known = is_usual(*at, end) ? sizeof shape - 1 : 0;
	const char *here = *at + known, *start;

	for (size_t i = known; i < sizeof shape - 1; i++, here++) {
		if (here == end)
			return PARSE_MORE;
		if (shape[i] == 'd' ? !char_is(*here, CHAR_DIGIT) : shape[i] == 's' ? *here < '1' || *here > '5'
		                                                                    : *here != shape[i])
			return refuse(response, i < 8 ? "malformed version" : "malformed status");
	}
	response->version_minor = here[-5] == '0' ? 0 : 1;
	response->status = (unsigned)((here[-3] - '0') * 100 + (here[-2] - '0') * 10 + (here[-1] - '0'));
	if (here == end)
		return PARSE_MORE;
	if (*here != ' ' && *here != '\r')
		return refuse(response, "malformed status");
	start = here += *here == ' ';
	while (here < end && char_is(*here, CHAR_VALUE))
		here++;
	if (here == end)
		return PARSE_MORE;
	if (*here != '\r')
		return refuse(response, *here == '\n' ? "bare LF after the status line" : "control character in the reason");
	if (here + 1 == end)
		return PARSE_MORE;
	if (here[1] != '\n')
		return refuse(response, "bare CR in the status line");
	response->reason = (struct slice){start, (size_t)(here - start)};
	*at = here + 2;
	return PARSE_DONE;
}

/* "timeout=5, max=100": the 5; negative if it is missing or makes no sense. */
static int parse_keep_alive_timeout(struct slice value)
{
	static const struct slice key = {"timeout=", 8};
	const char *at = value.data, *end = value.data + value.length;
	int seconds = 0;

	while (at < end) {
		while (at < end && (*at == ' ' || *at == '\t' || *at == ','))
			at++;
		if ((size_t)(end - at) > key.length && slice_equal_nocase((struct slice){at, key.length}, key)) {
			if (!char_is(*(at += key.length), CHAR_DIGIT))
				return -1;
			for (; at < end && char_is(*at, CHAR_DIGIT) && seconds < KEEP_ALIVE_TIMEOUT_MAX_S; at++)
				seconds = seconds * 10 + (*at - '0');
			return seconds < KEEP_ALIVE_TIMEOUT_MAX_S ? seconds : KEEP_ALIVE_TIMEOUT_MAX_S;
		}
		while (at < end && *at != ',')
			at++;
	}
	return -1;
}

static const char *judge_upgrade(struct response *response)
{
	unsigned upgrades = 0;

	if (response->version_minor == 0)
		return "101 in HTTP/1.0";
	for (size_t i = 0; i < response->fields.count; i++)
		if (response->fields.list[i].id == FIELD_UPGRADE) {
			response->upgrade = response->fields.list[i].value;
			upgrades++;
		}
	return upgrades == 1 && response->upgrade.length > 0 ? NULL : "101 without one Upgrade";
}

/* May the connection be used again? Only if it is certain where this response ends. */
static void judge_connection(struct response *response)
{
	const uint32_t wishes = FIELD_BIT(FIELD_CONNECTION) | FIELD_BIT(FIELD_KEEP_ALIVE);
	size_t count = fields_have(&response->fields, wishes) ? response->fields.count : 0;
	bool has_close = false, has_keep_alive = false;
	int timeout_s;

	for (size_t i = 0; i < count; i++) {
		const struct field *field = &response->fields.list[i];

		switch (field->id) {
		case FIELD_CONNECTION:
			has_close |= field_list_has(field->value, SLICE("close"));
			has_keep_alive |= field_list_has(field->value, SLICE("keep-alive"));
			break;
		case FIELD_KEEP_ALIVE:
			timeout_s = parse_keep_alive_timeout(field->value);
			has_close |= timeout_s == 0; /* the upstream won't wait for another request */
			response->keep_alive_timeout_s = timeout_s < 0 ? 0 : (unsigned)timeout_s;
			break;
		default:
			break;
		}
	}
	response->keep_alive = !has_close && (response->version_minor > 0 || has_keep_alive) && response->body.is_end_certain &&
	                       response->status != 101;
}

static enum parse_result judge(struct response *response, bool is_head_request)
{
	struct framing_input framing = {
		.version_minor = response->version_minor,
		.is_head_request = is_head_request,
		.status = response->status,
		.fields = &response->fields,
	};
	const char *why = NULL;

	if (framing_decide(&framing, &response->body, &why) != 0)
		return refuse(response, why);
	if (response->status == 101 && (why = judge_upgrade(response)) != NULL)
		return refuse(response, why);
	response->is_interim = response->status / 100 == 1 && response->status != 101;
	judge_connection(response);
	return PARSE_DONE;
}

enum parse_result response_parse(struct response *response, const char *bytes, size_t length, struct field *fields,
                                 const struct request_limits *limits, bool is_head_request)
{
	bool is_whole = length < limits->head_bytes, is_too_large;
	const char *at = bytes, *end = bytes + (is_whole ? length : limits->head_bytes), *why = NULL;
	enum parse_result result;
	size_t used;

	memset(response, 0, sizeof *response);
	response->fields.list = fields;
	result = parse_status_line(response, &at, end);
	if (result == PARSE_DONE) {
		result = fields_parse(at, (size_t)(end - at), &response->fields, limits->fields, &used, &why, &is_too_large);
		if (result == PARSE_REFUSED)
			return refuse(response, why);
	}
	if (result == PARSE_MORE && !is_whole)
		return refuse(response, "head too long");
	if (result != PARSE_DONE)
		return result;
	response->head_length = (size_t)(at - bytes) + used;
	return judge(response, is_head_request);
}

/* ---- reason phrases ------------------------------------------------------------------------------------------- */

const char *status_reason(unsigned status)
{
	static const char *const known[5][32] = {
		{[0] = "Continue", "Switching Protocols", "Processing", "Early Hints"},
		{[0] = "OK", "Created", "Accepted", "Non-Authoritative Information", "No Content", "Reset Content",
	         "Partial Content", "Multi-Status", "Already Reported", [26] = "IM Used"},
		{[0] = "Multiple Choices", "Moved Permanently", "Found", "See Other", "Not Modified", "Use Proxy",
	         [7] = "Temporary Redirect", "Permanent Redirect"},
		{[0] = "Bad Request", "Unauthorized", "Payment Required", "Forbidden", "Not Found", "Method Not Allowed",
	         "Not Acceptable", "Proxy Authentication Required", "Request Timeout", "Conflict", "Gone", "Length Required",
	         "Precondition Failed", "Content Too Large", "URI Too Long", "Unsupported Media Type",
	         "Range Not Satisfiable", "Expectation Failed", [21] = "Misdirected Request", "Unprocessable Content",
	         "Locked", "Failed Dependency", "Too Early", "Upgrade Required", [28] = "Precondition Required",
	         "Too Many Requests", [31] = "Request Header Fields Too Large"},
		{[0] = "Internal Server Error", "Not Implemented", "Bad Gateway", "Service Unavailable", "Gateway Timeout",
	         "HTTP Version Not Supported", "Variant Also Negotiates", "Insufficient Storage", "Loop Detected",
	         [11] = "Network Authentication Required"},
	};

	if (status < 100 || status > 599 || status % 100 > 31 || known[status / 100 - 1][status % 100] == NULL)
		return "Unknown";
	return known[status / 100 - 1][status % 100];
}
