/*
 * Labels go into one growing text, with a NUL between two lines. The list remembers where each line begins, and gets pointers
 * only when the text no longer moves.
 */
#include "gateway/telemetry/metrics_lines.h"

#include <stdlib.h>
#include <string.h>

struct figures metrics_read_series(const struct series *series)
{
	struct figures figures = { 0 };
	uint64_t sum = 0;

	for (size_t i = 0; i < METRICS_BUCKETS; i++)
		sum += figures.buckets[i] = counter_read(&series->buckets[i]);
	figures.count = counter_read(&series->count);
	/* Another thread's stores may become visible in any order. */
	if (figures.count < sum)
		figures.count = sum;
	figures.sum_us = counter_read(&series->sum_us);
	figures.max_us = counter_read(&series->max_us);
	for (size_t i = 0; i < METRICS_TURNS_KEPT; i++)
		if (series->max_before_us[i] > figures.max_us)
			figures.max_us = series->max_before_us[i];
	return figures;
}

void lines_begin(struct lines *lines)
{
	*lines = (struct lines){ 0 };
	memory_file_open(&lines->text);
	lines->is_short = lines->text.file == NULL;
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
		fputc('\0', lines->text.file);
	lines->is_short = fflush(lines->text.file) != 0;
	lines->list[lines->count++] = (struct line){ .at = buffer_length(&lines->text.text), .figures = *figures };
	return lines->text.file;
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
	size_t kept = 0, length;

	lines->labels = memory_file_close(&lines->text, &length);
	if (lines->is_short || lines->labels == NULL || lines->count == 0)
		return false;
	for (size_t i = 0; i < lines->count; i++)
		lines->list[i].labels = lines->labels + lines->list[i].at;
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
	free(lines->labels);
	free(lines->list);
}
