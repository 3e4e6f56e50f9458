/* The settings of routes[].cors, and what stands in the answers already while the file is read. */
#include "routes/config/cors.h"

#include <stdio.h>
#include <string.h>

#include "routes/config/arena.h"
#include "routes/config/complaints.h"
#include "routes/config/keys.h"
#include "routes/config/section.h"
#include "routes/config/value.h"
#include "routes/cors.h"

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void read_texts(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into, entry_take *take)
{
	struct texts *texts = (struct texts *)((char *)into + key->offset);

	texts->list = reader_array(reader, key, node, true, sizeof(texts->list[0]), take, &texts->count);
}

/* False: memory is short. */
static bool keep_text(const char *copy, void *list, size_t count)
{
	((const char **)list)[count] = copy;
	return copy != NULL;
}

static bool take_field_name(struct reader *reader, const struct yaml_node *item, const char *text, void *list, size_t count)
{
	if (value_is_token(text) && strlen(text) <= 256)
		return keep_text(reader_copy(reader, text, strlen(text)), list, count);
	reader_error(reader, item, "\"%.60s\" is not a header name", text);
	return false;
}

void read_field_names(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	read_texts(reader, key, node, into, take_field_name);
}

static bool take_method(struct reader *reader, const struct yaml_node *item, const char *text, void *list, size_t count)
{
	if (value_is_token(text) && strpbrk(text, "abcdefghijklmnopqrstuvwxyz") == NULL)
		return keep_text(reader_copy(reader, text, strlen(text)), list, count);
	reader_error(reader, item, "methods are written in capital letters, as in [GET, POST], or \"*\" for any, not \"%.40s\"", text);
	return false;
}

void read_cors_methods(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	read_texts(reader, key, node, into, take_method);
}

static bool take_origin(struct reader *reader, const struct yaml_node *item, const char *text, void *list, size_t count)
{
	char *origin = reader_copy(reader, text, strlen(text));
	const char *why = origin != NULL ? cors_origin_read(text, origin) : NULL;

	if (why == NULL)
		return keep_text(origin, list, count);
	reader_error(reader, item, "origin \"%.60s\": %s", text, why);
	return false;
}

void read_origins(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	read_texts(reader, key, node, into, take_origin);
}

static bool take_pattern(struct reader *reader, const struct yaml_node *item, const char *text, void *list, size_t count)
{
	struct cors_pattern *pattern = (struct cors_pattern *)list + count;
	char *room = reader_allocate(reader, strlen(text) + 1);
	const char *why;

	if (room == NULL)
		return false;
	*pattern = (struct cors_pattern){.written = reader_copy(reader, text, strlen(text))};
	why = cors_pattern_read(pattern, text, room);
	if (why != NULL)
		reader_error(reader, item, "origin pattern \"%.60s\": %s", text, why);
	return why == NULL;
}

void read_origin_patterns(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct cors *cors = into;

	cors->patterns = reader_array(reader, key, node, true, sizeof(cors->patterns[0]), take_pattern, &cors->pattern_count);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool has_star(const struct texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		if (strcmp(texts->list[i], "*") == 0)
			return true;
	return false;
}

static const char *join(struct reader *reader, const struct texts *texts)
{
	size_t size = 1;
	char *text, *to;

	for (size_t i = 0; i < texts->count; i++)
		size += strlen(texts->list[i]) + 2;
	text = to = reader_allocate(reader, size);
	for (size_t i = 0; text != NULL && i < texts->count; i++) {
		to = stpcpy(to, i > 0 ? ", " : "");
		to = stpcpy(to, texts->list[i]);
	}
	return text;
}

static bool has_any_pattern(const struct cors *cors)
{
	for (size_t i = 0; i < cors->pattern_count; i++)
		if (strcmp(cors->patterns[i].host, "*") == 0)
			return true;
	return false;
}

enum { CORS_TEXT_MAX = 4096 };

static void check(struct reader *reader, const struct yaml_node *node, const struct cors *cors)
{
	const struct yaml_node *origins = yaml_find(node, "origins"), *patterns = yaml_find(node, "origin_patterns");

	if (origins == NULL && patterns == NULL)
		reader_error(reader, node, "cors has neither origins nor origin_patterns, so no page could use it");
	if (cors->any_origin && cors->credentials)
		reader_error(reader, origins, "browsers refuse \"*\" together with credentials; name the origins, or say which ones with "
		             "origin_patterns, as in [\"https://*.example.com\"]");
	else if (cors->credentials && has_any_pattern(cors))
		reader_warn(reader, patterns, "a page of any origin may act for the user who looks at it, and read the answers");
	if (cors->credentials && has_star(&cors->expose))
		reader_warn(reader, yaml_find(node, "expose"),
		            "with credentials browsers take \"*\" for the name of a header; name the headers");
	if (cors->methods_text != NULL && cors->headers_text != NULL && cors->expose_text != NULL &&
	    strlen(cors->methods_text) + strlen(cors->headers_text) + strlen(cors->expose_text) > CORS_TEXT_MAX)
		reader_error(reader, node, "methods, headers and expose are longer than 4 KiB together");
}

static void prepare(struct reader *reader, struct cors *cors)
{
	char seconds[24];

	cors->any_origin = has_star(&cors->origins);
	cors->any_method = has_star(&cors->methods);
	cors->any_header = has_star(&cors->headers);
	cors->methods_text = join(reader, &cors->methods);
	cors->headers_text = join(reader, &cors->headers);
	cors->expose_text = join(reader, &cors->expose);
	snprintf(seconds, sizeof(seconds), "%u", (unsigned)(cors->max_age_ms / 1000));
	cors->max_age_text = reader_copy(reader, seconds, strlen(seconds));
}

void read_cors(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct route *route = into;
	struct cors *cors;

	route->cors = NULL;
	if (reader_is_empty(node) || value_is_nothing(node))
		return;
	if (node->kind != YAML_MAPPING) {
		reader_error(reader, node, "cors takes off, or a mapping, as in { origins: [\"https://app.example\"] }");
		return;
	}
	cors = reader_allocate(reader, sizeof(*cors));
	if (cors == NULL)
		return;
	section_defaults(reader, SCOPE_CORS, cors);
	section_read(reader, node, SCOPE_CORS, key->name, cors);
	prepare(reader, cors);
	check(reader, node, cors);
	route->cors = cors;
}
