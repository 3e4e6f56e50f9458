/*
 * The effective configuration as YAML that reads back to the same: the second print equals the first.
 *
 * The table of keys.h gives plain keys in its order; special ones are written here. Text is always quoted, with dollar signs
 * doubled (the environment has been inserted already) and with escapes for everything that YAML would not read raw. Values of
 * headers may hold secrets from the environment: they are printed as in the file, with ${NAME}.
 */
#include "routes/config/print.h"

#include <inttypes.h>
#include <string.h>

#include "routes/config/keys.h"
#include "routes/config/print_auth.h"
#include "routes/config/print_text.h"
#include "routes/config/rate_limit.h"
#include "routes/config/reader.h"

static void print_indent(FILE *to, unsigned depth)
{
	fprintf(to, "%*s", (int)depth * 2, "");
}

static void print_statuses(FILE *to, const uint64_t bits[10])
{
	const char *comma = "";

	fputc('[', to);
	for (unsigned status = 0; status < 640; status++) {
		if (bits[status / 64] >> (status % 64) & 1) {
			fprintf(to, "%s%u", comma, status);
			comma = ", ";
		}
	}
	fputc(']', to);
}

/* ---- plain keys, by the table ------------------------------------------------------------------------------------ */

/* A port of every IPv4 address is written as the port alone, as people do. */
static void print_address(FILE *to, const struct address *address)
{
	static const uint8_t ANY[4] = {0};
	char text[ADDRESS_TEXT_MAX];

	address_format(address, text);
	if (address->family == 4 && memcmp(address->ip, ANY, sizeof(ANY)) == 0)
		fprintf(to, "%u", (unsigned)address->port);
	else
		fprintf(to, address->family == 6 ? "\"%s\"" : "%s", text);
}

static void print_addresses(FILE *to, const struct address *list, size_t count)
{
	fputc('[', to);
	for (size_t i = 0; i < count; i++) {
		fputs(i > 0 ? ", " : "", to);
		print_address(to, &list[i]);
	}
	fputc(']', to);
}

static void print_listen(FILE *to, const struct config *config)
{
	if (config->listen_count == 1)
		print_address(to, config->listen);
	else
		print_addresses(to, config->listen, config->listen_count);
}

static void print_admin_listen(FILE *to, const struct config *config)
{
	if (config->admin.family == 0)
		fputs("off", to);
	else
		print_address(to, &config->admin);
}

static void print_token_file(FILE *to, const struct config *config)
{
	if (config->admin_token_file == NULL)
		fputs("off", to);
	else
		print_file(to, config, config->admin_token_file);
}

static void print_peers(FILE *to, const struct config *config)
{
	if (config->peers.written == NULL)
		fputs("off", to);
	else
		print_text(to, config->peers.written);
}

static void print_prefixes(FILE *to, const struct config *config)
{
	char text[ADDRESS_TEXT_MAX];

	fputc('[', to);
	for (size_t i = 0; i < config->trusted_proxy_count; i++) {
		address_format_ip(&config->trusted_proxies[i].address, text);
		fprintf(to, "%s\"%s/%u\"", i > 0 ? ", " : "", text, (unsigned)config->trusted_proxies[i].bits);
	}
	fputc(']', to);
}

static void print_log_target(FILE *to, const struct config *config)
{
	if (config->access_log == ACCESS_LOG_FILE)
		print_text(to, config->access_log_path);
	else
		fputs(config->access_log == ACCESS_LOG_OFF ? "off" : "stdout", to);
}

static void print_window(FILE *to, const struct key *key, const struct breaker_settings *breaker)
{
	struct key duration = *key;
	char text[KEY_VALUE_TEXT_MAX];

	duration.kind = KIND_DURATION;
	if (breaker->window == BREAKER_WINDOW_COUNT)
		fprintf(to, "%" PRIu32 " calls", breaker->window_size);
	else
		fputs(key_format(&duration, breaker->window_size, text), to);
}

static void print_tags(FILE *to, const struct config *config)
{
	fputc('{', to);
	for (size_t i = 0; i < config->metrics_tag_count; i++) {
		fprintf(to, "%s%s: ", i > 0 ? ", " : "", config->metrics_tags[i].name);
		print_text(to, config->metrics_tags[i].value);
	}
	fputc('}', to);
}

static void print_rate_limit(FILE *to, const struct key *key, const struct route *route)
{
	const struct store_settings *store = route->rate_limit.store;
	char text[RATE_LIMIT_TEXT_MAX];

	if (key->kind == KIND_STORE && store == NULL) {
		fputs("off", to);
		return;
	}
	if (key->kind == KIND_STORE) {
		print_escaped(to, store->written, strlen(store->written), "$");
		return;
	}
	rate_limit_format(key, &route->rate_limit, text);
	print_text(to, text);
}

