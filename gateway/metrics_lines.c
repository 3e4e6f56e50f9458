/*
 * Labels go into one growing text, a NUL between two lines; the list remembers where each begins, and gets pointers only when
 * the text has stopped moving.
 */
#include "gateway/metrics_lines.h"

#include <stdlib.h>
#include <string.h>

void lines_begin(struct lines *lines)
{
	*lines = (struct lines){ 0 };
	lines->text = open_memstream(&lines->buffer, &lines->size);
	lines->is_short = lines->text == NULL;
}

FILE *lines_add(struct lines *lines, const struct figures *figures)
{
	if (lines->is_short)
		return NULL;
	if (lines->count == lines->room) {
		size_t room = lines->room * 2 + 64;
		struct line *larger = realloc(lines->list, room * sizeof *larger);

		lines->is_short = larger == NULL;
		if (larger == NULL)
			return NULL;
		lines->list = larger;
		lines->room = room;
	}
	if (lines->count > 0)
		fputc('\0', lines->text);
	lines->list[lines->count++] = (struct line){ .at = (size_t)ftello(lines->text), .figures = *figures };
	return lines->text;
}

static int by_labels(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->labels, ((const struct line *)b)->labels);
}

static void add_figures(struct figures *to, const struct figures *from)
{
	to->count += from->count;
	to->sum_us += from->sum_us;
	to->max_us = from->max_us > to->max_us ? from->max_us : to->max_us;
	for (size_t i = 0; i < METRICS_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
}

bool lines_merge(struct lines *lines)
{
	size_t kept = 0;

	if (lines->text != NULL) {
		lines->is_short = ferror(lines->text) != 0 || lines->is_short;
		lines->is_short = fclose(lines->text) != 0 || lines->is_short;
		lines->text = NULL;
	}
	if (lines->is_short || lines->count == 0)
		return false;
	for (size_t i = 0; i < lines->count; i++)
		lines->list[i].labels = lines->buffer + lines->list[i].at;
	qsort(lines->list, lines->count, sizeof *lines->list, by_labels);
	for (size_t i = 1; i < lines->count; i++) {
		if (by_labels(&lines->list[kept], &lines->list[i]) == 0)
			add_figures(&lines->list[kept].figures, &lines->list[i].figures);
		else
			lines->list[++kept] = lines->list[i];
	}
	lines->count = kept + 1;
	return true;
}

void lines_free(struct lines *lines)
{
	if (lines->text != NULL)
		fclose(lines->text);
	free(lines->buffer);
	free(lines->list);
}
