#include "gateway/telemetry/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/output.h"

int access_log_open(const struct config *config)
{
	errno = 0;
	switch (config->access_log) {
	case ACCESS_LOG_OFF:
		break;
	case ACCESS_LOG_STDOUT:
		return output_open(STDOUT_FILENO);
	case ACCESS_LOG_FILE:
		return open(config->access_log_path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0640);
	}
	return -1;
}

const char *access_log_name(const struct config *config)
{
	return config->access_log_path == NULL ? "stdout" : config->access_log_path;
}

bool access_log_is_same(const struct config *a, const struct config *b)
{
	return a->access_log == b->access_log &&
	       (a->access_log != ACCESS_LOG_FILE || strcmp(a->access_log_path, b->access_log_path) == 0);
}

/* Only a file has a position: a pipe, a socket and a terminal have none. */
static bool is_file(int fd)
{
	return lseek(fd, 0, SEEK_CUR) >= 0;
}

/* Nobody will ever read these lines. */
static void lose_lines(struct access_log *log, size_t from)
{
	while (from < log->used)
		log->lost += log->buffer[from++] == '\n';
}

void access_log_take(struct access_log *log, int fd)
{
	access_log_flush(log);
	if (log->fd >= 0)
		close(log->fd);
	log->fd = fd;
	log->is_file = fd >= 0 && is_file(fd);
	log->is_socket = fd >= 0 && output_is_socket(fd);
	if (fd >= 0)
		return;
	lose_lines(log, 0);
	log->used = 0;
}

void access_log_close(struct access_log *log)
{
	access_log_take(log, -1);
	free(log->buffer);
	*log = (struct access_log){ .fd = -1, .lost = log->lost };
}

char *access_log_room(struct access_log *log)
{
	if (log->fd < 0)
		return NULL;
	if (log->buffer == NULL)
		log->buffer = malloc(ACCESS_LOG_BUFFER);
	if (log->used + ACCESS_LOG_LINE_MAX > ACCESS_LOG_BUFFER)
		access_log_flush(log);
	if (log->buffer == NULL || log->used + ACCESS_LOG_LINE_MAX > ACCESS_LOG_BUFFER) {
		log->lost++;
		return NULL;
	}
	return log->buffer + log->used;
}

void access_log_add(struct access_log *log, size_t length)
{
	log->used += length;
}

/* The longest run of whole lines from `from` that one write keeps together. */
static size_t batch_length(const struct access_log *log, size_t from)
{
	size_t most = log->used - from;
	const char *newline;

	if (log->is_file || most <= PIPE_BUF)
		return most;
	newline = memrchr(log->buffer + from, '\n', PIPE_BUF);
	return (size_t)(newline - (log->buffer + from)) + 1;
}

static bool is_deleted(const struct access_log *log)
{
	struct stat about;

	return log->is_file && fstat(log->fd, &about) == 0 && about.st_nlink == 0;
}

void access_log_flush(struct access_log *log)
{
	size_t from = 0;

	if (log->fd < 0 || log->used == 0 || is_deleted(log))
		return;
	while (from < log->used) {
		ssize_t written = output_put(log->fd, log->is_socket, log->buffer + from, batch_length(log, from));

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0 && errno == EAGAIN)
			break;
		if (written <= 0) { /* the disk is full, the reader is gone */
			lose_lines(log, from);
			from = log->used;
			break;
		}
		from += (size_t)written;
	}
	if (from > 0)
		memmove(log->buffer, log->buffer + from, log->used - from);
	log->used -= from;
}

_Static_assert(ACCESS_LOG_LINE_MAX <= PIPE_BUF, "one line must go out in one piece");