static void print_patterns(FILE *to, const struct cors *cors)
{
	fputc('[', to);
	for (size_t i = 0; i < cors->pattern_count; i++) {
		fputs(i > 0 ? ", " : "", to);
		print_text(to, cors->patterns[i].written);
	}
	fputc(']', to);
}

/* The value of a key that has no keys below it; `structure` is what its scope is about. */
static void print_value(FILE *to, const struct key *key, const void *structure)
{
	const struct config *config = structure;
	const struct upstream_settings *upstream = structure;
	char text[KEY_VALUE_TEXT_MAX];

	switch (key->kind) {
	case KIND_LISTEN:
		print_listen(to, config);
		break;
	case KIND_ADMIN_LISTEN:
		print_admin_listen(to, config);
		break;
	case KIND_TOKEN_FILE:
		print_token_file(to, config);
		break;
	case KIND_LOG_TARGET:
		print_log_target(to, config);
		break;
	case KIND_DNS_SERVERS:
		print_addresses(to, config->dns_servers, config->dns_server_count);
		break;
	case KIND_PREFIXES:
		print_prefixes(to, config);
		break;
	case KIND_PEERS:
		print_peers(to, config);
		break;
	case KIND_TAGS:
		print_tags(to, config);
		break;
	case KIND_URL:
		print_text(to, upstream->url);
		break;
	case KIND_PATH:
		print_text(to, *(const char *const *)((const char *)structure + key->offset));
		break;
	case KIND_WINDOW:
		print_window(to, key, &upstream->breaker);
		break;
	case KIND_RATE:
	case KIND_LIMIT_KEY:
	case KIND_STORE:
		print_rate_limit(to, key, structure);
		break;
	case KIND_ORIGINS:
	case KIND_CORS_METHODS:
	case KIND_FIELD_NAMES:
		print_texts(to, (const struct texts *)((const char *)structure + key->offset));
		break;
	case KIND_ORIGIN_PATTERNS:
		print_patterns(to, structure);
		break;
	case KIND_STATUSES:
		print_statuses(to, (const uint64_t *)((const char *)structure + key->offset));
		break;
	default:
		fputs(key_format(key, key_load(key, structure), text), to);
		break;
	}
}

/* As deep as the table of keys is. NOLINTNEXTLINE(misc-no-recursion) */
static void print_scope(FILE *to, enum key_scope scope, const void *structure, unsigned depth)
{
	size_t count;
	const struct key *keys = keys_all(&count);

	for (size_t i = 0; i < count; i++) {
		const struct key *key = &keys[i];

		if (key->scope != scope || key->kind == KIND_LATER)
			continue;
		print_indent(to, depth);
		fprintf(to, "%s:", key->name);
		if ((key->kind == KIND_SWITCH || key->kind == KIND_OPTION) && !key_load(key, structure)) {
			fputs(" off\n", to);
		} else if (key->child != SCOPE_NONE) {
			fputc('\n', to);
			print_scope(to, key->child, structure, depth + 1);
		} else {
			fputc(' ', to);
			print_value(to, key, structure);
			fputc('\n', to);
		}
	}
}

/* ---- routes ------------------------------------------------------------------------------------------------------ */

static void print_edits_of(FILE *to, const struct header_edits *edits, enum header_edit_kind kind, const char *name)
{
	bool is_first = true;

	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->edits[i];

		if (edit->kind != kind)
			continue;
		if (is_first)
			fprintf(to, "      %s:\n", name);
		is_first = false;
		if (kind == HEADER_REMOVE) {
			fputs("        - ", to);
			print_quoted(to, edit->name, edit->name_length);
		} else {
			/* The environment is not put into keys, so a dollar sign stays one. */
			fprintf(to, "        \"%s\": ", edit->name);
			if (edit->written != NULL)
				print_escaped(to, edit->written, strlen(edit->written), "$");
			else
				print_quoted(to, edit->value, edit->value_length);
		}
		fputc('\n', to);
	}
}

static void print_edits(FILE *to, const struct header_edits *edits, const char *name)
{
	fprintf(to, "    %s:%s\n", name, edits->count == 0 ? " none" : "");
	print_edits_of(to, edits, HEADER_REMOVE, "remove");
	print_edits_of(to, edits, HEADER_SET, "set");
	print_edits_of(to, edits, HEADER_ADD, "add");
}

