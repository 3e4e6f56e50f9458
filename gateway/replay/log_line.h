/*
 * One line of an access log, in one of two forms: the gateway's JSON, with its keys in any order and any text before its
 * brace (docker service logs puts a task's name there); or the combined form with the request's duration at its end, as
 * nginx, Apache and Spring's Netty can write it.
 */
#ifndef GATEWAY_REPLAY_LOG_LINE_H
#define GATEWAY_REPLAY_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_text {
	const char *data; /* into the line, not unescaped; NULL = not there, or null */
	size_t length;
};

struct log_line {
	int64_t end_ms; /* since 1970, when the line was written: at the end of the request */
	struct log_text method, path, host;
	struct log_text upstream, failed_upstream, endpoint, outcome; /* of the JSON form only */
	unsigned status;
	uint64_t attempts; /* of the JSON form only; else 0 */
	uint64_t duration_us, response_us;
	bool has_duration, has_response;
};

/* False: cut short, or neither form. `line` without its line feed. */
bool log_line_read(const char *line, size_t length, struct log_line *read);

#endif
