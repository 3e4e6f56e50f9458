#include "gateway/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opened anew rather than dup'ed: O_NONBLOCK must not reach others who hold the same descriptor, such as a shell. A socket
 * can't be opened that way; it is written to as it is. */
static int open_stdout(void)
{
	int fd = open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

static bool is_regular(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static int open_target(const struct access_log *log)
{
	if (log->target == ACCESS_LOG_STDOUT)
		return open_stdout();
	return open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0640);
}

bool access_log_open(struct access_log *log, const struct config *config)
{
	bool is_file = config->access_log == ACCESS_LOG_FILE;

	if (log->fd >= 0 && config->access_log == log->target && (!is_file || strcmp(log->path, config->access_log_path) == 0))
		return true;
	access_log_close(log);
	log->target = config->access_log;
	if (log->target == ACCESS_LOG_OFF)
		return true;
	log->buffer = malloc(ACCESS_LOG_BUFFER);
	log->path = is_file ? strdup(config->access_log_path) : NULL;
	if (log->buffer == NULL || (is_file && log->path == NULL))
		return false;
	log->fd = open_target(log);
	log->is_file = log->fd >= 0 && is_regular(log->fd);
	return log->fd >= 0;
}

bool access_log_reopen(struct access_log *log)
{
	int fd;

	if (log->target == ACCESS_LOG_OFF || log->buffer == NULL)
		return true;
	access_log_flush(log);
	fd = open_target(log);
	if (fd < 0)
		return false;
	if (log->fd >= 0)
		close(log->fd);
	log->fd = fd;
	log->is_file = is_regular(fd);
	return true;
}

void access_log_close(struct access_log *log)
{
	access_log_flush(log);
	if (log->fd >= 0)
		close(log->fd);
	free(log->path);
	free(log->buffer);
	*log = (struct access_log){ .fd = -1, .lost = log->lost };
}

char *access_log_room(struct access_log *log)
{
	if (log->fd < 0)
		return NULL;
	if (log->used + ACCESS_LOG_LINE_MAX > ACCESS_LOG_BUFFER)
		access_log_flush(log);
	if (log->used + ACCESS_LOG_LINE_MAX > ACCESS_LOG_BUFFER) {
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

void access_log_flush(struct access_log *log)
{
	size_t from = 0;

	while (log->fd >= 0 && from < log->used) {
		ssize_t written = write(log->fd, log->buffer + from, batch_length(log, from));

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0 && errno == EAGAIN)
			break;
		if (written <= 0) { /* the disk is full, the reader is gone: nobody waits for these lines */
			while (from < log->used)
				log->lost += log->buffer[from++] == '\n';
			break;
		}
		from += (size_t)written;
	}
	if (from > 0)
		memmove(log->buffer, log->buffer + from, log->used - from);
	log->used -= from;
}

_Static_assert(ACCESS_LOG_LINE_MAX <= PIPE_BUF, "one line must go out in one piece");
