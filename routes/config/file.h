/* Files that gateway.yml names. */
#ifndef ROUTES_CONFIG_FILE_H
#define ROUTES_CONFIG_FILE_H

#include "routes/config/reader.h"

/* All of a file, in the configuration's memory and with a NUL behind it; its path is relative to the folder of the
 * configuration. NULL after a complaint. (file.c) */
char *reader_file(struct reader *reader, const struct yaml_node *node, const char *file, size_t most_bytes,
                  size_t *read_bytes);

#endif
