/*
 * libyaml's room. Its events are turned into nodes with an explicit stack, so that depth is a number we check and not
 * a stack we overflow; libyaml itself looks ahead by at most one simple key (1024 characters).
 *
 * The library's own limits are none of ours: text, nodes and depth are bounded here before anything is built from them.
 * A file that breaks the grammar ends the reading at that place; everything else is complained of and read on, so that
 * one run shows as many mistakes as possible.
 */
#include "routes/yaml.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct builder {
	const struct yaml_reading *reading;
	struct yaml_node *root;
	struct {
		struct yaml_node *node, *last; /* the open mapping or sequence and its youngest value */
		struct yaml_node *key;         /* read, its value not yet */
	} open[YAML_DEPTH_MAX];
	size_t depth, nodes, documents;
};

static void complain(const struct yaml_reading *reading, size_t line, size_t column, const char *text)
{
	reading->complain(reading->context, line, column, text);
}

static void complain_at(const struct builder *builder, const yaml_mark_t *mark, const char *text)
{
	complain(builder->reading, mark->line + 1, mark->column + 1, text);
}

/* ---- the tree --------------------------------------------------------------------------------------------------- */

static struct yaml_node *new_node(struct builder *builder, enum yaml_kind kind, const yaml_mark_t *mark)
{
	struct yaml_node *node;

	if (++builder->nodes > YAML_NODES_MAX) {
		complain_at(builder, mark, "the file holds too many values");
		return NULL;
	}
	node = builder->reading->allocate(builder->reading->context, sizeof(*node));
	if (node == NULL) {
		complain_at(builder, mark, "not enough memory");
		return NULL;
	}
	*node = (struct yaml_node){.kind = kind, .line = mark->line + 1, .column = mark->column + 1, .text = ""};
	return node;
}

static bool set_text(struct builder *builder, struct yaml_node *node, const char *text, size_t length,
                     const yaml_mark_t *mark)
{
	char *copy = builder->reading->allocate(builder->reading->context, length + 1);

	if (copy == NULL) {
		complain_at(builder, mark, "not enough memory");
		return false;
	}
	memcpy(copy, text, length);
	copy[length] = '\0';
	node->text = copy;
	node->length = length;
	if (strlen(copy) != length) {
		complain_at(builder, mark, "a NUL byte can not be part of a value");
		node->is_refused = true;
		node->length = strlen(copy);
	}
	return true;
}

