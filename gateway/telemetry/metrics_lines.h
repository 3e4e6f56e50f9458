/*
 * The lines of one family of metrics: added in any order, with labels as text, then sorted, and those with equal labels
 * made one. So a label set appears once, whatever fell together on the way. Used by metrics_text.c.
 */
#ifndef GATEWAY_TELEMETRY_METRICS_LINES_H
#define GATEWAY_TELEMETRY_METRICS_LINES_H

#include <stdbool.h>
#include <stdio.h>

#include "gateway/base/memory_file.h"
#include "gateway/telemetry/metrics.h"

struct figures {
	uint64_t count, sum_us, max_us;
	uint64_t buckets[METRICS_BUCKETS]; /* not cumulative */
};

struct figures metrics_read_series(const struct series *series);

struct line {
	size_t at;          /* of its labels in the text */
	const char *labels; /* once merged */
	struct figures figures;
};

struct lines {
	struct memory_file text;
	char *labels; /* once merged, of all lines */
	struct line *list;
	size_t count, room;
	bool is_short;
};

void lines_begin(struct lines *lines);
/* Where the line's labels are to be written; NULL: out of memory. */
FILE *lines_add(struct lines *lines, const struct figures *figures);
/* After the last was added. False: memory was short or none was added, there is nothing to write. */
bool lines_merge(struct lines *lines);
void lines_free(struct lines *lines);

#endif
