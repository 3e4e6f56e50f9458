/*
 * The inherited keys are put into a route's mapping before it is read. So every key below `rewrite` can be inherited without
 * more code, errors name the place where the key was written, and --print-config shows each route's result.
 *
 * The route's own value wins, key by key: two mappings are merged, anything else replaces what it would inherit. This file
 * holds the exceptions: a fallback has one answer, and a header field that a route sets or removes belongs to the route.
 */
#include "routes/config/route_defaults.h"

#include <string.h>
#include <strings.h>

#include "routes/config/arena.h"
#include "routes/config/complaints.h"
#include "routes/config/keys.h"
#include "routes/config/value.h"

enum { NODE_BYTES = 256, INHERITED_BYTES_MAX = 256 << 20 };

/* ---- lists of nodes -------------------------------------------------------------------------------------------------- */

/* A mapping that is being put together of copies. */
struct draft {
	struct reader *reader;
	struct yaml_node *node, *last;
};

static struct draft begin(struct reader *reader, const struct yaml_node *like)
{
	struct draft draft = {.reader = reader, .node = reader_allocate_scratch(reader, sizeof(*draft.node))};

	if (draft.node != NULL) {
		*draft.node = *like;
		draft.node->first = NULL;
		draft.node->count = 0;
	}
	return draft;
}

static void append(struct draft *draft, const struct yaml_node *value)
{
	struct yaml_node *copy = draft->node != NULL ? reader_allocate_scratch(draft->reader, sizeof(*copy)) : NULL;

	if (copy == NULL)
		return;
	*copy = *value;
	copy->next = NULL;
	if (draft->last != NULL)
		draft->last->next = copy;
	else
		draft->node->first = copy;
	draft->last = copy;
	draft->node->count++;
}

/* Free names are all names of header fields, in which the case of letters means nothing. */
static const struct yaml_node *find(const struct yaml_node *mapping, const char *name, bool is_field)
{
	const struct yaml_node *value = mapping != NULL && mapping->kind == YAML_MAPPING ? mapping->first : NULL;

	for (; value != NULL; value = value->next)
		if (is_field ? strcasecmp(value->key->text, name) == 0 : strcmp(value->key->text, name) == 0)
			return value;
	return NULL;
}

/* ---- what is not a matter of one key --------------------------------------------------------------------------------- */

static bool redirects(const struct yaml_node *fallback)
{
	const struct yaml_node *redirect = yaml_find(fallback, "redirect");

	return redirect != NULL && !(redirect->kind == YAML_SCALAR && value_is_off(redirect->text));
}

static bool has_answer(const struct yaml_node *fallback)
{
	return yaml_find(fallback, "body") != NULL || yaml_find(fallback, "file") != NULL || redirects(fallback);
}

/* A route's own body, file or redirect takes the place of the inherited one with its content type; the status of a redirect is none
 * for a text. */
static bool is_other_answer(const struct yaml_node *own, const struct yaml_node *inherited, const char *key)
{
	bool has_other_kind = redirects(own) != redirects(inherited);

	if (strcmp(key, "status") == 0)
		return has_other_kind && (has_answer(own) || yaml_find(own, "redirect") != NULL);
	if (!has_answer(own))
		return false;
	if (strcmp(key, "content_type") == 0)
		return redirects(own) || has_answer(inherited);
	return strcmp(key, "body") == 0 || strcmp(key, "file") == 0 || strcmp(key, "redirect") == 0;
}

/* Does the route itself remove or set this header field? */
static bool is_own_field(const struct yaml_node *own, const char *name)
{
	const struct yaml_node *removed = yaml_find(own, "remove");

	if (removed != NULL && removed->kind == YAML_SEQUENCE)
		for (const struct yaml_node *item = removed->first; item != NULL; item = item->next)
			if (item->kind == YAML_SCALAR && strcasecmp(item->text, name) == 0)
				return true;
	return find(yaml_find(own, "set"), name, true) != NULL;
}

/* `set` or `add` without the fields that are the route's own. */
static const struct yaml_node *without_own_fields(struct reader *reader, const struct yaml_node *own,
                                                  const struct yaml_node *inherited)
{
	struct draft draft = begin(reader, inherited);

	for (const struct yaml_node *value = inherited->first; value != NULL; value = value->next)
		if (!is_own_field(own, value->key->text))
			append(&draft, value);
	return draft.node != NULL ? draft.node : inherited;
}

/* "fallback: TEXT" is short for its body. */
static const struct yaml_node *as_mapping(struct reader *reader, const struct key *key, const struct yaml_node *value)
{
	static struct yaml_node body = {.kind = YAML_SCALAR, .text = "body", .length = 4};
	struct yaml_node text = *value;
	struct draft draft;

	if (key->kind != KIND_FALLBACK || value->kind != YAML_SCALAR || reader_is_empty(value) ||
	    (value->is_plain && value_is_nothing(value)))
		return value;
	draft = begin(reader, value);
	if (draft.node == NULL)
		return value;
	draft.node->kind = YAML_MAPPING;
	text.key = &body;
	append(&draft, &text);
	return draft.node;
}

/* ---- merging --------------------------------------------------------------------------------------------------------- */

static const struct yaml_node *merge(struct reader *reader, enum key_scope scope, const struct yaml_node *own,
                                     const struct yaml_node *inherited);

/* One value that both have. As deep as the table of keys is. NOLINTNEXTLINE(misc-no-recursion) */
static const struct yaml_node *choose(struct reader *reader, const struct key *key, const struct yaml_node *own,
                                      const struct yaml_node *inherited)
{
	bool is_switch = key->kind == KIND_SWITCH || key->kind == KIND_OPTION;

	own = as_mapping(reader, key, own);
	inherited = as_mapping(reader, key, inherited);
	if (inherited->kind != YAML_MAPPING || own->is_refused)
		return own;
	/* As if its mapping were empty. */
	if (reader_is_empty(own) || (is_switch && own->kind == YAML_SCALAR && value_is_on(own->text)))
		return inherited;
	return own->kind == YAML_MAPPING ? merge(reader, key->child, own, inherited) : own;
}

