/*
 * From predicates to the conditions of a route. A predicate that gateway.yml can't express refuses its whole route: without
 * it the route would take requests that were never meant for it.
 */
#include <string.h>
#include <strings.h>

#include "gateway/import/predicates.h"
#include "gateway/import/definition.h"

static void refuse(struct import *import, struct matches *matches, struct property *at, const char *why)
{
	verdict_refused(import->arena, at, "%s", why);
	if (matches->why_refused == NULL)
		matches->why_refused = why;
}

/* ---- Path ---------------------------------------------------------------------------------------------------- */

/* One segment of a pattern that is not literal, to what gateway.yml has for it; NULL: nothing. */
static const char *segment_as_star(const char *segment, size_t length)
{
	bool is_variable = length > 2 && segment[0] == '{' && segment[length - 1] == '}';

	if ((length == 1 && segment[0] == '*') || (is_variable && memchr(segment, ':', length) == NULL))
		return "*";
	return NULL;
}

static bool is_literal(const char *segment, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (strchr("*?{}", segment[i]) != NULL)
			return false;
	return true;
}

static bool is_rest(const char *segment, size_t length)
{
	return (length == 2 && memcmp(segment, "**", 2) == 0) || (length > 2 && segment[0] == '{' && segment[1] == '*');
}

/* False: refused, and said so. A star that ends a pattern is one segment in Spring; here it becomes all that is
 * below, as most of those who write it mean that. */
static bool read_segments(struct import *import, struct matches *matches, struct property *at, const char *pattern)
{
	const char *path = "", *segment = pattern;
	bool is_exact = true;

	while (*segment != '\0') {
		size_t length;
		const char *star;

		segment += strspn(segment, "/");
		length = strcspn(segment, "/");
		star = segment_as_star(segment, length);
		if (is_rest(segment, length) && segment[length + strspn(segment + length, "/")] == '\0') {
			is_exact = false;
		} else if (is_literal(segment, length)) {
			path = length > 0 ? LINE("%s/%.*s", path, (int)length, segment) : path;
		} else if (star != NULL && segment[length] == '\0' && !shape_is_known(import, SHAPE_SEGMENT)) {
			is_exact = false;
			verdict_different(import->arena, at, "%s is one segment in Spring; here it is %s and all that is below",
			                  pattern, *path != '\0' ? path : "/");
		} else if (star != NULL && shape_is_known(import, SHAPE_SEGMENT)) {
			path = LINE("%s/*", path);
		} else {
			refuse(import, matches, at,
			       star != NULL ? LINE("%s: the gateway has no `*` in paths", pattern)
			                    : LINE("%s: no pattern of paths is as fine as that", pattern));
			return false;
		}
		segment += length;
	}
	matches->paths[matches->path_count] = path;
	matches->is_exact[matches->path_count++] = is_exact;
	return true;
}

static void read_path(struct import *import, struct matches *matches, const struct definition *predicate)
{
	const char *patterns[MATCHES_PATHS_MAX];
	size_t count = definition_list(import, predicate, 0, "patterns", patterns, MATCHES_PATHS_MAX);
	struct property *at;
	const char *one = count == 0 ? definition_argument(import, predicate, 0, "pattern", &at) : NULL;
	const char *slash = definition_argument(import, predicate, SIZE_MAX, "matchTrailingSlash", &at);
	bool takes_slash = slash == NULL || strcasecmp(slash, "false") != 0;

	if (count > MATCHES_PATHS_MAX) {
		refuse(import, matches, predicate->origin, "more paths than the importer takes");
		return;
	}
	if (one != NULL)
		patterns[count++] = one;
	for (size_t i = 0; i < count; i++)
		takes_slash = takes_slash && strcasecmp(patterns[i], "false") != 0;
	verdict_exact(import->arena, predicate->origin);
	verdict_below(import->arena, predicate->args, VERDICT_EXACT, NULL);
	if (count == 0)
		refuse(import, matches, predicate->origin, "it has no pattern");
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(patterns[i]);

		/* Long forms have matchTrailingSlash as an argument, short ones as the last token. */
		if (strcasecmp(patterns[i], "true") == 0 || strcasecmp(patterns[i], "false") == 0)
			continue;
		if (!read_segments(import, matches, predicate->origin, patterns[i]))
			continue;
		matches->takes_slash[matches->path_count - 1] = takes_slash;
		if (length > 1 && patterns[i][length - 1] == '/' && shape_is_known(import, SHAPE_EXACT))
			matches->paths[matches->path_count - 1] = LINE("%s/", matches->paths[matches->path_count - 1]);
		else if (length > 1 && patterns[i][length - 1] == '/')
			verdict_different(import->arena, predicate->origin, "%s is taken without the slash at its end, too",
			                  patterns[i]);
		if (matches->is_exact[matches->path_count - 1] && !shape_is_known(import, SHAPE_EXACT))
			verdict_different(import->arena, predicate->origin,
			                  "%s is the path alone in Spring; here it is also what is below it",
			                  patterns[i]);
	}
}

/* ---- the others ---------------------------------------------------------------------------------------------- */

