/* globalcors, and metadata.cors of a route, as the key `cors`. */
#include <string.h>

#include "gateway/import/cors.h"
#include "routes/cors.h"

typedef const char *judge(const char *text, char *room);

enum { TEXT_MAX = 512 };

static const char *judge_pattern(const char *text, char *room)
{
	return cors_pattern_read(&(struct cors_pattern){ .written = text }, text, room);
}

/* The next text of a list with commas, but for those within brackets; NULL: there is none. */
static const char *take_text(struct import *import, const char **list)
{
	const char *text, *end;
	int depth = 0;

	*list += strspn(*list, ", \t");
	text = end = *list;
	while (*end != '\0' && (*end != ',' || depth > 0)) {
		depth += *end == '[' ? 1 : *end == ']' ? -1 : 0;
		end++;
	}
	*list = end;
	while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return end > text ? property_copy(import->arena, text, (size_t)(end - text)) : NULL;
}

/* The texts of one property, behind those before it, without those that the judge finds fault with. */
static const char *add_texts(struct import *import, struct property *at, judge *find_fault, const char *joined)
{
	const char *list = at->value != NULL ? draft_text(import, at) : "", *text;

	while ((text = take_text(import, &list)) != NULL) {
		size_t length = strlen(text);
		const char *why = NULL;
		char room[TEXT_MAX];

		if (find_fault != NULL && length > 1 && text[length - 1] == '/') /* Spring drops it */
			text = property_copy(import->arena, text, length - 1);
		if (find_fault != NULL)
			why = length < sizeof room ? find_fault(text, room) : "it is too long";
		if (why != NULL)
			verdict_refused(import->arena, at, "\"%.80s\": %s", text, why);
		else
			joined = joined == NULL ? LINE("[%s", value_quoted(import->arena, text))
			                        : LINE("%s, %s", joined, value_quoted(import->arena, text));
	}
	return joined;
}

/* A list or a scalar with commas, as a list of YAML; NULL when there is none. */
static const char *list_of(struct import *import, struct property *at, judge *find_fault)
{
	const char *joined = at != NULL ? add_texts(import, at, find_fault, NULL) : NULL;

	for (struct property *item = at != NULL ? at->first : NULL; item != NULL; item = item->next)
		joined = add_texts(import, item, find_fault, joined);
	return joined != NULL ? LINE("%s]", joined) : NULL;
}

static bool put_list(struct import *import, struct lines *lines, const char *key, struct property *at, judge *find_fault)
{
	const char *list = list_of(import, at, find_fault);

	if (list != NULL)
		draft_line(import, lines, at, LINE("  %s: %s", key, list));
	return list != NULL;
}

/* How long browsers keep the answer. Spring leaves the field out unless it is told, and a browser then takes 5 seconds. */
static void put_age(struct import *import, struct lines *lines, struct property *from)
{
	struct property *age = property_find(from, "max-age");
	const struct key *key = keys_find(SCOPE_CORS, "max_age");
	int64_t ms = 5000;

	if (age != NULL && !value_duration(draft_text(import, age), 1000, &ms)) {
		verdict_refused(import->arena, age, "not a duration");
		ms = 5000;
	}
	if (ms < 0) /* not at all */
		ms = 0;
	if (key != NULL && (uint64_t)ms > key->most) {
		ms = (int64_t)key->most;
		verdict_different(import->arena, age, "max_age is at most %s here", value_ms(import->arena, key->most));
	}
	draft_line(import, lines, age != NULL ? age : from, LINE("  max_age: %s", value_ms(import->arena, (uint64_t)ms)));
}

static void refuse_unknown(struct import *import, struct property *from)
{
	static const char *const KNOWN[] = { "allowed-origins", "allowed-origin-patterns", "allowed-methods",
		                                 "allowed-headers", "exposed-headers",         "allow-credentials",
		                                 "max-age" };

	for (struct property *child = from->first; child != NULL; child = child->next) {
		bool is_known = property_is_named(child->name, "allow-private-network") && !value_is_true(draft_text(import, child));

		for (size_t i = 0; i < sizeof(KNOWN) / sizeof(KNOWN[0]); i++)
			is_known = is_known || property_is_named(child->name, KNOWN[i]);
		if (!is_known)
			verdict_below(import->arena, child, VERDICT_REFUSED, "no counterpart in cors");
	}
}

/* False: there is no origin that it could be for. */
static bool read_section(struct import *import, struct property *from, struct lines *lines)
{
	struct property *origins = property_find(from, "allowed-origins");
	const char *list = list_of(import, origins, cors_origin_read);
	bool has_credentials = value_is_true(draft_text(import, property_find(from, "allow-credentials")));
	bool has_origins = list != NULL;

	draft_line(import, lines, from, "cors:");
	if (list != NULL && strstr(list, "\"*\"") != NULL && has_credentials) {
		draft_line(import, lines, origins, "  origin_patterns: [\"*\"]");
		verdict_different(import->arena, origins, "\"*\" with credentials is refused by Spring since 5.3: every origin, echoed, "
		                                          "is what origin_patterns is for; name those you mean");
	} else {
		if (list != NULL)
			draft_line(import, lines, origins, LINE("  origins: %s", list));
		has_origins |= put_list(import, lines, "origin_patterns", property_find(from, "allowed-origin-patterns"), judge_pattern);
	}
	put_list(import, lines, "methods", property_find(from, "allowed-methods"), NULL);
	put_list(import, lines, "headers", property_find(from, "allowed-headers"), NULL);
	put_list(import, lines, "expose", property_find(from, "exposed-headers"), NULL);
	if (has_credentials)
		draft_line(import, lines, from, "  credentials: on");
	put_age(import, lines, from);
	return has_origins;
}

