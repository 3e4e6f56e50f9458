/*
 * The fallback of a route, from its text or its file. The file is read now, because nothing may depend on a disk when the
 * upstream is gone.
 */
#include "routes/config/fallback.h"

#include <stdio.h>
#include <string.h>

#include "routes/config/arena.h"
#include "routes/config/complaints.h"
#include "routes/config/file.h"
#include "routes/config/keys.h"
#include "routes/config/section.h"
#include "routes/config/value.h"

static const char BUILT_IN_BODY[] = "This service is currently unavailable";
static const char PLAIN_TEXT[] = "text/plain; charset=utf-8";

static const char LOCATION_BYTES[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?#[]@!$&'()*+,;=%";
enum { LOCATION_MAX = 2048 };

static bool read_body(struct reader *reader, const struct yaml_node *node, const char *file, struct fallback_source *source)
{
	bool is_known = reader->fallback_file.name != NULL && strcmp(reader->fallback_file.name, file) == 0;

	if (!is_known) {
		reader->fallback_file.body = reader_file(reader, node, file, CONFIG_FALLBACK_BYTES_MAX, &reader->fallback_file.length);
		reader->fallback_file.name = reader->fallback_file.body != NULL ? file : NULL;
	}
	source->body = reader->fallback_file.body;
	source->body_length = reader->fallback_file.length;
	source->is_lasting = true;
	return source->body != NULL;
}

static const char *content_type_of(const char *file)
{
	const char *dot = file != NULL ? strrchr(file, '.') : NULL;

	if (dot != NULL && (strcmp(dot, ".html") == 0 || strcmp(dot, ".htm") == 0))
		return "text/html; charset=utf-8";
	return dot != NULL && strcmp(dot, ".json") == 0 ? "application/json" : PLAIN_TEXT;
}

/* type/subtype, and perhaps parameters (RFC 9110 section 8.3.1). */
static bool is_content_type(const char *text)
{
	size_t type = value_token_length(text), subtype = text[type] == '/' ? value_token_length(text + type + 1) : 0;
	const char *rest;

	if (type == 0 || subtype == 0 || strlen(text) > 256)
		return false;
	rest = text + type + 1 + subtype;
	rest += strspn(rest, " ");
	for (const char *at = rest; *at != '\0'; at++)
		if (*at < ' ' || *at > '~')
			return false;
	return *rest == '\0' || *rest == ';';
}

static bool is_bodiless(unsigned status)
{
	return status == 204 || status == 205 || status == 304;
}

/* The value of Location: a whole URL, or a path on the host that the client asked. */
static bool is_location(const char *text)
{
	const char *host = strncmp(text, "http://", 7) == 0 ? text + 7 : strncmp(text, "https://", 8) == 0 ? text + 8 : NULL;

	if (text[strspn(text, LOCATION_BYTES)] != '\0' || strlen(text) > LOCATION_MAX)
		return false;
	if (host != NULL)
		return strcspn(host, "/?#") > 0 && memchr(host, '@', strcspn(host, "/?#")) == NULL;
	return text[0] == '/' && text[1] != '/';
}

void read_redirect(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct fallback_parts *parts = into;
	const char *text = reader_text(reader, node, key->name);

	if (text == NULL || value_is_off(text))
		return;
	if (is_location(text))
		parts->redirect = reader_copy(reader, text, strlen(text));
	else
		reader_error(reader, node, "redirect takes a URL, as in https://status.example/, or a path that begins with one \"/\", "
		             "not \"%.60s\"", text);
}

/* A status of its own: browsers remember a permanent redirect for ever, and the service is only away for a while. */
static void check_redirect(struct reader *reader, const struct yaml_node *node, struct fallback_parts *parts)
{
	const struct yaml_node *status = yaml_find(node, "status");

	if (status == NULL)
		parts->status = 302;
	else if (parts->status != 302 && parts->status != 307)
		reader_error(reader, status, "a redirect has status 302, or 307 to have the method repeated, not %u", parts->status);
	if (parts->body != NULL || parts->file != NULL || parts->content_type != NULL)
		reader_error(reader, yaml_find(node, "redirect"), "a fallback has a redirect or a body, not both");
}

/* Spring's "forward:/path" and "redirect:URL". A sentence that begins so has blanks in it. */
static void refuse_springs(struct reader *reader, const struct yaml_node *node, const char *body)
{
	if (body[0] == '\0' || body[strcspn(body, " \n")] != '\0')
		return;
	if (strncmp(body, "forward:", 8) == 0)
		reader_error(reader, node, "\"%.60s\" is Spring's spelling, which clients would get as text; write the text that they "
		             "shall get, or { upstream: NAME } to have another upstream answer", body);
	else if (strncmp(body, "redirect:", 9) == 0)
		reader_error(reader, node, "\"%.60s\" is Spring's spelling, which clients would get as text; write "
		             "{ redirect: \"%.60s\" }", body, body + 9);
}

static void check_parts(struct reader *reader, const struct yaml_node *node, const struct fallback_parts *parts)
{
	if (is_bodiless(parts->status) && (parts->file != NULL || (parts->body != NULL && parts->body[0] != '\0')))
		reader_error(reader, yaml_find(node, "status"), "an answer with status %u can't have a body", parts->status);
	if (parts->content_type != NULL && !is_content_type(parts->content_type))
		reader_error(reader, yaml_find(node, "content_type"), "\"%.60s\" is not a content type", parts->content_type);
	if (parts->file != NULL && parts->body != NULL)
		reader_error(reader, yaml_find(node, "file"), "a fallback has a body or a file, not both");
	if (parts->body != NULL && strlen(parts->body) > CONFIG_FALLBACK_BYTES_MAX)
		reader_error(reader, yaml_find(node, "body"), "the body is larger than 1 MiB");
	if (parts->body != NULL)
		refuse_springs(reader, node->kind == YAML_SCALAR ? node : yaml_find(node, "body"), parts->body);
}

/* A sentence ends its line; otherwise a terminal's prompt would follow it. If the file names a content type, its bytes are
 * exact. */
static const char *end_line(struct reader *reader, const char *sentence)
{
	size_t length = strlen(sentence);
	char *line;

	if (length == 0 || sentence[length - 1] == '\n' || (line = reader_copy(reader, sentence, length + 1)) == NULL)
		return sentence;
	line[length] = '\n';
	return line;
}

static void build(struct reader *reader, const struct yaml_node *node, const struct fallback_parts *parts,
                  struct route *route)
{
	struct fallback_source source = {
		.status = parts->status,
		.content_type = parts->content_type != NULL ? parts->content_type : content_type_of(parts->file),
		.body = is_bodiless(parts->status) ? "" : BUILT_IN_BODY,
		.location = parts->redirect,
	};

	if (parts->body != NULL)
		source.body = parts->body;
	if (parts->content_type == NULL)
		source.body = end_line(reader, source.body);
	source.body_length = strlen(source.body);
	if (parts->file != NULL && !read_body(reader, yaml_find(node, "file"), parts->file, &source))
		return;
	if (reader->is_memory_short || !fallback_build(&route->fallback, &source, arena_allocate, reader->memory)) {
		reader->is_memory_short = true;
		return;
	}
	route->fallback.file = parts->file;
	route->fallback.redirect = parts->redirect;
	route->fallback_upstream = parts->upstream;
	memcpy(route->fallback_on_statuses, parts->on_statuses, sizeof(route->fallback_on_statuses));
	for (size_t i = 0; i < sizeof(parts->on_statuses) / sizeof(parts->on_statuses[0]); i++)
		route->has_fallback_on_statuses = route->has_fallback_on_statuses || parts->on_statuses[i] != 0;
}

/* A browser that may read the upstream's answers (CORS) must be able to read the fallback, too. Fields about the body stay
 * out, because the body is another one. */
static bool goes_on_fallback(const struct header_edit *edit)
{
	static const char *const OWN_NAMES[] = {"Date", "ETag", "Expires", "Last-Modified",
	                                        "Location", "Retry-After", "Surrogate-Control"};

	if (strcasestr(edit->name, "Cache-Control") != NULL || /* a CDN has one of its own (RFC 9213) */
	    (strncasecmp(edit->name, "Content-", 8) == 0 && strncasecmp(edit->name, "Content-Security-Policy", 23) != 0))
		return false;
	for (size_t i = 0; i < sizeof(OWN_NAMES) / sizeof(OWN_NAMES[0]); i++)
		if (strcasecmp(edit->name, OWN_NAMES[i]) == 0)
			return false;
	return edit->kind != HEADER_REMOVE;
}

void fallback_add_headers(struct reader *reader, struct route *route)
{
	struct fallback *fallback = &route->fallback;
	const struct header_edits *edits = &route->response_headers;
	size_t length = fallback->head_length;
	char *head, *to;

	if (reader->is_memory_short || fallback->head == NULL)
		return;
	for (size_t i = 0; i < edits->count; i++)
		if (goes_on_fallback(&edits->edits[i]))
			length += edits->edits[i].name_length + edits->edits[i].value_length + 4;
	if (length == fallback->head_length)
		return;
	head = arena_allocate(reader->memory, length + 1);
	if (head == NULL) {
		reader->is_memory_short = true;
		return;
	}
	to = mempcpy(head, fallback->head, fallback->head_length);
	for (size_t i = 0; i < edits->count; i++)
		if (goes_on_fallback(&edits->edits[i]))
			to += sprintf(to, "%s: %s\r\n", edits->edits[i].name, edits->edits[i].value);
	fallback->head = head;
	fallback->head_length = length;
}

void fallback_default(struct reader *reader, struct route *route)
{
	struct fallback_parts parts = {0};

	section_defaults(reader, SCOPE_FALLBACK, &parts);
	build(reader, NULL, &parts, route);
}

void read_fallback(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct fallback_parts parts = {0};
	struct complaints *complaints = reader->complaints;
	size_t errors = complaints->errors;
	const char *text;

	section_defaults(reader, SCOPE_FALLBACK, &parts);
	if (node->is_plain && value_is_nothing(node)) {
		build(reader, NULL, &parts, into);
		return;
	}
	if (node->kind == YAML_SCALAR && !reader_is_empty(node)) {
		text = reader_text(reader, node, key->name);
		parts.body = text != NULL ? reader_copy(reader, text, strlen(text)) : NULL;
	} else {
		section_read(reader, node, SCOPE_FALLBACK, key->name, &parts);
	}
	if (parts.redirect != NULL)
		check_redirect(reader, node, &parts);
	check_parts(reader, node, &parts);
	/* A file that can't be read has got its own complaint, so only a failure to build is left. */
	if (complaints->errors == errors || parts.file != NULL)
		build(reader, node, &parts, into);
}
