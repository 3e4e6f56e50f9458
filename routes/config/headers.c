/*
 * Header edits of a route. Refused are names and values that could break the framing of a message or that belong to
 * one connection only (RFC 9110 section 7.6.1): the gateway writes those itself.
 */
#include "routes/config/headers.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "routes/config/complaints.h"
#include "routes/config/keys.h"
#include "routes/config/reader.h"
#include "routes/config/section.h"
#include "routes/config/value.h"

static const char *const OWN_NAMES[] = {"Connection", "Content-Length", "Expect",            "Keep-Alive",
                                        "Te",         "Trailer",        "Transfer-Encoding", "Upgrade"};

/* While one mapping is read: the structure that SCOPE_HEADERS is about. */
struct header_draft {
	struct header_edit *edits;
	size_t count;
	bool is_response;
};

static bool is_own_name(const char *name)
{
	for (size_t i = 0; i < sizeof(OWN_NAMES) / sizeof(OWN_NAMES[0]); i++)
		if (strcasecmp(name, OWN_NAMES[i]) == 0)
			return true;
	return strncasecmp(name, "proxy-", 6) == 0;
}

static bool is_field_name(const char *text)
{
	return strlen(text) <= 256 && value_is_token(text);
}

/* Names differ by more than by capital letters, or one field would be there twice. */
static const char *name_set_before(const struct header_draft *draft, const char *name)
{
	for (size_t i = 0; i < draft->count; i++)
		if (draft->edits[i].kind == HEADER_SET && draft->edits[i].name != NULL &&
		    strcasecmp(draft->edits[i].name, name) == 0)
			return draft->edits[i].name;
	return NULL;
}

/* Is this a name that may be edited so? Complains if not. */
static bool may_edit(struct reader *reader, const struct yaml_node *node, const struct header_draft *draft,
                     enum header_edit_kind kind, const char *name)
{
	if (!is_field_name(name))
		reader_error(reader, node, "\"%.60s\" is not a header name", name);
	else if (is_own_name(name))
		reader_error(reader, node, "the gateway itself manages \"%.60s\"", name);
	else if (strcasecmp(name, "Host") == 0 && (draft->is_response || kind != HEADER_SET))
		reader_error(reader, node, "Host can only be set, in request_headers");
	else if (kind == HEADER_SET && name_set_before(draft, name) != NULL)
		reader_error(reader, node, "\"%.60s\" is the same header as \"%.60s\", which is already set", name,
		             name_set_before(draft, name));
	else
		return true;
	return false;
}

bool headers_may_be_written(struct reader *reader, const struct yaml_node *node, const char *name)
{
	static const char *const ORIGIN[] = {"Host", "Via", "Forwarded", "X-Request-Id", "X-Real-IP", "Max-Forwards", "Authorization"};
	bool is_origin = strncasecmp(name, "X-Forwarded-", 12) == 0;

	for (size_t i = 0; i < sizeof(ORIGIN) / sizeof(ORIGIN[0]); i++)
		is_origin = is_origin || strcasecmp(name, ORIGIN[i]) == 0;
	if (!is_field_name(name))
		reader_error(reader, node, "\"%.60s\" is not a header name", name);
	else if (is_origin || is_own_name(name))
		reader_error(reader, node, "the gateway itself manages \"%.60s\"", name);
	else
		return true;
	return false;
}

static const char *const LETTERS_AND_DIGITS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

/* `written`: NULL, or the value before the environment was put in. */
static void add_edit(struct reader *reader, struct header_draft *draft, enum header_edit_kind kind, const char *name,
                     const char *value, const char *written)
{
	struct header_edit edit = {.kind = kind, .name_length = strlen(name)};

	edit.name = reader_copy(reader, name, edit.name_length);
	edit.is_name_odd = strspn(name, LETTERS_AND_DIGITS) < edit.name_length;
	if (value != NULL) {
		edit.value_length = strlen(value);
		edit.value = reader_copy(reader, value, edit.value_length);
	}
	if (written != NULL && strstr(written, "${") != NULL)
		edit.written = reader_copy(reader, written, strlen(written));
	draft->edits[draft->count++] = edit;
}

