/*
 * The functions that write heads of requests (forward_request.c) and of responses (forward_response.c).
 */
#ifndef GATEWAY_EXCHANGE_FORWARD_PARTS_H
#define GATEWAY_EXCHANGE_FORWARD_PARTS_H

#include "gateway/base/text.h"
#include "gateway/http/changes.h"
#include "gateway/http/fields.h"
#include "routes/config/config.h"

static inline char *put_field(char *to, struct slice name, struct slice value)
{
	to = text_put_slice(to, name);
	to = text_put_literal(to, ": ");
	to = text_put_slice(to, value);
	return text_put_literal(to, "\r\n");
}

/* The gateway's own element of Forwarded (RFC 7239 section 4). The parser has checked the host: it holds nothing that ends a
 * quoted string, a pair or an element. Common readers look for the first "proto=" and ignore quotes, so no text of the client's
 * may come before ours. */
static inline char *put_own_element(char *to, struct slice peer, bool is_ipv6, struct slice host)
{
	to = text_put_literal(to, "proto=http;for=");
	if (is_ipv6)
		to = text_put_literal(to, "\"[");
	to = text_put_slice(to, peer);
	if (is_ipv6)
		to = text_put_literal(to, "]\"");
	if (host.length > 0) {
		to = text_put_literal(to, ";host=\"");
		to = text_put_slice(to, host);
		*to++ = '"';
	}
	return to;
}

/*
 * Fields on their way into a head. Neighbouring fields of the message that are already written as we would write them are
 * copied in one go: the bytes from `from` until `until` are not yet at `to`.
 */
struct passing {
	char *to;
	const char *from, *until;
};

static inline struct passing passing_begin(char *to)
{
	return (struct passing){ .to = to, .from = to, .until = to };
}

static inline char *passing_end(struct passing *passing)
{
	passing->to = text_put_bytes(passing->to, passing->from, (size_t)(passing->until - passing->from));
	passing->from = passing->until;
	return passing->to;
}

static inline void pass_field(struct passing *passing, const struct field *field)
{
	bool is_plain = field_is_plain(field);

	if (!is_plain) {
		passing->to = put_field(passing_end(passing), field->name, field->value);
		return;
	}
	if (field->name.data != passing->until) {
		passing_end(passing);
		passing->from = field->name.data;
	}
	passing->until = field->value.data + field->value.length + 2;
}

static inline size_t edits_bound(const struct header_edits *edits)
{
	size_t bound = 0;

	for (size_t i = 0; i < edits->count; i++)
		bound += edits->edits[i].name_length + edits->edits[i].value_length + 4;
	return bound;
}

static inline char *put_edits(char *to, const struct header_edits *edits)
{
	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->edits[i];

		if (edit->kind != HEADER_REMOVE)
			to = put_field(to, (struct slice){ edit->name, edit->name_length },
			               (struct slice){ edit->value, edit->value_length });
	}
	return to;
}

/* Does the route set or remove this field? */
static inline bool is_edited(const struct header_edits *edits, struct slice name)
{
	for (size_t i = 0; i < edits->count; i++)
		if (edits->edits[i].kind != HEADER_ADD &&
		    slice_equal_nocase(name, (struct slice){ edits->edits[i].name, edits->edits[i].name_length }))
			return true;
	return false;
}

/* Writes the fields that filters set; the operator's edits have the last word. (Lines prepared beforehand already leave out
 * what the operator edits.) */
static inline char *put_changes(char *to, const struct changes *changes, const struct header_edits *edits)
{
	const struct change *list = changes_list(changes);

	for (unsigned i = 0; i < changes->count; i++)
		if (change_puts(&list[i]) && !is_edited(edits, list[i].name))
			to = put_field(to, list[i].name, list[i].value);
	return text_put_slice(to, changes->lines);
}

#endif
