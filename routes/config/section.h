/* A mapping of gateway.yml, by the table of keys. */
#ifndef ROUTES_CONFIG_SECTION_H
#define ROUTES_CONFIG_SECTION_H

#include "routes/config/keys.h"
#include "routes/config/reader.h"

/* The keys of a mapping into the structure that the scope's fields belong to. `what` is its name in messages. */
void section_read(struct reader *reader, const struct yaml_node *node, enum key_scope scope, const char *what,
                  void *into);
/* Every default of the scope and of the sections in it, read in the same way as a written value. */
void section_defaults(struct reader *reader, enum key_scope scope, void *into);

#endif
