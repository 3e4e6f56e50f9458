/*
 * Diagnostics for people, on stderr, one line each: "2026-03-01T12:00:00.123Z info text". Any thread. Bytes outside printable
 * ASCII are escaped, so nothing that came over the network can forge a line.
 *
 * The log never waits for its reader: a line that can't be written at once is lost, and after the next line that can be
 * written comes the number of lost ones.
 */
#ifndef GATEWAY_BASE_LOG_H
#define GATEWAY_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Before there are threads: until this call a line may wait for its reader. */
void log_begin(void);
void log_set_level(enum log_level level);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Written at any level: scripts wait for these lines. */
void log_always(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
