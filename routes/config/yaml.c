/*
 * libyaml's room. It turns the library's events into nodes with an explicit stack, so that depth is a number that we check
 * and not a stack that overflows; libyaml itself looks ahead by at most one simple key (1024 characters).
 *
 * We don't rely on the library's own limits: text, nodes and depth are bounded here before anything is built from them. A
 * file that breaks the grammar ends the reading at that place; after all other errors the reading continues, so that one run
 * shows as many mistakes as possible.
 */
#include "routes/config/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "routes/config/yaml_build.h"

/* Lines and columns count from 1. */
static struct yaml_place place_of(const yaml_mark_t *mark)
{
	return (struct yaml_place){mark->line + 1, mark->column + 1};
}

static void complain_at(const struct yaml_builder *builder, const yaml_mark_t *mark, const char *text)
{
	yaml_complain(builder, place_of(mark), text);
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static void refuse_decoration(struct yaml_builder *builder, const yaml_event_t *event, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
	if (builder->is_foreign)
		return;
	if (anchor != NULL)
		complain_at(builder, &event->start_mark, "anchors (&name) are not supported");
	if (tag != NULL)
		complain_at(builder, &event->start_mark, "tags (!name) are not supported");
}

static bool take_alias(struct yaml_builder *builder, const yaml_event_t *event)
{
	struct yaml_node *node = yaml_resolve(builder, (const char *)event->data.alias.anchor, place_of(&event->start_mark));

	if (node != NULL)
		yaml_hang(builder, node);
	return node != NULL;
}

static bool take_scalar(struct yaml_builder *builder, const yaml_event_t *event)
{
	struct yaml_node *node = yaml_new_node(builder, YAML_SCALAR, place_of(&event->start_mark));

	if (node == NULL)
		return false;
	refuse_decoration(builder, event, event->data.scalar.anchor, event->data.scalar.tag);
	node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (!yaml_set_text(builder, node, (const char *)event->data.scalar.value, event->data.scalar.length))
		return false;
	yaml_hang(builder, node);
	return yaml_remember(builder, (const char *)event->data.scalar.anchor, node);
}

static bool begin(struct yaml_builder *builder, const yaml_event_t *event, const yaml_char_t *anchor, enum yaml_kind kind)
{
	struct yaml_node *node;

	if (builder->depth == YAML_DEPTH_MAX) {
		complain_at(builder, &event->start_mark, "nested too deeply");
		return false;
	}
	node = yaml_new_node(builder, kind, place_of(&event->start_mark));
	if (node == NULL)
		return false;
	yaml_hang(builder, node);
	builder->open[builder->depth].node = node;
	builder->open[builder->depth].last = builder->open[builder->depth].key = NULL;
	builder->depth++;
	return yaml_remember(builder, (const char *)anchor, node);
}

/* The documents of a foreign file are the values of a sequence that nobody wrote. */
static bool begin_document(struct yaml_builder *builder, const yaml_event_t *event)
{
	if (builder->is_foreign) {
		builder->anchor_count = 0;
		return true;
	}
	if (builder->documents++ == 0)
		return true;
	complain_at(builder, &event->start_mark, "only one document (no second \"---\") is allowed in the file");
	return false;
}

/* False: stop here. */
static bool take(struct yaml_builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return begin_document(builder, event);
	case YAML_ALIAS_EVENT:
		return take_alias(builder, event);
	case YAML_SCALAR_EVENT:
		return take_scalar(builder, event);
	case YAML_SEQUENCE_START_EVENT:
		refuse_decoration(builder, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return begin(builder, event, event->data.sequence_start.anchor, YAML_SEQUENCE);
	case YAML_MAPPING_START_EVENT:
		refuse_decoration(builder, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return begin(builder, event, event->data.mapping_start.anchor, YAML_MAPPING);
	case YAML_SEQUENCE_END_EVENT:
		builder->depth--;
		return true;
	case YAML_MAPPING_END_EVENT:
		builder->depth--;
		return yaml_refuse_duplicates(builder, builder->open[builder->depth].node);
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
	reading->complain(reading->context, line, column, problem);
}

static void complain_of_syntax(const struct yaml_builder *builder, const yaml_parser_t *parser, const char *text,
                               size_t length)
{
	const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
	size_t at = parser->problem_mark.index; /* in characters; the hint is only lost where that is not in bytes */
	char words[240];

	if (parser->error == YAML_SCANNER_ERROR && at < length && text[at] == '\t' && strstr(problem, "cannot start any token") != NULL)
		problem = "a tab: YAML is indented with spaces";
	else if (strstr(problem, "mapping values are not allowed") != NULL)
		problem = "a \": \" where none may be: quote a text that contains it (\"Sorry: closed\"), or mend the indentation";
	else if (strcmp(problem, "did not find expected ',' or '}'") == 0)
		problem = "did not find expected ',' or '}': write it, or quote a text with a colon or a comma in it (\"Sorry: closed\")";
	else if (strcmp(problem, "did not find expected key") == 0)
		problem = "did not find expected key: keys of one mapping begin in the same column, and a quoted text ends at its quote";
	else if (parser->error == YAML_READER_ERROR && strstr(problem, "UTF-8") != NULL)
		problem = "not UTF-8: save the file as UTF-8";

	if (parser->error == YAML_MEMORY_ERROR) {
		yaml_complain(builder, (struct yaml_place){0, 0}, "out of memory");
	} else if (parser->error == YAML_READER_ERROR) {
		complain_of_bytes(builder->reading, text, length, parser->problem_offset, problem);
	} else {
		if (parser->context != NULL && parser->context_mark.line != parser->problem_mark.line)
			snprintf(words, sizeof(words), "%.120s (%.80s that began in line %zu)", problem, parser->context,
			         parser->context_mark.line + 1);
		else
			snprintf(words, sizeof(words), "%.120s", problem);
		complain_at(builder, &parser->problem_mark, words);
	}
}

static struct yaml_node *read_events(struct yaml_builder *builder, const char *text, size_t length)
{
	yaml_parser_t parser;
	bool is_whole = false;

	if (length > YAML_TEXT_MAX) {
		yaml_complain(builder, (struct yaml_place){0, 0}, "the file is larger than 1 MiB");
		return NULL;
	}
	/* With the encoding given, the library takes a byte order mark for content. */
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		length -= 3;
	}
	if (!yaml_parser_initialize(&parser)) {
		yaml_complain(builder, (struct yaml_place){0, 0}, "out of memory");
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	for (bool goes_on = true; goes_on;) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			complain_of_syntax(builder, &parser, text, length);
			break;
		}
		goes_on = take(builder, &event);
		is_whole = !goes_on && (event.type == YAML_STREAM_END_EVENT || event.type == YAML_DOCUMENT_START_EVENT);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	if (is_whole && builder->root == NULL) {
		builder->root = yaml_new_node(builder, YAML_SCALAR, (struct yaml_place){1, 1});
		if (builder->root != NULL)
			builder->root->is_plain = true;
	}
	return is_whole ? builder->root : NULL;
}

struct yaml_node *yaml_read(const char *text, size_t length, const struct yaml_reading *reading)
{
	struct yaml_builder builder = {.reading = reading};

	return read_events(&builder, text, length);
}

struct yaml_node *yaml_read_foreign(const char *text, size_t length, const struct yaml_reading *reading)
{
	struct yaml_builder builder = {.reading = reading, .is_foreign = true};
	struct yaml_node *documents = yaml_new_node(&builder, YAML_SEQUENCE, (struct yaml_place){1, 1});

	if (documents == NULL)
		return NULL;
	yaml_hang(&builder, documents);
	builder.open[builder.depth++].node = documents;
	return read_events(&builder, text, length);
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
