#include "gateway/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/output.h"

enum { LINE_MAX_BYTES = 2048 }; /* below PIPE_BUF: a pipe takes it whole or not */

static _Atomic int level_now = LOG_LEVEL_INFO;
static _Atomic unsigned lost;
static int target = STDERR_FILENO;
static bool is_socket; /* a journal's */

void log_begin(void)
{
	int fd = output_open(STDERR_FILENO);

	if (fd < 0)
		return;
	target = fd;
	is_socket = output_is_socket(fd);
}

void log_set_level(enum log_level level)
{
	atomic_store(&level_now, (int)level);
}

/* One write for a line: lines of several threads don't mix. */
static bool put_line(const char *head, int head_length, const char *text)
{
	char line[LINE_MAX_BYTES];
	size_t used = 0;

	for (int i = 0; i < head_length; i++)
		line[used++] = head[i];
	for (; *text != '\0' && used + 6 < sizeof line; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= ' ' && c < 0x7f)
			line[used++] = (char)c;
		else
			used += (size_t)snprintf(line + used, 5, "\\x%02x", c);
	}
	line[used++] = '\n';
	return output_put(target, is_socket, line, used) >= 0;
}

static void put_lost(const char *head, int head_length)
{
	unsigned count = atomic_exchange(&lost, 0);
	char text[64];

	if (count == 0)
		return;
	snprintf(text, sizeof text, "%u lines of this log were lost: stderr was too slow", count);
	if (!put_line(head, head_length, text))
		atomic_fetch_add(&lost, count);
}

static void write_text(enum log_level level, const char *format, va_list arguments)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char head[64], text[LINE_MAX_BYTES];
	struct timespec now;
	struct tm tm;
	int length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	length = snprintf(head, sizeof head, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s ", tm.tm_year + 1900, tm.tm_mon + 1,
	                  tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000, names[level]);
	vsnprintf(text, sizeof text, format, arguments);
	if (put_line(head, length, text))
		put_lost(head, length);
	else
		atomic_fetch_add(&lost, 1);
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list arguments;

	if ((int)level > atomic_load_explicit(&level_now, memory_order_relaxed))
		return;
	va_start(arguments, format);
	write_text(level, format, arguments);
	va_end(arguments);
}

void log_always(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_text(LOG_LEVEL_INFO, format, arguments);
	va_end(arguments);
}
