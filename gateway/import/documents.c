/*
 * Each document first becomes a tree of its own, because its profile decides whether it counts; then the trees that count are
 * merged in the order of the files.
 */
#include "gateway/import/documents.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/import/profiles.h"
#include "routes/config/yaml.h"

struct reading {
	struct arena *arena;
	const char *file;
	FILE *errors;
	size_t properties; /* so far, over all files */
	bool is_broken;
	const char *profile; /* of the file, by its name; NULL = none */
	struct property *documents[DOCUMENTS_MAX];
	const char *profiles[DOCUMENTS_MAX]; /* of their files */
	size_t document_count;
};

static void complain(void *context, size_t line, size_t column, const char *text)
{
	struct reading *reading = context;

	(void)column;
	fprintf(reading->errors, "%s:%zu: error: %s\n", reading->file, line, text);
}

static void *allocate(void *context, size_t size)
{
	struct reading *reading = context;

	return property_allocate(reading->arena, size);
}

/* ---- keys --------------------------------------------------------------------------------------------------- */

static struct property *step(struct reading *reading, struct property *at, const char *name, size_t length,
                             bool is_verbatim, size_t line)
{
	if (length == 0)
		return at;
	if (++reading->properties > DOCUMENTS_PROPERTIES_MAX) {
		if (!reading->is_broken)
			complain(reading, line, 0, "more properties than a gateway's file has");
		reading->is_broken = true;
		return NULL;
	}
	return property_child(reading->arena, at, property_copy(reading->arena, name, length), is_verbatim, reading->file,
	                      line);
}

/* "routes[0].id": dots and indexes are steps; what stands in brackets and is no number ("[a.b]") is one step as it
 * is. */
static struct property *walk(struct reading *reading, struct property *at, const char *key, size_t line)
{
	for (size_t depth = 0; *key != '\0' && at != NULL; depth++) {
		size_t length = strcspn(key, ".[");

		if (depth == DOCUMENTS_DEPTH_MAX) {
			complain(reading, line, 0, "a key of too many parts");
			reading->is_broken = true;
			return NULL;
		}
		if (key[0] == '[' && strchr(key, ']') != NULL) {
			size_t inside = strcspn(key, "]") - 1;
			bool is_number = inside > 0 && strspn(key + 1, "0123456789") == inside;

			at = is_number ? step(reading, at, key, inside + 2, false, line)
			               : step(reading, at, key + 1, inside, true, line);
			key += inside + 2;
		} else {
			length += length == 0 && key[0] == '[';
			at = step(reading, at, key, length, false, line);
			key += length;
		}
		key += *key == '.';
	}
	return at;
}

static size_t depth_of(const struct property *property)
{
	size_t depth = 0;

	for (; property->parent != NULL; property = property->parent)
		depth++;
	return depth;
}

static void set_value(struct property *property, const char *value, const char *file, size_t line)
{
	property->value = value;
	property->file = file;
	property->line = line;
}

/* ---- YAML --------------------------------------------------------------------------------------------------- */

static bool is_merge_key(const struct yaml_node *node)
{
	return node->key != NULL && strcmp(node->key->text, "<<") == 0;
}

static void add_node(struct reading *reading, struct property *at, const struct yaml_node *node, bool is_merged);

