#include "routes/config/kinds.h"

#include <string.h>

#include "routes/config/basic.h"
#include "routes/config/cors.h"
#include "routes/config/fallback.h"
#include "routes/config/headers.h"
#include "routes/config/jwt.h"
#include "routes/config/listen.h"
#include "routes/config/metrics.h"
#include "routes/config/path.h"
#include "routes/config/rate_limit.h"
#include "routes/config/route.h"
#include "routes/config/section.h"
#include "routes/config/store.h"
#include "routes/config/upstream.h"
#include "routes/config/value.h"

/* Read later by config.c: routes need upstreams and upstreams need defaults, wherever they stand in the file. */
static void read_later(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	(void)reader;
	(void)key;
	(void)node;
	(void)into;
}

static void read_section(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	if (key->scope != SCOPE_ROUTE || !value_is_nothing(node))
		section_read(reader, node, key->child, key->name, into);
}

static void read_switch(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	char example[KEY_EXAMPLE_MAX];
	const char *text;

	if (reader_is_empty(node))
		return;
	if (node->kind != YAML_SCALAR) {
		key_store(key, into, true);
		section_read(reader, node, key->child, key->name, into);
		return;
	}
	text = reader_text(reader, node, key->name);
	if (text == NULL)
		return;
	if (value_is_on(text) || value_is_off(text) || value_is_nothing(node))
		key_store(key, into, value_is_on(text));
	else
		reader_error(reader, node, "%s takes on, off or a mapping, as in %s, not \"%.40s\"", key->name,
		             keys_example(key->child, example), text);
}

static void read_access_log(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	if (node->kind == YAML_SCALAR)
		read_log_target(reader, key, node, into);
	else
		section_read(reader, node, key->child, key->name, into);
}

static void read_admin_section(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	if (node->kind == YAML_SCALAR)
		read_admin(reader, key, node, into);
	else
		section_read(reader, node, key->child, key->name, into);
}

key_read *const kinds_readers[KINDS] = {
	[KIND_COUNT] = read_number,
	[KIND_COUNT_OR_AUTO] = read_number,
	[KIND_COUNT_OR_NONE] = read_number,
	[KIND_DURATION] = read_number,
	[KIND_DURATION_OR_OFF] = read_number,
	[KIND_SIZE] = read_number,
	[KIND_SIZE_OR_AUTO] = read_number,
	[KIND_SIZE_OR_NONE] = read_number,
	[KIND_PERCENT] = read_number,
	[KIND_CHOICE] = read_choice,
	[KIND_STATUSES] = read_statuses,
	[KIND_TEXT] = read_plain_text,
	[KIND_SECTION] = read_section,
	[KIND_SWITCH] = read_switch,
	[KIND_OPTION] = read_switch,
	[KIND_ACCESS_LOG] = read_access_log,
	[KIND_LISTEN] = read_listen,
	[KIND_ADMIN] = read_admin_section,
	[KIND_ADMIN_LISTEN] = read_admin,
	[KIND_TOKEN_FILE] = read_token_file,
	[KIND_LOG_TARGET] = read_log_target,
	[KIND_LOG_WHEN] = read_log_when,
	[KIND_DNS_SERVERS] = read_dns_servers,
	[KIND_PREFIXES] = read_prefixes,
	[KIND_TAGS] = read_tags,
	[KIND_PEERS] = read_peers,
	[KIND_LATER] = read_later,
	[KIND_URL] = read_url,
	[KIND_WINDOW] = read_window,
	[KIND_PATH] = read_path,
	[KIND_STRIP_PREFIX] = read_strip_prefix,
	[KIND_RAW_TEXT] = read_raw_text,
	[KIND_PATHS] = read_paths,
	[KIND_ROUTE_NAME] = read_route_name,
	[KIND_HOST] = read_host,
	[KIND_METHODS] = read_methods,
	[KIND_UPSTREAM_NAME] = read_upstream_name,
	[KIND_UPSTREAM_OR_OFF] = read_upstream_or_off,
	[KIND_HEADERS] = read_headers,
	[KIND_HEADER_VALUES] = read_header_values,
	[KIND_HEADER_NAMES] = read_header_names,
	[KIND_RATE] = read_rate,
	[KIND_LIMIT_KEY] = read_limit_key,
	[KIND_STORE] = read_store,
	[KIND_HTPASSWD] = read_htpasswd,
	[KIND_REALM] = read_realm,
	[KIND_JWT] = read_jwt,
	[KIND_AUDIENCES] = read_audiences,
	[KIND_JWKS] = read_jwks,
	[KIND_ALGORITHMS] = read_algorithms,
	[KIND_CLAIMS] = read_claims,
	[KIND_FIELD_NAMES] = read_field_names,
	[KIND_CORS] = read_cors,
	[KIND_ORIGINS] = read_origins,
	[KIND_CORS_METHODS] = read_cors_methods,
	[KIND_ORIGIN_PATTERNS] = read_origin_patterns,
	[KIND_FALLBACK] = read_fallback,
	[KIND_REDIRECT] = read_redirect,
};
