/*
 * Where one worker's access log lines wait for the end of the loop's turn, and go out in one write.
 *
 * Lines of several workers share the target without a lock: a file is opened O_APPEND, and a pipe gets at most PIPE_BUF bytes
 * of whole lines at once, which the kernel doesn't mix. A reader that is too slow never holds up the loop: what does not fit
 * waits here, and when the buffer is full lines are dropped and counted.
 */
#ifndef GATEWAY_TELEMETRY_ACCESS_LOG_H
#define GATEWAY_TELEMETRY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/config.h"

enum { ACCESS_LOG_LINE_MAX = 4096, ACCESS_LOG_BUFFER = 64 * 1024 };

struct access_log {
	int fd; /* -1: off, or could not be opened */
	bool is_file; /* a regular one */
	bool is_socket; /* a journal's */
	char *buffer;
	size_t used;
	uint64_t lost;
};

/* For the control thread, as workers may not open anything: what is configured, for one worker. -1: it is off, or errno; a
 * log that can't be written must not stop the gateway. */
int access_log_open(const struct config *config);
/* For the control thread: would the same be opened? */
bool access_log_is_same(const struct config *a, const struct config *b);

/* Takes the descriptor (-1: none) in place of what it has; what waits goes to the old one. False: memory is short, and there is
 * no log. */
bool access_log_take(struct access_log *log, int fd);
void access_log_close(struct access_log *log);
/* Room for one line, NULL when lines are not wanted or must be dropped. */
char *access_log_room(struct access_log *log);
/* The line that was written to the room, with its newline. */
void access_log_add(struct access_log *log, size_t length);
/* Writes what the target takes without waiting. */
void access_log_flush(struct access_log *log);

#endif