/* What is merged in ("<<: *base") only fills gaps. NOLINTNEXTLINE(misc-no-recursion) */
static void add_mapping(struct reading *reading, struct property *at, const struct yaml_node *node, bool is_merged)
{
	for (const struct yaml_node *value = node->first; value != NULL; value = value->next)
		if (!value->is_refused && !is_merge_key(value) && !reading->is_broken)
			add_node(reading, walk(reading, at, value->key->text, value->key->line), value, is_merged);
	for (const struct yaml_node *value = node->first; value != NULL; value = value->next) {
		if (value->is_refused || !is_merge_key(value))
			continue;
		if (value->kind == YAML_MAPPING)
			add_mapping(reading, at, value, true);
		for (const struct yaml_node *item = value->first; item != NULL && value->kind == YAML_SEQUENCE;
		     item = item->next)
			if (item->kind == YAML_MAPPING)
				add_mapping(reading, at, item, true);
	}
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void add_node(struct reading *reading, struct property *at, const struct yaml_node *node, bool is_merged)
{
	char name[32];
	size_t index = 0;

	if (at == NULL || reading->is_broken)
		return;
	if (depth_of(at) > DOCUMENTS_DEPTH_MAX) {
		complain(reading, node->line, 0, "a key of too many parts");
		reading->is_broken = true;
		return;
	}
	if (is_merged && (at->value != NULL || at->first != NULL))
		return;
	if (node->kind == YAML_SCALAR) {
		set_value(at, node->text, reading->file, node->line);
	} else if (node->kind == YAML_MAPPING) {
		add_mapping(reading, at, node, is_merged);
	} else {
		for (const struct yaml_node *item = node->first; item != NULL; item = item->next, index++) {
			snprintf(name, sizeof name, "[%zu]", index);
			if (!item->is_refused)
				add_node(reading, step(reading, at, name, strlen(name), false, item->line), item, false);
		}
	}
}

static struct property *new_document(struct reading *reading)
{
	struct property *document;

	if (reading->document_count == DOCUMENTS_MAX) {
		complain(reading, 1, 0, "more than 256 documents");
		reading->is_broken = true;
		return NULL;
	}
	document = property_allocate(reading->arena, sizeof(*document));
	document->name = "";
	document->file = reading->file;
	reading->profiles[reading->document_count] = reading->profile;
	return reading->documents[reading->document_count++] = document;
}

static void read_yaml(struct reading *reading, const char *text, size_t length)
{
	struct yaml_reading yaml = { .allocate = allocate, .complain = complain, .context = reading };
	const struct yaml_node *documents = yaml_read_foreign(text, length, &yaml);

	if (documents == NULL) {
		reading->is_broken = true;
		return;
	}
	for (const struct yaml_node *node = documents->first; node != NULL && !reading->is_broken; node = node->next) {
		struct property *document = node->kind == YAML_MAPPING ? new_document(reading) : NULL;

		if (document != NULL)
			add_node(reading, document, node, false);
	}
}

/* ---- .properties -------------------------------------------------------------------------------------------- */

/* Until Java 9 these files were Latin-1, and many still are. */
static char *to_utf8(struct reading *reading, const char *text, size_t length)
{
	char *copy = property_allocate(reading->arena, 2 * length + 1), *to = copy;

	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte >= 0x80) {
			*to++ = (char)(0xc0 | byte >> 6);
			*to++ = (char)(0x80 | (byte & 0x3f));
		} else if (byte != 0) {
			*to++ = (char)byte;
		}
	}
	return copy;
}

/* Four hex digits behind "\\u", as UTF-8; other than that nothing is written. Returns the last byte that was used up.
 */
