#include "routes/config/route_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes/config/complaints.h"

/* The path with the other conditions. */
static void make_id(struct reader *reader, struct route *route)
{
	size_t size = strlen(route->path) + sizeof(" exact") + (route->host == NULL ? 0 : strlen(route->host)) + 2;
	char *id, *to;

	for (size_t i = 0; i < route->method_count; i++)
		size += strlen(route->methods[i]) + 1;
	id = to = reader_allocate(reader, size);
	if (id == NULL)
		return;
	for (size_t i = 0; i < route->method_count; i++)
		to += sprintf(to, "%s%c", route->methods[i], i + 1 < route->method_count ? ',' : ' ');
	sprintf(to, "%s%s%s", route->host == NULL ? "" : route->host, route->path, route->exact ? " exact" : "");
	route->id = id;
}

/* Of the routes with one path, the path is the id of the one that is called so, else of the one without other conditions, else
 * of the first. */
static int rank_of(const struct route *route)
{
	bool is_called_so = route->name != NULL && strcmp(route->name, route->path) == 0;

	return is_called_so ? 0 : route->host == NULL && route->method_count == 0 && !route->exact ? 1 : 2;
}

static int by_path(const void *a, const void *b)
{
	const struct route *first = *(const struct route *const *)a, *second = *(const struct route *const *)b;
	int order = strcmp(first->path, second->path);

	order = order != 0 ? order : rank_of(first) - rank_of(second);
	return order != 0 ? order : (first > second) - (first < second);
}

/* In this order; NULL: memory is short. */
static struct route **sort(struct reader *reader, int (*compare)(const void *, const void *))
{
	size_t count = reader->config->route_count;
	struct route **sorted = reader_allocate_scratch(reader, (count + 1) * sizeof(*sorted));

	if (sorted == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		sorted[i] = &reader->config->routes[i];
	qsort(sorted, count, sizeof(*sorted), compare);
	return sorted;
}

/* The name, or the path; if another route of the path has that, the path with the other conditions. False: memory is short. */
static bool make_ids(struct reader *reader)
{
	struct route **sorted = sort(reader, by_path);
	const char *taken = "";

	for (size_t i = 0; sorted != NULL && i < reader->config->route_count; i++) {
		struct route *route = sorted[i];

		if (route->name == NULL && strcmp(route->path, taken) == 0)
			make_id(reader, route);
		else
			route->id = route->name != NULL ? route->name : route->path;
		if (route->id == NULL)
			return false;
		if (strcmp(route->id, route->path) == 0)
			taken = route->path;
	}
	return sorted != NULL;
}

static int by_id(const void *a, const void *b)
{
	const struct route *first = *(const struct route *const *)a, *second = *(const struct route *const *)b;
	int order = strcmp(first->id, second->id);

	return order != 0 ? order : (first > second) - (first < second); /* not every C library leaves equal ones as they were */
}

/* Routes without a name differ by what they match, or one of them could never. */
static void check_names(struct reader *reader, const struct yaml_node **nodes)
{
	struct route **sorted = sort(reader, by_id);

	for (size_t i = 1; sorted != NULL && i < reader->config->route_count; i++) {
		struct route *route = sorted[i]->name != NULL ? sorted[i] : sorted[i - 1];
		struct route *other = route == sorted[i] ? sorted[i - 1] : sorted[i];

		if (route->name == NULL || strcmp(route->id, other->id) != 0)
			continue;
		if (other->name == NULL && rank_of(other) == 2)
			make_id(reader, other); /* it can be told by its conditions */
		else
			reader_error(reader, yaml_find(nodes[route - reader->config->routes], "name"),
			             "another route is also called \"%.70s\"", route->name);
	}
}

void route_names_give(struct reader *reader, const struct yaml_node **nodes)
{
	struct config *config = reader->config;

	if (make_ids(reader))
		check_names(reader, nodes);
	for (size_t i = 0; i < config->route_count; i++)
		if (config->routes[i].detour != NULL)
			config->routes[i].detour->id = config->routes[i].id;
}
