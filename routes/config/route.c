/* Routes: their conditions, their upstream, and the check for routes that can never match. */
#include "routes/config/route.h"

#include <stdio.h>
#include <string.h>

#include "routes/config/basic.h"
#include "routes/config/complaints.h"
#include "routes/config/fallback.h"
#include "routes/config/forward.h"
#include "routes/config/jwt.h"
#include "routes/config/keys.h"
#include "routes/config/path.h"
#include "routes/config/rate_limit.h"
#include "routes/config/route_defaults.h"
#include "routes/config/route_names.h"
#include "routes/config/section.h"
#include "routes/config/value.h"
#include "routes/path.h"
#include "routes/route.h"

enum { LOG_NAME_MAX = 255 };

static const char **text_field(const struct key *key, void *into)
{
	return (const char **)((char *)into + key->offset);
}

/* ---- conditions -------------------------------------------------------------------------------------------------- */

/* The name becomes a label of metrics, a word of the log and a part of admin paths, so none of them should have to escape
 * it. */
void read_route_name(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	const char *text = reader_text(reader, node, key->name);
	size_t length = text != NULL ? strlen(text) : 0;

	if (text == NULL)
		return;
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			length = 0;
	if (length == 0 || length > CONFIG_ROUTE_NAME_MAX)
		reader_error(reader, node,
		             "a route's name has at most %d printable characters and no blank, quote or backslash: "
		                           "\"%.70s\"", CONFIG_ROUTE_NAME_MAX, text);
	else
		*text_field(key, into) = reader_copy(reader, text, length);
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
	if (length > 1 && host[length - 1] == '.') /* what is asked for is read without it, too */
		host[--length] = '\0';
	if (length > 2 && host[0] == '[' && host[length - 1] == ']' && address_parse(&address, host, 1))
		return;
	if (strchr(host, ':') != NULL)
		reader_error(reader, node, "host takes a name without a port, not \"%.60s\"", text);
	else if (strchr(host, '*') != NULL)
		reader_error(reader, node, "host takes one whole name; patterns like \"%.60s\" are not supported", text);
	else if (length == 0 || length > 253 || host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] != '\0')
		reader_error(reader, node, "host takes a name, not \"%.60s\"", text);
}

