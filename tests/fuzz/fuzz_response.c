/* Response heads, as tests/fuzz/fuzz_request.c; each input as the answer to GET and as the answer to HEAD. */
#include "gateway/http/response.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct request_limits response_limits = {.head_bytes = 2048, .fields = 32};

static void check_response(const struct response *r, const char *bytes, bool is_head)
{
	CHECK(r->head_length >= 4 && memcmp(bytes + r->head_length - 4, "\r\n\r\n", 4) == 0);
	CHECK(r->head_length <= response_limits.head_bytes && r->fields.count <= response_limits.fields);
	CHECK(r->status >= 100 && r->status <= 599 && r->version_minor <= 1);
	CHECK(r->is_interim == (r->status < 200 && r->status != 101));
	CHECK((r->status >= 200 && r->status != 204 && r->status != 304 && !is_head) || r->body.kind == BODY_NONE);
	CHECK(r->body.length <= INT64_MAX && (r->body.kind == BODY_LENGTH || r->body.length == 0));
	CHECK(!r->keep_alive || (r->body.kind != BODY_UNTIL_CLOSE && r->status != 101));
	CHECK((r->status == 101) == (r->upgrade.length > 0));
	check_printable(r->reason);
	check_fields(&r->fields, bytes, r->head_length);
}

static void check_response_to(const uint8_t *data, size_t size, bool is_head)
{
	struct field fields[32];
	struct response whole, prefix;
	enum parse_result wanted, result;

	wanted = response_parse(&whole, (const char *)data, size, fields, &response_limits, is_head);
	if (wanted == PARSE_DONE)
		check_response(&whole, (const char *)data, is_head);
	CHECK(wanted != PARSE_REFUSED || whole.refused_why != NULL);
	for (size_t cut = 0; cut <= size; cut = check_next_cut(cut, size)) {
		result = response_parse(&prefix, page_lay(data, cut), cut, fields, &response_limits, is_head);
		CHECK(result == wanted || result == PARSE_MORE);
		CHECK(result != PARSE_MORE || wanted != PARSE_DONE || cut < whole.head_length);
		CHECK(result == PARSE_MORE ||
		      (prefix.head_length == whole.head_length && prefix.refused_why == whole.refused_why));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > PAGE_ROOM)
		return 0;
	check_response_to(data, size, false);
	check_response_to(data, size, true);
	return 0;
}
