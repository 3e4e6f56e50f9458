/*
 * Answers of the admin listener: JSON, text, errors; and small shapes that several pages share.
 *
 * jansson reports a shortage of memory as NULL, and takes NULL wherever it takes a value, so pages build their tree without
 * looking and only the last step, here, looks. A value that could not be made is missing then, but nothing breaks.
 */
#include "gateway/admin/page.h"

#include <ctype.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "breaker/names.h"
#include "gateway/http/response.h"

void page_header(struct page_request *request, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request->http), name, value);
}

static void free_text(const void *text, size_t length, void *context)
{
	(void)length, (void)context;
	free((void *)text);
}

static void keep_text(const void *text, size_t length, void *context)
{
	(void)text, (void)length, (void)context;
}

static void answer(struct page_request *request, int status, const char *content_type, const char *text, size_t length,
                   evbuffer_ref_cleanup_cb cleanup)
{
	struct evbuffer *body = evbuffer_new();
	char digits[24];

	snprintf(digits, sizeof digits, "%zu", length);
	page_header(request, "Content-Type", content_type);
	page_header(request, "Cache-Control", "no-store");
	page_header(request, "X-Content-Type-Options", "nosniff");
	page_header(request, "Content-Length", digits);
	if (request->is_head) {
		cleanup(text, length, NULL);
	} else if (body == NULL || evbuffer_add_reference(body, text, length, cleanup, NULL) != 0) {
		cleanup(text, length, NULL);
		evhttp_remove_header(evhttp_request_get_output_headers(request->http), "Content-Length");
		status = 500;
	}
	evhttp_send_reply(request->http, status, status_reason((unsigned)status), body);
	if (body != NULL)
		evbuffer_free(body);
}

void page_text(struct page_request *request, int status, const char *content_type, char *text, size_t length)
{
	answer(request, status, content_type, text, length, free_text);
}

void page_static(struct page_request *request, const char *content_type, const char *text, size_t length)
{
	answer(request, 200, content_type, text, length, keep_text);
}

/* In lines for a person: asked for with ?pretty, and for curl, which shows what it gets; ?pretty=false for curl in a script. */
static bool is_for_person(const struct page_request *request)
{
	const char *agent = evhttp_find_header(evhttp_request_get_input_headers(request->http), "User-Agent");
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request->http));
	const char *wish = query == NULL ? NULL : strstr(query, "pretty");

	if (wish != NULL && (wish == query || wish[-1] == '&'))
		return strncmp(wish, "pretty=false", strlen("pretty=false")) != 0;
	return agent != NULL && strncmp(agent, "curl/", strlen("curl/")) == 0;
}

/* NULL: out of memory. */
static char *print_json(const json_t *value, bool is_pretty)
{
	size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) | (is_pretty ? JSON_INDENT(2) : JSON_COMPACT);
	size_t length = json_dumpb(value, NULL, 0, flags);
	char *text = length == 0 ? NULL : malloc(length + 2);

	if (text == NULL)
		return NULL;
	if (json_dumpb(value, text, length, flags) != length) {
		free(text);
		return NULL;
	}
	memcpy(text + length, "\n", 2);
	return text;
}

void page_json(struct page_request *request, int status, const char *content_type, json_t *value)
{
	char *text = print_json(value, is_for_person(request));

	json_decref(value);
	if (text == NULL) {
		text = strdup("{\"status\":500,\"message\":\"out of memory\"}\n");
		status = 500;
	}
	page_text(request, status, content_type, text, text == NULL ? 0 : strlen(text));
}

void page_error(struct page_request *request, int status, const char *message)
{
	page_header(request, "Connection", "close");
	page_json(request, status, PAGE_JSON,
	          json_pack("{s:i, s:s, s:s}", "status", status, "error", status_reason((unsigned)status), "message", message));
}

/* The quality of this media range in Accept (RFC 9110 sections 12.4.2 and 12.5.1): 0 to 1; negative if Accept does not
 * mention it. */
static double quality_of(const char *accept, const char *range)
{
	size_t length = strlen(range);

	for (const char *at = accept, *end; *at != '\0'; at = end + (*end == ',')) {
		double quality = 1;

		at += strspn(at, " \t");
		end = at + strcspn(at, ",");
		if (strncasecmp(at, range, length) != 0 || strchr("; \t,", at[length]) == NULL)
			continue;
		for (const char *part = at + length; (part = memchr(part, ';', (size_t)(end - part))) != NULL;) {
			part += 1 + strspn(part + 1, " \t");
			if (strncasecmp(part, "q=", 2) == 0)
				quality = strtod(part + 2, NULL);
		}
		return quality;
	}
	return -1;
}

