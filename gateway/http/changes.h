/*
 * The changes to a message's fields on their way through: the filters of a route write this list, and the code that
 * writes the head reads it. The names and values belong to the filters.
 */
#ifndef GATEWAY_HTTP_CHANGES_H
#define GATEWAY_HTTP_CHANGES_H

#include "gateway/http/fields.h"

enum change_kind {
	CHANGE_ADD,           /* beside what is there */
	CHANGE_SET,           /* replaces the present fields of this name */
	CHANGE_REMOVE,
	CHANGE_REMOVE_PREFIX, /* all fields whose names begin with it */
};

struct change {
	enum change_kind kind;
	bool is_name_odd; /* it holds more than letters, digits and '-' */
	struct slice name, value;
};

enum { CHANGES_OWN = 6 };

struct changes {
	struct change *list; /* NULL: own */
	unsigned count, room;
	unsigned removals; /* so many of them leave something out of the message */
	size_t bytes;  /* an upper bound of the bytes that the changes add to the head */
	struct slice lines; /* whole lines for the head, prepared beforehand */
	bool is_short; /* memory was short: a change is missing */
	struct change own[CHANGES_OWN];
};

void changes_begin(struct changes *changes);
/* Releases what it holds; it is as new. */
void changes_end(struct changes *changes);
/* A SET or a REMOVE also takes back earlier additions under this name, but nothing of the lines. The value must have passed
 * changes_is_value(). */
void changes_add(struct changes *changes, enum change_kind kind, struct slice name, struct slice value);
/* Takes back all but the first `count`. */
void changes_cut(struct changes *changes, unsigned count);

/* May these bytes be a field's value (RFC 9110 section 5.5)? */
bool changes_is_value(struct slice value);

/* Do the changes leave out this field of the message? */
bool changes_remove(const struct changes *changes, const struct field *field);
/* The same, but also for names that some server confuses with this one (lookalikes.h). */
bool changes_remove_alike(const struct changes *changes, const struct field *field);

/* In the place of those that are there. */
static inline void changes_set_lines(struct changes *changes, struct slice lines)
{
	changes->bytes += lines.length - changes->lines.length;
	changes->lines = lines;
}
static inline bool changes_are_none(const struct changes *changes)
{
	return changes->count == 0 && changes->lines.length == 0;
}
static inline const struct change *changes_list(const struct changes *changes)
{
	return changes->list != NULL ? changes->list : changes->own;
}
static inline bool change_puts(const struct change *change)
{
	return change->kind == CHANGE_ADD || change->kind == CHANGE_SET;
}

#endif
