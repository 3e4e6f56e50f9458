/*
 * Field lines, read strictly from left to right. If the reader refuses a prefix it refuses the whole, for the same
 * reason. So a caller may parse again from the start whenever more bytes have come, and always gets the same answer.
 *
 * A message of a thousand tiny fields must not cost more than its bytes. So the reader looks at the length and the ends
 * of a name before it compares. The one product in here, Connection options times fields, is bounded by
 * CONNECTION_OPTIONS_MAX.
 *
 * Tabs around the value of a framing field are legal white space. The reader refuses them all the same: only an
 * attacker sends them, to find out which of two servers does not see the field.
 */
#include "gateway/http/fields.h"

#include "gateway/base/bytes.h"
#include "gateway/http/characters.h"
#include "gateway/http/lookalikes.h"

enum { CONNECTION_OPTIONS_MAX = 32 };

/* ---- names ---------------------------------------------------------------------------------------------------- */

#define NAMED(known, field_id) \
	(field_name_is(name.data, (known), sizeof(known) - 1) ? (field_id) : FIELD_OTHER)

/* Fields that say who the client is, or what it asked for; their names all begin with an x. */
static enum field_id identify_origin(struct slice name)
{
	if (name.length == 9)
		return NAMED("x-real-ip", FIELD_X_FORWARDED);
	if (name.length == 15 && NAMED("x-forwarded-for", FIELD_X_FORWARDED_FOR))
		return FIELD_X_FORWARDED_FOR;
	if (name.length == 16 && NAMED("x-forwarded-host", FIELD_X_FORWARDED_HOST))
		return FIELD_X_FORWARDED_HOST;
	if (name.length == 16 && NAMED("x-forwarded-port", FIELD_X_FORWARDED_PORT))
		return FIELD_X_FORWARDED_PORT;
	if (name.length == 17 && NAMED("x-forwarded-proto", FIELD_X_FORWARDED_PROTO))
		return FIELD_X_FORWARDED_PROTO;
	if (name.length == 12 && NAMED("x-request-id", FIELD_X_REQUEST_ID))
		return FIELD_X_REQUEST_ID;
	if (name.length >= 11 && (field_name_is(name.data, "x-forwarded", 11) || field_name_is(name.data, "x-original-", 11) ||
	                          field_name_is(name.data, "x-rewrite-", 10)))
		return FIELD_X_FORWARDED;
	return FIELD_OTHER;
}

static enum field_id identify_short(struct slice name)
{
	char first = name.data[0] | 0x20;

	switch (name.length) {
	case 2:
		return first == 't' ? NAMED("te", FIELD_TE) : FIELD_OTHER;
	case 3:
		return first == 'v' ? NAMED("via", FIELD_VIA) : FIELD_OTHER;
	case 4:
		return first == 'h' ? NAMED("host", FIELD_HOST) : first == 'd' ? NAMED("date", FIELD_DATE) : FIELD_OTHER;
	case 5:
		return first == 'p' ? NAMED("proxy", FIELD_PROXY) : FIELD_OTHER;
	case 6:
		return first == 'e' ? NAMED("expect", FIELD_EXPECT) : FIELD_OTHER;
	case 7:
		return first == 'u'   ? NAMED("upgrade", FIELD_UPGRADE)
		       : first == 'r' ? NAMED("referer", FIELD_REFERER)
		       : first == 't' ? NAMED("trailer", FIELD_TRAILER)
		                      : FIELD_OTHER;
	case 9:
		return first == 'f'   ? NAMED("forwarded", FIELD_FORWARDED)
		       : first == 'x' ? identify_origin(name)
		                      : FIELD_OTHER;
	default:
		return FIELD_OTHER;
	}
}

static enum field_id identify(struct slice name)
{
	char first;