bool page_prefers(struct page_request *request, const char *media_type)
{
	const char *accept = evhttp_find_header(evhttp_request_get_input_headers(request->http), "Accept");
	static const char *const text[] = { "text/plain", "text/*", "*/*" };
	double wanted, other = -1;

	if (accept == NULL)
		return false;
	wanted = quality_of(accept, media_type);
	for (size_t i = 0; other < 0 && i < sizeof text / sizeof *text; i++)
		other = quality_of(accept, text[i]);
	return wanted > 0 && wanted >= other;
}

/* With or without parameters; Spring's own types, too; nothing at all; and what `curl -d` says unless told otherwise. A form in
 * a browser says that as well, but in a form's own bytes no brace stays one. The listener refuses everything else that
 * it can send by its type. */
static bool may_be_json(const char *content_type)
{
	static const char *const types[] = { "application/json", "application/vnd.spring-boot.actuator.v2+json", PAGE_ACTUATOR,
		                             "application/x-www-form-urlencoded" };

	if (content_type == NULL)
		return true;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		size_t length = strlen(types[i]);

		if (strncasecmp(content_type, types[i], length) == 0 && strchr(" ;", content_type[length]) != NULL)
			return true;
	}
	return false;
}

json_t *page_body(struct page_request *request)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(request->http);
	size_t length = evbuffer_get_length(input);
	const char *bytes = (const char *)evbuffer_pullup(input, -1);
	char message[JSON_ERROR_TEXT_LENGTH + 32];
	json_error_t error;
	json_t *value;

	if (!may_be_json(evhttp_find_header(evhttp_request_get_input_headers(request->http), "Content-Type"))) {
		page_error(request, 415, "Content-Type must be application/json");
		return NULL;
	}
	value = json_loadb(bytes == NULL ? "" : bytes, bytes == NULL ? 0 : length, JSON_REJECT_DUPLICATES, &error);
	if (value == NULL) {
		snprintf(message, sizeof message, "not JSON: line %d, column %d", error.line, error.column);
		page_error(request, 400, message);
	} else if (!json_is_object(value)) {
		json_decref(value);
		value = NULL;
		page_error(request, 400, "not a JSON object");
	}
	return value;
}

json_t *page_read_query(const char *query, const char *name, int *status)
{
	struct evkeyvalq parameters;
	json_t *values;
	bool is_short; /* who asked for less must not get all */

	*status = 400;
	if (evhttp_parse_query_str(query == NULL ? "" : query, &parameters) != 0)
		return NULL;
	values = json_array();
	is_short = values == NULL;
	for (const struct evkeyval *at = parameters.tqh_first; at != NULL; at = at->next.tqe_next)
		if (strcmp(at->key, name) == 0) /* its value may be no UTF-8 */
			is_short |= json_array_append_new(values, json_string_nocheck(at->value)) != 0;
	evhttp_clear_headers(&parameters);
	*status = is_short ? 500 : 200;
	if (!is_short)
		return values;
	json_decref(values);
	return NULL;
}

json_t *page_parameters(struct page_request *request, const char *name)
{
	int status;
	json_t *values = page_read_query(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request->http)), name, &status);

	if (values == NULL)
		page_error(request, status, status == 400 ? "the query is not NAME=VALUE&..." : "out of memory");
	return values;
}

bool page_has_parameter(struct page_request *request, const char *name)
{
	const char *at = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request->http));
	size_t length = strlen(name);

	for (; at != NULL; at = strchr(at, '&') == NULL ? NULL : strchr(at, '&') + 1)
		if (strncmp(at, name, length) == 0 && (at[length] == '\0' || at[length] == '&' || at[length] == '='))
			return true;
	return false;
}

void page_format_time(char text[PAGE_TIME_MAX], uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm = { 0 };
	size_t length;

	gmtime_r(&seconds, &tm);
	length = strftime(text, PAGE_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + length, PAGE_TIME_MAX - length, ".%03uZ", (unsigned)(wall_ms % 1000));
}

void page_format_state(char text[PAGE_STATE_MAX], enum breaker_state state)
{
	const char *name = breaker_state_name(state);
	size_t i;

	for (i = 0; name[i] != '\0' && i + 1 < PAGE_STATE_MAX; i++)
		text[i] = (char)toupper((unsigned char)name[i]);
	text[i] = '\0';
}
