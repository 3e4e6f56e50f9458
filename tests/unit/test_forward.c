/* Heads as they go on: what lies side by side and is copied in one go reads the same as what is written anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/forward.h"
#include "tests/unit/page.h"

enum { MAXIMUM = 16 };

static const struct request_limits limits = { .head_bytes = 4096, .fields = MAXIMUM };
static const struct origin origin = {
	.peer = SLICE("10.0.0.9"), .port = SLICE("8080"), .request_id = SLICE("0123456789abcdef0123456789abcdef"),
};
static struct upstream_settings upstream = { .host = "patient", .port = 2222 };

#define OWN \
	"X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Forwarded-Port: 8080\r\n" \
	"Forwarded: for=10.0.0.9;host=\"h\";proto=http\r\nX-Request-Id: 0123456789abcdef0123456789abcdef\r\nVia: 1.1 gateway\r\n\r\n"

/* Exactly the room that was asked for. */
static void assert_request(const char *fields, const struct route *route, const char *wanted)
{
	static const char line[] = "GET /a HTTP/1.1\r\nHost: h\r\n";
	struct field list[MAXIMUM];
	struct request request;
	char head[1024], *room, *end;
	size_t length, bound;

	length = (size_t)(stpcpy(stpcpy(stpcpy(head, line), fields), "\r\n") - head);
	assert_int_equal(request_parse(&request, page_lay(head, length), length, list, &limits), PARSE_DONE);
	bound = forward_request_bound(&request, route);
	room = malloc(bound);
	assert_non_null(room);
	end = forward_request(room, &request, route, request.path, &origin);
	assert_true((size_t)(end - room) <= bound);
	assert_int_equal((size_t)(end - room), strlen(line) + strlen(wanted) + strlen(OWN));
	assert_memory_equal(room, line, strlen(line));
	assert_memory_equal(room + strlen(line), wanted, strlen(wanted));
	assert_memory_equal(end - strlen(OWN), OWN, strlen(OWN));
	free(room);
}

static void test_requests(void **state)
{
	const struct route route = { .upstream = &upstream };
	struct header_edit edit = { .kind = HEADER_REMOVE, .name = "b", .name_length = 1 };
	const struct route removing = { .upstream = &upstream, .request_headers = { .edits = &edit, .count = 1 } };

	(void)state;
	assert_request("", &route, "");
	assert_request("A: 1\r\nB: 2\r\n", &route, "A: 1\r\nB: 2\r\n");
	assert_request("A:1\r\nB: 2\r\nC:\r\nD: \r\n", &route, "A: 1\r\nB: 2\r\nC: \r\nD: \r\n");
	assert_request("A: 1 \r\nB:  2\r\nC: 3\r\nD:\t4\r\n", &route, "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n");
	assert_request("A: 1\r\nX-Forwarded-For: 1.2.3.4\r\nB: 2\r\nC: 3\r\nTE: x\r\n", &route, "A: 1\r\nB: 2\r\nC: 3\r\n");
	assert_request("X_Real_IP: 1.2.3.4\r\nA: 1\r\nConnection: c\r\nB: 2\r\nC: 3\r\nD: 4\r\n", &route, "A: 1\r\nB: 2\r\nD: 4\r\n");
	assert_request("A: 1\r\nB: 2\r\nC: 3\r\nB:2\r\nD: 4\r\n", &removing, "A: 1\r\nC: 3\r\nD: 4\r\n");
}

static void assert_response(const char *came, const char *wanted)
{
	struct header_edits edits = { .count = 0 };
	struct field list[MAXIMUM];
	struct response response;
	struct forward_response forward = { .response = &response, .edits = &edits, .date = "Sun, 06 Nov 1994 08:49:37 GMT" };
	size_t length = strlen(came), bound;
	char *room, *end;

	assert_int_equal(response_parse(&response, page_lay(came, length), length, list, &limits, false), PARSE_DONE);
	bound = forward_response_bound(&forward);
	room = malloc(bound);
	assert_non_null(room);
	end = forward_response(room, &forward);
	assert_true((size_t)(end - room) <= bound);
	assert_int_equal((size_t)(end - room), strlen(wanted));
	assert_memory_equal(room, wanted, strlen(wanted));
	free(room);
}

static void test_responses(void **state)
{
	(void)state;
	assert_response("HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 5\r\nB: 2\r\nC:3\r\n\r\n",
	                "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nVia: 1.1 gateway\r\n"
	                "Content-Length: 5\r\n\r\n");
	assert_response("HTTP/1.0 404 \r\nDate: x\r\nA: 1\r\nB: 2 \r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 404 \r\nDate: x\r\nA: 1\r\nB: 2\r\nVia: 1.0 gateway\r\nContent-Length: 0\r\n\r\n");
}

/* Whatever the upstream speaks, the version is the gateway's own (RFC 9110 section 2.5). */
static void test_status_lines(void **state)
{
	(void)state;
	assert_response("HTTP/1.0 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 200 OK\r\nDate: x\r\nVia: 1.0 gateway\r\nContent-Length: 0\r\n\r\n");
	assert_response("HTTP/1.2 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 200 OK\r\nDate: x\r\nVia: 1.1 gateway\r\nContent-Length: 0\r\n\r\n");
	assert_response("HTTP/1.1 200\r\nDate: x\r\nContent-Length: 0\r\n\r\n",
	                "HTTP/1.1 200 \r\nDate: x\r\nVia: 1.1 gateway\r\nContent-Length: 0\r\n\r\n");
	assert_response("HTTP/1.1 200  two blanks\r\nContent-Length: 0\r\nDate: x\r\n\r\n",
	                "HTTP/1.1 200  two blanks\r\nDate: x\r\nVia: 1.1 gateway\r\nContent-Length: 0\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_status_lines),
	};

	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
