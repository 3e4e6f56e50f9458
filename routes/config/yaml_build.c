/* Nodes, and where they hang. Limits on nodes and depth are checked here, before anything is built from them. */
#include "routes/config/yaml_build.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct yaml_place place_of(const struct yaml_node *node)
{
	return (struct yaml_place){node->line, node->column};
}

void yaml_complain(const struct yaml_builder *builder, struct yaml_place place, const char *text)
{
	builder->reading->complain(builder->reading->context, place.line, place.column, text);
}

static void *allocate(struct yaml_builder *builder, size_t size, struct yaml_place place)
{
	void *bytes = builder->reading->allocate(builder->reading->context, size);

	if (bytes == NULL)
		yaml_complain(builder, place, "out of memory");
	return bytes;
}

/* ---- the tree --------------------------------------------------------------------------------------------------- */

struct yaml_node *yaml_new_node(struct yaml_builder *builder, enum yaml_kind kind, struct yaml_place place)
{
	struct yaml_node *node;

	if (++builder->nodes > YAML_NODES_MAX) {
		yaml_complain(builder, place, "the file holds too many values");
		return NULL;
	}
	node = allocate(builder, sizeof(*node), place);
	if (node != NULL)
		*node = (struct yaml_node){.kind = kind, .line = place.line, .column = place.column, .text = ""};
	return node;
}

bool yaml_set_text(struct yaml_builder *builder, struct yaml_node *node, const char *text, size_t length)
{
	char *copy = allocate(builder, length + 1, place_of(node));

	if (copy == NULL)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	node->text = copy;
	node->length = length;
	if (strlen(copy) != length) {
		yaml_complain(builder, place_of(node), "a NUL byte can not be part of a value");
		node->is_refused = true;
		node->length = strlen(copy);
	}
	return true;
}

void yaml_hang(struct yaml_builder *builder, struct yaml_node *node)
{
	struct yaml_node *parent;

	if (builder->depth == 0) {
		builder->root = node;
		return;
	}
	parent = builder->open[builder->depth - 1].node;
	assert(parent != NULL);
	if (parent->kind == YAML_MAPPING && builder->open[builder->depth - 1].key == NULL) {
		if (node->kind != YAML_SCALAR && !node->is_refused) {
			yaml_complain(builder, place_of(node), "a key must be text");
			node->is_refused = true;
		}
		builder->open[builder->depth - 1].key = node;
		return;
	}
	if (parent->kind == YAML_MAPPING) {
		node->key = builder->open[builder->depth - 1].key;
		node->is_refused = node->is_refused || node->key->is_refused;
		builder->open[builder->depth - 1].key = NULL;
	}
	if (builder->open[builder->depth - 1].last != NULL)
		builder->open[builder->depth - 1].last->next = node;
	else
		parent->first = node;
	builder->open[builder->depth - 1].last = node;
	parent->count++;
}

static int compare_keys(const void *left, const void *right)
{
	const struct yaml_node *a = *(struct yaml_node *const *)left, *b = *(struct yaml_node *const *)right;
	int order = strcmp(a->key->text, b->key->text);

	if (order == 0)
		order = a->key->line != b->key->line ? (a->key->line > b->key->line) - (a->key->line < b->key->line)
		                                     : (a->key->column > b->key->column) - (a->key->column < b->key->column);
	return order;
}

/* Sorted rather than each against each: a mapping may be as large as the file. */
bool yaml_refuse_duplicates(struct yaml_builder *builder, struct yaml_node *mapping)
{
	struct yaml_node **values, *first = NULL;
	size_t count = 0;

	assert(mapping != NULL);
	if (mapping->count < 2)
		return true;
	values = malloc(mapping->count * sizeof(struct yaml_node *));
	if (values == NULL) {
		yaml_complain(builder, place_of(mapping), "out of memory");
		return false;
	}
	for (struct yaml_node *value = mapping->first; value != NULL; value = value->next)
		if (!value->key->is_refused)
			values[count++] = value;
	qsort(values, count, sizeof(struct yaml_node *), compare_keys);
	for (size_t i = 0; i < count; i++) {
		char text[120];

		if (first == NULL || strcmp(first->key->text, values[i]->key->text) != 0) {
			first = values[i];
			continue;
		}
		snprintf(text, sizeof(text), "duplicate key \"%.40s\", first in line %zu", first->key->text, first->key->line);
		yaml_complain(builder, place_of(values[i]->key), text);
		values[i]->is_refused = true;
	}
	free(values);
	return true;
}

/* ---- anchors ----------------------------------------------------------------------------------------------------- */

bool yaml_remember(struct yaml_builder *builder, const char *anchor, const struct yaml_node *node)
{
	char *name;

	if (anchor == NULL || !builder->is_foreign)
		return true;
	if (builder->anchor_count == YAML_ANCHORS_MAX) {
		yaml_complain(builder, place_of(node), "more than 256 anchors");
		return false;
	}
	name = allocate(builder, strlen(anchor) + 1, place_of(node));
	if (name == NULL)
		return false;
	builder->anchors[builder->anchor_count].name = strcpy(name, anchor);
	builder->anchors[builder->anchor_count++].node = node;
	return true;
}

static const struct yaml_node *anchored(const struct yaml_builder *builder, const char *name)
{
	for (size_t i = builder->anchor_count; i > 0; i--)
		if (strcmp(builder->anchors[i - 1].name, name) == 0)
			return builder->anchors[i - 1].node;
	return NULL;
}

static bool is_open(const struct yaml_builder *builder, const struct yaml_node *node)
{
	for (size_t i = 0; i < builder->depth; i++)
		if (builder->open[i].node == node)
			return true;
	return false;
}

/* Copies rather than one node in two places: each node counts towards the limit, so a few lines can't stand for a
 * billion values. The copies keep the lines that their values were written in. As deep as YAML_DEPTH_MAX.
 * NOLINTNEXTLINE(misc-no-recursion) */
static struct yaml_node *copy_node(struct yaml_builder *builder, const struct yaml_node *node, size_t depth,
                                   struct yaml_place place)
{
	struct yaml_node *twin, **next;

	if (depth > YAML_DEPTH_MAX) {
		yaml_complain(builder, place, "nested too deeply");
		return NULL;
	}
	twin = yaml_new_node(builder, node->kind, place);
	if (twin == NULL)
		return NULL;
	*twin = *node;
	twin->next = NULL;
	next = &twin->first;
	for (const struct yaml_node *value = node->first; value != NULL; value = value->next) {
		*next = copy_node(builder, value, depth + 1, place);
		if (*next == NULL)
			return NULL;
		next = &(*next)->next;
	}
	return twin;
}

struct yaml_node *yaml_resolve(struct yaml_builder *builder, const char *anchor, struct yaml_place place)
{
	const struct yaml_node *target = builder->is_foreign ? anchored(builder, anchor) : NULL;
	struct yaml_node *node;

	if (target != NULL && !is_open(builder, target)) {
		node = copy_node(builder, target, builder->depth, place);
		if (node != NULL)
			node->key = NULL;
		return node;
	}
	node = yaml_new_node(builder, YAML_SCALAR, place);
	if (node == NULL)
		return NULL;
	yaml_complain(builder, place, !builder->is_foreign ? "aliases (*name) are not supported"
	                              : target == NULL     ? "this alias (*name) has no anchor (&name) before it"
	                                                   : "this alias (*name) stands inside of its own anchor");
	node->is_refused = true;
	return node;
}
