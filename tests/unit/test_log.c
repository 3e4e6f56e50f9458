/*
 * Diagnostics: nothing forges a line, and nobody waits for whoever reads them. Each case runs in a child whose stderr is what is
 * to be tested: log_begin() is called once in a life.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"

enum { IS_FINE = 0, IS_WRONG = 1, HANGS_S = 20 };

static void open_pipe(int ends[2])
{
	assert_int_equal(pipe(ends), 0);
}

static void open_socket(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

/* Everything that `from` holds. */
static size_t drain(int from, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got;

	fcntl(from, F_SETFL, O_NONBLOCK);
	while (used < size - 1 && (got = read(from, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	return used;
}

static int says_what_was_lost(int from)
{
	static char text[4 << 20];
	unsigned written = 0, lost = 0;
	const char *words;

	for (unsigned i = 0; i < 10000; i++)
		log_error("line %u of many, each of which takes some room in whatever is between the two ends", i);
	drain(from, text, sizeof text);
	for (words = text; (words = strstr(words, " of many")) != NULL; words++)
		written++;
	log_error("one more");
	drain(from, text, sizeof text);
	words = strstr(text, " lines of this log were lost");
	if (words == NULL || strstr(text, "one more") == NULL)
		return IS_WRONG;
	while (words > text && words[-1] != ' ')
		words--;
	sscanf(words, "%u", &lost);
	return written > 0 && written + lost == 10000 ? IS_FINE : IS_WRONG;
}

static int escapes(int from)
{
	char text[4096];

	log_error("a\nb\r\033[0m\x7f\xff\"%s\"", "c");
	drain(from, text, sizeof text);
	if (strstr(text, " error a\\x0ab\\x0d\\x1b[0m\\x7f\\xff\"c\"\n") == NULL)
		return IS_WRONG;
	return strchr(text, '\n')[1] == '\0' ? IS_FINE : IS_WRONG;
}

/* Others hold the same descriptor: for them it waits as before. */
static int leaves_the_descriptor_alone(int from)
{
	(void)from;
	return fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK ? IS_WRONG : IS_FINE;
}

static void expect(void (*open_ends)(int ends[2]), int (*what)(int from))
{
	int ends[2], status;
	pid_t child;

	open_ends(ends);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		alarm(HANGS_S);
		dup2(ends[1], STDERR_FILENO);
		log_begin();
		_exit(what(ends[0]));
	}
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), IS_FINE);
}

static void nobody_waits_and_what_is_lost_is_told(void **state)
{
	(void)state;
	expect(open_pipe, says_what_was_lost);
	expect(open_socket, says_what_was_lost);
}

static void nothing_forges_a_line(void **state)
{
	(void)state;
	expect(open_pipe, escapes);
}

static void others_keep_theirs(void **state)
{
	(void)state;
	expect(open_pipe, leaves_the_descriptor_alone);
	expect(open_socket, leaves_the_descriptor_alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_waits_and_what_is_lost_is_told),
		cmocka_unit_test(nothing_forges_a_line),
		cmocka_unit_test(others_keep_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
