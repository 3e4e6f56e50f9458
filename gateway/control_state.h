/* What the control thread knows, and how it shows it to the admin listener. */
#ifndef GATEWAY_CONTROL_STATE_H
#define GATEWAY_CONTROL_STATE_H

#include "gateway/admin/admin.h"
#include "gateway/discovery/discovery.h"
#include "gateway/telemetry/metrics_text.h"
#include "gateway/worker.h"

enum { CONTROL_SIGNALS = 4, CONTROL_EVENTS = 100, CONTROL_LIVE_MS = 5000 };

enum control_state { CONTROL_STARTING, CONTROL_SERVING, CONTROL_LEAVING, CONTROL_DRAINING, CONTROL_STOPPED };

/* Counters outlive the configuration that had their route: what counts must never fall. */
struct counted_route {
	char *uri, *id, *upstream;
	struct route_metrics *metrics;
};

/* When a worker was last asked to turn its loop, and how many turns it had made by then. */
struct pulse {
	uint64_t turns, asked_ms;
};

/* What the process began with and only a restart changes. */
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
	struct event signals[CONTROL_SIGNALS], inbox_event, drain_timer;
	struct shared shared;
	struct worker *workers;
	unsigned worker_wanted, worker_count, workers_started;
	bool *drained; /* by worker */
	struct pulse *pulses; /* by worker */
	int *listen_fds;
	struct config *config, *prepared; /* in use; waiting for its names */
	bool must_reload_again;
	struct beginning beginning;
	bool has_old_log; /* the access log that is configured could not be opened */
	struct discovery *discovery;
	struct admin *admin;
	struct admin_view view;
	struct counted_route *routes;
	size_t route_count;
	struct admin_event events[CONTROL_EVENTS]; /* a ring; names are ours */
	size_t event_total;
	struct metrics_cpu cpu;
	uint64_t started_ms, ready_ms, started_wall_ms, config_wall_ms, reloads, reload_failures;
	int exit_status;
};

/* False: memory is short. */
bool control_state_init(struct control *control);
void control_state_destroy(struct control *control);

/* The counters of a route like this one, whichever configuration had it first. NULL: memory is short. */
struct route_metrics *control_counters(struct control *control, const struct route *route);
/* Tells all workers. */
void control_send_endpoints(struct control *control, struct upstream *upstream, struct endpoint_set *set);
/* Opens what is configured for every worker and hands it over. */
bool control_send_logs(struct control *control); /* false: it can't be opened */
/* Logs it and keeps it for /actuator/circuitbreakerevents. */
void control_transition(struct control *control, struct upstream *upstream, const struct breaker_transition *transition);

/* ---- reload.c */
/* Before the first control_prepare(). False: memory is short. */
bool control_note_beginning(struct control *control, const struct config *config);
/* Takes the reference. When the names are known discovery says so, and control_take_prepared() follows. */
bool control_prepare(struct control *control, struct config *config);
void control_reload(struct control *control);
void control_take_prepared(struct control *control);

#endif
