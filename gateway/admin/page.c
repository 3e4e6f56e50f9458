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

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *words;
	} reasons[] = {
		{ 200, "OK" }, { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" }, { 409, "Conflict" },
		{ 415, "Unsupported Media Type" }, { 500, "Internal Server Error" }, { 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].words;
	return "";
}

void page_header(struct page_request *request, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request->http), name, value);
}

static void free_text(const void *text, size_t length, void *context)
{
	(void)length, (void)context;
	free((void *)text);
}

void page_text(struct page_request *request, int status, const char *content_type, char *text, size_t length)
{
	struct evbuffer *body = evbuffer_new();
	char digits[24];

	snprintf(digits, sizeof digits, "%zu", length);
	page_header(request, "Content-Type", content_type);
	page_header(request, "Cache-Control", "no-store");
	page_header(request, "X-Content-Type-Options", "nosniff");
	page_header(request, "Content-Length", digits);
	if (request->is_head) {
		free(text);
	} else if (body == NULL || evbuffer_add_reference(body, text, length, free_text, NULL) != 0) {
		free(text);
		evhttp_remove_header(evhttp_request_get_output_headers(request->http), "Content-Length");
		status = 500;
	}
	evhttp_send_reply(request->http, status, reason_of(status), body);
	if (body != NULL)
		evbuffer_free(body);
}

void page_json(struct page_request *request, int status, const char *content_type, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

	json_decref(value);
	if (text == NULL) {
		text = strdup("{\"status\":500,\"message\":\"memory is short\"}");
		status = 500;
	}
	page_text(request, status, content_type, text, text == NULL ? 0 : strlen(text));
}

void page_error(struct page_request *request, int status, const char *message)
{
	page_json(request, status, PAGE_JSON,
	          json_pack("{s:i, s:s, s:s}", "status", status, "error", reason_of(status), "message", message));
}

/* With or without parameters; Spring's own types, too; nothing at all; and what `curl -d` says unless told otherwise. A form in
 * a browser says that as well, but in a form's own bytes no brace stays one. What else it can send is refused by its type. */
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

json_t *page_parameters(struct page_request *request, const char *name)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request->http));
	struct evkeyvalq parameters;
	json_t *values = json_array();
	bool is_short = values == NULL; /* who asked for less must not get all */

	if (evhttp_parse_query_str(query == NULL ? "" : query, &parameters) != 0) {
		page_error(request, 400, "the query is not NAME=VALUE&...");
		json_decref(values);
		return NULL;
	}
	for (const struct evkeyval *at = parameters.tqh_first; at != NULL; at = at->next.tqe_next)
		if (strcmp(at->key, name) == 0) /* its value may be no UTF-8 */
			is_short |= json_array_append_new(values, json_string_nocheck(at->value)) != 0;
	evhttp_clear_headers(&parameters);
	if (!is_short)
		return values;
	page_error(request, 500, "memory is short");
	json_decref(values);
	return NULL;
}

bool page_find_service(struct page_request *request, const char *name, struct admin_service *service)
{
	const struct admin_view *view = request->view;
	size_t count = view->service_count(view->context);

	for (size_t i = 0; i < count; i++) {
		*service = view->service(view->context, i);
		if (strcmp(service->settings->name, name) == 0)
			return true;
	}
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
