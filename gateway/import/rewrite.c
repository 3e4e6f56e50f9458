/*
 * How filters change the path. A route takes a literal prefix, so every change by a filter can be followed: from the matched
 * prefix P to the C that the service gets before the same rest. In the end P/rest -> C/rest is strip_prefix and add_prefix. A
 * filter that changes the rest becomes rewrite.regex, if it is the only one; else it refuses the route, because the service
 * would get the wrong path.
 */
#include <string.h>

#include "gateway/import/rewrite.h"

static void refuse(struct import *import, struct draft_route *route, struct property *at, const char *why)
{
	verdict_refused(import->arena, at, "%s", why);
	if (route->why_refused == NULL)
		route->why_refused = why;
}

static const char *current(const struct draft_route *route)
{
	return route->target_path != NULL ? route->target_path : route->path;
}

static void strip(struct import *import, struct draft_route *route, const struct definition *filter)
{
	struct property *at;
	const char *text = definition_argument(import, filter, 0, "parts", &at), *left = current(route);
	uint64_t parts = 1;

	if (text != NULL && !value_count(text, &parts)) {
		refuse(import, route, at, "not a number");
		return;
	}
	for (uint64_t i = 0; i < parts; i++) {
		if (*left == '\0') {
			refuse(import, route, at, "it takes away more segments than the path of the route has");
			return;
		}
		left += 1 + strcspn(left + 1, "/");
	}
	route->target_path = left;
	verdict_exact(import->arena, at);
}

/* "/x" or "x/" to "/x"; "/" to "". */
static const char *as_prefix(struct import *import, const char *text)
{
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] == '/')
		length--;
	return LINE("%s%.*s", length > 0 && text[0] != '/' ? "/" : "", (int)length, text);
}

static void prefix(struct import *import, struct draft_route *route, const struct definition *filter)
{
	struct property *at;
	const char *text = definition_argument(import, filter, 0, "prefix", &at);

	if (text == NULL || strchr(text, '{') != NULL) {
		refuse(import, route, at, text == NULL ? "it has no prefix" : "variables of the path are not kept");
		return;
	}
	if (!route->has_prefix) /* Spring passes over a second one */
		route->target_path = LINE("%s%s", as_prefix(import, text), current(route));
	route->has_prefix = true;
	verdict_exact(import->arena, at);
}

/* ---- RewritePath --------------------------------------------------------------------------------------------- */

/* The shapes that nearly all real ones have: a literal, then a group for the rest. `tail` is what follows the
 * literal, `end` what the replacement ends with ("$" stands for the group). */
static const struct {
	const char *tail, *end;
	bool is_near; /* the bare prefix, without a slash behind it, is not rewritten in Spring */
} SHAPES_OF_REST[] = {
	{ "/(.*)", "/$", true },  { "/?(.*)", "/$", false }, { "(/.*)", "$", true },
	{ "(/?.*)", "$", false }, { "(.*)", "$", false },
};

/* Drops the group's name: (?<rest>.*) and (?<rest>/?.*) to (.*) and (/?.*). */
static const char *without_name(struct import *import, const char *regex, const char **name)
{
	const char *at = strstr(regex, "(?<"), *end = at != NULL ? strchr(at, '>') : NULL;

	*name = NULL;
	if (end == NULL)
		return regex;
	*name = property_copy(import->arena, at + 3, (size_t)(end - at - 3));
	return LINE("%.*s(%s", (int)(at - regex), regex, end + 1);
}

/* "$\{name}", "${name}" and "$1" to "$", when it ends the replacement; NULL: something else is in it. */
static const char *replacement_shape(struct import *import, const char *text, const char *name)
{
	const char *forms[] = { LINE("$\\{%s}", name != NULL ? name : "\n"), LINE("${%s}", name != NULL ? name : "\n"),
		                    "$1" };
	size_t length = strlen(text);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t form = strlen(forms[i]);

		if (length >= form && strcmp(text + length - form, forms[i]) == 0 && strcspn(text, "$\\") == length - form)
			return LINE("%.*s$", (int)(length - form), text);
	}
	return strpbrk(text, "$\\") == NULL ? text : NULL;
}

