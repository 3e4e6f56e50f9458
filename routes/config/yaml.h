/*
 * YAML text to a tree of nodes that know where they stand. The only file that knows the YAML library is yaml.c.
 *
 * The reader refuses the surprising and dangerous parts of YAML with a complaint: anchors, aliases, tags, more than one
 * document, keys that are not plain text, duplicate keys, NUL bytes. All scalars are text; what they mean is for the
 * reader of the tree to say, so `off` and `1e3` are just letters here.
 *
 * Files that were written for another program (the importer reads Spring's) follow other habits: yaml_read_foreign()
 * takes several documents, replaces aliases by copies, and passes over tags. All limits hold for what the copies add up to.
 */
#ifndef ROUTES_CONFIG_YAML_H
#define ROUTES_CONFIG_YAML_H

#include "routes/config/yaml_node.h"

/* NULL after a complaint: not YAML at all, over a limit, or out of memory. An empty text is an empty plain scalar. */
struct yaml_node *yaml_read(const char *text, size_t length, const struct yaml_reading *reading);
/* The same for foreign files: a sequence of documents, those that had nothing in them left out. */
struct yaml_node *yaml_read_foreign(const char *text, size_t length, const struct yaml_reading *reading);

/* The value of `key` in a mapping; NULL when there is none, or `node` is NULL or no mapping. */
const struct yaml_node *yaml_find(const struct yaml_node *node, const char *key);

#endif
