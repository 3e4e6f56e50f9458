/*
 * The effective configuration as YAML that reads back to the same: the second print equals the first.
 *
 * Plain keys come out of the table of keys.h in its order; what is special is written here. Text is always quoted, with
 * dollar signs doubled (the environment has been put in already) and everything escaped that YAML would not read raw. Values of
 * headers are where secrets come from the environment: they are printed as they were written, ${NAME} and all.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "routes/config.h"
#include "routes/keys.h"

static void print_indent(FILE *to, unsigned depth)
{
	fprintf(to, "%*s", (int)depth * 2, "");
}

/* One well-formed UTF-8 sequence. The reader let nothing else in; bytes of a fallback's file are not printed. */
static const char *decode(const char *text, const char *end, uint32_t *point)
{
	unsigned char first = (unsigned char)*text++;
	unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;

	*point = more == 0 ? first : first & (0x3fu >> more);
	for (; more > 0 && text < end; more--)
		*point = *point << 6 | ((unsigned char)*text++ & 0x3f);
	return text;
}

/* What YAML reads as it stands, in one line and without folding. */
static bool is_raw(uint32_t point)
{
	return (point >= 0x20 && point <= 0x7e) ||
	       (point >= 0xa0 && point <= 0xd7ff && point != 0x2028 && point != 0x2029) ||
	       (point >= 0xe000 && point <= 0xfffd && point != 0xfeff) || (point >= 0x10000 && point <= 0x10ffff);
}

static void print_escaped(FILE *to, const char *text, size_t length, const char *dollar)
{
	const char *end = text + length, *next;
	uint32_t point;

	fputc('"', to);
	for (; text < end; text = next) {
		next = decode(text, end, &point);
		if (point == '"' || point == '\\')
			fprintf(to, "\\%c", (char)point);
		else if (point == '$')
			fputs(dollar, to);
		else if (point == '\n')
			fputs("\\n", to);
		else if (is_raw(point))
			fwrite(text, 1, (size_t)(next - text), to);
		else
			fprintf(to, "\\U%08" PRIX32, point);
	}
	fputc('"', to);
}

static void print_quoted(FILE *to, const char *text, size_t length)
{
	print_escaped(to, text, length, "$$");
}

static void print_text(FILE *to, const char *text)
{
	print_quoted(to, text, strlen(text));
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

/* A path is seen from the folder of gateway.yml, and what is printed may be fed back from another one. */
static void print_file(FILE *to, const struct config *config, const char *file)
{
	const char *slash = strrchr(config->file, '/');
	char *folder = slash != NULL ? strndup(config->file, (size_t)(slash + 1 - config->file)) : strdup("."), *real = NULL, *path;

	if (file[0] != '/' && folder != NULL)
		real = realpath(folder, NULL);
	if (real != NULL && asprintf(&path, "%s/%s", strcmp(real, "/") == 0 ? "" : real, file) >= 0) {
		print_text(to, path);
		free(path);
	} else {
		print_text(to, file);
	}
	free(real);
	free(folder);
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

/* The value of a key that has no keys below it; `structure` is what its scope is about. */
static void print_value(FILE *to, const struct key *key, const void *structure)
{
	const struct config *config = structure;
	const struct upstream_settings *upstream = structure;
	char text[KEY_VALUE_TEXT_MAX];

	switch (key->kind) {
	case KIND_LISTEN:
		if (config->listen_count == 1)
			print_address(to, config->listen);
		else
			print_addresses(to, config->listen, config->listen_count);
		break;
	case KIND_ADMIN_LISTEN:
		if (config->admin.family == 0)
			fputs("off", to);
		else
			print_address(to, &config->admin);
		break;
	case KIND_TOKEN_FILE:
		if (config->admin_token_file == NULL)
			fputs("off", to);
		else
			print_file(to, config, config->admin_token_file);
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
	case KIND_URL:
		print_text(to, upstream->url);
		break;
	case KIND_PATH:
		print_text(to, *(const char *const *)((const char *)structure + key->offset));
		break;
	case KIND_WINDOW:
		print_window(to, key, &upstream->breaker);
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
	if (edits->count == 0)
		return;
	fprintf(to, "    %s:\n", name);
	print_edits_of(to, edits, HEADER_REMOVE, "remove");
	print_edits_of(to, edits, HEADER_SET, "set");
	print_edits_of(to, edits, HEADER_ADD, "add");
}

static void print_fallback(FILE *to, const struct config *config, const struct route *route)
{
	const struct fallback *fallback = &route->fallback;

	fprintf(to, "    fallback:\n      status: %u\n      content_type: ", fallback->status);
	print_text(to, fallback->content_type);
	fputs(fallback->file != NULL ? "\n      file: " : "\n      body: ", to);
	if (fallback->file != NULL)
		print_file(to, config, fallback->file);
	else
		print_quoted(to, fallback->body, fallback->body_length);
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

static void print_route(FILE *to, const struct config *config, const struct route *route)
{
	char text[KEY_VALUE_TEXT_MAX];
	const struct key *body = keys_find(SCOPE_ROUTE, "request_body");

	fputs("  - path: ", to);
	print_text(to, route->path);
	fputc('\n', to);
	print_named(to, "host", route->host);
	for (size_t i = 0; i < route->method_count; i++) {
		fputs(i == 0 ? "    methods: [" : ", ", to);
		print_text(to, route->methods[i]);
		fputs(i + 1 == route->method_count ? "]\n" : "", to);
	}
	print_named(to, "upstream", route->upstream->name);
	if (route->strip_prefix != NULL || route->add_prefix != NULL)
		fputs("    rewrite:\n", to);
	print_named(to, "  strip_prefix", route->strip_prefix);
	print_named(to, "  add_prefix", route->add_prefix);
	print_edits(to, &route->request_headers, "request_headers");
	print_edits(to, &route->response_headers, "response_headers");
	fprintf(to, "    request_body: %s\n", key_format(body, route->request_body_bytes, text));
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