/* The same, if `inherited` can be used. NOLINTNEXTLINE(misc-no-recursion) */
static const struct yaml_node *with_inherited(struct reader *reader, enum key_scope scope, const struct yaml_node *own,
                                              const struct yaml_node *inherited)
{
	const struct key *key = keys_find(scope, own->key->text);

	return key == NULL || inherited == NULL || inherited->is_refused ? own : choose(reader, key, own, inherited);
}

/* As deep as the table of keys is. NOLINTNEXTLINE(misc-no-recursion) */
static const struct yaml_node *merge(struct reader *reader, enum key_scope scope, const struct yaml_node *own,
                                     const struct yaml_node *inherited)
{
	bool are_fields = scope == SCOPE_NONE;
	struct draft draft = begin(reader, own);

	for (const struct yaml_node *value = own->first; value != NULL; value = value->next) {
		const struct yaml_node *theirs = find(inherited, value->key->text, are_fields);

		append(&draft, value);
		if (draft.last != NULL && theirs != NULL) {
			struct yaml_node merged = *with_inherited(reader, scope, value, theirs);

			merged.key = value->key;
			merged.next = NULL;
			*draft.last = merged;
		}
	}
	for (const struct yaml_node *value = inherited->first; value != NULL; value = value->next) {
		const char *name = value->key->text;

		if (value->is_refused || find(own, name, are_fields) != NULL ||
		    (scope == SCOPE_FALLBACK && is_other_answer(own, inherited, name)))
			continue;
		append(&draft, value);
	}
	return draft.node != NULL ? draft.node : own;
}

/* The header edits that a route with edits of its own inherits. */
static const struct yaml_node *prune(struct reader *reader, const struct yaml_node *route, const struct yaml_node *defaults)
{
	struct draft draft = begin(reader, defaults);

	for (const struct yaml_node *value = defaults->first; value != NULL; value = value->next) {
		const struct key *key = keys_find(SCOPE_ROUTE_DEFAULTS, value->key->text);
		const struct yaml_node *own = yaml_find(route, value->key->text);
		struct draft edits;

		append(&draft, value);
		if (draft.last == NULL || key == NULL || key->kind != KIND_HEADERS || own == NULL || value->kind != YAML_MAPPING)
			continue;
		edits = begin(reader, value);
		for (const struct yaml_node *part = value->first; part != NULL; part = part->next) {
			struct yaml_node pruned = *part;

			if (part->kind == YAML_MAPPING)
				pruned = *without_own_fields(reader, own, part);
			append(&edits, &pruned);
		}
		if (edits.node != NULL) {
			draft.last->first = edits.node->first;
			draft.last->count = edits.node->count;
		}
	}
	return draft.node != NULL ? draft.node : defaults;
}

const struct yaml_node *route_defaults_merge(struct reader *reader, const struct yaml_node *route,
                                             const struct yaml_node *defaults)
{
	if (defaults == NULL || route->kind != YAML_MAPPING)
		return route;
	return merge(reader, SCOPE_ROUTE, route, prune(reader, route, defaults));
}

/* ---- finding --------------------------------------------------------------------------------------------------------- */

/* What it costs when a route has it. As deep as the file may be. NOLINTNEXTLINE(misc-no-recursion) */
static size_t weigh(const struct yaml_node *node)
{
	size_t bytes = NODE_BYTES + node->length;

	for (const struct yaml_node *value = node->first; value != NULL; value = value->next)
		bytes += weigh(value);
	return bytes;
}

/* Those that say which requests a route takes, and where they go, would make all routes the same one. */
static const struct yaml_node *without_strangers(struct reader *reader, const struct yaml_node *defaults)
{
	struct draft draft = begin(reader, defaults);

	for (const struct yaml_node *value = defaults->first; value != NULL; value = value->next) {
		const char *name = value->key->text, *best;

		if (value->is_refused || value->key->is_refused)
			continue;
		if (keys_find(SCOPE_ROUTE_DEFAULTS, name) != NULL) {
			append(&draft, value);
			continue;
		}
		best = keys_suggest(SCOPE_ROUTE_DEFAULTS, name);
		if (keys_find(SCOPE_ROUTE, name) != NULL)
			reader_error(reader, value->key, "%.40s belongs to a route, not to route_defaults", name);
		else if (best != NULL)
			reader_error(reader, value->key, "unknown key \"%.40s\" in route_defaults; did you mean \"%s\"?", name, best);
		else
			reader_error(reader, value->key, "unknown key \"%.40s\" in route_defaults", name);
	}
	return draft.node != NULL && draft.node->count > 0 ? draft.node : NULL;
}

const struct yaml_node *route_defaults_find(struct reader *reader, size_t routes)
{
	const struct yaml_node *defaults = yaml_find(reader->root, "route_defaults");
	char example[KEY_EXAMPLE_MAX];

	if (defaults == NULL || defaults->is_refused || reader_is_empty(defaults))
		return NULL;
	if (defaults->kind != YAML_MAPPING) {
		reader_error(reader, defaults, "route_defaults takes a mapping, as in %s", keys_example(SCOPE_ROUTE_DEFAULTS, example));
		return NULL;
	}
	if (weigh(defaults) > INHERITED_BYTES_MAX / (routes + 1)) {
		reader_error(reader, defaults, "route_defaults is too large for %zu routes", routes);
		return NULL;
	}
	return without_strangers(reader, defaults);
}
