/* Routes: their conditions, their upstream, and which of them can never be reached. */
#include <stdio.h>
#include <string.h>

#include "routes/config_reader.h"
#include "routes/route.h"

enum { LOG_NAME_MAX = 255 };

static const char **text_field(const struct key *key, void *into)
{
	return (const char **)((char *)into + key->offset);
}

/* ---- conditions -------------------------------------------------------------------------------------------------- */

/* Why this can't be a prefix; NULL if it can. */
static const char *why_no_path(const char *text)
{
	if (text[0] != '/')
		return "it must begin with \"/\"";
	if (strpbrk(text, "*{}") != NULL)
		return "it is a prefix, not a pattern: /patient matches /patient and all below it";
	if (strchr(text, '?') != NULL)
		return "it has no query";
	if (strpbrk(text, "\"<>") != NULL)
		return "quotes and angle brackets are written in percent-encoding";
	for (const char *at = text; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			return "bytes outside printable ASCII are written in percent-encoding";
	return NULL;
}

/* Kept in the form that requests are compared in, without a slash at its end. */
void read_path(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	const char *text = reader_text(reader, node, key->name), *why;
	struct path_result result;
	size_t length;
	char *room;

	if (text == NULL)
		return;
	why = why_no_path(text);
	if (why != NULL) {
		reader_error(reader, node, "%s \"%.60s\": %s", key->name, text, why);
		return;
	}
	length = strlen(text);
	room = reader_allocate_scratch(reader, length);
	if (room == NULL)
		return;
	result = path_normalise(text, length, room);
	if (result.verdict == PATH_REFUSED) {
		reader_error(reader, node, "%s \"%.60s\": %s", key->name, text, result.why);
		return;
	}
	while (result.length > 1 && result.path[result.length - 1] == '/')
		result.length--;
	if (result.length == 1 && key->scope == SCOPE_REWRITE)
		reader_warn(reader, node, "%s \"/\" changes nothing", key->name);
	else
		*text_field(key, into) = reader_copy(reader, result.path, result.length);
}

/* As in Host, lower case, without port. */
void read_host(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	const char *text = reader_text(reader, node, key->name);
	struct address address;
	char *host;
	size_t length;

	if (text == NULL)
		return;
	length = strlen(text);
	host = reader_copy(reader, text, length);
	if (host == NULL)
		return;
	for (char *at = host; *at != '\0'; at++)
		*at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
	*text_field(key, into) = host;
	if (length > 2 && host[0] == '[' && host[length - 1] == ']' && address_parse(&address, host, 1))
		return;
	if (strchr(host, ':') != NULL)
		reader_error(reader, node, "host takes a name without a port, not \"%.60s\"", text);
	else if (strchr(host, '*') != NULL)
		reader_error(reader, node, "host takes one whole name; patterns like \"%.60s\" are not supported", text);
	else if (length == 0 || length > 253 || host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] != '\0')
		reader_error(reader, node, "host takes a name, not \"%.60s\"", text);
}

