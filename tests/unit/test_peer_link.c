/*
 * The connection to another gateway: good answers, and every kind of bad one, whole and cut at each byte. The other side shares the
 * loop: it answers what a test says, as soon as the question has come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/admin/peer_answer.h"
#include "gateway/admin/peer_link.h"
#include "tests/unit/in_range.h"

enum { LIMIT_MS = 30000, SOON_MS = 20, QUESTION_MAX = 1024, LONG_BYTES = 4 * 1024 * 1024, MANGLED = 1000 };

static struct {
	struct event_base *base;
	int listener, accepted; /* -1: none */
	struct event *on_accept, *on_question, *on_writable;
	unsigned connections;
	char question[QUESTION_MAX];
	const char *reply;
	size_t length, sent;
	bool closes, is_deaf;
	struct peer_link *link;
	unsigned ends;
	int status;
	const char *error;
	char *body;
	size_t body_length;
	bool asks_again, lets_go; /* in the callback */
} world;

/* ---- the other side ------------------------------------------------------------------------------------------------- */

static void hang_up(void)
{
	if (world.accepted == -1)
		return;
	event_free(world.on_question);
	event_free(world.on_writable);
	close(world.accepted);
	world.accepted = -1;
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	ssize_t sent = send(fd, world.reply + world.sent, world.length - world.sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)what, (void)context;
	if (sent > 0)
		world.sent += (size_t)sent;
	if (sent > 0 && world.sent < world.length)
		event_add(world.on_writable, NULL);
	else if (world.closes)
		hang_up();
}

static void on_question(evutil_socket_t fd, short what, void *context)
{
	ssize_t length = recv(fd, world.question, sizeof world.question - 1, MSG_DONTWAIT);

	(void)what, (void)context;
	if (length <= 0) {
		hang_up();
		return;
	}
	world.question[length] = '\0';
	if (world.is_deaf)
		return;
	world.sent = 0;
	event_add(world.on_writable, NULL);
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
	(void)what, (void)context;
	hang_up();
	world.accepted = accept(fd, NULL, NULL);
	assert_int_not_equal(world.accepted, -1);
	world.connections++;
	world.on_question = event_new(world.base, world.accepted, EV_READ | EV_PERSIST, on_question, NULL);
	world.on_writable = event_new(world.base, world.accepted, EV_WRITE, on_writable, NULL);
	event_add(world.on_question, NULL);
}

/* ---- this side ------------------------------------------------------------------------------------------------------ */

static void on_end(void *context, const struct peer_link_result *result)
{
	assert_ptr_equal(context, &world);
	assert_false(peer_link_is_asking(world.link));
	world.ends++;
	world.status = result->status;
	world.error = result->error;
	free(world.body);
	world.body = malloc(result->length + 1);
	assert_non_null(world.body);
	if (result->length > 0)
		memcpy(world.body, result->body, result->length);
	world.body[result->length] = '\0';
	world.body_length = result->length;
	if (world.asks_again)
		assert_true(peer_link_ask(world.link, "/again", LIMIT_MS));
	if (world.lets_go) {
		peer_link_free(world.link);
		world.link = NULL;
	}
	world.asks_again = world.lets_go = false;
}

static void await(unsigned ends)
{
	while (world.ends < ends)
		assert_int_equal(event_base_loop(world.base, EVLOOP_ONCE), 0);
}

static void ask(uint32_t limit_ms)
{
	unsigned before = world.ends;

	assert_true(peer_link_ask(world.link, "/cluster/self?brief", limit_ms));
	assert_true(peer_link_is_asking(world.link));
	assert_int_equal(world.ends, before); /* never before it returns */
	await(before + 1);
}

static void reply(const char *bytes, size_t length, bool closes)
{
	world.reply = bytes;
	world.length = length;
	world.closes = closes;
}

static void look(const char *bytes, bool closes, int status, const char *error)
{
	reply(bytes, strlen(bytes), closes);
	ask(LIMIT_MS);
	assert_int_equal(world.status, status);
	if (error == NULL)
		assert_null(world.error);
	else if (world.error == NULL || strstr(world.error, error) == NULL)
		fail_msg("%s, not %s, to %s", world.error == NULL ? "no error" : world.error, error, bytes);
}

