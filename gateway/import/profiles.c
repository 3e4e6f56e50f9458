/* The grammar of conditions: "a, b" is any of them; within, "!" binds tighter than "&", that tighter than "|";
 * parentheses. */
#include "gateway/import/profiles.h"

#include <string.h>

enum { NESTING_MAX = 16 };

/* A scalar or a list, as one text with commas. */
static const char *joined(struct arena *arena, struct property *property)
{
	const char *text;

	if (property == NULL)
		return NULL;
	text = property->value;
	if (property_is_list(property))
		for (struct property *item = property->first; item != NULL; item = item->next)
			if (item->value != NULL)
				text = text == NULL ? item->value : property_format(arena, "%s,%s", text, item->value);
	return text;
}

static bool is_active(const struct profiles *profiles, const char *name, size_t length)
{
	for (size_t i = 0; i < profiles->count; i++)
		if (strlen(profiles->names[i]) == length && memcmp(profiles->names[i], name, length) == 0)
			return true;
	return false;
}

static void add_names(struct profiles *profiles, const char *text)
{
	while (text != NULL && *text != '\0') {
		size_t length;

		text += strspn(text, ", \t");
		length = strcspn(text, ", \t");
		if (length > 0 && !is_active(profiles, text, length)) {
			profiles->is_cut = profiles->is_cut || profiles->count == PROFILES_MAX;
			if (!profiles->is_cut)
				profiles->names[profiles->count++] = property_copy(profiles->arena, text, length);
		}
		text += length;
	}
}

/* A group's name stands for its members. */
static void add_groups(struct profiles *profiles, struct property *document)
{
	struct property *groups = property_find(document, "spring.profiles.group");

	for (size_t i = 0; i < profiles->count; i++)
		for (struct property *group = groups != NULL ? groups->first : NULL; group != NULL; group = group->next)
			if (strcmp(group->name, profiles->names[i]) == 0)
				add_names(profiles, joined(profiles->arena, group));
}

void profiles_begin(struct profiles *profiles, const char *named, struct property *const *documents, size_t count)
{
	add_names(profiles, named);
	for (size_t i = 0; i < count; i++) {
		if (profiles_condition(profiles->arena, documents[i]) != NULL)
			continue;
		if (named == NULL || *named == '\0')
			add_names(profiles, joined(profiles->arena, property_find(documents[i], "spring.profiles.active")));
		add_names(profiles, joined(profiles->arena, property_find(documents[i], "spring.profiles.include")));
		add_groups(profiles, documents[i]);
	}
	profiles->is_default = profiles->count == 0;
	if (profiles->is_default)
		add_names(profiles, "default");
}

const char *profiles_condition(struct arena *arena, struct property *document)
{
	static const char *const PATHS[] = { "spring.config.activate.on-profile",
		                                 "spring.config.activate.on-cloud-platform", "spring.profiles" };

	for (size_t i = 0; i < sizeof(PATHS) / sizeof(PATHS[0]); i++) {
		const char *text = joined(arena, property_find(document, PATHS[i]));

		if (text != NULL)
			return text;
	}
	return NULL;
}

/* ---- the grammar -------------------------------------------------------------------------------------------- */

static bool any_of(const struct profiles *profiles, const char **at, unsigned depth);

/* NOLINTNEXTLINE(misc-no-recursion) */
static bool one(const struct profiles *profiles, const char **at, unsigned depth)
{
	bool is_denied = false, is_true;
	size_t length;

	for (*at += strspn(*at, " \t"); **at == '!'; *at += 1 + strspn(*at + 1, " \t"))
		is_denied = !is_denied;
	if (**at == '(' && depth < NESTING_MAX) {
		(*at)++;
		is_true = any_of(profiles, at, depth + 1);
		*at += strspn(*at, " \t");
		*at += **at == ')';
	} else {
		length = strcspn(*at, "!&|(), \t");
		is_true = is_active(profiles, *at, length);
		*at += length;
	}
	*at += strspn(*at, " \t");
	return is_true != is_denied;
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static bool all_of(const struct profiles *profiles, const char **at, unsigned depth)
{
	bool is_true = one(profiles, at, depth);

	while (**at == '&') {
		(*at)++;
		is_true = one(profiles, at, depth) && is_true;
	}
	return is_true;
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static bool any_of(const struct profiles *profiles, const char **at, unsigned depth)
{
	bool is_true = all_of(profiles, at, depth);

	while (**at == '|') {
		(*at)++;
		is_true = all_of(profiles, at, depth) || is_true;
	}
	return is_true;
}

bool profiles_match(const struct profiles *profiles, const char *condition)
{
	bool is_true = false;

	while (*condition != '\0') {
		is_true = any_of(profiles, &condition, 0) || is_true;
		condition += *condition != '\0'; /* the comma, or what nobody understands */
	}
	return is_true;
}
