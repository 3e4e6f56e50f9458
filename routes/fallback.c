/*
 * The gateway serves a fallback when things are short: no endpoint, no time, perhaps no memory. So everything that is known
 * when the configuration is read is put into bytes here, and serving is two writes.
 *
 *     HTTP/1.1 503 Service Unavailable CRLF       here
 *     Content-Type, Content-Length, Cache-Control here
 *     Date, Retry-After, Proxy-Status, ...        the caller's, per request
 *     CRLF                                        the caller's
 *     body                                        here
 *
 * Length fields follow RFC 9110 section 8.6: none with 204; none with 304 either, where it would describe a response that is
 * not sent; zero with 205.
 *
 * The phrases are here as well as in gateway/http, because this folder may include nothing from above.
 */
#include "routes/fallback.h"

#include <stdio.h>
#include <string.h>

static const char DEFAULT_CONTENT_TYPE[] = "text/plain; charset=utf-8";

static const struct {
	unsigned status;
	const char *text;
} PHRASES[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{203, "Non-Authoritative Information"},
	{204, "No Content"},
	{205, "Reset Content"},
	{206, "Partial Content"},
	{300, "Multiple Choices"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{402, "Payment Required"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{413, "Content Too Large"},
	{418, "I'm a teapot"},
	{421, "Misdirected Request"},
	{422, "Unprocessable Content"},
	{423, "Locked"},
	{424, "Failed Dependency"},
	{425, "Too Early"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{451, "Unavailable For Legal Reasons"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{507, "Insufficient Storage"},
	{508, "Loop Detected"},
};

static const char *phrase(unsigned status)
{
	for (size_t i = 0; i < sizeof(PHRASES) / sizeof(PHRASES[0]); i++)
		if (PHRASES[i].status == status)
			return PHRASES[i].text;
	return "Unknown";
}

static bool has_content(unsigned status)
{
	return status != 204 && status != 205 && status != 304;
}

/* Writes as much of the head as fits. Returns its whole length. */
static size_t write_head(char *text, size_t size, const struct fallback *fallback, const char *location)
{
	char content[2][64] = {"", ""};
	const char *type = "";
	int length;

	if (has_content(fallback->status)) {
		strcpy(content[0], "Content-Type: ");
		type = fallback->content_type;
		snprintf(content[1], sizeof(content[1]), "\r\nContent-Length: %zu\r\n", fallback->body_length);
	} else if (fallback->status == 205) {
		strcpy(content[1], "Content-Length: 0\r\n");
	}
	length = snprintf(text, size, "HTTP/1.1 %03u %s\r\n%s%s%s%s%s%sCache-Control: no-store\r\n", fallback->status,
	                  phrase(fallback->status), location != NULL ? "Location: " : "", location != NULL ? location : "",
	                  location != NULL ? "\r\n" : "", content[0], type, content[1]);
	return length > 0 ? (size_t)length : 0;
}

bool fallback_build(struct fallback *fallback, const struct fallback_source *source,
                    void *(*allocate)(void *context, size_t size), void *context)
{
	const char *type = source->content_type != NULL ? source->content_type : DEFAULT_CONTENT_TYPE;
	size_t type_size = strlen(type) + 1;
	struct fallback built = *fallback;
	char *copy, *body = NULL, *head, nothing[1];

	built.status = source->status;
	built.body_length = has_content(source->status) ? source->body_length : 0;
	copy = allocate(context, type_size);
	if (!source->is_lasting)
		body = allocate(context, built.body_length + 1);
	if (copy == NULL || (body == NULL && !source->is_lasting))
		return false;
	memcpy(copy, type, type_size);
	built.content_type = copy;
	built.body = source->is_lasting ? source->body : body;
	if (body != NULL) {
		memcpy(body, built.body_length > 0 ? source->body : "", built.body_length);
		body[built.body_length] = '\0';
	}
	built.head_length = write_head(nothing, sizeof(nothing), &built, source->location);
	head = allocate(context, built.head_length + 1);
	if (head == NULL)
		return false;
	write_head(head, built.head_length + 1, &built, source->location);
	built.head = head;
	*fallback = built;
	return true;
}
