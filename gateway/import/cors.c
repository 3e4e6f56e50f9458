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

/* False: there is no origin that it could be for. */
static bool read_section(struct import *import, struct property *from, struct lines *lines)
{
	struct property *origins = property_find(from, "allowed-origins"), *age = property_find(from, "max-age");
	const char *list = list_of(import, origins, cors_origin_read);
	bool has_credentials = value_is_true(draft_text(import, property_find(from, "allow-credentials")));
	bool has_origins = list != NULL;
	int64_t age_ms;

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
	if (age != NULL && value_duration(draft_text(import, age), 1000, &age_ms) && age_ms >= 0)
		draft_line(import, lines, age, LINE("  max_age: %s", value_ms(import->arena, (uint64_t)age_ms)));
	return has_origins;
}

/* The path before the two stars that end a pattern; NULL: it has others. */
static const char *prefix_of(struct import *import, const char *pattern)
{
	size_t length = strlen(pattern);

	if (length >= 2 && strcmp(pattern + length - 2, "**") == 0)
		length -= length >= 3 && pattern[length - 3] == '/' ? 3 : 2;
	for (size_t i = 0; i < length; i++)
		if (strchr("*?{}", pattern[i]) != NULL)
			return NULL;
	return property_copy(import->arena, pattern, length);
}

static void take(struct import *import, struct lines *to, const struct lines *from)
{
	for (const struct line *line = from->first; line != NULL; line = line->next)
		draft_line(import, to, line->origin, line->text);
}

static bool is_below(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(path, prefix, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static bool has_any(const struct import *import)
{
	for (const struct draft_route *route = import->routes; route != NULL; route = route->next)
		if (draft_has(&route->lines, "cors:"))
			return true;
	return false;
}

/* Spring takes the first pattern that fits; a route would add to what it inherits. */
static void place(struct import *import, struct property *from, const char *prefix, struct property *route_origin)
{
	bool is_default = prefix != NULL && *prefix == '\0' && !has_any(import), is_taken = is_default;
	struct lines lines = { 0 };

	if (!read_section(import, from, &lines)) {
		verdict_below(import->arena, from, VERDICT_REFUSED, "cors without an origin that it could be for lets nobody in");
		return;
	}
	if (draft_has(&import->route_defaults, "cors:")) {
		verdict_below(import->arena, from, VERDICT_REFUSED, "a pattern before this one takes all paths");
		return;
	}
	if (is_default)
		take(import, &import->route_defaults, &lines);
	for (struct draft_route *route = import->routes; route != NULL && !is_default; route = route->next) {
		if (route_origin != route->origin &&
		    (prefix == NULL || !is_below(route->path, prefix) || draft_has(&route->lines, "cors:")))
			continue;
		take(import, &route->lines, &lines);
		is_taken = true;
	}
	if (is_taken)
		verdict_below(import->arena, from, VERDICT_EXACT, NULL);
	else
		verdict_below(import->arena, from, VERDICT_REFUSED,
		              "no route gets it: below this path there is none, or none without cors");
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
	for (struct property *pattern = patterns != NULL ? patterns->first : NULL; pattern != NULL;
	     pattern = pattern->next) {
		const char *prefix = prefix_of(import, pattern->name);

		if (prefix != NULL)
			place(import, pattern, prefix, NULL);
		else
			verdict_below(import->arena, pattern, VERDICT_REFUSED, "cors belongs to routes, not to patterns of paths");
	}
	verdict_below(import->arena, property_find(global, "add-to-simple-url-handler-mapping"), VERDICT_EXACT, NULL);
}
