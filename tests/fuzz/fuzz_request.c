/*
 * Request heads: a prefix gets PARSE_MORE or the verdict of the whole, and what is let through holds what the rest of the
 * gateway relies on.
 */
#include "gateway/http/request.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct request_limits request_limits = {.head_bytes = 2048, .fields = 32};

static void check_request(const struct request *r, const char *bytes)
{
	CHECK(r->head_length >= 4 && memcmp(bytes + r->head_length - 4, "\r\n\r\n", 4) == 0);
	CHECK(r->head_length <= request_limits.head_bytes && r->fields.count <= request_limits.fields);
	CHECK(r->method_text.length > 0 && r->method != METHOD_CONNECT && r->version_minor <= 1);
	CHECK(r->path.length > 0 && (r->path.data[0] == '/' || slice_equal(r->path, SLICE("*"))));
	CHECK(r->path.data[0] == '/' || r->method == METHOD_OPTIONS);
	CHECK(memchr(r->path.data, '?', r->path.length) == NULL);
	CHECK(memchr(r->target.data, '#', r->target.length) == NULL);
	CHECK(r->has_query || r->query.length == 0);
	CHECK(r->version_minor == 0 || r->host.length > 0);
	CHECK((r->host.length > 0) == (r->host_name.length > 0) && r->host_name.length <= r->host.length);
	check_printable(r->path);
	check_printable(r->query);
	check_printable(r->host);
	CHECK(memchr(r->host.data == NULL ? "" : r->host.data, '@', r->host.length) == NULL);
	CHECK(r->body.kind != BODY_UNTIL_CLOSE && r->body.length <= INT64_MAX);
	CHECK(!r->wants_upgrade || (r->body.kind != BODY_CHUNKED && r->body.length == 0));
	check_fields(&r->fields, bytes, r->head_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct field fields[32];
	struct request whole, prefix;
	enum parse_result wanted, result;

	if (size > PAGE_ROOM)
		return 0;
	wanted = request_parse(&whole, (const char *)data, size, fields, &request_limits);
	if (wanted == PARSE_DONE)
		check_request(&whole, (const char *)data);
	CHECK(wanted != PARSE_REFUSED || (whole.refused_status >= 400 && whole.refused_why != NULL));
	for (size_t cut = 0; cut <= size; cut = check_next_cut(cut, size)) {
		result = request_parse(&prefix, page_lay(data, cut), cut, fields, &request_limits);
		CHECK(result == wanted || result == PARSE_MORE);
		CHECK(result != PARSE_MORE || wanted != PARSE_DONE || cut < whole.head_length);
		CHECK(result == PARSE_MORE || (prefix.head_length == whole.head_length && prefix.refused_why == whole.refused_why &&
		                               prefix.refused_status == whole.refused_status));
	}
	return 0;
}
