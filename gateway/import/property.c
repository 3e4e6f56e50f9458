/* The tree. The items of a list are in the order of their numbers, wherever they were written: so Spring's binder takes them. */
#include "gateway/import/property.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------------------------ */

void *property_allocate(struct arena *arena, size_t size)
{
	void *bytes = arena_allocate(arena, size);

	if (bytes == NULL) {
		fputs("gateway: out of memory\n", stderr);
		exit(1);
	}
	return bytes;
}

static const char *format_list(struct arena *arena, const char *format, va_list list)
{
	va_list again;
	char *text;
	int length;

	va_copy(again, list);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	text = property_allocate(arena, (size_t)(length < 0 ? 0 : length) + 1);
	if (length > 0)
		vsnprintf(text, (size_t)length + 1, format, list);
	return text;
}

const char *property_format(struct arena *arena, const char *format, ...)
{
	const char *text;
	va_list list;

	va_start(list, format);
	text = format_list(arena, format, list);
	va_end(list);
	return text;
}

const char *property_copy(struct arena *arena, const char *text, size_t length)
{
	return memcpy(property_allocate(arena, length + 1), text, length);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static bool is_skipped(char byte)
{
	return byte == '-' || byte == '_';
}

static bool is_same(const char *name, const char *other, size_t other_length)
{
	const char *end = other + other_length;

	for (;; name++, other++) {
		while (is_skipped(*name))
			name++;
		while (other < end && is_skipped(*other))
			other++;
		if (*name == '\0' || other == end)
			return *name == '\0' && other == end;
		if (tolower((unsigned char)*name) != tolower((unsigned char)*other))
			return false;
	}
}

bool property_is_named(const char *name, const char *other)
{
	return is_same(name, other, strlen(other));
}

/* `is_verbatim`: of the name; a child's own counts as well. */
static struct property *find_child(struct property *parent, const char *name, size_t length, bool is_verbatim)
{
	for (struct property *child = parent->first; child != NULL; child = child->next) {
		bool is_found = is_verbatim || child->is_verbatim
		                    ? strncmp(child->name, name, length) == 0 && child->name[length] == '\0'
		                    : is_same(child->name, name, length);

		if (is_found)
			return child;
	}
	return NULL;
}

/* A key that was written with its dots in brackets ("[a.b]") is never asked for by name. */
struct property *property_find(struct property *from, const char *path)
{
	while (from != NULL && *path != '\0') {
		size_t length = strcspn(path, ".");

		from = find_child(from, path, length, false);
		path += length + (path[length] == '.');
	}
	return from;
}

const char *property_value(struct property *from, const char *path)
{
	struct property *found = property_find(from, path);

	return found != NULL ? found->value : NULL;
}

/* As deep as the tree, which is bounded where it is made. NOLINTNEXTLINE(misc-no-recursion) */
const char *property_path(struct arena *arena, const struct property *property)
{
	const char *above;

	if (property->parent == NULL)
		return "";
	above = property_path(arena, property->parent);
	return property_format(arena, "%s%s%s", above, property->is_item || *above == '\0' ? "" : ".", property->name);
}

bool property_is_list(const struct property *property)
{
	return property != NULL && property->first != NULL && property->first->is_item;
}

/* ---- making it --------------------------------------------------------------------------------------------------- */

/* Behind the others, but an item before the first item with a higher number. */
static void insert(struct property *parent, struct property *child)
{
	struct property **at = &parent->first;

	while (*at != NULL && !(child->is_item && (*at)->is_item && child->index < (*at)->index))
		at = &(*at)->next;
	child->parent = parent;
	child->next = *at;
	*at = child;
	parent->count++;
}

static bool is_index(const char *name)
{
	size_t digits = name[0] == '[' ? strspn(name + 1, "0123456789") : 0;

	return digits > 0 && strcmp(name + 1 + digits, "]") == 0;
}

struct property *property_child(struct arena *arena, struct property *parent, const char *name, bool is_verbatim,
                                const char *file, size_t line)
{
	struct property *child = find_child(parent, name, strlen(name), is_verbatim);

	if (child != NULL)
		return child;
	child = property_allocate(arena, sizeof(*child));
	*child = (struct property){ .name = name, .file = file, .line = line, .is_item = is_index(name), .is_verbatim = is_verbatim };
	if (child->is_item)
		child->index = strtoull(name + 1, NULL, 10);
	insert(parent, child);
	return child;
}

/* The last document's word. NOLINTNEXTLINE(misc-no-recursion) */
void property_merge(struct arena *arena, struct property *into, struct property *from, struct property *replaced)
{
	struct property *child, *next;

	for (child = from->first; child != NULL; child = next) {
		struct property *old = find_child(into, child->name, strlen(child->name), child->is_verbatim);

		next = child->next;
		if (old == NULL) {
			insert(into, child);
			continue;
		}
		if (property_is_list(child) || child->value != NULL) {
			struct property *gone = property_allocate(arena, sizeof(*gone));

			*gone = *old;
			gone->title = property_path(arena, old);
			insert(replaced, gone);
			verdict_below(arena, gone, VERDICT_REFUSED,
			              property_format(arena, "%s:%zu has precedence", child->file, child->line));
			old->value = child->value;
			old->file = child->file;
			old->line = child->line;
			old->first = NULL;
			old->count = 0;
		}
		property_merge(arena, old, child, replaced);
	}
}

/* ---- verdicts ---------------------------------------------------------------------------------------------------- */

static void judge(struct arena *arena, struct property *property, enum verdict verdict, const char *why)
{
	if (property == NULL || verdict < property->verdict)
		return;
	if (verdict == property->verdict && property->why != NULL && why != NULL) {
		if (strstr(property->why, why) == NULL && strlen(property->why) < 400)
			property->why = property_format(arena, "%s; %s", property->why, why);
		return;
	}
	property->verdict = verdict;
	property->why = why;
}

void verdict_exact(struct arena *arena, struct property *property)
{
	judge(arena, property, VERDICT_EXACT, NULL);
}

void verdict_different(struct arena *arena, struct property *property, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	judge(arena, property, VERDICT_DIFFERENT, format_list(arena, format, list));
	va_end(list);
}

void verdict_refused(struct arena *arena, struct property *property, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	judge(arena, property, VERDICT_REFUSED, format_list(arena, format, list));
	va_end(list);
}

/* NOLINTNEXTLINE(misc-no-recursion) */
void verdict_below(struct arena *arena, struct property *property, enum verdict verdict, const char *why)
{
	if (property == NULL)
		return;
	if (property->value != NULL && property->verdict == VERDICT_NONE)
		judge(arena, property, verdict, why);
	for (struct property *child = property->first; child != NULL; child = child->next)
		verdict_below(arena, child, verdict, why);
}
