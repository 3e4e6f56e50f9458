/*
 * The tree that yaml.c builds from the library's events, without the library: new nodes, where they hang, which keys are
 * duplicates, what an alias stands for. Only yaml.c and yaml_build.c include this.
 */
#ifndef ROUTES_CONFIG_YAML_BUILD_H
#define ROUTES_CONFIG_YAML_BUILD_H

#include "routes/config/yaml_node.h"

struct yaml_place {
	size_t line, column;
};

struct yaml_builder {
	const struct yaml_reading *reading;
	struct yaml_node *root;
	struct {
		struct yaml_node *node, *last; /* the open mapping or sequence and its youngest value */
		struct yaml_node *key;         /* read, its value not yet */
	} open[YAML_DEPTH_MAX];
	size_t depth, nodes, documents;
	bool is_foreign; /* then `root` is a sequence of documents, which stays open */
	struct {
		const char *name;
		const struct yaml_node *node;
	} anchors[YAML_ANCHORS_MAX]; /* of this document; a later one of the same name takes over */
	size_t anchor_count;
};

void yaml_complain(const struct yaml_builder *builder, struct yaml_place place, const char *text);

/* All of them but yaml_hang(): NULL or false after a complaint that ends the reading. */
struct yaml_node *yaml_new_node(struct yaml_builder *builder, enum yaml_kind kind, struct yaml_place place);
bool yaml_set_text(struct yaml_builder *builder, struct yaml_node *node, const char *text, size_t length);
bool yaml_refuse_duplicates(struct yaml_builder *builder, struct yaml_node *mapping);
/* Hangs a finished node, or one that has just begun, where it belongs. */
void yaml_hang(struct yaml_builder *builder, struct yaml_node *node);

/* `anchor` NULL: it has none. */
bool yaml_remember(struct yaml_builder *builder, const char *anchor, const struct yaml_node *node);
/* A copy of the node that the alias stands for; a refused node after a complaint where it stands for nothing. */
struct yaml_node *yaml_resolve(struct yaml_builder *builder, const char *anchor, struct yaml_place place);

#endif
