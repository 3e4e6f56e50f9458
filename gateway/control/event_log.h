/*
 * The last events of all breakers. For the control thread.
 *
 *     transitions   one ring for all breakers: rare, and what people look for first
 *     calls         one ring for each breaker and kind, made with its first event: a storm in one place pushes
 *                  nothing out elsewhere
 */
#ifndef GATEWAY_CONTROL_EVENT_LOG_H
#define GATEWAY_CONTROL_EVENT_LOG_H

#include "gateway/admin/admin.h"

enum { EVENT_LOG_TRANSITIONS = 100, EVENT_LOG_CALLS = 25, EVENT_LOG_NAME = 65 /* of an upstream, with its NUL */ };

struct event_ring {
	struct admin_event *events; /* EVENT_LOG_CALLS, once there is one */
	size_t total;
};

struct event_calls {
	char *upstream;
	struct event_ring rings[BREAKER_EVENT_COUNT]; /* by kind */
};

/* Zero-initialised: empty. */
struct event_log {
	uint64_t number;
	struct admin_event transitions[EVENT_LOG_TRANSITIONS]; /* a ring; their upstreams may be gone, so it keeps the names */
	char names[EVENT_LOG_TRANSITIONS][EVENT_LOG_NAME];
	size_t transition_total;
	struct event_calls *calls; /* by upstream */
	size_t call_count;
};

void event_log_add_transition(struct event_log *log, const char *upstream, const struct breaker_transition *transition,
                              bool only_observes);
/* Without memory the event is lost. */
void event_log_add_call(struct event_log *log, const char *upstream, const struct breaker_call *call);
/* Forgets the calls of upstreams that are not in `config`. */
void event_log_keep(struct event_log *log, const struct config *config);
void event_log_each(const struct event_log *log, admin_take_event *take, void *to);
void event_log_destroy(struct event_log *log);

#endif
