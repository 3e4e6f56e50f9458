/*
 * Paths: of routes, what is taken from them and put in front of them. All are kept in the form that requests are compared in.
 * A "*" stands for one whole segment where that has a meaning: in the paths of routes and in strip_prefix.
 */
#include "routes/config/path.h"

#include <string.h>

#include "routes/config/arena.h"
#include "routes/config/complaints.h"
#include "routes/config/keys.h"
#include "routes/config/value.h"
#include "routes/expression.h"
#include "routes/path.h"
#include "routes/table.h"

/* ---- one of them --------------------------------------------------------------------------------------------------- */

/* Why the "*" in it have no meaning; NULL if they have. */
static const char *why_no_stars(const char *text)
{
	size_t segments = 0, stars = 0;

	for (const char *at = text; *at == '/'; segments++) {
		size_t length = strcspn(++at, "/");

		if (strcmp(at, "**") == 0 && at == text + 1)
			return "it is a prefix, not a pattern: / matches every path";
		if (strcmp(at, "**") == 0)
			return "it is a prefix, not a pattern: /patient matches /patient and all below it";
		if (length > 1 && memchr(at, '*', length) != NULL)
			return "a * stands for one whole segment, as in /ward/*/beds";
		stars += *at == '*';
		at += length;
	}
	return stars > 0 && segments > TABLE_SEGMENTS_MAX ? "with a * it may have 63 segments" : NULL;
}

