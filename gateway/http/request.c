/*
 * Request heads, in three steps:
 *
 *     the line      byte by byte, left to right; 405 and 505 as soon as the word that deserves them is whole
 *     the fields    fields_parse()
 *     the meaning   form of the target, host, where the body ends, what the client expects; needs the whole head
 *
 * Nothing is decided on what may still change with the next byte, so a head that comes in pieces gets the verdict it
 * would have got in one piece. The price of starting again each time is bounded by limits->head_bytes.
 *
 * In doubt it refuses: what this file lets pass, the gateway passes on, and the server behind it may read a doubtful
 * line differently.
 */
#include "gateway/http/request.h"

#include "gateway/http/characters.h"
#include "gateway/http/target.h"
#include "gateway/http/upgrade.h"

enum { METHOD_LENGTH_MAX = 64, MAX_FORWARDS_MOST = 9999 };

static enum parse_result refuse(struct request *request, unsigned status, const char *why)
{
	request->refused_status = status;
	request->refused_why = why;
	return PARSE_REFUSED;
}

/* ---- the request line ----------------------------------------------------------------------------------------- */

enum method method_identify(struct slice text)
{
#define IS(literal) (memcmp(text.data, (literal), sizeof(literal) - 1) == 0)
	switch (text.length) {
	case 3:
		return IS("GET") ? METHOD_GET : IS("PUT") ? METHOD_PUT : METHOD_OTHER;
	case 4:
		return IS("POST") ? METHOD_POST : IS("HEAD") ? METHOD_HEAD : METHOD_OTHER;
	case 5:
		return IS("PATCH") ? METHOD_PATCH : IS("TRACE") ? METHOD_TRACE : METHOD_OTHER;
	case 6:
		return IS("DELETE") ? METHOD_DELETE : METHOD_OTHER;
	case 7:
		return IS("OPTIONS") ? METHOD_OPTIONS : IS("CONNECT") ? METHOD_CONNECT : METHOD_OTHER;
	default:
		return METHOD_OTHER;
	}
#undef IS
}

/* One CRLF may come before the line: some clients send it after a body (RFC 9112 section 2.2). */
static enum parse_result parse_leading_crlf(struct request *request, const char **at, const char *end)
{
	if (*at == end)
		return PARSE_MORE;
	if (**at != '\r')
		return PARSE_DONE;
	if (*at + 1 == end)
		return PARSE_MORE;
	if ((*at)[1] != '\n')
		return refuse(request, 400, "bare CR before the request line");
	*at += 2;
	if (*at == end)
		return PARSE_MORE;
	return **at == '\r' ? refuse(request, 400, "empty lines before the request line") : PARSE_DONE;
}

static enum parse_result parse_method(struct request *request, const char **at, const char *end)
{
	static const char usual[] = "GET ";
	const char *here = *at;

	if ((size_t)(end - here) >= sizeof usual - 1 && memcmp(here, usual, sizeof usual - 1) == 0) {
		request->method_text = (struct slice){ here, sizeof usual - 2 };
		request->method = METHOD_GET;
		*at = here + sizeof usual - 1;
		return PARSE_DONE;
	}
	while (here < end && char_is(*here, CHAR_TOKEN))
		here++;
	if (here - *at > METHOD_LENGTH_MAX)
		return refuse(request, 400, "method too long");
	if (here == end)
		return PARSE_MORE;
	if (*here != ' ' || here == *at)
		return refuse(request, 400, here == *at ? "no method" : "character not allowed in a method");
	request->method_text = (struct slice){*at, (size_t)(here - *at)};
	request->method = method_identify(request->method_text);
	if (request->method == METHOD_CONNECT)
		return refuse(request, 405, "CONNECT");
	*at = here + 1;
	return PARSE_DONE;
}

static const char *why_bad_target(char c, bool is_empty)
{
	switch (c) {
	case ' ':
		return is_empty ? "more than one blank in the request line" : "no target";
	case '\r':
	case '\n':
		return "no version in the request line";
	case '#':
		return "fragment in the target";
	case '\\':
		return "backslash in the target";
	default:
		return "character not allowed in the target";
	}
}

/* Reads the escape that begins with '%' at `at`. A query is the service's own business: many clients write a bare '%'
 * there, and the gateway passes it on unchanged. */