static bool is_token(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "!#$%&'*+-.^_`|~0123456789"
	                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

void read_methods(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct route *route = into;
	size_t most;
	const struct yaml_node *item = reader_list(reader, node, key->name, false, &most);
	const char **methods = most > 0 ? reader_allocate(reader, most * sizeof(*methods)) : NULL;

	if (most == 0 && node->kind == YAML_SEQUENCE)
		reader_error(reader, node, "methods is empty; leave it out to take any method");
	for (; item != NULL && methods != NULL; item = item->next) {
		const char *text = item->is_refused ? NULL : reader_text(reader, item, key->name);

		if (text == NULL)
			continue;
		/* Kept although wrong: without it the route would seem to take any method, and to hide others. */
		if (!is_token(text) || strpbrk(text, "abcdefghijklmnopqrstuvwxyz") != NULL)
			reader_error(reader, item, "methods are written in capital letters, as in [GET, POST], not \"%.40s\"",
			             text);
		else if (strcmp(text, "CONNECT") == 0)
			reader_error(reader, item, "CONNECT is refused whatever the path, so it can never match");
		for (size_t i = 0; i < route->method_count; i++)
			if (strcmp(methods[i], text) == 0)
				reader_error(reader, item, "methods has %.40s twice", text);
		methods[route->method_count] = reader_copy(reader, text, strlen(text));
		if (methods[route->method_count] != NULL)
			route->method_count++;
	}
	route->methods = methods;
}

void read_upstream_name(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct route *route = into;
	const char *text = reader_text(reader, node, key->name);
	struct suggestion suggestion;

	if (text == NULL)
		return;
	suggestion = suggestion_begin(text);
	for (size_t i = 0; i < reader->config->upstream_count; i++) {
		if (strcmp(reader->config->upstreams[i].name, text) == 0) {
			route->upstream = &reader->config->upstreams[i];
			return;
		}
		suggestion_offer(&suggestion, reader->config->upstreams[i].name);
	}
	if (suggestion.best != NULL)
		reader_error(reader, node, "there is no upstream \"%.64s\"; did you mean \"%.64s\"?", text, suggestion.best);
	else
		reader_error(reader, node, "there is no upstream \"%.64s\"", text);
}

/* ---- one route --------------------------------------------------------------------------------------------------- */

static void check_strip_prefix(struct reader *reader, const struct yaml_node *node, const struct route *route)
{
	size_t length = route->strip_prefix != NULL ? strlen(route->strip_prefix) : 0;

	if (length <= 1 || route->path == NULL)
		return;
	if (strncmp(route->path, route->strip_prefix, length) != 0 ||
	    (route->path[length] != '\0' && route->path[length] != '/'))
		reader_error(reader, yaml_find(yaml_find(node, "rewrite"), "strip_prefix"),
		             "strip_prefix \"%.60s\" is not part of the route's path \"%.60s\"", route->strip_prefix, route->path);
}

/* A path was percent-encoded where it had to be and a name is a token, so nothing in them needs an escape. */
static void write_log_names(struct reader *reader, struct route *route)
{
	static const char format[] = ",\"route\":\"%.*s\",\"upstream\":\"%.*s\"";
	size_t size = sizeof(format) + route->path_length + strlen(route->upstream->name);
	char *text = reader_allocate(reader, size);

	if (text == NULL)
		return;
	route->log_names_length =
		(size_t)snprintf(text, size, format, LOG_NAME_MAX, route->path, LOG_NAME_MAX, route->upstream->name);
	route->log_names = text;
}

static bool read_route(struct reader *reader, const struct yaml_node *node, struct route *route)
{
	*route = (struct route){.line = node->line, .request_body_bytes = reader->config->limits.request_body_bytes};
	if (node->kind != YAML_MAPPING) {
		reader_error(reader, node, "a route takes a mapping, as in { path: /patient, upstream: patient }");
		return false;
	}
	section_read(reader, node, SCOPE_ROUTE, "the route", route);
	if (yaml_find(node, "path") == NULL)
		reader_error(reader, node, "the route has no path");
	if (yaml_find(node, "upstream") == NULL)
		reader_error(reader, node, "the route has no upstream");
	if (yaml_find(node, "fallback") == NULL)
		fallback_default(reader, route);
	fallback_add_headers(reader, route);
	check_strip_prefix(reader, node, route);
	if (route->path == NULL || route->upstream == NULL)
		return false;
	route->path_length = strlen(route->path);
	write_log_names(reader, route);
	return true;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

struct route_places {
	struct reader *reader;
	const struct yaml_node **nodes; /* of the routes, by their index */
};

static void on_route_complaint(void *context, size_t route, const char *text)
{
	struct route_places *places = context;

	reader_error(places->reader, yaml_find(places->nodes[route], "path"), "%s", text);
}

static void warn_of_unused_upstreams(struct reader *reader, bool *is_used)
{
	const struct yaml_node *node = yaml_find(reader->root, "upstreams");
	size_t i = 0;

	for (node = node->first; node != NULL && i < reader->config->upstream_count; node = node->next) {
		if (node->is_refused)
			continue;
		if (!is_used[i++])
			reader_warn(reader, node->key, "no route uses upstream \"%.64s\"", node->key->text);
	}
}

static void index_routes(struct reader *reader, const struct yaml_node **nodes)
{
	struct config *config = reader->config;
	struct route_places places = {.reader = reader, .nodes = nodes};
	bool *is_used = reader_allocate_scratch(reader, config->upstream_count + 1);

	config->index = route_index_new(config->routes, config->route_count, on_route_complaint, &places);
	reader->is_memory_short = reader->is_memory_short || config->index == NULL;
	if (is_used == NULL || config->upstream_count == 0)
		return;
	for (size_t i = 0; i < config->route_count; i++)
		is_used[config->routes[i].upstream - config->upstreams] = true;
	/* A route that is wrong may be the one that uses it. */
	if (reader->complaints->errors == 0)
		warn_of_unused_upstreams(reader, is_used);
}

void routes_read(struct reader *reader)
{
	const struct yaml_node *node = yaml_find(reader->root, "routes"), **nodes;
	struct config *config = reader->config;

	if (node == NULL || reader_is_empty(node) || (node->kind == YAML_SEQUENCE && node->count == 0)) {
		reader_error(reader, node != NULL ? node : reader->root, "routes is missing, so every request would get 404");
		return;
	}
	if (node->kind != YAML_SEQUENCE) {
		reader_error(reader, node, "routes takes a list, as in - { path: /patient, upstream: patient }");
		return;
	}
	if (node->count > CONFIG_ROUTES_MAX) {
		reader_error(reader, node, "more than %d routes", CONFIG_ROUTES_MAX);
		return;
	}
	config->routes = reader_allocate(reader, node->count * sizeof(*config->routes));
	nodes = reader_allocate_scratch(reader, node->count * sizeof(*nodes));
	if (config->routes == NULL || nodes == NULL)
		return;
	for (node = node->first; node != NULL; node = node->next) {
		nodes[config->route_count] = node;
		if (!node->is_refused && read_route(reader, node, &config->routes[config->route_count]))
			config->route_count++;
	}
	if (!reader->is_memory_short)
		index_routes(reader, nodes);
}