static void read_methods(struct import *import, struct matches *matches, const struct definition *predicate)
{
	const char *methods[MATCHES_METHODS_MAX], *text = "";
	size_t count = definition_list(import, predicate, 0, "methods", methods, MATCHES_METHODS_MAX);
	struct property *at;
	const char *one = count == 0 ? definition_argument(import, predicate, 0, "method", &at) : NULL;

	if (count > MATCHES_METHODS_MAX) {
		refuse(import, matches, predicate->origin, "more methods than the importer takes");
		return;
	}
	if (one != NULL)
		methods[count++] = one;
	for (size_t i = 0; i < count; i++)
		text = LINE("%s%s%s", text, i > 0 ? ", " : "", value_plain(import->arena, methods[i]));
	if (matches->methods != NULL || count == 0) {
		refuse(import, matches, predicate->origin, count == 0 ? "it names no method" : "a second Method predicate");
		return;
	}
	matches->methods = text;
	verdict_exact(import->arena, predicate->origin);
	verdict_below(import->arena, predicate->args, VERDICT_EXACT, NULL);
}

static void read_hosts(struct import *import, struct matches *matches, const struct definition *predicate)
{
	const char *hosts[MATCHES_HOSTS_MAX];
	size_t count = definition_list(import, predicate, 0, "patterns", hosts, MATCHES_HOSTS_MAX);
	struct property *at;
	const char *one = count == 0 ? definition_argument(import, predicate, 0, "pattern", &at) : NULL;

	if (one != NULL)
		hosts[count++] = one;
	if (matches->host_count > 0 || count == 0 || count > MATCHES_HOSTS_MAX) {
		refuse(import, matches, predicate->origin,
		       matches->host_count > 0 ? "a second Host predicate"
		       : count == 0            ? "it names no host"
		                               : "more hosts than the importer takes");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const char *colon = strrchr(hosts[i], ':');
		bool is_any_port = colon != NULL && strcmp(colon, ":*") == 0;

		if (is_any_port || (colon != NULL && strspn(colon + 1, "0123456789") == strlen(colon + 1))) {
			if (!is_any_port)
				verdict_different(import->arena, predicate->origin, "host is without a port here: any port matches");
			hosts[i] = property_copy(import->arena, hosts[i], (size_t)(colon - hosts[i]));
		}
		if (strpbrk(hosts[i], "*{}?") != NULL) {
			refuse(import, matches, predicate->origin, "host takes whole names, not patterns");
			return;
		}
		matches->hosts[matches->host_count++] = hosts[i];
	}
	verdict_exact(import->arena, predicate->origin);
	verdict_below(import->arena, predicate->args, VERDICT_EXACT, NULL);
}

static const struct {
	const char *name, *why;
} UNKNOWN[] = {
	{ "Header", "routes don't look at header fields" },
	{ "Query", "routes don't look at the query" },
	{ "Cookie", "routes don't look at cookies" },
	{ "After", "routes don't look at the time" },
	{ "Before", "routes don't look at the time" },
	{ "Between", "routes don't look at the time" },
	{ "Weight", "one route has one upstream: shares of the traffic are given by the number of replicas" },
	{ "RemoteAddr", "routes don't look at the client's address" },
	{ "XForwardedRemoteAddr", "routes don't look at the client's address" },
	{ "ReadBody", "routes don't look at bodies" },
	{ "ReadBodyPredicateFactory", "routes don't look at bodies" },
	{ "CloudFoundryRouteService", "there is no Cloud Foundry here" },
	{ "Version", "routes don't look at an API's version" },
};

static void read_other(struct import *import, struct matches *matches, const struct definition *predicate)
{
	const char *why = "a predicate of your own lives in Java";

	for (size_t i = 0; i < sizeof(UNKNOWN) / sizeof(UNKNOWN[0]); i++)
		if (property_is_named(predicate->name, UNKNOWN[i].name))
			why = UNKNOWN[i].why;
	refuse(import, matches, predicate->origin, why);
}

static void read_one(struct import *import, struct matches *matches, const struct definition *predicate)
{
	if (property_is_named(predicate->name, "Path") && matches->path_count > 0)
		refuse(import, matches, predicate->origin, "a second Path predicate, and both must hold");
	else if (property_is_named(predicate->name, "Path"))
		read_path(import, matches, predicate);
	else if (property_is_named(predicate->name, "Method"))
		read_methods(import, matches, predicate);
	else if (property_is_named(predicate->name, "Host"))
		read_hosts(import, matches, predicate);
	else
		read_other(import, matches, predicate);
	if (predicate->origin->verdict == VERDICT_REFUSED)
		verdict_below(import->arena, predicate->args, VERDICT_REFUSED, predicate->origin->why);
}

void predicates_read(struct import *import, struct property *route, struct matches *matches)
{
	struct property *list = property_find(route, "predicates");
	struct definition predicate;

	*matches = (struct matches){ 0 };
	if (list != NULL && list->value != NULL && strchr(list->value, ',') == NULL &&
	    definition_read(import, list, &predicate))
		read_one(import, matches, &predicate);
	else if (list == NULL || list->first == NULL) /* a scalar is split at commas in Spring: who knows what was meant? */
		refuse(import, matches, list != NULL ? list : route,
		       list != NULL && list->value != NULL ? "write the predicates as a list"
		                                           : "Spring takes no route without predicates");
	for (struct property *item = list != NULL ? list->first : NULL; item != NULL; item = item->next) {
		if (!definition_read(import, item, &predicate))
			refuse(import, matches, item, "a predicate without a name");
		else
			read_one(import, matches, &predicate);
	}
	if (matches->path_count == 0 && matches->why_refused == NULL)
		matches->paths[matches->path_count++] = "";
}
