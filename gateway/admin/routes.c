/*
 * /actuator/gateway/routes in Spring Cloud Gateway's shape: predicates and filters are texts there, made for people.
 */
#include "gateway/admin/routes.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/memory_file.h"

/* "GET, HEAD" */
static void put_methods(FILE *to, const struct route *route, const char *between)
{
	for (size_t i = 0; i < route->method_count; i++)
		fprintf(to, "%s%s", i == 0 ? "" : between, route->methods[i]);
}

/* A prefix is a path and what is below it. */
static void put_path(FILE *to, const char *path, bool is_exact, const char *between)
{
	bool is_root = strcmp(path, "/") == 0;

	if (is_exact)
		fprintf(to, "%s%s", between, path);
	else
		fprintf(to, "%s%s%s%s/**", between, is_root ? "" : path, is_root ? "" : ", ", is_root ? "" : path);
}

static void put_predicate(FILE *to, const struct route *route)
{
	bool has_more = route->host != NULL || route->method_count > 0;

	fputs(has_more ? "(Paths: [" : "Paths: [", to);
	for (size_t i = 0; i < route->path_count; i++)
		put_path(to, route->paths[i].text, route->exact, i == 0 ? "" : ", ");
	fprintf(to, "], match trailing slash: %s", route->exact ? "false" : "true");
	if (route->host != NULL)
		fprintf(to, " && Hosts: [%s]", route->host);
	if (route->method_count > 0) {
		fputs(" && Methods: [", to);
		put_methods(to, route, ", ");
		fputc(']', to);
	}
	if (has_more)
		fputc(')', to);
}

static json_t *text_of(void (*put)(FILE *to, const struct route *route), const struct route *route)
{
	struct memory_file memory;
	size_t length;
	char *text;
	json_t *value = NULL;

	memory_file_open(&memory);
	if (memory.file != NULL)
		put(memory.file, route);
	text = memory_file_close(&memory, &length);
	if (text != NULL)
		value = json_stringn(text, length);
	free(text);
	return value;
}

static void add_filter(json_t *filters, const char *words, const char *value)
{
	json_array_append_new(filters,
	                      json_sprintf("[[%s%s], order = %d]", words, value, (int)json_array_size(filters) + 1));
}

static void add_edits(json_t *filters, const char *which, const struct header_edits *edits)
{
	static const char *const verbs[] = { [HEADER_SET] = "Set", [HEADER_ADD] = "Add", [HEADER_REMOVE] = "Remove" };

	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->edits[i];
		const char *value = edit->written != NULL ? edit->written : edit->value; /* ${NAME}: secrets come that way */

		json_array_append_new(filters, json_sprintf("[[%s%sHeader %s%s%s], order = %d]", verbs[edit->kind], which,
		                                            edit->name, value == NULL ? "" : " = ", value == NULL ? "" : value,
		                                            (int)json_array_size(filters) + 1));
	}
}

static json_t *filters_of(const struct route *route)
{
	json_t *filters = json_array();

	if (route->upstream->breaker.enabled)
		add_filter(filters, "SpringCloudCircuitBreakerResilience4J name = ", route->upstream->name);
	if (route->strip_prefix != NULL)
		add_filter(filters, "StripPrefix ", route->strip_prefix);
	if (route->add_prefix != NULL)
		add_filter(filters, "PrefixPath prefix = ", route->add_prefix);
	if (route->expression != NULL)
		json_array_append_new(filters, json_sprintf("[[RewritePath %s = '%s'], order = %d]", route->regex, route->replacement,
		                                            (int)json_array_size(filters) + 1));
	add_edits(filters, "Request", &route->request_headers);
	add_edits(filters, "Response", &route->response_headers);
	if (route->upstream->retry_attempts > 0)
		json_array_append_new(filters, json_sprintf("[[Retry retries = %u], order = %d]", route->upstream->retry_attempts,
		                                            (int)json_array_size(filters) + 1));
	return filters;
}

static json_t *describe(const struct route *route, size_t index)
{
	return json_pack("{s:o, s:s, s:o, s:s, s:i, s:{s:s, s:i}}", "predicate", text_of(put_predicate, route), "route_id",
	                 route->id, "filters", filters_of(route), "uri", route->upstream->url, "order", (int)index,
	                 "metadata", "upstream", route->upstream->name, "fallbackStatus", (int)route->fallback.status);
}

void routes_page(struct page_request *request)
{
	const struct config *config = request->view->config(request->view->context);
	json_t *all = json_array(), *one = NULL;

	for (size_t i = 0; config != NULL && i < config->route_count; i++)
		json_array_append_new(all, describe(&config->routes[i], i));
	if (request->rest[0] == '\0') {
		page_json(request, 200, PAGE_ACTUATOR, all);
		return;
	}
	/* Ids begin with a slash, which the path's own slash has swallowed. */
	for (size_t i = 0; one == NULL && i < json_array_size(all); i++) {
		const char *id = json_string_value(json_object_get(json_array_get(all, i), "route_id"));

		if (id != NULL && strcmp(id[0] == '/' ? id + 1 : id, request->rest + (request->rest[0] == '/')) == 0)
			one = json_incref(json_array_get(all, i));
	}
	json_decref(all);
	if (one == NULL)
		page_error(request, 404, "there is no route of this id");
	else
		page_json(request, 200, PAGE_ACTUATOR, one);
}
