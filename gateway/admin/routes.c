/*
 * /actuator/gateway/routes in Spring Cloud Gateway's shape: predicates and filters are texts there, made for people.
 */
#include "gateway/admin/routes.h"

#include <inttypes.h>
#include <stdarg.h>
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

static __attribute__((format(printf, 2, 3))) void add_filter(json_t *filters, const char *format, ...)
{
	json_t *words;
	va_list values;

	va_start(values, format);
	words = json_vsprintf(format, values);
	va_end(values);
	if (words != NULL)
		json_array_append_new(filters, json_sprintf("[[%s], order = %d]", json_string_value(words),
		                                            (int)json_array_size(filters) + 1));
	json_decref(words);
}

static void add_edits(json_t *filters, const char *which, const struct header_edits *edits)
{
	static const char *const verbs[] = { [HEADER_SET] = "Set", [HEADER_ADD] = "Add", [HEADER_REMOVE] = "Remove" };

	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->edits[i];
		const char *value = edit->written != NULL ? edit->written : edit->value; /* ${NAME}: secrets come that way */

		add_filter(filters, "%s%sHeader %s%s%s", verbs[edit->kind], which, edit->name, value == NULL ? "" : " = ",
		           value == NULL ? "" : value);
	}
}

/* In the order in which a request meets them. Spring has names for two of them; the others have those of gateway.yml. A limit of
 * the body stands there if the route has one of its own. */
static void add_conditions(json_t *filters, const struct config *config, const struct route *route)
{
	const struct rate_limit_settings *limit = &route->rate_limit;

	if (route->cors != NULL)
		add_filter(filters, "cors");
	if (route->request_body_bytes != config->limits.request_body_bytes)
		add_filter(filters, "RequestSize max = %" PRIu64, route->request_body_bytes);
	if (limit->enabled)
		add_filter(filters, "RequestRateLimiter rate = %u in %u ms, burst = %u%s", limit->calls, (unsigned)limit->period_ms,
		           rate_limit_burst(limit), limit->dry_run ? ", dry_run" : "");
	if (route->jwt != NULL)
		add_filter(filters, "auth.jwt jwks = %s", route->jwt->jwks);
	if (route->basic.enabled)
		add_filter(filters, "auth.basic");
	if (route->forward.enabled)
		add_filter(filters, "auth.forward upstream = %s", route->forward.upstream->name);
	if (route->response_body_bytes != UINT64_MAX)
		add_filter(filters, "response_body max = %" PRIu64, route->response_body_bytes);
}

static json_t *filters_of(const struct config *config, const struct route *route)
{
	json_t *filters = json_array();

	add_conditions(filters, config, route);
	if (route->upstream->breaker.enabled)
		add_filter(filters, "SpringCloudCircuitBreakerResilience4J name = %s", route->upstream->name);
	if (route->strip_prefix != NULL)
		add_filter(filters, "StripPrefix %s", route->strip_prefix);
	if (route->add_prefix != NULL)
		add_filter(filters, "PrefixPath prefix = %s", route->add_prefix);
	if (route->expression != NULL)
		add_filter(filters, "RewritePath %s = '%s'", route->regex, route->replacement);
	add_edits(filters, "Request", &route->request_headers);
	add_edits(filters, "Response", &route->response_headers);
	if (route->upstream->retry_attempts > 0)
		add_filter(filters, "Retry retries = %u", route->upstream->retry_attempts);
	return filters;
}

static json_t *describe(const struct config *config, size_t index)
{
	const struct route *route = &config->routes[index];

	return json_pack("{s:o, s:s, s:o, s:s, s:i, s:{s:s, s:i}}", "predicate", text_of(put_predicate, route), "route_id",
	                 route->id, "filters", filters_of(config, route), "uri", route->upstream->url, "order", (int)index,
	                 "metadata", "upstream", route->upstream->name, "fallbackStatus", (int)route->fallback.status);
}

void routes_page(struct page_request *request)
{
	const struct config *config = request->view->config(request->view->context);
	json_t *all = json_array(), *one = NULL;

	for (size_t i = 0; config != NULL && i < config->route_count; i++)
		json_array_append_new(all, describe(config, i));
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