static char *put_unicode(char *at, char **to)
{
	unsigned point = 0;

	for (unsigned i = 1; i <= 4; i++) {
		if (!isxdigit((unsigned char)at[i]))
			return at;
		point = point << 4 | (unsigned)(isdigit((unsigned char)at[i]) ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	}
	if (point >= 0xd800 && point <= 0xdfff) /* half of a character of two */
		point = '?';
	if (point >= 0x800) {
		*(*to)++ = (char)(0xe0 | point >> 12);
		*(*to)++ = (char)(0x80 | (point >> 6 & 0x3f));
	} else if (point >= 0x80) {
		*(*to)++ = (char)(0xc0 | point >> 6);
	}
	if (point != 0)
		*(*to)++ = (char)(point >= 0x80 ? 0x80 | (point & 0x3f) : point);
	return at + 4;
}

/* One logical line, escapes resolved, NUL behind key and value. Returns the first byte after it. */
static char *split_line(char *at, char **key, char **value, size_t *lines)
{
	char *to;

	at += strspn(at, " \t\f");
	*key = to = at;
	*value = NULL;
	for (; *at != '\0' && *at != '\n'; at++) {
		if (at[0] == '\\' && (at[1] == '\n' || (at[1] == '\r' && at[2] == '\n'))) {
			at += at[1] == '\n' ? 1 : 2;
			at += strspn(at + 1, " \t\f");
			(*lines)++;
		} else if (at[0] == '\\' && at[1] != '\0') {
			at++;
			if (*at == 'u')
				at = put_unicode(at, &to);
			else
				*to++ = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at;
		} else if (*value == NULL && strchr("=: \t", *at) != NULL) {
			at += strspn(at, " \t");
			at += *at == '=' || *at == ':';
			at += strspn(at, " \t");
			*to++ = '\0';
			*value = to;
			at--;
		} else if (*at != '\r') {
			*to++ = *at;
		}
	}
	if (*at == '\n') {
		at++;
		(*lines)++;
	}
	*to = '\0';
	return at;
}

/* "#---", alone in its line. `comment`: what the line before begins with if it is a comment, and a comment goes on. */
static bool is_separator(const char *at, char comment)
{
	return (*at == '#' || *at == '!') && *at != comment && strncmp(at + 1, "---", 3) == 0 &&
	       strchr("\r\n", at[4 + strspn(at + 4, " \t\f")]) != NULL;
}

static void read_properties(struct reading *reading, const char *text, size_t length)
{
	char *at = to_utf8(reading, text, length), *key, *value, comment = '\0';
	size_t line = 1, first = reading->document_count;
	struct property *document = new_document(reading);

	while (*at != '\0' && document != NULL && !reading->is_broken) {
		size_t begun = line;
		struct property *property;
		bool separates = is_separator(at, comment);

		if (separates && document->first != NULL)
			document = new_document(reading);
		at += strspn(at, " \t\f");
		if (!separates)
			comment = *at == '#' || *at == '!' ? *at : '\0';
		/* Spring takes a separator back if the next line is a comment. */
		if (!separates && comment != '\0' && document->first == NULL && reading->document_count > first + 1)
			document = reading->documents[--reading->document_count - 1];
		if (*at == '#' || *at == '!' || *at == '\n' || *at == '\r') {
			at += strcspn(at, "\n");
			line += *at == '\n';
			at += *at == '\n';
			continue;
		}
		at = split_line(at, &key, &value, &line);
		property = document != NULL && *key != '\0' ? walk(reading, document, key, begun) : NULL;
		if (property != NULL)
			set_value(property, value != NULL ? value : "", reading->file, begun);
	}
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

static bool is_properties(const char *name)
{
	size_t length = strlen(name), suffix = strlen(".properties");

	return length > suffix && strcasecmp(name + length - suffix, ".properties") == 0;
}

static void leave_out(struct arena *arena, struct property *document, const char *condition, struct property *replaced)
{
	struct property *place =
		property_child(arena, replaced, property_format(arena, "[%zu]", replaced->count), false, document->file, 1);

	place->line = document->first != NULL ? document->first->line : 1;
	place->value = "";
	place->title = property_format(arena, "the document of profile \"%s\"", condition);
	verdict_refused(arena, place, "that profile is not active: to import it, too, set SPRING_PROFILES_ACTIVE to it");
}

/* "prod" of config/application-prod.yml. */
static const char *profile_of(struct arena *arena, const char *file)
{
	const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
	size_t stem = strncmp(name, "application-", 12) == 0 ? 12 : strncmp(name, "bootstrap-", 10) == 0 ? 10 : 0;
	size_t length = stem > 0 ? strcspn(name + stem, ".") : 0;

	return length > 0 ? property_copy(arena, name + stem, length) : NULL;
}

static void read_file(struct reading *reading, const struct import_file *file)
{
	reading->file = file->name;
	if (file->length > YAML_TEXT_MAX) {
		complain(reading, 1, 0, "the file is larger than 1 MiB");
		reading->is_broken = true;
	} else if (is_properties(file->name)) {
		read_properties(reading, file->text, file->length);
	} else {
		read_yaml(reading, file->text, file->length);
	}
}

bool documents_read(struct arena *arena, const struct import_file *files, size_t count, const char *profiles,
                    struct property *root, struct property *replaced, FILE *errors)
{
	struct reading reading = { .arena = arena, .errors = errors };
	struct profiles active = { .arena = arena };

	/* Files of a profile have precedence in whatever order a shell names them. */
	for (unsigned of_profile = 0; of_profile < 2; of_profile++)
		for (size_t i = 0; i < count; i++) {
			reading.profile = profile_of(arena, files[i].name);
			if ((reading.profile != NULL) == of_profile)
				read_file(&reading, &files[i]);
		}
	if (reading.is_broken)
		return false;
	profiles_begin(&active, profiles, reading.documents, reading.document_count);
	if (active.is_cut) {
		fprintf(errors, "gateway: more than %d profiles are active\n", PROFILES_MAX);
		return false;
	}
	for (size_t i = 0; i < reading.document_count; i++) {
		const char *condition = profiles_condition(arena, reading.documents[i]), *of_file = reading.profiles[i];

		/* Where no profile is active, a file that was named is wanted. */
		if (condition != NULL && !profiles_match(&active, condition))
			leave_out(arena, reading.documents[i], condition, replaced);
		else if (of_file != NULL && !active.is_default && !profiles_match(&active, of_file))
			leave_out(arena, reading.documents[i], of_file, replaced);
		else
			property_merge(arena, root, reading.documents[i], replaced);
	}
	return true;
}
