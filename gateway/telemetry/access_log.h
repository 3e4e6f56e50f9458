/*
 * One worker's access log lines wait here until LOG_BATCH_BYTES have come or LOG_WAIT_MS are over (worker.h), and go out together.
 *
 * Lines of several workers share the target without a lock: a file is opened with O_APPEND, and a pipe gets at most PIPE_BUF
 * bytes of whole lines at once, which the kernel doesn't mix. A slow reader never holds up the loop: lines that don't fit
 * wait here, and when the buffer is full the worker drops lines and counts them.
 *
 * A deleted file gets no more lines, because nobody would ever read them. Its lines wait for the next file.
 */
#ifndef GATEWAY_TELEMETRY_ACCESS_LOG_H
#define GATEWAY_TELEMETRY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/config/config.h"

enum { ACCESS_LOG_LINE_MAX = 4096, ACCESS_LOG_BUFFER = 64 * 1024 };

struct access_log {
	int fd; /* -1: off, or could not be opened */
	bool is_file; /* a regular one */
	bool is_socket; /* a journal's */
	char *buffer; /* NULL until the first line */
	size_t used;
	uint64_t lost;
};

/* For the control thread, as workers may not open anything: opens the configured log for one worker. -1: it is off, or errno;
 * once it serves, a log that can't be written must not stop the gateway. */
int access_log_open(const struct config *config);
/* For people: its path, or stdout. */
const char *access_log_name(const struct config *config);
/* For the control thread: would the same be opened? */
bool access_log_is_same(const struct config *a, const struct config *b);

/* Takes the descriptor (-1: none) in place of the present one. Waiting lines go to the old one, as far as it takes them, then
 * to the new one. */
void access_log_take(struct access_log *log, int fd);
void access_log_close(struct access_log *log);
/* Room for one line. NULL: lines are off, or this one must be dropped, which is counted. */
char *access_log_room(struct access_log *log);
/* Takes the line that was written to the room, with its newline. */
void access_log_add(struct access_log *log, size_t length);
/* Writes what the target takes without waiting. */
void access_log_flush(struct access_log *log);

#endif
