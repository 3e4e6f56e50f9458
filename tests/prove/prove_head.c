/*
 * The parser of request heads (gateway/http/request.c and fields.c) on any bytes up to a size: it reads nothing but them, and
 * what it gives out lies within them. The sizes are small; what they stand for is that every loop over bytes ends where the
 * bytes end.
 */
#include "tests/prove/prove.h"

#include "gateway/http/characters.h"
#include "char_classes.h"
#include "gateway/http/fields.c"
#include "gateway/http/request.c"

enum { FIELDS_BYTES = 6, LINE_BYTES = 7, FIELDS_MOST = 2 };

/* Which of these an odd name is makes no difference here (gateway/http/lookalikes.c). */
enum field_id field_identify_odd(struct slice name)
{
	uint8_t id = nondet_u8();

	(void)name;
	ASSUME(id == FIELD_LOOKALIKE || id == FIELD_FRAMING_LOOKALIKE || id == FIELD_ODD);
	return (enum field_id)id;
}

/* ---- many bytes at a time ---------------------------------------------------------------------------------------- */

/* The comparisons say the same as the table, for each byte. */
void prove_words(void)
{
	char bytes[1];

	PROVE((skip_name(bytes, bytes + 1) == bytes + 1) == char_is(bytes[0], CHAR_NAME));
	PROVE((skip_value(bytes, bytes + 1) == bytes + 1) == char_is(bytes[0], CHAR_VALUE));
}

/* ---- field lines ------------------------------------------------------------------------------------------------ */

static void prove_within(struct slice slice, const char *bytes, size_t length)
{
	PROVE(slice.length <= length);
	PROVE(slice.data >= bytes && slice.data + slice.length <= bytes + length);
}

void prove_fields(void)
{
	struct field list[FIELDS_MOST];
	struct fields fields = { .list = list };
	char room[FIELDS_BYTES];
	size_t length = nondet_size(), used = 0;
	const char *bytes, *why = NULL;
	bool is_too_large = false;
	enum parse_result result;

	ASSUME(length <= FIELDS_BYTES);
	bytes = room + FIELDS_BYTES - length; /* where they end, the object ends */
	result = fields_parse(bytes, length, &fields, FIELDS_MOST, &used, &why, &is_too_large);
	PROVE(result != PARSE_REFUSED || why != NULL);
	PROVE(fields.count <= FIELDS_MOST);
	if (result != PARSE_DONE)
		return;
	PROVE(used >= 2 && used <= length && bytes[used - 1] == '\n' && bytes[used - 2] == '\r');
	for (size_t i = 0; i < fields.count; i++) {
		prove_within(list[i].name, bytes, used - 2);
		prove_within(list[i].value, bytes, used - 2);
		PROVE(list[i].name.length > 0);
	}
}

/* ---- the request line --------------------------------------------------------------------------------------------- */

/* Up to the version; `bytes` may be a prefix of more. */
static enum parse_result parse_line_of(struct request *request, const char *bytes, size_t length)
{
	const char *at = bytes, *end = bytes + length;
	enum parse_result result;

	if ((result = parse_leading_crlf(request, &at, end)) != PARSE_DONE ||
	    (result = parse_method(request, &at, end)) != PARSE_DONE || (result = parse_target(request, &at, end)) != PARSE_DONE)
		return result;
	PROVE(at > bytes && at <= end);
	prove_within(request->method_text, bytes, length);
	prove_within(request->target, bytes, length);
	PROVE(request->target.length > 0 && request->method_text.length > 0);
	if (request->has_query)
		prove_within(request->query, bytes, length);
	return parse_version(request, &at, end);
}

void prove_line(void)
{
	struct request request = { .method = METHOD_OTHER };
	char room[LINE_BYTES];
	size_t length = nondet_size();
	const char *bytes;
	enum parse_result result;

	ASSUME(length <= LINE_BYTES);
	bytes = room + LINE_BYTES - length;
	result = parse_line_of(&request, bytes, length);
	PROVE(result != PARSE_REFUSED || (request.refused_why != NULL && request.refused_status >= 400));
}