	if (name.length < 10)
		return name.length < 2 ? FIELD_OTHER : identify_short(name);
	first = name.data[0] | 0x20;
	if (first == 'x')
		return identify_origin(name);
	switch (name.length) {
	case 10:
		return first == 'c'   ? NAMED("connection", FIELD_CONNECTION)
		       : first == 'u' ? NAMED("user-agent", FIELD_USER_AGENT)
		       : first == 'k' ? NAMED("keep-alive", FIELD_KEEP_ALIVE)
		                      : FIELD_OTHER;
	case 11:
		return first == 't' ? NAMED("traceparent", FIELD_TRACEPARENT) : FIELD_OTHER;
	case 12:
		return first == 'm' ? NAMED("max-forwards", FIELD_MAX_FORWARDS) : FIELD_OTHER;
	case 14:
		return first == 'c' ? NAMED("content-length", FIELD_CONTENT_LENGTH) : FIELD_OTHER;
	case 16:
		return first == 'p' ? NAMED("proxy-connection", FIELD_PROXY_CONNECTION) : FIELD_OTHER;
	case 17:
		return first == 't' ? NAMED("transfer-encoding", FIELD_TRANSFER_ENCODING) : FIELD_OTHER;
	case 18:
		return first == 'p' ? NAMED("proxy-authenticate", FIELD_PROXY_AUTHENTICATE) : FIELD_OTHER;
	case 19:
		return first == 'p' ? NAMED("proxy-authorization", FIELD_PROXY_AUTHORIZATION) : FIELD_OTHER;
	default:
		return FIELD_OTHER;
	}
}

/* ---- lists ---------------------------------------------------------------------------------------------------- */

bool field_list_take(struct slice *list, struct slice *element)
{
	const char *end, *comma;

	if (list->length == 0)
		return false;
	comma = memchr(list->data, ',', list->length);
	end = comma != NULL ? comma : list->data + list->length;
	element->data = list->data;
	list->length -= (size_t)(end - list->data) + (comma != NULL);
	list->data = comma != NULL ? comma + 1 : end;
	while (element->data < end && (*element->data == ' ' || *element->data == '\t'))
		element->data++;
	while (end > element->data && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	element->length = (size_t)(end - element->data);
	return true;
}

bool field_list_has(struct slice list, struct slice token)
{
	struct slice element;

	while (field_list_take(&list, &element))
		if (slice_equal_nocase(element, token))
			return true;
	return false;
}

/* ---- hop by hop ----------------------------------------------------------------------------------------------- */

static bool is_hop_by_hop_itself(enum field_id id)
{
	switch (id) {
	case FIELD_TRANSFER_ENCODING:
	case FIELD_CONNECTION:
	case FIELD_KEEP_ALIVE:
	case FIELD_PROXY_CONNECTION:
	case FIELD_PROXY_AUTHENTICATE:
	case FIELD_PROXY_AUTHORIZATION:
	case FIELD_TE:
	case FIELD_TRAILER:
	case FIELD_UPGRADE:
		return true;
	default:
		return false;
	}
}

/*
 * A peer can't remove Host or the length by naming them in Connection: the next reader would see another message. It
 * can't remove a proxy's statements about the client either: a proxy that passes on its client's Connection would lose
 * its own fields. From an untrusted client these fields count for nothing anyway.
 */
static bool may_be_named(enum field_id id)
{
	switch (id) {
	case FIELD_HOST:
	case FIELD_CONTENT_LENGTH:
	case FIELD_VIA:
	case FIELD_FORWARDED:
	case FIELD_X_FORWARDED:
	case FIELD_X_FORWARDED_FOR:
	case FIELD_X_FORWARDED_PROTO:
	case FIELD_X_FORWARDED_HOST:
	case FIELD_X_FORWARDED_PORT:
	case FIELD_X_REQUEST_ID:
		return false;
	default:
		return true;
	}
}

static void mark_named(struct field *fields, size_t count, struct slice option)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal_nocase(fields[i].name, option) && may_be_named(fields[i].id))
			fields[i].is_hop_by_hop = true;
}

/* False: more Connection options than anybody needs. Out of line, because few messages need it and all would pay for
 * its frame. */
