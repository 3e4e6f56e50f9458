/*
 * Where one worker's access log lines wait for the end of the loop's turn, and go out in one write.
 *
 * Lines of several workers share the target without a lock: a file is opened O_APPEND, and a pipe gets at most PIPE_BUF bytes
 * of whole lines at once, which the kernel doesn't mix. A reader that is too slow never holds up the loop: what does not fit
 * waits here, and when the buffer is full lines are dropped and counted.
 */
#ifndef GATEWAY_ACCESS_LOG_H
#define GATEWAY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/config.h"

enum { ACCESS_LOG_LINE_MAX = 4096, ACCESS_LOG_BUFFER = 64 * 1024 };

struct access_log {
	int fd; /* -1: off, or could not be opened */
	enum access_log_target target;
	char *path; /* of a file */
	bool is_file; /* a regular one */
	char *buffer;
	size_t used;
	uint64_t lost;
};

/* Opens the configured target, or keeps the one that is open already when it is the same. Off when it can't be opened
 * (returns false with errno): a log must not stop the gateway. */
bool access_log_open(struct access_log *log, const struct config *config);
bool access_log_reopen(struct access_log *log);
void access_log_close(struct access_log *log);
/* Room for one line, NULL when lines are not wanted or must be dropped. */
char *access_log_room(struct access_log *log);
/* The line that was written to the room, with its newline. */
void access_log_add(struct access_log *log, size_t length);
/* Writes what the target takes without waiting. */
void access_log_flush(struct access_log *log);

#endif
