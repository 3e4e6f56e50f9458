/*
 * ${name:default}, which may be nested in names and defaults. Spring looks into its properties, then into the environment,
 * where patient.url is called PATIENT_URL. The importer knows only the files and inserts their values. The gateway's
 * environment differs from the importer's, so values that only the environment knows stay open (value_live), or are fixed at
 * their defaults (value_fixed).
 */
#include <ctype.h>
#include <string.h>

#include "gateway/import/placeholder.h"

/* A replacement costs a look into the properties, also where nothing stands in its place. */
enum { NESTED_MAX = 8, EXPANDED_MAX = 4 << 20, REPLACEMENT_COST = 64 };

struct expansion {
	struct values *values;
	struct property *property; /* gets the warning; NULL = none */
	bool is_live, is_open;
};

static const char *expand(struct expansion *expansion, const char *text, unsigned depth);

/* The "}" that belongs to a "${" before `text`; NULL: there is none. */
static const char *closing(const char *text)
{
	unsigned open = 1;

	for (; *text != '\0'; text++) {
		if (text[0] == '$' && text[1] == '{')
			open++;
		else if (*text == '}' && --open == 0)
			return text;
	}
	return NULL;
}

/* patient.url as the environment has it; NULL: gateway.yml can't name it. */
static const char *environment_name(struct arena *arena, const char *name)
{
	char *copy = property_allocate(arena, strlen(name) + 1), *to = copy;
	bool is_upper = strpbrk(name, ".-") == NULL;

	for (; *name != '\0'; name++) {
		if (*name == '-')
			continue;
		if (*name == '.' || *name == '[')
			*to++ = '_';
		else if (isalnum((unsigned char)*name) || *name == '_')
			*to++ = is_upper ? *name : (char)toupper((unsigned char)*name);
		else if (*name != ']')
			return NULL;
	}
	return isdigit((unsigned char)copy[0]) || copy[0] == '\0' || strlen(copy) > 120 ? NULL : copy;
}

/* Not in the files. `fallback` NULL: it has no default. expand() bounds the depth. NOLINTNEXTLINE(misc-no-recursion) */
static const char *unknown(struct expansion *expansion, const char *name, const char *fallback, unsigned depth)
{
	struct arena *arena = expansion->values->arena;
	const char *variable = environment_name(arena, name), *plain;

	if (expansion->is_live && variable != NULL) {
		struct expansion fixed = { .values = expansion->values };

		plain = fallback != NULL ? expand(&fixed, fallback, depth + 1) : "";
		expansion->is_open = expansion->is_open || fallback == NULL;
		if (strchr(plain, '}') == NULL && strchr(plain, '$') == NULL)
			return property_format(arena, "${%s:-%s}", variable, plain);
	}
	if (fallback != NULL) {
		if (expansion->property != NULL && expansion->property->warning == NULL)
			expansion->property->warning = property_format(arena, "the default of ${%s} is fixed here", name);
		return expand(expansion, fallback, depth + 1);
	}
	expansion->is_open = true;
	return property_format(arena, expansion->is_live ? "$${%s}" : "${%s}", name);
}

/* expand() bounds the depth. NOLINTNEXTLINE(misc-no-recursion) */
static const char *replace(struct expansion *expansion, const char *inside, unsigned depth)
{
	struct arena *arena = expansion->values->arena;
	const char *colon = inside, *name, *value;
	unsigned open = 0;

	for (; *colon != '\0' && (*colon != ':' || open > 0); colon++)
		open += *colon == '{' ? 1u : *colon == '}' && open > 0 ? -1u : 0u;
	name = property_copy(arena, inside, (size_t)(colon - inside));
	if (strstr(name, "${") != NULL) {
		struct expansion fixed = { .values = expansion->values };

		name = expand(&fixed, name, depth + 1);
	}
	value = property_value(expansion->values->root, name);
	if (value != NULL)
		return expand(expansion, value, depth + 1);
	return unknown(expansion, name, *colon == ':' ? colon + 1 : NULL, depth);
}

struct text {
	char *bytes;
	size_t length, room;
};

static void append(struct expansion *expansion, struct text *text, const char *bytes, size_t length)
{
	if (text->length + length >= text->room) {
		char *larger = property_allocate(expansion->values->arena, 2 * (text->length + length) + 64);

		memcpy(larger, text->length > 0 ? text->bytes : "", text->length);
		text->bytes = larger;
		text->room = 2 * (text->length + length) + 64;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	expansion->values->expanded_bytes += length;
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static const char *expand(struct expansion *expansion, const char *text, unsigned depth)
{
	struct text done = { 0 };

	if (depth > NESTED_MAX || strchr(text, '$') == NULL)
		return text;
	append(expansion, &done, "", 0);
	while (*text != '\0' && expansion->values->expanded_bytes < EXPANDED_MAX) {
		size_t plain = strcspn(text, "$");
		const char *end = text[plain] == '$' && text[plain + 1] == '{' ? closing(text + plain + 2) : NULL, *put = "";

		append(expansion, &done, text, plain);
		text += plain;
		if (end != NULL)
			expansion->values->expanded_bytes += REPLACEMENT_COST;
		else if (*text == '$' && text[1] == '{') /* closing() has gone to the end in vain */
			expansion->values->expanded_bytes += strlen(text);
		if (end != NULL)
			put =
				replace(expansion, property_copy(expansion->values->arena, text + 2, (size_t)(end - text - 2)), depth);
		else if (*text == '$')
			put = expansion->is_live ? "$$" : "$";
		append(expansion, &done, put, strlen(put));
		text = end != NULL ? end + 1 : text + (*text == '$');
	}
	if (*text != '\0') {
		expansion->is_open = true;
		if (expansion->property != NULL)
			expansion->property->warning = "it is cut short: the placeholders of the files are too many";
	}
	return done.bytes;
}

const char *value_fixed(struct values *values, struct property *property, const char *text)
{
	struct expansion expansion = { .values = values, .property = property };

	return text != NULL ? expand(&expansion, text, 0) : NULL;
}

const char *value_live(struct values *values, const char *text, bool *is_open)
{
	struct expansion expansion = { .values = values, .is_live = true };
	const char *live = expand(&expansion, text, 0);

	if (is_open != NULL)
		*is_open = expansion.is_open;
	return live;
}