static __attribute__((noinline)) bool mark_hop_by_hop(struct field *fields, size_t count)
{
	struct slice list, option;
	unsigned options = 0;

	for (size_t i = 0; i < count; i++) {
		if (fields[i].id != FIELD_CONNECTION)
			continue;
		list = fields[i].value;
		while (field_list_take(&list, &option)) {
			if (++options > CONNECTION_OPTIONS_MAX)
				return false;
			if (option.length != 0)
				mark_named(fields, count, option);
		}
	}
	return true;
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

/* The first byte from `at` that is not a letter, digit or '-'. */
static const char *skip_name(const char *at, const char *end)
{
	for (; end - at >= BYTES; at += BYTES) {
		bytes16 here = bytes_load(at), letter = (here | 0x20) - 'a', digit = here - '0';
		unsigned first = bytes_first((letter > 25) & (digit > 9) & (here != '-'));

		if (first < BYTES) {
			at += first;
			break;
		}
	}
	while (at < end && char_is(*at, CHAR_NAME))
		at++;
	return at;
}

/* The first byte from `at` that must not be in a value. */
static const char *skip_value(const char *at, const char *end)
{
	for (; end - at >= BYTES; at += BYTES) {
		bytes16 here = bytes_load(at);
		unsigned first = bytes_first((here < ' ') | (here == 0x7f));

		if (first < BYTES) {
			at += first;
			break;
		}
	}
	while (at < end && char_is(*at, CHAR_VALUE))
		at++;
	return at;
}

static const char *why_bad_name(char c)
{
	switch (c) {
	case ' ':
	case '\t':
		return "white space before the colon of a field";
	case '\r':
		return "field line without a colon";
	case '\n':
		return "bare LF in a field name";
	default:
		return "character not allowed in a field name";
	}
}

static const char *why_bad_value(char c)
{
	return c == '\n' ? "bare LF in a field value" : "control character in a field value";
}

enum field_id field_identify(struct slice name)
{
	const char *end = name.data + name.length;

	return skip_name(name.data, end) == end ? identify(name) : field_identify_odd(name);
}

/* Reads one field line at *at and moves on behind it. `*at` must be neither the end nor a CR. */
static inline enum parse_result parse_line(const char **at, const char *end, struct field *field, const char **why)
{
	const char *name = *at, *here = skip_name(name, end), *colon, *value, *value_end;
	bool is_odd = false;

	if (here < end && *here != ':' && char_is(*here, CHAR_TOKEN)) {
		is_odd = true;
		while (here < end && char_is(*here, CHAR_TOKEN))
			here++;
	}
	if (here == end)
		return PARSE_MORE;
	if (*here != ':' || here == name) {
		*why = *here == ':' ? "empty field name" : why_bad_name(*here);
		return PARSE_REFUSED;
	}
	colon = here++;
	while (here < end && (*here == ' ' || *here == '\t'))
		here++;
	value = here;
	here = skip_value(here, end);
	if (here == end)
		return PARSE_MORE;
	if (*here != '\r') {
		*why = why_bad_value(*here);
		return PARSE_REFUSED;
	}
	if (here + 1 == end)
		return PARSE_MORE;
	if (here[1] != '\n') {
		*why = "bare CR in a field value";
		return PARSE_REFUSED;
	}
	for (value_end = here; value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t');)
		value_end--;

	field->name = (struct slice){name, (size_t)(colon - name)};
	field->value = (struct slice){value, (size_t)(value_end - value)};
	field->id = is_odd ? field_identify_odd(field->name) : identify(field->name);
	field->is_hop_by_hop = is_hop_by_hop_itself(field->id);
	if ((field->id == FIELD_TRANSFER_ENCODING || field->id == FIELD_CONTENT_LENGTH) &&
	    memchr(colon, '\t', (size_t)(here - colon)) != NULL) {
		*why = "tab in a framing field";
		return PARSE_REFUSED;
	}
	*at = here + 2;
	return PARSE_DONE;
}

enum parse_result fields_parse(const char *bytes, size_t length, struct fields *fields, size_t maximum, size_t *used,
                               const char **why, bool *is_too_large)
{
	const char *at = bytes, *end = bytes + length;
	struct field *field = fields->list, *last = field + maximum;
	enum parse_result result;
	uint32_t ids = 0;

	*is_too_large = false;
	for (;;) {
		if (at == end)
			return PARSE_MORE;
		if (*at == '\r')
			break;
		if (*at == ' ' || *at == '\t') {
			*why = field == fields->list ? "white space before the first field" : "folded field line";
			return PARSE_REFUSED;
		}
		if (field == last) {
			*why = "too many fields";
			*is_too_large = true;
			return PARSE_REFUSED;
		}
		result = parse_line(&at, end, field, why);
		if (result != PARSE_DONE)
			return result;
		ids |= FIELD_BIT(field->id);
		field++;
	}
	if (at + 1 == end)
		return PARSE_MORE;
	if (at[1] != '\n') {
		*why = "bare CR";
		return PARSE_REFUSED;
	}
	*used = (size_t)(at + 2 - bytes);
	fields->count = (size_t)(field - fields->list);
	fields->ids = ids;
	if (fields_have(fields, FIELD_BIT(FIELD_CONNECTION)) && !mark_hop_by_hop(fields->list, fields->count)) {
		*why = "too many Connection options";
		*is_too_large = true;
		return PARSE_REFUSED;
	}
	return PARSE_DONE;
}
