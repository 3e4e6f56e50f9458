/*
 * Header fields (RFC 9110 section 5, RFC 9112 section 5): strict, owning nothing, pointing into the caller's bytes.
 */
#ifndef GATEWAY_HTTP_FIELDS_H
#define GATEWAY_HTTP_FIELDS_H

#include <stdint.h>

#include "gateway/base/slice.h"

/* The fields the gateway itself looks at or rewrites; every other name is FIELD_OTHER. */
enum field_id {
	FIELD_OTHER,
	FIELD_HOST,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_CONNECTION,
	FIELD_KEEP_ALIVE,
	FIELD_PROXY_CONNECTION,
	FIELD_PROXY_AUTHENTICATE,
	FIELD_PROXY_AUTHORIZATION,
	FIELD_TE,
	FIELD_TRAILER,
	FIELD_UPGRADE,
	FIELD_EXPECT,
	FIELD_VIA,
	FIELD_FORWARDED,
	FIELD_X_FORWARDED, /* the other X-Forwarded-..., and X-Real-IP */
	FIELD_X_FORWARDED_FOR,
	FIELD_X_FORWARDED_PROTO,
	FIELD_X_FORWARDED_HOST,
	FIELD_X_FORWARDED_PORT,
	FIELD_X_REQUEST_ID,
	FIELD_LOOKALIKE, /* one of these with '_' in its name: never forwarded */
	FIELD_FRAMING_LOOKALIKE, /* "Content_Length", "Transfer_Encoding" */
	FIELD_TRACEPARENT,
	FIELD_USER_AGENT,
	FIELD_REFERER,
	FIELD_PROXY, /* httpoxy, CVE-2016-5385 */
	FIELD_DATE,
};

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

/* Is it written "Name: value" and CRLF, one blank and no other white space, so that it can be copied as it lies there? */
static inline bool field_is_plain(const struct field *field)
{
	const char *colon = field->name.data + field->name.length;

	return field->value.data == colon + 2 && colon[1] == ' ' && field->value.data[field->value.length] == '\r';
}

enum field_id field_identify(struct slice name);
/* Does the comma-separated list hold this token (case ignored)? */
bool field_list_has(struct slice list, struct slice token);

enum parse_result {
	PARSE_DONE,
	PARSE_MORE,    /* the bytes so far are fine and not yet whole */
	PARSE_REFUSED, /* never becomes valid, whatever follows */
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

/* May this field stand in a trailer that is forwarded (RFC 9110 section 6.5.1)? Framing, routing, authentication,
 * request modifiers and everything hop-by-hop may not. */
bool field_may_be_trailer(const struct field *field);

#endif
