/*
 * Header fields (RFC 9110 section 5, RFC 9112 section 5): strict, owning nothing, pointing into the caller's bytes.
 */
#ifndef GATEWAY_HTTP_FIELDS_H
#define GATEWAY_HTTP_FIELDS_H

#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/http/field_id.h"

struct field {
	struct slice name, value; /* value without the white space around it */
	enum field_id id;
	/* Named by the message's Connection field, or hop-by-hop by itself (RFC 9110 section 7.6.1): not to be forwarded. */
	bool is_hop_by_hop;
};

/* All of a message's. */
struct fields {
	struct field *list; /* the caller's array */
	size_t count;
	uint32_t ids; /* the FIELD_BIT() of each: saves walking the list in vain */
};

#define FIELD_BIT(id) (UINT32_C(1) << (id))

static inline bool fields_have(const struct fields *fields, uint32_t ids)
{
	return (fields->ids & ids) != 0;
}

/* Is it exactly "Name: value" and CRLF, with one blank and no other white space, so that it can be copied as it is? */
static inline bool field_is_plain(const struct field *field)
{
	const char *colon = field->name.data + field->name.length;

	return field->value.data == colon + 2 && colon[1] == ' ' && field->value.data[field->value.length] == '\r';
}

static inline uint64_t field_load_8(const char *name)
{
	uint64_t word;

	memcpy(&word, name, sizeof word);
	return word | UINT64_C(0x2020202020202020);
}
static inline uint32_t field_load_4(const char *name)
{
	uint32_t word;

	memcpy(&word, name, sizeof word);
	return word | UINT32_C(0x20202020);
}
/* Are these the first bytes of a name? It is a token, so a set bit 0x20 makes letters small and no two others alike. `known` is in
 * small letters. */
static inline bool field_name_is(const char *name, const char *known, size_t length)
{
	if (length >= 8) {
		for (size_t i = 0; i + 8 < length; i += 8)
			if (field_load_8(name + i) != field_load_8(known + i))
				return false;
		return field_load_8(name + length - 8) == field_load_8(known + length - 8);
	}
	if (length >= 4)
		return field_load_4(name) == field_load_4(known) && field_load_4(name + length - 4) == field_load_4(known + length - 4);
	for (size_t i = 0; i < length; i++)
		if ((name[i] | 0x20) != known[i])
			return false;
	return true;
}
#define FIELD_IS(field, known) \
	((field)->name.length == sizeof(known) - 1 && field_name_is((field)->name.data, (known), sizeof(known) - 1))

enum field_id field_identify(struct slice name);

/* Takes the next element off the front of a comma-separated list, without the white space around it; the element may be
 * empty. False: none is left. */
bool field_list_take(struct slice *list, struct slice *element);
/* Does the comma-separated list hold this token (case ignored)? */
bool field_list_has(struct slice list, struct slice token);

enum parse_result {
	PARSE_DONE,
	PARSE_MORE,    /* the bytes so far are valid, but not complete */
	PARSE_REFUSED, /* invalid, whatever follows */
};

/*
 * Reads field lines up to and including the empty line. `bytes` starts at the first field line; fields->list has room for
 * `maximum` of them. *used: bytes consumed when PARSE_DONE. *why (static words) when PARSE_REFUSED; *is_too_large tells a
 * limit from bad syntax.
 * Refuses: white space before the colon or the first field, obs-fold, bare CR or LF, NUL and other controls but tab
 * in values, names that are not tokens or empty, more than `maximum` fields.
 */
enum parse_result fields_parse(const char *bytes, size_t length, struct fields *fields, size_t maximum, size_t *used,
                               const char **why, bool *is_too_large);

#endif
