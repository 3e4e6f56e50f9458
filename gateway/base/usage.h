/*
 * A program's command line as one table. getopt_long() gets its options from it, and --help, the manual page and the shell
 * completion are printed from it, so none of them can differ from the others.
 */
#ifndef GATEWAY_BASE_USAGE_H
#define GATEWAY_BASE_USAGE_H

#include <stdio.h>

struct usage_option {
	int code;            /* what usage_next() returns for it */
	const char *letters; /* its short forms; "" for none */
	const char *name;
	const char *argument; /* what to call it; NULL for none. FILE is completed as one */
	const char *help;
};

struct usage_note {
	const char *heading, *text; /* the text may have several lines */
};

struct usage {
	const char *program, *summary;
	const char *arguments; /* in the first line of --help, after the program */
	const struct usage_option *options; /* the last has no name */
	const struct usage_note *notes;     /* the last one has no heading */
};

/* The code of the next option, with its argument in optarg; -1 at the end of the options; '?' after a message. */
int usage_next(const struct usage *usage, int argc, char **argv);
void usage_print(const struct usage *usage, FILE *to);
/* As "-c, -f, --config FILE". */
enum { USAGE_OPTION_TEXT_MAX = 80 };
void usage_format(const struct usage_option *option, char text[USAGE_OPTION_TEXT_MAX]);

#endif
