/* The inputs from which all counters are summed when somebody asks. */
#ifndef GATEWAY_TELEMETRY_METRICS_INPUT_H
#define GATEWAY_TELEMETRY_METRICS_INPUT_H

#include <stdbool.h>

#include "gateway/telemetry/metrics.h"
#include "gateway/telemetry/metrics_cpu.h"
#include "routes/config/settings.h"
#include "routes/upstream.h"

struct metrics_route {
	const char *uri;    /* the route's path; "UNKNOWN" for requests that were refused before they had one */
	const char *route;  /* its id: path, with host and methods when it has such */
	const char *upstream; /* NULL for UNKNOWN */
	const struct route_metrics *metrics;
	bool is_of_detoured; /* calls of requests that went on to fallback.upstream: these are counted as requests there */
	bool is_removed; /* a reload took it out: it counts no more, but for what is still under way */
};

struct metrics_service {
	const struct upstream_settings *settings;
	const struct endpoint_set *set;     /* NULL: nothing is known yet */
	const struct endpoint_set *serving; /* of these, those that get requests; NULL as above */
	uint64_t dns_questions, dns_failures; /* of its name, since the start */
	uint64_t quarantined, quarantines;    /* addresses now; and times one was, since the start */
};

struct metrics_input {
	const struct metrics_route *routes; /* also those of earlier configurations: counters never fall */
	size_t route_count;
	const struct metrics_service *services; /* sorted by name */
	size_t service_count;
	const struct worker_counters *const *workers;
	size_t worker_count;
	enum metrics_names names;
	size_t configured_routes;
	uint64_t now_ms, started_ms, ready_ms; /* monotonic; ready_ms 0: not yet */
	struct metrics_cpu *cpu;     /* NULL: its gauges are left out */
	uint64_t started_wall_ms;
	uint64_t reloads, reload_failures;
	uint64_t config_wall_ms; /* when the current configuration was taken */
};

#endif