static bool is_literal(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (strchr("\\^$.|?*+()[]{}", text[i]) != NULL)
			return false;
	return true;
}

static bool starts_on_border(const char *path, const char *start, size_t length)
{
	return strncmp(path, start, length) == 0 && (path[length] == '\0' || path[length] == '/' || length == 0);
}

/* `literal` with a rest behind it, and `target` before the same rest. */
static bool rewrite_prefix(struct import *import, struct draft_route *route, const char *literal, size_t length,
                           const char *target)
{
	const char *path = current(route);

	if (!starts_on_border(path, literal, length))
		return false;
	route->target_path = LINE("%s%s", as_prefix(import, target), path + length);
	return true;
}

/* The bare path of the route leaves no rest, and then the gateway puts a slash there. Does that show? Not where the paths end
 * with the same segment, which is the rest then. */
static bool adds_slash(const struct draft_route *route)
{
	const char *from = strrchr(route->path, '/'), *to = strrchr(route->target_path, '/');

	return from != NULL && to != NULL && strcmp(from, to) != 0;
}

/* May the expression be a shape? Not if its group begins behind a slash of the literal, and not if Spring would replace a
 * second match, of nothing, at the end of the path. */
static bool has_shape(const char *regex, size_t literal, bool is_near, bool is_anchored)
{
	if (literal == 0)
		return is_near || is_anchored;
	return regex[literal - 1] != '/' && is_literal(regex, literal);
}

static bool rewrite_rest(struct import *import, struct draft_route *route, struct property *at, const char *regex,
                         const char *replacement, bool is_anchored)
{
	size_t length = strlen(regex), end = strlen(replacement);
	bool ends_with_slash = end > 2 && replacement[end - 2] == '/';

	for (size_t i = 0; i < sizeof(SHAPES_OF_REST) / sizeof(SHAPES_OF_REST[0]); i++) {
		size_t tail = strlen(SHAPES_OF_REST[i].tail), to = strlen(SHAPES_OF_REST[i].end);
		bool is_near = SHAPES_OF_REST[i].is_near, is_bare = length > tail && strlen(current(route)) == length - tail;

		if (length < tail || strcmp(regex + length - tail, SHAPES_OF_REST[i].tail) != 0 || end < to ||
		    strcmp(replacement + end - to, SHAPES_OF_REST[i].end) != 0 ||
		    !has_shape(regex, length - tail, is_near, is_anchored))
			continue;
		if (!rewrite_prefix(import, route, regex, length - tail, property_copy(import->arena, replacement, end - to)))
			continue;
		if (is_near && length > tail)
			verdict_different(import->arena, at, "%.*s itself, without a slash behind it, is rewritten, too",
			                  (int)(length - tail), regex);
		else if (!is_near && is_bare && ends_with_slash != adds_slash(route))
			verdict_different(import->arena, at, "%.*s itself becomes %s%s here", (int)(length - tail), regex,
			                  route->target_path, ends_with_slash ? "" : "/");
		else
			verdict_exact(import->arena, at);
		return true;
	}
	return false;
}

/* One place of a literal, in the prefix. What follows the prefix is not looked at. False: it takes an expression. */
static bool rewrite_literal(struct import *import, struct draft_route *route, struct property *at, const char *regex,
                            const char *replacement, bool is_anchored)
{
	const char *before = route->target_path, *path = current(route), *found = strstr(path, regex), *target;
	size_t length = strlen(regex);

	if (length == 0 || !is_literal(regex, length) || strchr(replacement, '$') != NULL || found == NULL)
		return false;
	if (found[length] != '\0' && found[length] != '/' && regex[length - 1] != '/')
		return false;
	/* It may stand in what a "*" matches, too; Spring replaces it wherever it is. */
	if (strchr(path, '*') != NULL || strstr(found + length, regex) != NULL || (is_anchored && found != path))
		return false;
	target = LINE("%.*s%s%s", (int)(found - path), path, replacement, found + length);
	route->target_path = as_prefix(import, target);
	if (route->is_exact && (adds_slash(route) || strcmp(target, route->target_path) != 0)) {
		route->target_path = before;
		return false;
	}
	verdict_exact(import->arena, at);
	if (adds_slash(route))
		verdict_different(import->arena, at, "%s itself becomes %s/ here", path, route->target_path);
	if (!route->is_exact && !is_anchored)
		verdict_different(import->arena, at,
		                  "only the %s that the route matched is replaced, not another one behind it", regex);
	return true;
}