static void print_fallback(FILE *to, const struct config *config, const struct route *route)
{
	const struct fallback *fallback = &route->fallback;

	fprintf(to, "    fallback:\n      status: %u\n      %s: ", fallback->status,
	        fallback->redirect != NULL ? "redirect" : "content_type");
	print_text(to, fallback->redirect != NULL ? fallback->redirect : fallback->content_type);
	if (fallback->redirect == NULL)
		fputs(fallback->file != NULL ? "\n      file: " : "\n      body: ", to);
	if (fallback->redirect == NULL && fallback->file != NULL)
		print_file(to, config, fallback->file);
	else if (fallback->redirect == NULL)
		print_quoted(to, fallback->body, fallback->body_length);
	fputs("\n      upstream: ", to);
	if (route->fallback_upstream == NULL)
		fputs("off", to);
	else
		print_text(to, route->fallback_upstream->name);
	fputs("\n      on_statuses: ", to);
	print_statuses(to, route->fallback_on_statuses);
	fputc('\n', to);
}

static void print_named(FILE *to, const char *name, const char *text)
{
	if (text == NULL)
		return;
	fprintf(to, "    %s: ", name);
	print_text(to, text);
	fputc('\n', to);
}

/* One, or a list of them. */
static void print_paths(FILE *to, const struct route *route)
{
	fputs(route->path_count == 1 ? "  - path: " : "  - path: [", to);
	for (size_t i = 0; i < route->path_count; i++) {
		fputs(i > 0 ? ", " : "", to);
		print_text(to, route->paths[i].text);
	}
	fputs(route->path_count == 1 ? "\n" : "]\n", to);
}

static void print_route(FILE *to, const struct config *config, const struct route *route)
{
	char text[KEY_VALUE_TEXT_MAX];
	const struct key *body = keys_find(SCOPE_ROUTE, "request_body");
	bool is_name, is_rewritten;

	print_paths(to, route);
	fprintf(to, "    exact: %s\n", key_format(keys_find(SCOPE_ROUTE, "exact"), route->exact, text));
	is_name = route->id == route->path && strlen(route->path) <= CONFIG_ROUTE_NAME_MAX;
	print_named(to, "name", is_name ? route->path : route->name);
	print_named(to, "host", route->host);
	if (route->method_count == 0)
		fputs("    methods: any\n", to);
	for (size_t i = 0; i < route->method_count; i++) {
		fputs(i == 0 ? "    methods: [" : ", ", to);
		print_text(to, route->methods[i]);
		fputs(i + 1 == route->method_count ? "]\n" : "", to);
	}
	print_named(to, "upstream", route->upstream->name);
	is_rewritten = route->strip_prefix != NULL || route->add_prefix != NULL || route->expression != NULL;
	fprintf(to, "    rewrite:%s\n", is_rewritten ? "" : " none");
	print_named(to, "  strip_prefix", route->strip_prefix);
	print_named(to, "  add_prefix", route->add_prefix);
	if (route->expression != NULL) {
		print_named(to, "  regex", route->regex);
		fputs("      replacement: ", to);
		print_escaped(to, route->replacement, strlen(route->replacement), "$");
		fputc('\n', to);
	}
	print_edits(to, &route->request_headers, "request_headers");
	print_edits(to, &route->response_headers, "response_headers");
	fprintf(to, "    cors:%s\n", route->cors == NULL ? " off" : "");
	if (route->cors != NULL)
		print_scope(to, SCOPE_CORS, route->cors, 3);
	fprintf(to, "    request_body: %s\n", key_format(body, route->request_body_bytes, text));
	fprintf(to, "    response_body: %s\n", key_format(keys_find(SCOPE_ROUTE, "response_body"), route->response_body_bytes, text));
	print_auth(to, config, route);
	fprintf(to, "    rate_limit:%s\n", route->rate_limit.enabled ? "" : " off");
	if (route->rate_limit.enabled)
		print_scope(to, SCOPE_RATE_LIMIT, route, 3);
	print_fallback(to, config, route);
}

void config_print(const struct config *config, FILE *to)
{
	print_scope(to, SCOPE_ROOT, config, 0);
	fputs("upstreams:\n", to);
	for (size_t i = 0; i < config->upstream_count; i++) {
		fputs("  ", to);
		print_text(to, config->upstreams[i].name);
		fputs(":\n", to);
		print_scope(to, SCOPE_UPSTREAM, &config->upstreams[i], 2);
	}
	fputs("routes:\n", to);
	for (size_t i = 0; i < config->route_count; i++)
		print_route(to, config, &config->routes[i]);
}