/* Why this can't be a path; NULL if it can. */
static const char *why_no_path(const char *text, bool may_have_stars)
{
	if (text[0] != '/')
		return "it must begin with \"/\"";
	if (strpbrk(text, "{}") != NULL)
		return may_have_stars ? "a segment that may be anything is written *, as in /ward/*/beds"
		                      : "write braces in percent-encoding";
	if (!may_have_stars && strchr(text, '*') != NULL)
		return "* has no meaning here";
	if (strchr(text, '?') != NULL)
		return "it can't have a query";
	if (strchr(text, ';') != NULL || strcasestr(text, "%3b") != NULL)
		return "it can't have parameters: the gateway matches paths without them";
	if (strpbrk(text, "\"<>") != NULL)
		return "write quotes and angle brackets in percent-encoding";
	if (strchr(text, ' ') != NULL)
		return "write a blank as %20";
	for (const char *at = text; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			return "write bytes outside printable ASCII in percent-encoding";
	return why_no_stars(text);
}

/* Normalised; NULL after a complaint. */
static char *read_one(struct reader *reader, const char *name, const struct yaml_node *node, bool may_have_stars)
{
	const char *text = reader_text(reader, node, name), *why;
	struct path_result result;
	char *room;

	if (text == NULL)
		return NULL;
	why = why_no_path(text, may_have_stars);
	room = why == NULL ? reader_allocate_scratch(reader, strlen(text)) : NULL;
	if (room != NULL) {
		result = path_normalise(text, strlen(text), room);
		if (result.verdict == PATH_NORMALISED)
			reader_warn(reader, node, "%s \"%.60s\": the gateway reads it as \"%.*s\"; write that", name, text,
			            result.length > 60 ? 60 : (int)result.length, result.path);
		if (result.verdict != PATH_REFUSED)
			return reader_copy(reader, result.path, result.length);
		why = result.why;
	}
	if (why != NULL)
		reader_error(reader, node, "%s \"%.60s\": %s", name, text, why);
	return NULL;
}

static void trim(char *path)
{
	for (size_t length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
		path[length - 1] = '\0';
}

/* Of a prefix a slash at its end says nothing; the path that the gateway asks an upstream for goes out as it is written. */
static void read_single(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into, bool may_have_stars)
{
	char *path = read_one(reader, key->name, node, may_have_stars);
	bool is_prefix = key->scope == SCOPE_REWRITE;

	if (path == NULL)
		return;
	if (is_prefix)
		trim(path);
	if (is_prefix && path[1] == '\0')
		reader_warn(reader, node, "%s \"/\" changes nothing", key->name);
	else
		*(const char **)((char *)into + key->offset) = path;
}

void read_path(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	read_single(reader, key, node, into, false);
}

void read_strip_prefix(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	read_single(reader, key, node, into, true);
}

/* ---- those of a route ---------------------------------------------------------------------------------------------- */

/* As they are written: whether a slash at the end counts is known when `exact` has been read, too. */
void read_paths(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct route *route = into;
	size_t most;
	const struct yaml_node *item = reader_list(reader, node, key->name, true, &most);
	struct route_path *paths = most > 0 ? reader_allocate(reader, most * sizeof(*paths)) : NULL;

	if (most == 0 && node->kind == YAML_SEQUENCE)
		reader_error(reader, node, "%s is empty", key->name);
	for (; item != NULL && paths != NULL; item = item->next) {
		const char *text = item->is_refused ? NULL : read_one(reader, key->name, item, true);

		if (text != NULL)
			paths[route->path_count++] = (struct route_path){.text = text, .line = item->line, .column = item->column};
	}
	route->paths = paths;
}

static void measure(struct route_path *path)
{
	path->length = strlen(path->text);
	for (const char *at = path->text; path->length > 1 && *at == '/'; path->segments++) {
		if (at[1] == '*')
			path->wild |= UINT64_C(1) << (63 - path->segments);
		at += 1 + strcspn(at + 1, "/");
	}
}

static unsigned count_segments(const char *path)
{
	unsigned count = 0;

	for (; *path != '\0'; path++)
		count += *path == '/';
	return count;
}

/* Has the path these segments in front, whatever it matches? */
static bool begins_with(const char *path, const char *prefix)
{
	while (*prefix == '/') {
		size_t length = strcspn(++prefix, "/"), theirs;

		if (*path++ != '/')
			return false;
		theirs = strcspn(path, "/");
		if (theirs == 0 || (*prefix != '*' && (theirs != length || strncmp(path, prefix, length) != 0)))
			return false;
		prefix += length;
		path += theirs;
	}
	return true;
}

static void check_strip_prefix(struct reader *reader, const struct yaml_node *node, struct route *route)
{
	const char *prefix = route->strip_prefix;

	route->strip_segments = count_segments(prefix);
	route->has_wild_strip = strchr(prefix, '*') != NULL;
	for (size_t i = 0; i < route->path_count; i++) {
		if (!begins_with(route->paths[i].text, prefix)) {
			reader_error(reader, yaml_find(yaml_find(node, "rewrite"), "strip_prefix"),
			             "strip_prefix \"%.60s\" is not part of the route's path \"%.60s\"", prefix, route->paths[i].text);
			return;
		}
	}
}

/* A path without a value has got its complaint. */
static void make_expression(struct reader *reader, const struct yaml_node *rewrite, struct route *route)
{
	const struct yaml_node *regex = yaml_find(rewrite, "regex"), *replacement = yaml_find(rewrite, "replacement");
	char why[200];

	if (regex == NULL && replacement == NULL)
		return;
	if (route->strip_prefix != NULL || route->add_prefix != NULL)
		reader_error(reader, regex != NULL ? regex : replacement, "rewrite has a regex or prefixes, not both");
	else if (regex == NULL || replacement == NULL)
		reader_error(reader, rewrite, "rewrite.regex and rewrite.replacement belong together");
	else if (route->regex == NULL || route->replacement == NULL)
		return;
	else if (strlen(route->regex) > EXPRESSION_TEXT_MAX || strlen(route->replacement) > EXPRESSION_TEXT_MAX)
		reader_error(reader, rewrite, "regex and replacement have at most %d bytes each", EXPRESSION_TEXT_MAX);
	else if ((route->expression = expression_new(route->regex, route->replacement, arena_allocate, reader->memory, why,
	                                             sizeof(why))) == NULL && why[0] != '\0')
		reader_error(reader, strncmp(why, "regex: ", 7) == 0 ? regex : replacement, "%s", why);
	else if (route->expression == NULL)
		reader->is_memory_short = true;
}

void route_finish_paths(struct reader *reader, const struct yaml_node *node, struct route *route)
{
	struct route_path *paths = (struct route_path *)route->paths; /* they are ours until the route is done */

	for (size_t i = 0; i < route->path_count; i++) {
		if (!route->exact)
			trim((char *)paths[i].text);
		measure(&paths[i]);
	}
	if (route->path_count > 0)
		route->path = paths[0].text;
	if (route->strip_prefix != NULL)
		check_strip_prefix(reader, node, route);
	make_expression(reader, yaml_find(node, "rewrite"), route);
}
