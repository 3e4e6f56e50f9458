/*
 * From a mapping to a structure, by the table: which function reads which kind, what to say of a key that is not in
 * it, and how defaults get where written values go. Defaults take the way of written values so that there is one
 * parser only and the table can say them as people write them.
 */
#include <string.h>

#include "routes/config_reader.h"

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
	section_read(reader, node, key->child, key->name, into);
}

static void read_switch(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
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
	if (strcmp(text, "on") == 0 || strcmp(text, "off") == 0)
		key_store(key, into, text[1] == 'n');
	else
		reader_error(reader, node, "%s takes on, off or a mapping, not \"%.40s\"", key->name, text);
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

static key_read *const READERS[KINDS] = {
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
	[KIND_DNS_SERVERS] = read_dns_servers,
	[KIND_PREFIXES] = read_prefixes,
	[KIND_LATER] = read_later,
	[KIND_URL] = read_url,
	[KIND_WINDOW] = read_window,
	[KIND_PATH] = read_path,
	[KIND_HOST] = read_host,
	[KIND_METHODS] = read_methods,
	[KIND_UPSTREAM_NAME] = read_upstream_name,
	[KIND_HEADERS] = read_headers,
	[KIND_HEADER_VALUES] = read_header_values,
	[KIND_HEADER_NAMES] = read_header_names,
	[KIND_FALLBACK] = read_fallback,
};

static void refuse_unknown(struct reader *reader, const struct yaml_node *value, enum key_scope scope, const char *what)
{
	const struct yaml_node *key = value->key;
	const char *best = keys_suggest(scope, key->text);

	if (scope == SCOPE_DEFAULTS && strcmp(key->text, "url") == 0)
		reader_error(reader, key, "url belongs to an upstream, not to defaults");
	else if (best != NULL)
		reader_error(reader, key, "unknown key \"%.40s\" in %s; did you mean \"%s\"?", key->text, what, best);
	else if (reader_is_empty(value) && strchr(key->text, ' ') != NULL)
		reader_error(reader, key, "unknown key \"%.40s\" in %s; within { } a text with a comma needs quotes", key->text, what);
	else
		reader_error(reader, key, "unknown key \"%.40s\" in %s", key->text, what);
}

void section_read(struct reader *reader, const struct yaml_node *node, enum key_scope scope, const char *what,
                  void *into)
{
	if (reader_is_empty(node))
		return;
	if (node->kind != YAML_MAPPING) {
		reader_error(reader, node, "%s takes a mapping, as in { key: value }", what);
		return;
	}
	for (const struct yaml_node *value = node->first; value != NULL; value = value->next) {
		const struct key *key = value->key->is_refused ? NULL : keys_find(scope, value->key->text);

		if (key == NULL && !value->key->is_refused)
			refuse_unknown(reader, value, scope, what);
		else if (key != NULL && !value->is_refused)
			READERS[key->kind](reader, key, value, into);
	}
}

static void read_default(struct reader *reader, const struct key *key, void *into)
{
	struct yaml_node node = {.kind = YAML_SCALAR, .text = key->default_text, .length = strlen(key->default_text)};
	struct yaml_reading reading = {.allocate = reader_allocate_scratch, .complain = reader_complain_at,
	                               .context = reader};
	const struct yaml_node *value = &node;

	if (key->default_text[0] == '[') {
		/* A list needs the YAML reader, and that can fail for want of memory only. */
		value = yaml_read(key->default_text, node.length, &reading);
		if (value == NULL)
			return;
	}
	READERS[key->kind](reader, key, value, into);
}

/* As deep as the table of keys is. NOLINTNEXTLINE(misc-no-recursion) */
void section_defaults(struct reader *reader, enum key_scope scope, void *into)
{
	size_t count;
	const struct key *keys = keys_all(&count);

	for (size_t i = 0; i < count; i++) {
		if (keys[i].scope != scope)
			continue;
		if (keys[i].kind == KIND_SWITCH)
			key_store(&keys[i], into, true);
		if (keys[i].kind == KIND_SECTION || keys[i].kind == KIND_SWITCH || keys[i].kind == KIND_OPTION ||
		    keys[i].kind == KIND_ACCESS_LOG ||
		    keys[i].kind == KIND_ADMIN)
			section_defaults(reader, keys[i].child, into);
		else if (keys[i].default_text[0] != '\0')
			read_default(reader, &keys[i], into);
	}
}
