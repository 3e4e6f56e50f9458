/* The state of the control thread. */
#ifndef GATEWAY_CONTROL_STATE_H
#define GATEWAY_CONTROL_STATE_H

#include "gateway/admin/admin.h"
#include "gateway/admin/timeline.h"
#include "gateway/control/event_log.h"
#include "gateway/discovery/discovery.h"
#include "gateway/telemetry/metrics_text.h"
#include "gateway/worker/worker.h"

enum { CONTROL_SIGNALS = 4, CONTROL_LIVE_MS = 5000, CONTROL_NAME = 65, CONTROL_DIGEST = 17 };

enum control_state {
	CONTROL_STARTING,
	CONTROL_SERVING,
	CONTROL_LEAVING,
	CONTROL_FINISHING,
	CONTROL_DRAINING,
	CONTROL_OVERDUE, /* drain.timeout is over: the loop ends, and the workers cut what is left */
	CONTROL_STOPPED,
};

/* Counters outlive the configuration that had their route, because counters must never fall. */
struct counted_route {
	char *uri, *id, *upstream;
	struct route_metrics *metrics;
	bool is_of_detoured; /* calls whose requests went on to fallback.upstream, and are counted there */
};

/* When the control thread last asked a worker to run an iteration, and how many it had run by then. */
struct pulse {
	uint64_t iterations, asked_ms;
};

/* The settings that the process began with and that only a restart changes. */
struct beginning {
	struct address *listen, admin;
	size_t listen_count;
	uint32_t workers, connections;
	uint64_t memory_bytes;
	bool sandbox;
};

struct control {
	enum control_state state;
	struct event_base *base;
	struct event signals[CONTROL_SIGNALS], inbox_event, drain_timer, minute_timer;
	struct shared shared;
	struct worker *workers;
	unsigned worker_wanted, worker_count, workers_started;
	bool *drained; /* by worker */
	struct pulse *pulses; /* by worker */
	int *listen_fds;
	struct config *config, *prepared; /* in use; in preparation */
	bool must_reload_again;
	struct beginning beginning;
	int *log_fds; /* by worker, while they are opened */
	struct event log_timer;
	bool has_old_log; /* the configured access log could not be opened; the timer runs */
	struct discovery *discovery;
	struct admin *admin;
	struct jwks *jwks; /* NULL: no configuration had auth.jwt */
	struct admin_view view;
	struct counted_route *routes;
	size_t route_count;
	struct event_log events;
	struct timeline timeline;
	char name[CONTROL_NAME], instance[WORKER_NAME_LENGTH + 1], config_digest[CONTROL_DIGEST];
	bool names_are_known; /* of `prepared`: it now waits for keys of tokens and, at the start, for the other gateways */
	struct metrics_cpu cpu;
	uint64_t started_ms, ready_ms, started_wall_ms, config_wall_ms, reloads, reload_failures;
	int exit_status;
};

/* False: out of memory. */
bool control_state_init(struct control *control);
void control_state_destroy(struct control *control);

/* The counters of a route like this one, whichever configuration had it first. NULL: out of memory. */
struct route_metrics *control_counters(struct control *control, const struct route *route, bool is_of_detoured);
/* The minute timer has fired: the metrics' maxima forget the oldest of their minutes. */
void control_on_minute(evutil_socket_t fd, short what, void *context);
/* Logs it and keeps it for the timeline. Takes both. */
void control_ejection(struct control *control, struct upstream *upstream, char *text);
/* Hands over a worker's list of failed requests. Takes it. */
void control_take_kept(struct control *control, struct kept_list *list);
/* The gateway serves: logs the line that scripts wait for. */
void control_log_ready(const struct control *control);
/* Tells all workers; if memory is short, the set must be renewed. */
void control_send_endpoints(struct control *control, struct upstream *upstream, struct endpoint_set *set);
/* Logs it, keeps it for the pages, notes on the upstream when it changed and since when it refuses, and wakes waiting requests if
 * the breaker has opened. */
void control_transition(struct control *control, struct upstream *upstream, const struct breaker_transition *transition);

/* For discovery's events: any thread; a copy of it goes to the control thread. */
void control_on_transition(void *context, struct upstream *upstream, const struct breaker_transition *transition);

#endif