static int set_up(void **state)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof here;
	struct address address = { .family = 4, .ip = { 127, 0, 0, 1 } };

	(void)state;
	memset(&world, 0, sizeof world);
	world.accepted = -1;
	world.base = event_base_new();
	world.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(world.listener, (struct sockaddr *)&here, sizeof here), 0);
	assert_int_equal(listen(world.listener, 8), 0);
	assert_int_equal(getsockname(world.listener, (struct sockaddr *)&here, &size), 0);
	address.port = ntohs(here.sin_port);
	world.on_accept = event_new(world.base, world.listener, EV_READ | EV_PERSIST, on_accept, NULL);
	event_add(world.on_accept, NULL);
	world.link = peer_link_new(world.base, &address, on_end, &world);
	assert_non_null(world.link);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	peer_link_free(world.link);
	hang_up();
	event_free(world.on_accept);
	close(world.listener);
	event_base_free(world.base);
	free(world.body);
	return 0;
}

/* ---- good answers --------------------------------------------------------------------------------------------------- */

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void test_a_connection_is_kept(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		look(GOOD, false, 200, NULL);
		assert_string_equal(world.body, "hello");
	}
	assert_int_equal(world.connections, 1);
	assert_ptr_equal(strstr(world.question, "GET /cluster/self?brief HTTP/1.1\r\n"), world.question);
	assert_non_null(strstr(world.question, "\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(world.question, "\r\nUser-Agent: gateway/" GATEWAY_VERSION "\r\n"));
}

static void test_answers_of_every_framing(void **state)
{
	(void)state;
	look("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", false, 200, NULL);
	assert_string_equal(world.body, "hello");
	look("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", true, 200, NULL);
	assert_string_equal(world.body, "hello");
	look("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, NULL);
	look("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false, 404, NULL);
	look("HTTP/1.1 204 No Content\r\n\r\n", false, 204, NULL);
	assert_int_equal(world.body_length, 0);
}

static void test_a_connection_that_has_ended_is_made_anew(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		look(GOOD, true, 200, NULL);
		assert_int_equal(world.connections, i);
		event_base_loop(world.base, EVLOOP_NONBLOCK);
	}
}

/* ---- bad ones ------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *bytes, *error;
} bad[] = {
	{ "", "failed" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "failed" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "failed" },
	{ "\x01\x02 nonsense\r\n\r\n", "does not speak HTTP" },
	{ "HTTP/2.0 200 OK\r\n\r\n", "does not speak HTTP" },
	{ "HTTP/1.1 0 OK\r\n\r\n", "does not speak HTTP" },
	{ "HTTP/1.1 200 OK\r\nno field\r\n\r\n", "does not speak HTTP" },
	{ "HTTP/1.1 200 OK\r\n folded\r\n\r\n", "does not speak HTTP" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "does not speak HTTP" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello", "does not speak HTTP" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\nhello", "larger than allowed" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nhello", "larger than allowed" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\nhel", "larger than allowed" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nhel", "larger than allowed" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhel", "no HTTP" },
	{ "HTTP/1.1 100 Continue\r\n\r\n" GOOD, "does not speak HTTP" },
	{ "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" GOOD, "does not speak HTTP" },
	{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "does not speak HTTP" },
};

static void test_bad_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		look(bad[i].bytes, true, 0, bad[i].error);
		look(GOOD, false, 200, NULL); /* nothing of it is left */
	}
}

/* Whatever comes before the end: one end, no crash, and the next question is answered. */
static void test_answers_cut_at_each_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		for (size_t length = 0; length < strlen(bad[i].bytes); length++) {
			reply(bad[i].bytes, length, true);
			ask(LIMIT_MS);
		}
		look(GOOD, false, 200, NULL);
	}
}

/* Bytes changed, parts left out or doubled, by chance that is the same each time: one end for each question. */
static void test_answers_that_are_mangled(void **state)
{
	static const char *const good[] = { GOOD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\nA: b\r\n\r\n",
		                            "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n", GOOD GOOD };
	uint32_t chance = 1;

	(void)state;
	for (int i = 0; i < MANGLED; i++) {
		const char *from = good[i % 4];
		size_t length = strlen(from), used = 0;
		char bytes[512];

		for (size_t j = 0; j < length && used < sizeof bytes - 1; j++) {
			chance = chance * 1664525 + 1013904223;
			if (chance >> 28 != 0)
				bytes[used++] = from[j];
			else if (chance >> 26 & 1)
				bytes[used++] = (char)(chance >> 16);
			else if (chance >> 25 & 1)
				j = (chance >> 8) % length;
		}
		reply(bytes, used, chance >> 30 != 0);
		ask(SOON_MS);
	}
	look(GOOD, false, 200, NULL);
	assert_int_equal(world.ends, MANGLED + 1);
}

