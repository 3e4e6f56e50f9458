#include "gateway/control/event_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"

static void fill(struct event_log *log, struct admin_event *place, struct admin_event event)
{
	event.number = log->number++;
	event.wall_ms = clock_wall_ms();
	*place = event;
}

static void free_calls(struct event_calls *calls)
{
	for (size_t i = 0; i < BREAKER_EVENT_COUNT; i++)
		free(calls->rings[i].events);
	free(calls->upstream);
}

static struct event_calls *find_or_make(struct event_log *log, const char *upstream)
{
	struct event_calls *larger;
	char *name;

	for (size_t i = 0; i < log->call_count; i++)
		if (strcmp(log->calls[i].upstream, upstream) == 0)
			return &log->calls[i];
	larger = realloc(log->calls, (log->call_count + 1) * sizeof *larger);
	if (larger == NULL)
		return NULL;
	log->calls = larger;
	name = strdup(upstream);
	if (name == NULL)
		return NULL;
	log->calls[log->call_count] = (struct event_calls){ .upstream = name };
	return &log->calls[log->call_count++];
}

void event_log_add_transition(struct event_log *log, const char *upstream, const struct breaker_transition *transition,
                              bool only_observes)
{
	size_t index = log->transition_total++ % EVENT_LOG_TRANSITIONS;

	snprintf(log->names[index], sizeof log->names[index], "%s", upstream);
	fill(log, &log->transitions[index], (struct admin_event){ .upstream = log->names[index],
	                                                          .type = BREAKER_EVENT_STATE_TRANSITION,
	                                                          .transition = *transition,
	                                                          .only_observes = only_observes });
}

void event_log_add_call(struct event_log *log, const char *upstream, const struct breaker_call *call)
{
	struct event_calls *calls = find_or_make(log, upstream);
	struct event_ring *ring = calls == NULL ? NULL : &calls->rings[call->event];

	if (ring != NULL && ring->events == NULL)
		ring->events = calloc(EVENT_LOG_CALLS, sizeof *ring->events);
	if (ring == NULL || ring->events == NULL)
		return;
	fill(log, &ring->events[ring->total++ % EVENT_LOG_CALLS],
	     (struct admin_event){ .upstream = calls->upstream, .type = call->event, .call = *call });
}

void event_log_keep(struct event_log *log, const struct config *config)
{
	size_t kept = 0;

	for (size_t i = 0; i < log->call_count; i++) {
		if (config_find_upstream(config, log->calls[i].upstream) != NULL)
			log->calls[kept++] = log->calls[i];
		else
			free_calls(&log->calls[i]);
	}
	log->call_count = kept;
}

static void each_of(const struct admin_event *events, size_t total, size_t most, admin_take_event *take, void *to)
{
	for (size_t i = 0; i < total && i < most; i++)
		take(to, &events[i]);
}

void event_log_each(const struct event_log *log, admin_take_event *take, void *to)
{
	each_of(log->transitions, log->transition_total, EVENT_LOG_TRANSITIONS, take, to);
	for (size_t i = 0; i < log->call_count; i++)
		for (size_t j = 0; j < BREAKER_EVENT_COUNT; j++)
			each_of(log->calls[i].rings[j].events, log->calls[i].rings[j].total, EVENT_LOG_CALLS, take, to);
}

void event_log_destroy(struct event_log *log)
{
	for (size_t i = 0; i < log->call_count; i++)
		free_calls(&log->calls[i]);
	free(log->calls);
}