/* A method may be anybody's, but one that is a letter away from a usual one is hardly meant. */
static void warn_of_unusual_method(struct reader *reader, const struct yaml_node *item, const char *text)
{
	static const char *const USUAL[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"};
	struct suggestion suggestion = suggestion_begin(text);

	suggestion.distance = 2;
	for (size_t i = 0; i < sizeof(USUAL) / sizeof(USUAL[0]); i++)
		suggestion_offer(&suggestion, USUAL[i]);
	if (suggestion.best != NULL && strcmp(suggestion.best, text) != 0)
		reader_warn(reader, item, "methods: \"%.40s\" is no usual method; did you mean \"%s\"?", text, suggestion.best);
}

/* Keep a wrong method: without it the route would seem to take any method, and to hide other routes. */
static bool take_method(struct reader *reader, const struct yaml_node *item, const char *text, void *list, size_t count)
{
	const char **methods = list;

	if (!value_is_token(text) || strpbrk(text, "abcdefghijklmnopqrstuvwxyz") != NULL)
		reader_error(reader, item, "methods are written in capital letters, as in [GET, POST], not \"%.40s\"", text);
	else if (strcmp(text, "CONNECT") == 0)
		reader_error(reader, item, "CONNECT is refused whatever the path, so it can never match");
	else
		warn_of_unusual_method(reader, item, text);
	for (size_t i = 0; i < count; i++)
		if (strcmp(methods[i], text) == 0)
			reader_error(reader, item, "methods has %.40s twice", text);
	methods[count] = reader_copy(reader, text, strlen(text));
	return methods[count] != NULL;
}

void read_methods(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct route *route = into;

	if (node->kind == YAML_SCALAR && strcmp(node->text, "any") == 0)
		return;
	if (node->kind == YAML_SEQUENCE && node->count == 0)
		reader_error(reader, node, "methods is empty; leave it out to take any method");
	route->methods = reader_array(reader, key, node, false, sizeof(route->methods[0]), take_method, &route->method_count);
}

void read_upstream_name(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	const struct upstream_settings **upstream = (const struct upstream_settings **)((char *)into + key->offset);
	const char *text = reader_text(reader, node, key->name);
	struct suggestion suggestion;

	if (text == NULL)
		return;
	suggestion = suggestion_begin(text);
	for (size_t i = 0; i < reader->config->upstream_count; i++) {
		if (strcmp(reader->config->upstreams[i].name, text) == 0) {
			*upstream = &reader->config->upstreams[i];
			return;
		}
		suggestion_offer(&suggestion, reader->config->upstreams[i].name);
	}
	if (suggestion.best != NULL)
		reader_error(reader, node, "there is no upstream \"%.64s\"; did you mean \"%.64s\"?", text, suggestion.best);
	else
		reader_error(reader, node, "there is no upstream \"%.64s\"", text);
}

void read_upstream_or_off(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	if (node->kind == YAML_SCALAR && value_is_off(node->text))
		*(const struct upstream_settings **)((char *)into + key->offset) = NULL;
	else
		read_upstream_name(reader, key, node, into);
}

/* ---- one route --------------------------------------------------------------------------------------------------- */

/* A path was percent-encoded where it had to be and a name is a token, so nothing in them needs an escape. */
static void write_log_names(struct reader *reader, struct route *route, const struct upstream_settings *failed)
{
	static const char format[] = ",\"route\":\"%.*s\",\"upstream\":\"%.*s\"%s%s%s";
	const char *name = route->name != NULL ? route->name : route->path, *key = failed == NULL ? "" : ",\"failed_upstream\":\"";
	size_t size = sizeof(format) + strlen(name) + strlen(route->upstream->name) + strlen(key) + 2 +
	              (failed == NULL ? 0 : strlen(failed->name));
	char *text = reader_allocate(reader, size);

	if (text == NULL)
		return;
	route->log_names_length = (size_t)snprintf(text, size, format, LOG_NAME_MAX, name, LOG_NAME_MAX, route->upstream->name, key,
	                                           failed == NULL ? "" : failed->name, failed == NULL ? "" : "\"");
	route->log_names = text;
}

/* The route to fallback.upstream: it treats requests in the same way. */
static void make_detour(struct reader *reader, struct route *route, const struct upstream_settings *upstream)
{
	struct route *detour = reader_allocate(reader, sizeof(*detour));

	if (detour == NULL)
		return;
	*detour = *route;
	detour->upstream = upstream;
	write_log_names(reader, detour, route->upstream);
	route->detour = detour;
}

/* With nothing behind its name, as when the lines below it are comments, a key would leave the route open without a word. */
static void check_auth(struct reader *reader, const struct yaml_node *auth)
{
	if (auth == NULL)
		return;
	if (reader_is_empty(auth))
		reader_error(reader, auth, "auth has no value; leave it out if anybody may send requests");
	for (const struct yaml_node *value = auth->kind == YAML_MAPPING ? auth->first : NULL; value != NULL; value = value->next)
		if (reader_is_empty(value) && keys_find(SCOPE_AUTH, value->key->text) != NULL)
			reader_error(reader, value, "auth.%s has no value; it takes off or a mapping", value->key->text);
}

static bool read_route(struct reader *reader, const struct yaml_node *node, struct route *route)
{
	*route = (struct route){ .line = node->line, .request_body_bytes = reader->config->limits.request_body_bytes,
	                         .response_body_bytes = UINT64_MAX };
	if (node->kind != YAML_MAPPING) {
		reader_error(reader, node, "a route takes a mapping, as in { path: /patient, upstream: patient }");
		return false;
	}
	section_defaults(reader, SCOPE_RATE_LIMIT, route);
	section_defaults(reader, SCOPE_BASIC, route);
	if (yaml_find(yaml_find(node, "auth"), "forward") != NULL)
		section_defaults(reader, SCOPE_FORWARD, route);
	section_read(reader, node, SCOPE_ROUTE, "the route", route);
	check_auth(reader, yaml_find(node, "auth"));
	jwt_check(reader, yaml_find(node, "auth"), route);
	rate_limit_check(reader, yaml_find(node, "rate_limit"), route);
	basic_check(reader, yaml_find(yaml_find(node, "auth"), "basic"), route);
	forward_check(reader, yaml_find(node, "auth"), route);
	if (yaml_find(node, "path") == NULL)
		reader_error(reader, node, "the route has no path");
	if (yaml_find(node, "upstream") == NULL)
		reader_error(reader, node, "the route has no upstream");
	if (yaml_find(node, "fallback") == NULL)
		fallback_default(reader, route);
	fallback_add_headers(reader, route);
	route_finish_paths(reader, node, route);
	if (route->path == NULL || route->upstream == NULL)
		return false;
	write_log_names(reader, route, NULL);
	if (route->fallback_upstream == route->upstream)
		reader_error(reader, yaml_find(yaml_find(node, "fallback"), "upstream"),
		             "fallback.upstream is the route's own upstream; it takes another one, or off");
	else if (route->fallback_upstream != NULL)
		make_detour(reader, route, route->fallback_upstream);
	return true;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void on_path_complaint(void *context, const struct route_path *path, const char *text)
{
	reader_complain_at(context, path->line, path->column, text);
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

/* The route that a redirect to a path of ours leads to; NULL: it leads elsewhere, or nowhere. */
static const struct route *follow(struct reader *reader, const struct route *route)
{
	const char *path = route->fallback.redirect, *host = route->host != NULL ? route->host : "";
	size_t length = path != NULL ? strcspn(path, "?#") : 0;
	char *room = path != NULL && path[0] == '/' ? reader_allocate_scratch(reader, length) : NULL;
	struct path_result normal;

	if (room == NULL)
		return NULL;
	normal = path_normalise(path, length, room);
	if (normal.verdict == PATH_REFUSED)
		return NULL;
	length = path_strip_parameters(normal.path, normal.length, false, room);
	return route_find(reader->config, host, strlen(host), room, length, "GET", 3).route;
}

/* Browsers give up after twenty redirects; a circle is shorter. */
static void check_redirects(struct reader *reader, const struct yaml_node **nodes)
{
	const struct config *config = reader->config;
	enum { STEPS_MOST = 8 };

	for (size_t i = 0; i < config->route_count; i++) {
		const struct route *route = &config->routes[i], *at = follow(reader, route);

		for (int step = 0; at != NULL && at != route && step < STEPS_MOST; step++)
			at = follow(reader, at);
		if (at != NULL && at == route)
			reader_error(reader, yaml_find(yaml_find(nodes[i], "fallback"), "redirect"),
			             "redirect \"%.60s\" leads back to the route itself", route->fallback.redirect);
	}
}

static void index_routes(struct reader *reader, const struct yaml_node **nodes)
{
	struct config *config = reader->config;
	bool *is_used = reader_allocate_scratch(reader, config->upstream_count + 1);

	route_names_give(reader, nodes);
	config->index = route_index_new(config->routes, config->route_count, on_path_complaint, reader);
	reader->is_memory_short = reader->is_memory_short || config->index == NULL;
	if (config->index != NULL)
		check_redirects(reader, nodes);
	if (is_used == NULL || config->upstream_count == 0)
		return;
	for (size_t i = 0; i < config->route_count; i++) {
		is_used[config->routes[i].upstream - config->upstreams] = true;
		if (config->routes[i].detour != NULL)
			is_used[config->routes[i].detour->upstream - config->upstreams] = true;
		if (config->routes[i].forward.upstream != NULL)
			is_used[config->routes[i].forward.upstream - config->upstreams] = true;
	}
	/* A route that is wrong may be the one that uses it. */
	if (reader->complaints->errors == 0)
		warn_of_unused_upstreams(reader, is_used);
}

void routes_read(struct reader *reader)
{
	const struct yaml_node *node = yaml_find(reader->root, "routes"), *defaults, **nodes;
	struct config *config = reader->config;

	if (node == NULL || reader_is_empty(node) || (node->kind == YAML_SEQUENCE && node->count == 0)) {
		reader_error(reader, node != NULL ? node : reader->root, "routes is %s, so every request would get 404",
		             node != NULL ? "empty" : "missing");
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
	defaults = route_defaults_find(reader, node->count);
	for (node = node->first; node != NULL; node = node->next) {
		const struct yaml_node *route = route_defaults_merge(reader, node, defaults);

		nodes[config->route_count] = route;
		if (!node->is_refused && read_route(reader, route, &config->routes[config->route_count]))
			config->route_count++;
	}
	if (!reader->is_memory_short)
		index_routes(reader, nodes);
}
