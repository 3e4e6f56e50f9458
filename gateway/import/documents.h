/* Files to one tree of properties: YAML of several documents and .properties, and which of them count by their
 * profiles. */
#ifndef GATEWAY_IMPORT_DOCUMENTS_H
#define GATEWAY_IMPORT_DOCUMENTS_H

#include <stdio.h>

#include "gateway/import/import_file.h"
#include "gateway/import/property.h"

/* Of properties, the steps of their keys count: each of them is looked for among its siblings. */
enum { DOCUMENTS_PROPERTIES_MAX = 20000, DOCUMENTS_DEPTH_MAX = 48, DOCUMENTS_MAX = 256 };

/* The tree that Spring would see. What lost to another document, or belongs to a profile that is not active, has its
 * verdict and is below `replaced`. False after a complaint on `errors`: a file is no YAML, a key has too many parts, or
 * more profiles are active than the importer takes. */
bool documents_read(struct arena *arena, const struct import_file *files, size_t count, const char *profiles,
                    struct property *root, struct property *replaced, FILE *errors);

#endif