static bool has_control_bytes(const char *value)
{
	for (; *value != '\0'; value++)
		if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
			return true;
	return false;
}

/* As Host is on the wire (RFC 9110 section 7.2): a name, an address or [v6], and perhaps a port. */
static bool is_host(const char *text)
{
	size_t length = strspn(text, "-._~!$&'()*+,;=%" "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	if (text[0] == '[') {
		length = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
		length = length > 1 && text[length] == ']' ? length + 1 : 0;
	}
	for (const char *at = text; (at = strchr(at, '%')) != NULL; at++)
		if (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
			return false;
	return length > 0 && (text[length] == '\0' ||
	                      (text[length] == ':' && text[length + 1 + strspn(text + length + 1, "0123456789")] == '\0'));
}

void read_header_values(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct header_draft *draft = into;
	enum header_edit_kind kind = strcmp(key->name, "set") == 0 ? HEADER_SET : HEADER_ADD;

	if (reader_is_empty(node))
		return;
	if (node->kind != YAML_MAPPING) {
		reader_error(reader, node, "%s takes a mapping of names to values, as in { X-Name: value }", key->name);
		return;
	}
	for (node = node->first; node != NULL; node = node->next) {
		const char *value = node->is_refused ? NULL : reader_text(reader, node, node->key->text);

		if (node->is_refused || !may_edit(reader, node->key, draft, kind, node->key->text) || value == NULL)
			continue;
		if (has_control_bytes(value) || strlen(value) > 8192)
			reader_error(reader, node, "the value of %.60s has control characters or is longer than 8 KiB",
			             node->key->text);
		else if (strcasecmp(node->key->text, "Host") == 0 && !is_host(value))
			reader_error(reader, node, "Host takes a name, as in app.example or app.example:8080, not \"%.60s\"", value);
		else
			add_edit(reader, draft, kind, node->key->text, value, node->text);
	}
}

void read_header_names(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct header_draft *draft = into;
	size_t count;

	for (node = reader_list(reader, node, key->name, false, &count); node != NULL; node = node->next) {
		const char *name = node->is_refused ? NULL : reader_text(reader, node, key->name);

		if (name != NULL && may_edit(reader, node, draft, HEADER_REMOVE, name))
			add_edit(reader, draft, HEADER_REMOVE, name, NULL, NULL);
	}
}

/* A mapping has no order, so what is done first can't depend on how it was written: remove, then set, then add. */
static void order_edits(struct header_draft *draft, struct header_edit *ordered)
{
	static const enum header_edit_kind ORDER[] = {HEADER_REMOVE, HEADER_SET, HEADER_ADD};
	size_t count = 0;

	for (size_t kind = 0; kind < sizeof(ORDER) / sizeof(ORDER[0]); kind++)
		for (size_t i = 0; i < draft->count; i++)
			if (draft->edits[i].kind == ORDER[kind])
				ordered[count++] = draft->edits[i];
}

void read_headers(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct header_draft draft = {.is_response = strcmp(key->name, "response_headers") == 0};
	struct header_edits *edits = (struct header_edits *)((char *)into + key->offset);
	struct header_edit *ordered;
	size_t most = 0;

	if (node->kind == YAML_MAPPING)
		for (const struct yaml_node *part = node->first; part != NULL; part = part->next)
			most += part->count;
	draft.edits = reader_allocate_scratch(reader, (most + 1) * sizeof(*draft.edits));
	if (draft.edits == NULL)
		return;
	if (!value_is_nothing(node))
		section_read(reader, node, SCOPE_HEADERS, key->name, &draft);
	ordered = reader_allocate(reader, (draft.count + 1) * sizeof(*ordered));
	if (ordered == NULL)
		return;
	order_edits(&draft, ordered);
	*edits = (struct header_edits){.edits = ordered, .count = draft.count};
}
