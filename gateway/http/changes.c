#include "gateway/http/changes.h"

#include <stdlib.h>

#include "gateway/http/characters.h"
#include "gateway/http/lookalikes.h"

void changes_begin(struct changes *changes)
{
	changes->list = NULL;
	changes->count = 0;
	changes->room = CHANGES_OWN;
	changes->removals = 0;
	changes->bytes = 0;
	changes->lines = (struct slice){ NULL, 0 };
	changes->is_short = false;
}

void changes_end(struct changes *changes)
{
	if (changes->list != NULL)
		free(changes->list);
	changes_begin(changes);
}

static struct change *list_of(struct changes *changes)
{
	return changes->list != NULL ? changes->list : changes->own;
}

static bool grow(struct changes *changes)
{
	struct change *grown = realloc(changes->list, (size_t)2 * changes->room * sizeof *grown);

	if (grown == NULL)
		return false;
	if (changes->list == NULL)
		memcpy(grown, changes->own, sizeof changes->own);
	changes->list = grown;
	changes->room *= 2;
	return true;
}

static bool is_odd(struct slice name)
{
	for (size_t i = 0; i < name.length; i++)
		if (!char_is(name.data[i], CHAR_NAME))
			return true;
	return false;
}

static size_t bytes_of(const struct change *change)
{
	return change_puts(change) ? change->name.length + change->value.length + sizeof ": \r\n" - 1 : 0;
}

/* The earlier entry stays in the list, as a removal. */
static void take_back(struct changes *changes, struct slice name)
{
	struct change *list = list_of(changes);

	for (unsigned i = 0; i < changes->count; i++) {
		if (!change_puts(&list[i]) || !slice_equal_nocase(list[i].name, name))
			continue;
		changes->bytes -= bytes_of(&list[i]);
		changes->removals += list[i].kind == CHANGE_ADD;
		list[i].kind = CHANGE_REMOVE;
	}
}

void changes_add(struct changes *changes, enum change_kind kind, struct slice name, struct slice value)
{
	struct change *change;

	if (changes->count == changes->room && !grow(changes)) {
		changes->is_short = true;
		return;
	}
	if (kind == CHANGE_SET || kind == CHANGE_REMOVE)
		take_back(changes, name);
	change = &list_of(changes)[changes->count++];
	*change = (struct change){ kind, (kind == CHANGE_SET || kind == CHANGE_REMOVE) && is_odd(name), name, value };
	changes->bytes += bytes_of(change);
	changes->removals += kind != CHANGE_ADD;
}

void changes_cut(struct changes *changes, unsigned count)
{
	while (changes->count > count) {
		const struct change *last = &list_of(changes)[--changes->count];

		changes->bytes -= bytes_of(last);
		changes->removals -= last->kind != CHANGE_ADD;
	}
}

bool changes_is_value(struct slice value)
{
	for (size_t i = 0; i < value.length; i++)
		if (!char_is(value.data[i], CHAR_VALUE))
			return false;
	return true;
}

static bool takes_place_of(const struct change *change, struct slice name)
{
	switch (change->kind) {
	case CHANGE_ADD:
		return false;
	case CHANGE_SET:
	case CHANGE_REMOVE:
		return slice_equal_nocase(name, change->name);
	case CHANGE_REMOVE_PREFIX:
		break;
	}
	return name.length >= change->name.length &&
	       slice_equal_nocase((struct slice){ name.data, change->name.length }, change->name);
}

bool changes_remove(const struct changes *changes, const struct field *field)
{
	const struct change *list = changes_list(changes);

	for (unsigned i = 0; i < changes->count; i++)
		if (takes_place_of(&list[i], field->name))
			return true;
	return false;
}

bool changes_remove_alike(const struct changes *changes, const struct field *field)
{
	const struct change *list = changes_list(changes);

	for (unsigned i = 0; i < changes->count; i++)
		if (takes_place_of(&list[i], field->name) ||
		    (list[i].kind != CHANGE_ADD && (field->id == FIELD_ODD || list[i].is_name_odd) &&
		     field_names_look_alike(field->name, list[i].name)))
			return true;
	return false;
}
