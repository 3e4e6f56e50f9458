/*
 * The fallback of a route, from its text or its file. The file is read now: when the upstream is gone, nothing may
 * depend on a disk.
 */
#include <stdio.h>
#include <string.h>

#include "routes/config_reader.h"

static const char BUILT_IN_BODY[] = "This service is currently unavailable";
static const char PLAIN_TEXT[] = "text/plain; charset=utf-8";

static bool read_body(struct reader *reader, const struct yaml_node *node, const char *file, struct fallback_source *source)
{
	source->body = reader_file(reader, node, file, CONFIG_FALLBACK_BYTES_MAX, &source->body_length);
	return source->body != NULL;
}

static const char *content_type_of(const char *file)
{
	const char *dot = file != NULL ? strrchr(file, '.') : NULL;

	if (dot != NULL && (strcmp(dot, ".html") == 0 || strcmp(dot, ".htm") == 0))
		return "text/html; charset=utf-8";
	return dot != NULL && strcmp(dot, ".json") == 0 ? "application/json" : PLAIN_TEXT;
}

static bool is_content_type(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		if (*at < ' ' || *at > '~')
			return false;
	return strchr(text, '/') != NULL && text[0] != '/' && text[0] != ' ' && strlen(text) <= 256;
}

static bool is_bodiless(unsigned status)
{
	return status == 204 || status == 205 || status == 304;
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
}

static void build(struct reader *reader, const struct yaml_node *node, const struct fallback_parts *parts,
                  struct route *route)
{
	struct fallback_source source = {
		.status = parts->status,
		.content_type = parts->content_type != NULL ? parts->content_type : content_type_of(parts->file),
		.body = is_bodiless(parts->status) ? "" : BUILT_IN_BODY,
	};

	if (parts->body != NULL)
		source.body = parts->body;
	source.body_length = strlen(source.body);
	if (parts->file != NULL && !read_body(reader, yaml_find(node, "file"), parts->file, &source))
		return;
	if (reader->is_memory_short || !fallback_build(&route->fallback, &source, arena_allocate, reader->memory)) {
		reader->is_memory_short = true;
		return;
	}
	route->fallback.file = parts->file;
	memcpy(route->fallback_on_statuses, parts->on_statuses, sizeof(route->fallback_on_statuses));
	for (size_t i = 0; i < sizeof(parts->on_statuses) / sizeof(parts->on_statuses[0]); i++)
		route->has_fallback_on_statuses = route->has_fallback_on_statuses || parts->on_statuses[i] != 0;
}

/* A browser that may read the upstream's answers (CORS) shall be able to read the fallback, too. Not what is about the body: it
 * is another one. */
static bool goes_on_fallback(const struct header_edit *edit)
{
	static const char *const OWN_NAMES[] = {"Date", "ETag", "Expires", "Last-Modified", "Retry-After", "Surrogate-Control"};

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
	if (node->kind == YAML_SCALAR && !reader_is_empty(node)) {
		text = reader_text(reader, node, key->name);
		parts.body = text != NULL ? reader_copy(reader, text, strlen(text)) : NULL;
	} else {
		section_read(reader, node, SCOPE_FALLBACK, key->name, &parts);
	}
	check_parts(reader, node, &parts);
	/* A file that can't be read is worth a complaint of its own, so only what can't be built is left. */
	if (complaints->errors == errors || parts.file != NULL)
		build(reader, node, &parts, into);
}
