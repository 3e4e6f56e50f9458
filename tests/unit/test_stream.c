/* A stream on a loop of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "gateway/net/stream.h"

static char seen[16];

static void on_connected(struct stream *stream)
{
	(void)stream;
	strcat(seen, "connected ");
}

static void on_bytes(struct stream *stream, char *bytes, size_t length)
{
	(void)stream, (void)bytes, (void)length;
	strcat(seen, "bytes");
}

/* Whoever resumes it meanwhile, as a client does that reads again. Both events come in the same iteration of the loop. */
static void test_nothing_is_read_before_it_is_connected(void **state)
{
	static const struct stream_events events = { .on_bytes = on_bytes, .on_connected = on_connected };
	static char scratch[IO_HEADROOM_BYTES + IO_SCRATCH_BYTES];
	struct io io = { .base = event_base_new(), .memory_bytes = SIZE_MAX, .scratch = scratch };
	struct stream stream;
	int pair[2];

	(void)state;
	assert_non_null(io.base);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_true(stream_open(&stream, &io, pair[0], true, &events));
	stream_resume(&stream);
	event_base_loop(io.base, EVLOOP_ONCE);
	assert_memory_equal(seen, "connected", 9);
	event_base_loop(io.base, EVLOOP_ONCE);
	assert_string_equal(seen, "connected bytes");
	stream_close(&stream, false);
	close(pair[1]);
	event_base_free(io.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_read_before_it_is_connected),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
