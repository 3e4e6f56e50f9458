/* A file of Spring's, in memory. */
#ifndef GATEWAY_IMPORT_IMPORT_FILE_H
#define GATEWAY_IMPORT_IMPORT_FILE_H

#include <stddef.h>

struct import_file {
	const char *name; /* for verdicts; the end of it says what it is: .properties, or YAML */
	const char *text;
	size_t length;
};

#endif
