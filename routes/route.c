/*
 * The host and the path alone choose the entry of the table (table.c); only then the methods are looked at. If another method
 * is asked for, the request gets "not allowed" rather than the route of a shorter prefix.
 */
#include "routes/route.h"

#include <stdio.h>
#include <string.h>

#include "routes/path.h"
#include "routes/table.h"

/* ---- methods --------------------------------------------------------------------------------------------------- */

static bool takes_method(const struct route *route, const char *method, size_t length)
{
	if (route->methods == NULL)
		return length != 5 || memcmp(method, "TRACE", 5) != 0;
	for (size_t i = 0; i < route->method_count; i++)
		if (strlen(route->methods[i]) == length && memcmp(route->methods[i], method, length) == 0)
			return true;
	return false;
}

static const struct route *find_by_method(const struct route_index *index, const struct table_entry *entry,
                                          const char *method, size_t length)
{
	for (uint32_t i = entry->first_item; i != TABLE_NONE; i = index->items[i].next)
		if (takes_method(index->items[i].route, method, length))
			return index->items[i].route;
	return NULL;
}

/* Is `name` one of those in "GET, HEAD"? */
static bool is_listed(const char *list, size_t list_length, const char *name, size_t length)
{
	size_t at = 0;

	while (at < list_length) {
		const char *comma = memchr(list + at, ',', list_length - at);
		size_t end = comma != NULL ? (size_t)(comma - list) : list_length;

		if (end - at == length && memcmp(list + at, name, length) == 0)
			return true;
		at = end + 2;
	}
	return false;
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

struct route_match route_find(const struct config *config, const char *host, size_t host_length, const char *path,
                              size_t path_length, const char *method, size_t method_length)
{
	const struct route_index *index = config->index;
	const struct table_entry *entry = table_find(index, host, host_length, path, path_length);
	const struct route *route;

	if (entry == NULL)
		return (struct route_match){.verdict = ROUTE_NOT_FOUND};
	route = find_by_method(index, entry, method, method_length);
	if (route == NULL)
		return (struct route_match){.verdict = ROUTE_METHOD_NOT_ALLOWED, .route = entry->first};
	return (struct route_match){.verdict = ROUTE_FOUND, .route = route};
}

const struct route_path *route_find_path(const struct config *config, const char *host, size_t host_length, const char *path,
                                         size_t path_length)
{
	const struct table_entry *entry = table_find(config->index, host, host_length, path, path_length);

	return entry != NULL ? entry->path : NULL;
}

bool route_was_escaped(const struct config *config, const char *host, size_t host_length, const char *raw, size_t raw_length,
                       const char *path, size_t path_length, char *room)
{
	size_t before = path_before_dots(raw, raw_length), length;
	const struct table_entry *entry;
	struct path_result seen;

	if (before == raw_length)
		return false;
	/* As the gateway reads a path, so that all spellings of the prefix are treated alike. */
	seen = path_normalise(raw, before, room);
	length = path_strip_parameters(seen.path, seen.length, false, room);
	entry = table_find(config->index, host, host_length, room, length);
	/* An exact path has nothing below it, and nothing is outside the root. A "*" stands for one segment, not for any
	 * number. */
	if (entry == NULL || entry->first->exact || entry->path->segments == 0)
		return false;
	return !path_begins_with(path, path_length, room, path_skip(room, length, entry->path->segments));
}

/* Appends a method, unless it is there or there is no room. */
static size_t put_allowed(char *text, size_t size, size_t written, const char *method, size_t length)
{
	size_t comma = written > 0 ? 2 : 0;

	if (is_listed(text, written, method, length) || written + comma + length >= size)
		return written;
	memcpy(text + written, ", ", comma);
	memcpy(text + written + comma, method, length);
	text[written + comma + length] = '\0';
	return written + comma + length;
}

size_t route_allowed_methods(const struct config *config, const struct route *route, const struct route_path *path, char *text,
                             size_t size)
{
	const struct route_index *index = config->index;
	const struct table_entry *entry = table_get(index, route, path);
	size_t written = 0;

	if (size == 0)
		return 0;
	text[0] = '\0';
	for (uint32_t i = entry != NULL ? entry->first_item : TABLE_NONE; i != TABLE_NONE; i = index->items[i].next) {
		route = index->items[i].route;
		for (size_t j = 0; j < route->method_count; j++)
			written = put_allowed(text, size, written, route->methods[j], strlen(route->methods[j]));
		for (const char *at = route->methods == NULL ? ROUTE_USUAL_METHODS : ""; *at != '\0'; at += strspn(at, ", ")) {
			size_t length = strcspn(at, ",");

			written = put_allowed(text, size, written, at, length);
			at += length;
		}
	}
	return written;
}

/* ---- building -------------------------------------------------------------------------------------------------- */

/* The earlier route of the entry that takes the last method that `route` could match; NULL: `route` can match. */
static const struct route *find_taker(const struct route_index *index, const struct table_entry *entry,
                                      const struct route *route)
{
	const struct route *taker = NULL;

	if (route->methods == NULL)
		return entry->any;
	for (size_t i = 0; i < route->method_count; i++) {
		taker = find_by_method(index, entry, route->methods[i], strlen(route->methods[i]));
		if (taker == NULL)
			return NULL;
	}
	return taker;
}

/* An earlier route that takes one of the methods, which is set; NULL: none. A route without methods takes the others. */
static const struct route *find_rival(const struct route_index *index, const struct table_entry *entry,
                                      const struct route *route, const char **method)
{
	for (size_t i = 0; i < route->method_count; i++) {
		const struct route *rival = find_by_method(index, entry, *method = route->methods[i], strlen(route->methods[i]));

		if (rival != NULL)
			return rival;
	}
	return NULL;
}

/* NULL: the route may be added. A route that can never match is left out: a thousand copies of one must not cause a thousand
 * steps. */
static const char *add(struct route_index *index, const struct route *route, const struct route_path *path, char *text, size_t size)
{
	struct table_entry *entry = table_take(index, route, path);
	const struct route *other;
	const char *method;

	if (entry == NULL) {
		snprintf(text, size, "\"*\" stands in more than %d different places in the paths of all routes", TABLE_SHAPES_MAX);
		return text;
	}
	other = find_taker(index, entry, route);
	if (other == route) {
		snprintf(text, size, "the route has this path twice");
		return text;
	}
	if (other != NULL) {
		snprintf(text, size, "can never match: the route in line %zu has the same path and takes its requests", other->line);
		return text;
	}
	other = find_rival(index, entry, route, &method);
	if (other != NULL)
		snprintf(text, size, "ambiguous: the route in line %zu has the same path and takes %.40s, too", other->line, method);
	table_append(index, entry, route);
	return other != NULL ? text : NULL;
}

struct route_index *route_index_new(const struct route *routes, size_t count,
                                    void (*complain)(void *context, const struct route_path *path, const char *text), void *context)
{
	struct route_index *index = table_new(routes, count);
	char text[160];

	for (size_t i = 0; i < count && index != NULL; i++)
		for (size_t j = 0; j < routes[i].path_count; j++)
			if (add(index, &routes[i], &routes[i].paths[j], text, sizeof(text)) != NULL)
				complain(context, &routes[i].paths[j], text);
	return index;
}

void route_index_free(struct route_index *index)
{
	table_free(index);
}