/* Hangs a finished node, or one that has just begun, where it belongs. */
static void hang(struct builder *builder, struct yaml_node *node)
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
			complain(builder->reading, node->line, node->column, "a key must be text");
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
static bool refuse_duplicates(struct builder *builder, struct yaml_node *mapping)
{
	struct yaml_node **values, *first = NULL;
	size_t count = 0;

	assert(mapping != NULL);
	if (mapping->count < 2)
		return true;
	values = malloc(mapping->count * sizeof(struct yaml_node *));
	if (values == NULL) {
		complain(builder->reading, mapping->line, mapping->column, "not enough memory");
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
		complain(builder->reading, values[i]->key->line, values[i]->key->column, text);
		values[i]->is_refused = true;
	}
	free(values);
	return true;
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static void refuse_decoration(struct builder *builder, const yaml_event_t *event, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
	if (anchor != NULL)
		complain_at(builder, &event->start_mark, "anchors (&name) are not supported");
	if (tag != NULL)
		complain_at(builder, &event->start_mark, "tags (!name) are not supported");
}

static bool take_scalar(struct builder *builder, const yaml_event_t *event)
{
	struct yaml_node *node = new_node(builder, YAML_SCALAR, &event->start_mark);

	if (node == NULL)
		return false;
	if (event->type == YAML_ALIAS_EVENT) {
		complain_at(builder, &event->start_mark, "aliases (*name) are not supported");
		node->is_refused = true;
	} else {
		refuse_decoration(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
		node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		if (!set_text(builder, node, (const char *)event->data.scalar.value, event->data.scalar.length,
		              &event->start_mark))
			return false;
	}
	hang(builder, node);
	return true;
}

static bool begin(struct builder *builder, const yaml_event_t *event, enum yaml_kind kind)
{
	struct yaml_node *node;

	if (builder->depth == YAML_DEPTH_MAX) {
		complain_at(builder, &event->start_mark, "nested too deeply");
		return false;
	}
	node = new_node(builder, kind, &event->start_mark);
	if (node == NULL)
		return false;
	hang(builder, node);
	builder->open[builder->depth].node = node;
	builder->open[builder->depth].last = builder->open[builder->depth].key = NULL;
	builder->depth++;
	return true;
}

/* False: stop here. */
static bool take(struct builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (builder->documents++ == 0)
			return true;
		complain_at(builder, &event->start_mark, "only one document (no second \"---\") is allowed in the file");
		return false;
	case YAML_ALIAS_EVENT:
	case YAML_SCALAR_EVENT:
		return take_scalar(builder, event);
	case YAML_SEQUENCE_START_EVENT:
		refuse_decoration(builder, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return begin(builder, event, YAML_SEQUENCE);
	case YAML_MAPPING_START_EVENT:
		refuse_decoration(builder, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return begin(builder, event, YAML_MAPPING);
	case YAML_SEQUENCE_END_EVENT:
		builder->depth--;
		return true;
	case YAML_MAPPING_END_EVENT:
		builder->depth--;
		return refuse_duplicates(builder, builder->open[builder->depth].node);
	case YAML_STREAM_END_EVENT:
		return false;
	default:
		return true;
	}
}

/* The reader's errors (bad bytes) come with an offset only. */
static void complain_of_bytes(const struct yaml_reading *reading, const char *text, size_t length, size_t offset,
                              const char *problem)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < offset && i < length; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	complain(reading, line, column, problem);
}

static void complain_of_syntax(const struct builder *builder, const yaml_parser_t *parser, const char *text,
                               size_t length)
{
	const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
	size_t at = parser->problem_mark.index; /* in characters; the hint is only lost where that is not in bytes */
	char words[200];

	if (parser->error == YAML_SCANNER_ERROR && at < length && text[at] == '\t' && strstr(problem, "cannot start any token") != NULL)
		problem = "a tab: YAML is indented with spaces";

	if (parser->error == YAML_MEMORY_ERROR) {
		complain(builder->reading, 0, 0, "not enough memory");
	} else if (parser->error == YAML_READER_ERROR) {
		complain_of_bytes(builder->reading, text, length, parser->problem_offset, problem);
	} else {
		if (parser->context != NULL && parser->context_mark.line != parser->problem_mark.line)
			snprintf(words, sizeof(words), "%.80s (%.80s that began in line %zu)", problem, parser->context,
			         parser->context_mark.line + 1);
		else
			snprintf(words, sizeof(words), "%.80s", problem);
		complain_at(builder, &parser->problem_mark, words);
	}
}

struct yaml_node *yaml_read(const char *text, size_t length, const struct yaml_reading *reading)
{
	struct builder builder = {.reading = reading};
	yaml_parser_t parser;
	bool is_whole = false;

	if (length > YAML_TEXT_MAX) {
		complain(reading, 0, 0, "the file is larger than 1 MiB");
		return NULL;
	}
	/* With the encoding given, the library takes a byte order mark for content. */
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		length -= 3;
	}
	if (!yaml_parser_initialize(&parser)) {
		complain(reading, 0, 0, "not enough memory");
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	for (bool goes_on = true; goes_on;) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			complain_of_syntax(&builder, &parser, text, length);
			break;
		}
		goes_on = take(&builder, &event);
		is_whole = !goes_on && (event.type == YAML_STREAM_END_EVENT || event.type == YAML_DOCUMENT_START_EVENT);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (is_whole && builder.root == NULL) {
		builder.root = new_node(&builder, YAML_SCALAR, &(yaml_mark_t){0});
		if (builder.root != NULL)
			builder.root->is_plain = true;
	}
	return is_whole ? builder.root : NULL;
}

const struct yaml_node *yaml_find(const struct yaml_node *node, const char *key)
{
	if (node == NULL || node->kind != YAML_MAPPING)
		return NULL;
	for (const struct yaml_node *value = node->first; value != NULL; value = value->next)
		if (!value->key->is_refused && strcmp(value->key->text, key) == 0)
			return value;
	return NULL;
}