static enum parse_result judge_percent(struct request *request, const char *at, const char *end, bool is_in_query)
{
	for (int i = 1; i <= 2; i++) {
		if (at + i == end)
			return PARSE_MORE;
		if (!char_is(at[i], CHAR_HEX))
			return is_in_query ? PARSE_DONE : refuse(request, 400, "bad percent-encoding in the target");
	}
	return at[1] == '0' && at[2] == '0' ? refuse(request, 400, "encoded NUL in the target") : PARSE_DONE;
}

/* Finds the end of the target and its '?'; the form is checked later. */
static enum parse_result parse_target(struct request *request, const char **at, const char *end)
{
	const char *here = *at, *question = NULL;
	enum parse_result result;

	for (;; here++) {
		while (here < end && char_is(*here, CHAR_TARGET))
			here++;
		if (here == end)
			return PARSE_MORE;
		if (*here == '?') {
			if (question == NULL)
				question = here;
		} else if (*here == '%') {
			if ((result = judge_percent(request, here, end, question != NULL)) != PARSE_DONE)
				return result;
		} else {
			break;
		}
	}
	if (*here != ' ' || here == *at)
		return refuse(request, 400, why_bad_target(*here, here == *at));
	request->target = (struct slice){*at, (size_t)(here - *at)};
	if (question != NULL) {
		request->has_query = true;
		request->query = (struct slice){question + 1, (size_t)(here - question - 1)};
	}
	*at = here + 1;
	return PARSE_DONE;
}

static enum parse_result parse_version(struct request *request, const char **at, const char *end)
{
	static const char name[] = "HTTP/", usual[] = "HTTP/1.1\r\n";
	const char *here = *at;

	if ((size_t)(end - here) >= sizeof usual - 1 && memcmp(here, usual, sizeof usual - 1) == 0) {
		request->version_minor = 1;
		*at = here + sizeof usual - 1;
		return PARSE_DONE;
	}
	for (size_t i = 0; i < sizeof name - 1; i++, here++) {
		if (here == end)
			return PARSE_MORE;
		if (*here != name[i])
			return refuse(request, 400, "malformed version");
	}
	for (int i = 0; i < 3; i++)
		if (here + i == end)
			return PARSE_MORE;
		else if (i == 1 ? here[i] != '.' : !char_is(here[i], CHAR_DIGIT))
			return refuse(request, 400, "malformed version");
	if (here[0] != '1')
		return here[0] == '0' ? refuse(request, 400, "HTTP/0") : refuse(request, 505, "major version above 1");
	request->version_minor = here[2] == '0' ? 0 : 1;
	here += 3;
	if (here == end)
		return PARSE_MORE;
	if (*here != '\r')
		return refuse(request, 400, *here == '\n' ? "bare LF after the request line" : "malformed version");
	if (here + 1 == end)
		return PARSE_MORE;
	if (here[1] != '\n')
		return refuse(request, 400, "bare CR after the request line");
	*at = here + 2;
	return PARSE_DONE;
}

/* ---- what the client wishes ----------------------------------------------------------------------------------- */

/* 0, or the status to refuse with. The body must be known already. */
static unsigned judge_wishes(struct request *request)
{
	const uint32_t wishes = FIELD_BIT(FIELD_CONNECTION) | FIELD_BIT(FIELD_UPGRADE) | FIELD_BIT(FIELD_EXPECT);
	bool has_close = false, has_keep_alive = false, names_upgrade = false, expects = false;
	bool has_body = body_is_sent(&request->body);
	unsigned upgrades = 0;

	if (!fields_have(&request->fields, wishes)) {
		request->keep_alive = request->version_minor > 0;
		return 0;
	}
	for (size_t i = 0; i < request->fields.count; i++) {
		const struct field *field = &request->fields.list[i];

		switch (field->id) {
		case FIELD_CONNECTION:
			has_close |= field_list_has(field->value, SLICE("close"));
			has_keep_alive |= field_list_has(field->value, SLICE("keep-alive"));
			names_upgrade |= field_list_has(field->value, SLICE("upgrade"));
			break;
		case FIELD_UPGRADE:
			request->upgrade = field->value;
			upgrades++;
			break;
		case FIELD_EXPECT:
			if (!slice_equal_nocase(field->value, SLICE("100-continue")))
				return 417;
			expects = true;
			break;
		default:
			break;
		}
	}
	request->keep_alive = !has_close && (request->version_minor > 0 || has_keep_alive);
	/* A 1.0 client could not read the 100 (RFC 9110 section 10.1.1); without a body there is nothing to wait
	 * for. */
	request->expects_continue = expects && request->version_minor > 0 && has_body;
	request->wants_upgrade = request->version_minor > 0 && names_upgrade && upgrades == 1 && !has_body &&
	                         upgrade_may_pass(request->upgrade);
	return 0;
}

