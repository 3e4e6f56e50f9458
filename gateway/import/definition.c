/*
 * How Spring writes predicates and filters: `Name=a,b`, split at commas with blanks around them taken off, or { name,
 * args }, where args are by name or by place (_genkey_0). A comma inside of ${...} does not split.
 */
#include <string.h>

#include "gateway/import/definition.h"

static void split(struct import *import, const char *text, struct definition *definition)
{
	while (*text != '\0' && definition->count < sizeof(definition->tokens) / sizeof(definition->tokens[0])) {
		const char *end = text, *last;
		unsigned open = 0;

		for (; *end != '\0' && (*end != ',' || open > 0); end++)
			open += end[0] == '$' && end[1] == '{' ? 1u : *end == '}' && open > 0 ? -1u : 0u;
		if (open > 0) /* a brace that nobody closes hides no comma */
			end = text + strcspn(text, ",");
		for (last = end; last > text && strchr(" \t\n", last[-1]) != NULL; last--)
			;
		text += strspn(text, " \t\n");
		if (last > text)
			definition->tokens[definition->count++] = property_copy(import->arena, text, (size_t)(last - text));
		text = end + (*end == ',');
	}
}

bool definition_read(struct import *import, struct property *property, struct definition *definition)
{
	size_t length;

	*definition = (struct definition){ .origin = property };
	if (property->value == NULL) {
		struct property *name = property_find(property, "name");

		if (name == NULL || name->value == NULL)
			return false;
		definition->name = name->value;
		definition->origin = name;
		definition->args = property_find(property, "args");
		name->title = name->value;
		return true;
	}
	length = strcspn(property->value, "=");
	while (length > 0 && property->value[length - 1] == ' ')
		length--;
	definition->name = property_copy(import->arena, property->value, length);
	property->title = property->value;
	if (strchr(property->value, '=') != NULL)
		split(import, strchr(property->value, '=') + 1, definition);
	return length > 0;
}

const char *definition_raw(struct import *import, const struct definition *definition, size_t place, const char *name,
                           struct property **at)
{
	struct property *found = NULL;

	*at = definition->origin;
	if (definition->args == NULL)
		return place < definition->count ? definition->tokens[place] : NULL;
	if (name != NULL)
		found = property_find(definition->args, name);
	if (found == NULL)
		found = property_find(definition->args, LINE("_genkey_%zu", place));
	if (found == NULL || found->value == NULL)
		return NULL;
	*at = found;
	return found->value;
}

const char *definition_argument(struct import *import, const struct definition *definition, size_t place,
                                const char *name, struct property **at)
{
	const char *text = definition_raw(import, definition, place, name, at);

	return text != NULL ? value_fixed(&import->values, *at, text) : NULL;
}

/* A value may hold several, with commas between, also out of a placeholder. */
static size_t add_all(struct import *import, const char *text, const char **texts, size_t count, size_t most)
{
	struct definition parts = { 0 };

	split(import, text, &parts);
	for (size_t i = 0; i < parts.count && count + i < most; i++)
		texts[count + i] = parts.tokens[i];
	return count + parts.count;
}

size_t definition_list(struct import *import, const struct definition *definition, size_t place, const char *name,
                       const char **texts, size_t most)
{
	struct property *list = definition->args != NULL ? property_find(definition->args, name) : NULL;
	size_t count = 0;

	if (definition->args == NULL) {
		for (size_t i = place; i < definition->count; i++)
			count = add_all(import, value_fixed(&import->values, definition->origin, definition->tokens[i]), texts,
			                count, most);
		return count;
	}
	if (list != NULL && list->value != NULL)
		return add_all(import, draft_text(import, list), texts, 0, most);
	if (list == NULL)
		list = definition->args;
	for (struct property *item = list->first; item != NULL; item = item->next)
		if (item->value != NULL && (item->is_item || strncmp(item->name, "_genkey_", 8) == 0))
			count = add_all(import, draft_text(import, item), texts, count, most);
	return count;
}
