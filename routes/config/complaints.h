/* The complaints about a configuration: collected, sorted, shown. */
#ifndef ROUTES_CONFIG_COMPLAINTS_H
#define ROUTES_CONFIG_COMPLAINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Every complaint of one reading, in the order of the file. */
struct complaint {
	size_t line, column; /* from 1; 0 = the file as a whole */
	bool is_warning;
	char text[240];
};
struct complaints {
	struct complaint *list;
	size_t count, errors;
};
/* Each as one line: "file:line:col: error: text". */
typedef void complaints_teller(void *context, bool is_warning, const char *line);

void complaints_tell(const struct complaints *complaints, const char *file, complaints_teller *tell, void *context);
void complaints_print(const struct complaints *complaints, const char *file, FILE *to);
void complaints_free(struct complaints *complaints);

/* Control characters and cut UTF-8 never reach the terminal. */
void complaints_add(struct complaints *complaints, size_t line, size_t column, bool is_warning, const char *text);
void complaints_sort(struct complaints *complaints);
/* The candidate nearest to `name`, if it is near enough to be meant. Offer all, then read `best`. */
struct suggestion {
	const char *name, *best;
	size_t distance;
};
struct suggestion suggestion_begin(const char *name);
void suggestion_offer(struct suggestion *suggestion, const char *candidate);

#endif
