/*
 * gateway --import: Spring Cloud Gateway's configuration as gateway.yml, with a verdict for each line that was read.
 *
 * The importer never guesses in silence. A line that means the same is `exact`; one that holds only nearly is `different`,
 * with the difference; one that the gateway can't express is `refused`, with the reason, and becomes a comment if there is a
 * key for it. The result always passes `gateway --check` of the same build: the importer asks that reader before it prints.
 */
#ifndef GATEWAY_IMPORT_IMPORT_H
#define GATEWAY_IMPORT_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "gateway/import/import_file.h"

enum { IMPORT_FILES_MAX = 64 };

/* `profiles`: those that are active, with commas between, as in SPRING_PROFILES_ACTIVE; NULL or "" = as the files
 * say. A later file has precedence over an earlier one. False: a file can't be read, or none of them has a property. Then
 * nothing was written to `to`, and `verdicts` says why. */
bool import_spring(const struct import_file *files, size_t count, const char *profiles, FILE *to, FILE *verdicts);

/* The command line's: reads the files, writes to stdout and stderr. 0, or 2 when there is nothing to read. */
int import_run(char *const *names, size_t count);

#endif