/* Quoted, dollar signs doubled. */
static const char *as_regex(struct import *import, const char *text)
{
	char *copy = property_allocate(import->arena, 2 * strlen(text) + 1), *to = copy;

	for (; *text != '\0'; text++) {
		*to++ = *text;
		if (*text == '$')
			*to++ = '$';
	}
	return value_quoted(import->arena, copy);
}

/* Quoted; "$\\{name}", which kept Spring from looking for a property, is a group's "${name}" here. */
static const char *as_replacement(struct import *import, const char *text)
{
	char *copy = property_allocate(import->arena, strlen(text) + 1), *to = copy;

	for (; *text != '\0'; text++)
		if (text[0] != '\\' || text[1] != '{' || to == copy || to[-1] != '$')
			*to++ = *text;
	return value_quoted(import->arena, copy);
}

/* A text that stands for itself in a replacement. */
static const char *as_literal(struct import *import, const char *text)
{
	char *copy = property_allocate(import->arena, 2 * strlen(text) + 1), *to = copy;

	for (; *text != '\0'; text++) {
		if (*text == '$' || *text == '\\')
			*to++ = '\\';
		*to++ = *text;
	}
	return copy;
}

/* Behind a "[". NULL: Java may read it in another way, as a union or an intersection. */
static const char *skip_class(const char *at)
{
	at += *at == '^';
	if (*at == ']')
		return NULL;
	for (; *at != '\0' && *at != ']'; at++) {
		if (*at == '[' || (at[0] == '&' && at[1] == '&'))
			return NULL;
		if (*at == '\\' && *++at == '\0')
			return NULL;
	}
	return *at == ']' ? at + 1 : NULL;
}

/* Is it made only of what Java and PCRE2 read alike, given that a path is printable ASCII? */
static bool means_the_same(const char *regex)
{
	const char *at = regex;

	while (at != NULL && *at != '\0') {
		if (*at == '[') {
			at = skip_class(at + 1);
		} else if (*at == '\\') {
			bool is_letter = (at[1] >= 'a' && at[1] <= 'z') || (at[1] >= 'A' && at[1] <= 'Z') || at[1] == '0';

			at = at[1] == '\0' || (is_letter && strchr("dDwWsSbB", at[1]) == NULL) ? NULL : at + 2;
		} else if (at[0] == '(' && at[1] == '?') {
			bool is_named = at[2] == '<' && at[3] != '=' && at[3] != '!';

			at = is_named || (at[2] != '\0' && strchr(":=!", at[2]) != NULL) ? at + 3 : NULL;
		} else {
			at++;
		}
	}
	return at != NULL;
}

/* Rewriting that prefixes can't express. */
static void use_expression(struct import *import, struct draft_route *route, struct property *at, const char *regex,
                           const char *replacement)
{
	draft_remark(
		import, &route->lines,
		LINE("rewrite: { regex: %s, replacement: %s }", as_regex(import, regex), as_replacement(import, replacement)));
	if (shape_is_known(import, SHAPE_REGEX) && route->target_path == NULL) {
		route->lines.last->is_comment = false;
		route->lines.last->origin = at;
		route->has_expression = true;
		if (means_the_same(regex))
			verdict_exact(import->arena, at);
		else
			verdict_different(import->arena, at, "it is an expression of PCRE2 here, not of Java");
	} else {
		refuse(import, route, at, "a rewriting that is not a prefix and a rest needs rewrite.regex");
	}
}

