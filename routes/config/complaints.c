/*
 * Complaints: all of them, in the order of the file, each once, safe for a terminal; and a guess what a misspelled name was
 * meant to be.
 *
 * A list that can't grow any more still counts its errors, so that a lack of memory never makes a wrong configuration look
 * right.
 */
#include "routes/config/complaints.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { COMPLAINTS_MAX = 1000 };

/* Length of the well-formed UTF-8 sequence at `text`, 0 if there is none. */
static size_t utf8_length(const unsigned char *text)
{
	size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc2 ? 2 : 0;

	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

static void copy_printable(char *to, size_t size, const char *from)
{
	size_t used = 0;

	while (*from != '\0' && used + 1 < size) {
		unsigned char first = (unsigned char)*from;
		size_t length = utf8_length((const unsigned char *)from);

		/* C1 controls (c2 80 to c2 9f) move a terminal's cursor, too. */
		bool is_control = first < 0x20 || first == 0x7f || (first == 0xc2 && (unsigned char)from[1] < 0xa0);

		if (length == 0 || is_control) {
			to[used++] = '?';
			from += length > 0 ? length : 1;
		} else if (used + length < size) {
			memcpy(to + used, from, length);
			used += length;
			from += length;
		} else {
			break;
		}
	}
	to[used] = '\0';
}

static int compare(const void *left, const void *right)
{
	const struct complaint *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	if (a->is_warning != b->is_warning)
		return a->is_warning ? 1 : -1;
	return strcmp(a->text, b->text);
}

/* Each complaint once: an error in `defaults` or `route_defaults` occurs again at everything that inherits it. */
void complaints_add(struct complaints *complaints, size_t line, size_t column, bool is_warning, const char *text)
{
	struct complaint *list = complaints->list, added = {.line = line, .column = column, .is_warning = is_warning};

	copy_printable(added.text, sizeof(added.text), text);
	for (size_t i = 0; i < complaints->count; i++)
		if (compare(&list[i], &added) == 0)
			return;
	if (!is_warning)
		complaints->errors++;
	if (complaints->count >= COMPLAINTS_MAX)
		return;
	if ((complaints->count & (complaints->count - 1)) == 0) {
		struct complaint *more = realloc(list, (complaints->count > 0 ? complaints->count * 2 : 1) * sizeof(*list));

		if (more == NULL)
			return;
		complaints->list = list = more;
	}
	list[complaints->count++] = added;
}

void complaints_sort(struct complaints *complaints)
{
	if (complaints->count > 0)
		qsort(complaints->list, complaints->count, sizeof(*complaints->list), compare);
}

void complaints_tell(const struct complaints *complaints, const char *file, complaints_teller *tell, void *context)
{
	char line[PATH_MAX + sizeof complaints->list->text + 64];

	for (size_t i = 0; i < complaints->count; i++) {
		const struct complaint *complaint = &complaints->list[i];
		const char *kind = complaint->is_warning ? "warning" : "error";

		if (complaint->line == 0)
			snprintf(line, sizeof line, "%s: %s: %s", file, kind, complaint->text);
		else
			snprintf(line, sizeof line, "%s:%zu:%zu: %s: %s", file, complaint->line, complaint->column, kind, complaint->text);
		tell(context, complaint->is_warning, line);
	}
	if (complaints->errors > 0 && complaints->count == 0)
		snprintf(line, sizeof line, "%s: error: out of memory to read it", file);
	else if (complaints->count >= COMPLAINTS_MAX)
		snprintf(line, sizeof line, "%s: error: further complaints are left out", file);
	else
		return;
	tell(context, false, line);
}

static void print_line(void *to, bool is_warning, const char *line)
{
	(void)is_warning;
	fprintf(to, "%s\n", line);
}

void complaints_print(const struct complaints *complaints, const char *file, FILE *to)
{
	complaints_tell(complaints, file, print_line, to);
}

void complaints_free(struct complaints *complaints)
{
	free(complaints->list);
	*complaints = (struct complaints){0};
}

/* ---- did you mean ------------------------------------------------------------------------------------------------ */

enum { NAME_MAX_COMPARED = 64 };

static size_t least_of(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static bool differ(char a, char b)
{
	return tolower((unsigned char)a) != tolower((unsigned char)b);
}

/* Insertions, deletions, replacements, and neighbours that changed places (optimal string alignment), whatever is a capital. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_COMPARED + 1];
	size_t a_length = strlen(a), b_length = strlen(b);
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	if (a_length > NAME_MAX_COMPARED || b_length > NAME_MAX_COMPARED)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_length; j++)
		above[j] = before[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = least_of(above[j] + 1, row[j - 1] + 1, above[j - 1] + differ(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[b_length];
}

struct suggestion suggestion_begin(const char *name)
{
	/* Up to a third of the letters may be wrong, but always one. */
	return (struct suggestion){.name = name, .distance = strlen(name) / 3 + 2};
}

void suggestion_offer(struct suggestion *suggestion, const char *candidate)
{
	size_t name_length = strlen(suggestion->name), length = strlen(candidate), distance;

	/* At least so many letters were added or left out; spares the long way for most candidates. */
	distance = name_length > length ? name_length - length : length - name_length;
	if (distance >= suggestion->distance)
		return;
	distance = edit_distance(suggestion->name, candidate);

	/* A short name may not be all wrong: "to" is not a misspelled "for". */
	if (distance >= suggestion->distance || distance >= length)
		return;
	suggestion->distance = distance;
	suggestion->best = candidate;
}
