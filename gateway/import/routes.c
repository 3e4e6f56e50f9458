/* Routes: each of Spring's becomes one for each of its paths and hosts. */
#include <string.h>
#include <strings.h>

#include "gateway/import/routes.h"
#include "gateway/import/filters.h"
#include "gateway/import/predicates.h"
#include "gateway/import/upstreams.h"

enum { NAME_MAX_BYTES = 120 };

static bool is_taken(const struct import *import, const char *name)
{
	for (const struct draft_route *other = import->routes; other != NULL; other = other->next)
		if (other->name != NULL && strcmp(other->name, name) == 0)
			return true;
	return false;
}

/* Printable, without blanks, quotes and backslashes, and not yet taken. */
static const char *free_name(struct import *import, const char *id)
{
	char *name = property_allocate(import->arena, NAME_MAX_BYTES + DRAFT_NUMBER_MAX);
	size_t length = 0;

	for (; *id != '\0' && length < NAME_MAX_BYTES; id++)
		name[length++] = *id > ' ' && *id <= '~' && *id != '"' && *id != '\\' ? *id : '_';
	draft_make_unique(import, name, length, is_taken);
	return name;
}

static void name_route(struct import *import, struct draft_route *route, struct property *id, bool is_first)
{
	if (route->id == NULL || *route->id == '\0')
		return;
	route->name = free_name(import, route->id);
	verdict_exact(import->arena, id);
	if (strcmp(route->name, route->id) != 0)
		verdict_different(import->arena, id,
		                  is_first ? "its name is %s here" : "its further paths are routes of their own: %s",
		                  route->name);
}

static struct draft_route *append(struct import *import, struct property *origin)
{
	struct draft_route *route = property_allocate(import->arena, sizeof(*route));

	route->origin = origin;
	if (import->last_route != NULL)
		import->last_route->next = route;
	else
		import->routes = route;
	import->last_route = route;
	import->route_count++;
	return route;
}

static void read_metadata(struct import *import, struct property *metadata)
{
	for (struct property *entry = metadata != NULL ? metadata->first : NULL; entry != NULL; entry = entry->next)
		if (!property_is_named(entry->name, "response-timeout") && !property_is_named(entry->name, "connect-timeout") &&
		    !property_is_named(entry->name, "cors"))
			verdict_below(import->arena, entry, VERDICT_REFUSED, "metadata is for Java");
}

static int64_t order_of(struct import *import, struct property *route)
{
	struct property *order = property_find(route, "order");
	const char *text = draft_text(import, order);
	uint64_t value;

	if (order == NULL)
		return 0;
	if (text == NULL || !value_count(text + (text[0] == '-'), &value)) {
		verdict_refused(import->arena, order, "not a number");
		return 0;
	}
	verdict_exact(import->arena, order);
	return text[0] == '-' ? -(int64_t)value : (int64_t)value;
}

/* Once for each path and host; verdicts that come again change nothing. */
static void add_one(struct import *import, struct property *origin, const struct matches *matches, size_t path,
                    const char *host, bool is_first)
{
	struct draft_route *route = append(import, origin);
	struct property *id = property_find(origin, "id");
	struct policy policy = { 0 };

	route->id = draft_text(import, id);
	route->path = matches->path_count > 0 ? matches->paths[path] : "";
	route->is_exact = matches->path_count > 0 && matches->is_exact[path];
	route->takes_slash = route->is_exact && matches->takes_slash[path];
	route->methods = matches->methods;
	route->host = host;
	route->why_refused = matches->why_refused;
	route->order = order_of(import, origin);
	if (route->is_exact && shape_is_known(import, SHAPE_EXACT))
		draft_line(import, &route->lines, origin, "exact: on");
	import->reader = route;
	filters_apply(import, route, draft_gateway(import, "default-filters"), property_find(origin, "filters"), &policy);
	upstream_find(import, route, property_find(origin, "uri"), &policy);
	import->reader = NULL;
	name_route(import, route, id, is_first);
}

static void add_route(struct import *import, struct property *origin)
{
	struct property *enabled = property_find(origin, "enabled");
	struct matches matches;
	size_t paths, hosts;

	verdict_exact(import->arena, enabled);
	if (enabled != NULL && enabled->value != NULL && !value_is_true(draft_text(import, enabled))) {
		verdict_below(import->arena, origin, VERDICT_REFUSED, "the route is not enabled");
		return;
	}
	predicates_read(import, origin, &matches);
	read_metadata(import, property_find(origin, "metadata"));
	paths = matches.path_count > 0 ? matches.path_count : 1;
	hosts = matches.host_count > 0 ? matches.host_count : 1;
	for (size_t i = 0; i < paths * hosts; i++) {
		if (import->route_count == DRAFT_ROUTES_MAX) {
			verdict_refused(import->arena, property_find(origin, "uri"), "more routes than the importer takes");
			return;
		}
		add_one(import, origin, &matches, i / hosts, matches.host_count > 0 ? matches.hosts[i % hosts] : NULL, i == 0);
	}
}

void routes_import(struct import *import)
{
	struct property *routes = draft_gateway(import, "routes");

	for (struct property *item = routes != NULL ? routes->first : NULL; item != NULL; item = item->next)
		add_route(import, item);
}
