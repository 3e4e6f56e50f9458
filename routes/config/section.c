/*
 * From a mapping to a structure, by the table: how to complain of an unknown key, and how to
 * set defaults. Defaults are read like written values, so there is only one parser, and the table can show them as people
 * write them.
 */
#include "routes/config/section.h"

#include <string.h>

#include "routes/config/arena.h"
#include "routes/config/complaints.h"
#include "routes/config/keys.h"
#include "routes/config/value.h"

/* The first words of a Spring application.yml: people try it as it is. */
static bool is_springs(const char *key)
{
	static const char *const KEYS[] = {"spring", "eureka", "management", "resilience4j", "hystrix", "zuul", "ribbon", "server"};

	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++)
		if (strncmp(key, KEYS[i], strcspn(key, ".")) == 0 && KEYS[i][strcspn(key, ".")] == '\0')
			return true;
	return false;
}

static void refuse_unknown(struct reader *reader, const struct yaml_node *value, enum key_scope scope, const char *what)
{
	const struct yaml_node *key = value->key;
	const char *best = keys_suggest(scope, key->text);

	if (scope == SCOPE_DEFAULTS && strcmp(key->text, "url") == 0)
		reader_error(reader, key, "url belongs to an upstream, not to defaults");
	else if (scope == SCOPE_ROOT && is_springs(key->text))
		reader_error(reader, key, "\"%.60s\" belongs in a Spring application.yml; gateway --import application.yml > gateway.yml "
		             "translates it (README.md, \"Coming from Spring Cloud Gateway\")", key->text);
	else if (best == NULL && strcmp(key->text, "enabled") == 0 && keys_is_switch(scope))
		reader_error(reader, key, "unknown key \"enabled\" in %s; write %s: on, or %s: off", what, what, what);
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
	char example[KEY_EXAMPLE_MAX];

	if (reader_is_empty(node))
		return;
	if (node->kind != YAML_MAPPING) {
		reader_error(reader, node, "%s takes a mapping, as in %s", what, keys_example(scope, example));
		return;
	}
	for (const struct yaml_node *value = node->first; value != NULL; value = value->next) {
		const struct key *key = value->key->is_refused ? NULL : keys_find(scope, value->key->text);

		if (key == NULL && !value->key->is_refused)
			refuse_unknown(reader, value, scope, what);
		else if (key != NULL && !value->is_refused)
			reader->readers[key->kind](reader, key, value, into);
	}
}

static void read_default(struct reader *reader, const struct key *key, void *into)
{
	struct yaml_node node = {.kind = YAML_SCALAR, .text = key->default_text, .length = strlen(key->default_text)};
	struct yaml_reading reading = {.allocate = reader_allocate_scratch, .complain = reader_complain_at,
	                               .context = reader};
	const struct yaml_node *value = &node;

	if (key->default_text[0] == '[') {
		/* A list needs the YAML reader, which can fail only when memory is short. */
		value = yaml_read(key->default_text, node.length, &reading);
		if (value == NULL)
			return;
	}
	reader->readers[key->kind](reader, key, value, into);
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