/* RFC 9110 section 7.6.2: every proxy checks and decrements the value. NULL, or why it is refused. */
static const char *judge_max_forwards(struct request *request)
{
	for (size_t i = 0; i < request->fields.count; i++) {
		struct field *field = &request->fields.list[i];

		if (field->id != FIELD_MAX_FORWARDS)
			continue;
		if (request->has_max_forwards)
			return "more than one Max-Forwards";
		for (size_t j = 0; j < field->value.length; j++) {
			if (!char_is(field->value.data[j], CHAR_DIGIT))
				return "malformed Max-Forwards";
			request->max_forwards = request->max_forwards * 10 + (uint32_t)(field->value.data[j] - '0');
			if (request->max_forwards > MAX_FORWARDS_MOST)
				request->max_forwards = MAX_FORWARDS_MOST;
		}
		if (field->value.length == 0)
			return "malformed Max-Forwards";
		request->has_max_forwards = field->is_hop_by_hop = true;
	}
	return NULL;
}

static enum parse_result judge(struct request *request)
{
	struct framing_input framing = {
		.is_request = true,
		.is_bodyless = request->method == METHOD_HEAD || request->method == METHOD_TRACE,
		.version_minor = request->version_minor,
		.fields = &request->fields,
	};
	const char *why;
	unsigned status;

	if ((why = target_judge(request)) != NULL)
		return refuse(request, 400, why);
	if (framing_is_unsaid(&framing))
		request->body = (struct body){ .kind = BODY_NONE, .is_end_certain = true };
	else if ((status = framing_decide(&framing, &request->body, &why)) != 0)
		return refuse(request, status, why);
	if ((status = judge_wishes(request)) != 0)
		return refuse(request, status, "Expect other than 100-continue");
	if (fields_have(&request->fields, FIELD_BIT(FIELD_MAX_FORWARDS)) &&
	    (request->method == METHOD_OPTIONS || request->method == METHOD_TRACE) && (why = judge_max_forwards(request)) != NULL)
		return refuse(request, 400, why);
	return PARSE_DONE;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static enum parse_result parse_within(struct request *request, const char *bytes, size_t length, size_t maximum,
                                      bool *is_in_line)
{
	const char *at = bytes, *end = bytes + length, *why = NULL;
	enum parse_result result;
	bool is_too_large;
	size_t used;

	*is_in_line = true;
	if ((result = parse_leading_crlf(request, &at, end)) != PARSE_DONE ||
	    (result = parse_method(request, &at, end)) != PARSE_DONE ||
	    (result = parse_target(request, &at, end)) != PARSE_DONE ||
	    (result = parse_version(request, &at, end)) != PARSE_DONE)
		return result;
	*is_in_line = false;
	result = fields_parse(at, (size_t)(end - at), &request->fields, maximum, &used, &why, &is_too_large);
	if (result == PARSE_REFUSED)
		return refuse(request, is_too_large ? 431 : 400, why);
	if (result == PARSE_MORE)
		return PARSE_MORE;
	request->head_length = (size_t)(at - bytes) + used;
	return judge(request);
}

enum parse_result request_parse(struct request *request, const char *bytes, size_t length, struct field *fields,
                                const struct request_limits *limits)
{
	bool is_whole = length < limits->head_bytes, is_in_line;
	enum parse_result result;

	memset(request, 0, sizeof *request);
	request->fields.list = fields;
	result = parse_within(request, bytes, is_whole ? length : limits->head_bytes, limits->fields, &is_in_line);
	if (result == PARSE_MORE && !is_whole)
		return is_in_line ? refuse(request, 414, "request line too long") : refuse(request, 431, "head too long");
	return result;
}
