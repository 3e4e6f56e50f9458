/* The calls of a log, by upstream: when each began, how long it took and how it ended. */
#ifndef GATEWAY_REPLAY_CALLS_H
#define GATEWAY_REPLAY_CALLS_H

#include <stdio.h>

#include "routes/config/config.h"

enum call_end {
	CALL_FINE,
	CALL_FAILED,
	CALL_NEITHER, /* ("neutral" in the report) says nothing of the service: the client left, say */
	CALL_UNKNOWN, /* the log doesn't tell: a breaker refused it then, say */
};

struct call {
	int64_t begin_ms, end_ms; /* since 1970; end: when the breaker heard of it */
	uint32_t duration_ms;     /* how long the client waited */
	uint32_t response_ms;     /* to the response's head */
	uint16_t upstream;
	uint8_t end;
};

enum { CALLS_MOST = 50000000 };

struct calls {
	const struct config *config;
	const struct upstream_settings **by_name; /* sorted */
	uint8_t *replaced;                        /* of each upstream: what kinds of answers fallbacks replace */
	struct call *list;                        /* after calls_sort(): by upstream, then by end */
	uint32_t *by_begin;                       /* places in the list: by upstream, then by begin */
	size_t count, room;
	uint64_t lines, unread, unrouted, no_call, untimed; /* untimed: calls whose line does not say how long they took */
	uint64_t detoured; /* calls before those of a fallback.upstream, in the same lines */
};

/* False: memory is short. `config` must outlive it. */
bool calls_begin(struct calls *calls, const struct config *config);
/* Adds the lines of a log; may be called again for the next one. False after a message on `errors`. */
bool calls_read(struct calls *calls, FILE *from, const char *name, FILE *errors);
/* After all of them. False: memory is short. */
bool calls_sort(struct calls *calls);
void calls_free(struct calls *calls);

#endif