/* ---- patterns of paths -------------------------------------------------------------------------------------- */

/* A path and, unless it is exact, all below it. */
struct pattern {
	const char *path;
	bool is_exact;
};

/* False: gateway.yml has nothing for it. */
static bool read_pattern(struct import *import, const char *text, struct pattern *pattern)
{
	size_t length = strlen(text);

	pattern->is_exact = length < 2 || strcmp(text + length - 2, "**") != 0 || (length > 2 && text[length - 3] != '/');
	if (!pattern->is_exact)
		length -= length > 2 ? 3 : 2;
	pattern->path = property_copy(import->arena, text, length);
	return strpbrk(pattern->path, "*?{}") == NULL;
}

enum part { PART_NONE, PART_SOME, PART_ALL };

/* Of a route's requests: which does the pattern take? */
static enum part part_of(const struct draft_route *route, const struct pattern *pattern)
{
	const char *path = route->path, *wanted = pattern->path;
	enum part part = PART_ALL;

	while (*path == '/' && *wanted == '/') {
		size_t length = strcspn(++path, "/"), theirs = strcspn(++wanted, "/");

		if (length == 1 && *path == '*')
			part = PART_SOME;
		else if (length != theirs || memcmp(path, wanted, length) != 0)
			return PART_NONE;
		path += length;
		wanted += theirs;
	}
	if (*wanted != '\0')
		return route->is_exact ? PART_NONE : PART_SOME;
	if (!pattern->is_exact)
		return part;
	if (*path != '\0')
		return PART_NONE;
	return route->is_exact ? part : PART_SOME;
}

static void take(struct import *import, struct lines *to, const struct lines *from)
{
	for (const struct line *line = from->first; line != NULL; line = line->next)
		draft_line(import, to, line->origin, line->text);
}

static bool has_any(const struct import *import)
{
	for (const struct draft_route *route = import->routes; route != NULL; route = route->next)
		if (draft_has(&route->lines, "cors:"))
			return true;
	return false;
}

/* Does the route get it? `pattern` NULL: only those of `route_origin` do. */
static enum part wants(const struct draft_route *route, const struct pattern *pattern, const struct property *route_origin)
{
	if (pattern == NULL)
		return route->origin == route_origin ? PART_ALL : PART_NONE;
	return draft_has(&route->lines, "cors:") ? PART_NONE : part_of(route, pattern);
}

/* Spring takes the first pattern that fits; a route would add to what it inherits. A route that a pattern takes only in part
 * gets nothing: the rest of its requests would be let in, too. */
static void place(struct import *import, struct property *from, const struct pattern *pattern,
                  struct property *route_origin)
{
	bool is_default = pattern != NULL && !pattern->is_exact && *pattern->path == '\0' && !has_any(import);
	bool is_taken = is_default, is_left_out = false, has_slash = false;
	const struct draft_route *in_part = NULL;
	struct lines lines = { 0 };

	if (!read_section(import, from, &lines)) {
		verdict_below(import->arena, from, VERDICT_REFUSED, "no origin could be imported, so cors would refuse every page");
		return;
	}
	if (draft_has(&import->route_defaults, "cors:")) {
		verdict_below(import->arena, from, VERDICT_REFUSED, "a pattern before this one takes all paths");
		return;
	}
	if (is_default)
		take(import, &import->route_defaults, &lines);
	for (struct draft_route *route = import->routes; route != NULL && !is_default; route = route->next) {
		enum part part = wants(route, pattern, route_origin);

		if (part == PART_SOME && route->why_refused == NULL)
			in_part = route;
		if (part != PART_ALL)
			continue;
		take(import, &route->lines, &lines);
		draft_use(import, route, from);
		is_taken = is_taken || route->why_refused == NULL;
		is_left_out = is_left_out || route->why_refused != NULL;
		has_slash = has_slash || (pattern != NULL && pattern->is_exact && route->takes_slash);
	}
	refuse_unknown(import, from);
	if (!is_taken)
		verdict_below(import->arena, from, VERDICT_REFUSED,
		              in_part != NULL ? LINE("no route gets it: %s also takes other paths", draft_name(in_part))
		              : is_left_out   ? "its route is left out"
		                              : "no route gets it: below this path there is none, or none without cors");
	else if (in_part != NULL)
		verdict_below(import->arena, from, VERDICT_DIFFERENT,
		              LINE("%s, which also takes other paths, has none of it", draft_name(in_part)));
	else if (has_slash)
		verdict_below(import->arena, from, VERDICT_DIFFERENT, "the path with a slash behind it gets it, too");
	else
		verdict_below(import->arena, from, VERDICT_EXACT, NULL);
}

void cors_import(struct import *import)
{
	struct property *global = draft_gateway(import, "globalcors");
	struct property *patterns = property_find(global, "cors-configurations");

	for (struct draft_route *route = import->routes; route != NULL; route = route->next) {
		struct property *own = property_find(route->origin, "metadata.cors");

		if (own != NULL && (route->next == NULL || route->next->origin != route->origin))
			place(import, own, NULL, route->origin);
	}
	for (struct property *child = patterns != NULL ? patterns->first : NULL; child != NULL; child = child->next) {
		struct pattern pattern;

		if (read_pattern(import, child->name, &pattern))
			place(import, child, &pattern, NULL);
		else
			verdict_below(import->arena, child, VERDICT_REFUSED, "cors belongs to routes, not to patterns of paths");
	}
	verdict_below(import->arena, property_find(global, "add-to-simple-url-handler-mapping"), VERDICT_EXACT, NULL);
}