/* `head`, then one byte again and again. */
static char *long_reply(const char *head, char byte)
{
	char *bytes = malloc(LONG_BYTES);

	assert_non_null(bytes);
	memset(bytes, byte, LONG_BYTES);
	memcpy(bytes, head, strlen(head));
	return bytes;
}

static void test_heads_and_bodies_are_bounded(void **state)
{
	static const char *const heads[] = { "", "HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\n\r\n",
		                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " };

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		char *bytes = long_reply(heads[i], 'a');

		reply(bytes, LONG_BYTES, true);
		ask(LIMIT_MS);
		assert_int_equal(world.status, 0);
		assert_non_null(world.error);
		free(bytes);
	}
}

/* evhttp would read it for ever. */
static void test_a_line_before_a_chunk_is_bounded(void **state)
{
	char *bytes = long_reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", '0');
	int size = 64 * 1024;

	(void)state;
	assert_int_equal(setsockopt(world.listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
	reply(bytes, LONG_BYTES, false);
	ask(1000);
	assert_string_equal(world.error, "it takes too long");
	assert_uint_in_range(world.sent, PEER_ANSWER_MAX, LONG_BYTES - 1);
	free(bytes);
}

static void test_more_than_was_asked_for(void **state)
{
	(void)state;
	look(GOOD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale", false, 200, NULL);
	look(GOOD, false, 200, NULL);
	assert_string_equal(world.body, "hello");
	assert_int_equal(world.connections, 2);
}

/* ---- nobody, silence, and letting go -------------------------------------------------------------------------------- */

static void test_nobody_listens(void **state)
{
	(void)state;
	event_free(world.on_accept);
	close(world.listener);
	world.on_accept = evtimer_new(world.base, on_accept, NULL);
	world.listener = -1;
	for (int i = 0; i < 3; i++) {
		ask(LIMIT_MS);
		assert_string_equal(world.error, "it refuses the connection");
	}
}

static void test_an_answer_that_does_not_come(void **state)
{
	(void)state;
	world.is_deaf = true;
	ask(SOON_MS);
	assert_string_equal(world.error, "it takes too long");
	world.is_deaf = false;
	look(GOOD, false, 200, NULL);
	assert_int_equal(world.connections, 2);
}

static void test_a_callback_asks_again(void **state)
{
	static const char *const replies[] = { GOOD, "nonsense\r\n\r\n",
		                               "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
		unsigned before = world.ends;

		reply(replies[i], strlen(replies[i]), false);
		world.asks_again = true;
		assert_true(peer_link_ask(world.link, "/", LIMIT_MS));
		await(before + 2);
		assert_ptr_equal(strstr(world.question, "GET /again "), world.question);
	}
}

static void test_a_callback_lets_go(void **state)
{
	(void)state;
	world.lets_go = true;
	look(GOOD, false, 200, NULL);
	assert_null(world.link);
}

static void test_let_go_while_it_asks(void **state)
{
	(void)state;
	world.is_deaf = true;
	assert_true(peer_link_ask(world.link, "/", LIMIT_MS));
	while (world.question[0] == '\0')
		event_base_loop(world.base, EVLOOP_ONCE);
	peer_link_free(world.link);
	world.link = NULL;
	event_base_loop(world.base, EVLOOP_NONBLOCK);
	assert_int_equal(world.ends, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_connection_is_kept),
		TEST(answers_of_every_framing),
		TEST(a_connection_that_has_ended_is_made_anew),
		TEST(bad_answers),
		TEST(answers_cut_at_each_byte),
		TEST(answers_that_are_mangled),
		TEST(heads_and_bodies_are_bounded),
		TEST(a_line_before_a_chunk_is_bounded),
		TEST(more_than_was_asked_for),
		TEST(nobody_listens),
		TEST(an_answer_that_does_not_come),
		TEST(a_callback_asks_again),
		TEST(a_callback_lets_go),
		TEST(let_go_while_it_asks),
	};

	return cmocka_run_group_tests_name("peer_link", tests, NULL, NULL);
}