/* One path for all that the route takes. */
static void set_path(struct import *import, struct draft_route *route, const struct definition *filter)
{
	struct property *at;
	const char *text = definition_argument(import, filter, 0, "template", &at);

	if (text == NULL || *text == '\0' || strchr(text, '{') != NULL)
		refuse(import, route, at, "a path made of variables has no counterpart: rewrite knows prefixes");
	else
		use_expression(import, route, at, "^.*$", as_literal(import, text));
}

/* An expression for another path of the same route: what it looks for could only stand in the rest. */
static bool rewrites_nothing(struct import *import, const struct draft_route *route, struct property *at,
                             const char *regex, bool is_anchored)
{
	const char *path = current(route);
	size_t literal = strcspn(regex, "\\^$.|?*+()[]{}"), length = strlen(path);

	if (literal > 0 && regex[literal] != '\0' && strchr("?*{", regex[literal]) != NULL)
		literal--; /* which may be there no times */
	if (strchr(regex, '|') != NULL)
		return false;
	if (!is_anchored && route->target_path == NULL && shape_is_known(import, SHAPE_REGEX))
		return false;
	while (literal > 0 && regex[literal - 1] == '/')
		literal--;
	if (literal < length)
		length = literal;
	if (length == 0 || strncmp(path, regex, length) == 0 || memchr(path, '*', length) != NULL)
		return false;
	if (!is_anchored)
		verdict_different(import->arena, at,
		                  "below %s it rewrites nothing here; in Spring it would where %.*s stands further behind",
		                  path, (int)literal, regex);
	return true;
}

static void rewrite(struct import *import, struct draft_route *route, const struct definition *filter)
{
	struct property *at;
	const char *regex = definition_argument(import, filter, 0, "regexp", &at);
	const char *replacement = definition_argument(import, filter, 1, "replacement", &at), *name, *plain, *target;
	bool is_anchored, is_ended;

	if (regex == NULL)
		regex = definition_argument(import, filter, 0, "regex", &at);
	if (regex == NULL || replacement == NULL) {
		refuse(import, route, filter->origin, "it takes an expression and a replacement");
		return;
	}
	is_anchored = regex[0] == '^';
	plain = without_name(import, regex + is_anchored, &name);
	is_ended = strlen(plain) > 1 && plain[strlen(plain) - 1] == '$' && plain[strlen(plain) - 2] != '\\';
	if (is_ended) /* which says nothing behind ".*" */
		plain = property_copy(import->arena, plain, strlen(plain) - 1);
	target = replacement_shape(import, replacement, name);
	if (target != NULL && (rewrite_rest(import, route, filter->origin, plain, target, is_anchored) ||
	                       (!is_ended && rewrite_literal(import, route, filter->origin, plain, target, is_anchored))))
		return;
	if (rewrites_nothing(import, route, filter->origin, plain, is_anchored))
		return;
	use_expression(import, route, filter->origin, regex, replacement);
}

static const struct {
	const char *name;
	void (*apply)(struct import *import, struct draft_route *route, const struct definition *filter);
} FILTERS[] = {
	{ "StripPrefix", strip }, { "PrefixPath", prefix }, { "SetPath", set_path }, { "RewritePath", rewrite }
};

bool rewrite_knows(const char *filter)
{
	for (size_t i = 0; i < sizeof(FILTERS) / sizeof(FILTERS[0]); i++)
		if (property_is_named(filter, FILTERS[i].name))
			return true;
	return false;
}

void rewrite_apply(struct import *import, struct draft_route *route, const struct definition *filter)
{
	for (size_t i = 0; i < sizeof(FILTERS) / sizeof(FILTERS[0]); i++)
		if (property_is_named(filter->name, FILTERS[i].name) && route->has_expression)
			refuse(import, route, filter->origin, "after rewrite.regex nothing else rewrites the path");
		else if (property_is_named(filter->name, FILTERS[i].name))
			FILTERS[i].apply(import, route, filter);
	verdict_exact(import->arena, filter->origin);
	verdict_below(import->arena, filter->args, VERDICT_EXACT, NULL);
}
