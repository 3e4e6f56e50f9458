#include "gateway/control_state.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/cgroup.h"
#include "gateway/base/log.h"
#include "gateway/discovery/name.h"
#include "gateway/telemetry/metrics_calls.h"

/* ---- counters ------------------------------------------------------------------------------------------------ */

/* "/patient", or "GET,HEAD api.example/patient" where host or methods tell routes apart. */
static char *route_id(const struct route *route)
{
	size_t size = route->path_length + (route->host == NULL ? 0 : strlen(route->host)) + 2;
	char *id, *to;

	for (size_t i = 0; i < route->method_count; i++)
		size += strlen(route->methods[i]) + 1;
	id = to = malloc(size);
	if (id == NULL)
		return NULL;
	for (size_t i = 0; i < route->method_count; i++)
		to += sprintf(to, "%s%c", route->methods[i], i + 1 < route->method_count ? ',' : ' ');
	sprintf(to, "%s%s", route->host == NULL ? "" : route->host, route->path);
	return id;
}

static void free_route(struct counted_route *route)
{
	free(route->uri);
	free(route->id);
	free(route->upstream);
	metrics_free(route->metrics);
}

static struct route_metrics *add_route(struct control *control, char *id, const char *uri, const char *upstream)
{
	struct counted_route *larger = realloc(control->routes, (control->route_count + 1) * sizeof *larger);
	struct counted_route route = { .uri = strdup(uri), .id = id, .upstream = upstream == NULL ? NULL : strdup(upstream) };

	if (larger != NULL)
		control->routes = larger;
	route.metrics = metrics_new(control->worker_wanted);
	if (larger == NULL || id == NULL || route.uri == NULL || (upstream != NULL && route.upstream == NULL) ||
	    route.metrics == NULL) {
		free_route(&route);
		return NULL;
	}
	control->routes[control->route_count++] = route;
	return route.metrics;
}

struct route_metrics *control_counters(struct control *control, const struct route *route)
{
	char *id = route_id(route);

	for (size_t i = 0; id != NULL && i < control->route_count; i++) {
		const struct counted_route *known = &control->routes[i];

		if (known->upstream != NULL && strcmp(known->id, id) == 0 && strcmp(known->upstream, route->upstream->name) == 0) {
			free(id);
			return known->metrics;
		}
	}
	return add_route(control, id, route->path, route->upstream->name);
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

void control_send_endpoints(struct control *control, struct upstream *upstream, struct endpoint_set *set)
{
	for (unsigned i = 0; i < control->worker_count; i++) {
		upstream_reference(upstream);
		endpoint_set_reference(set);
		if (!inbox_send(&control->workers[i].inbox, WORKER_ENDPOINTS, upstream, set)) {
			log_error("memory is short: worker %u does not know the new endpoints of %s", i, upstream->name);
			upstream_release(upstream);
			endpoint_set_release(set);
		}
	}
}

/* Those that wait for a place need wait no longer. */
static void send_opened(struct control *control, struct upstream *upstream)
{
	for (unsigned i = 0; i < control->worker_count && bulkhead_waiting(&upstream->bulkhead) > 0; i++)
		if (!inbox_send(&control->workers[i].inbox, WORKER_CALL, upstream_reference(upstream), NULL))
			upstream_release(upstream);
}

bool control_send_logs(struct control *control)
{
	const struct config *config = control->config;
	const char *name = config->access_log_path == NULL ? "stdout" : config->access_log_path;

	control->has_old_log = false;
	for (unsigned i = 0; i < control->worker_count; i++) {
		int fd = access_log_open(config);

		if (fd < 0 && config->access_log != ACCESS_LOG_OFF) {
			log_error("access log: %s can't be opened: %s%s", name, strerror(errno),
			          errno == EACCES && control->beginning.sandbox ? " (in the sandbox another folder takes a restart)" : "");
			control->has_old_log = true; /* what is open stays */
			return false;
		}
		if (!inbox_send(&control->workers[i].inbox, WORKER_LOG, (void *)((intptr_t)fd + 1), NULL)) {
			log_error("memory is short: worker %u keeps its access log", i);
			close(fd);
		}
	}
	return true;
}

void control_transition(struct control *control, struct upstream *upstream, const struct breaker_transition *transition)
{
	struct admin_event *event = &control->events[control->event_total % CONTROL_EVENTS];
	char *name = strdup(upstream->name), rest[40] = "";

	if (transition->to == BREAKER_OPEN)
		snprintf(rest, sizeof rest, "; for %u ms", transition->open_for_ms);
	log_write(transition->to == BREAKER_OPEN ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
	          "breaker %s: %s -> %s: %s; %u calls, %u failed, %u slow%s", upstream->name, breaker_state_name(transition->from),
	          breaker_state_name(transition->to), breaker_reason_text(transition->reason), transition->calls,
	          transition->failures, transition->slow_calls, rest);
	if (transition->to == BREAKER_OPEN || transition->to == BREAKER_FORCED_OPEN)
		send_opened(control, upstream);
	if (name == NULL)
		return;
	free((char *)event->upstream);
	*event = (struct admin_event){ .upstream = name, .transition = *transition, .wall_ms = clock_wall_ms() };
	control->event_total++;
}

/* ---- the view ------------------------------------------------------------------------------------------------ */

static const struct config *view_config(void *context)
{
	return ((struct control *)context)->config;
}

/* An idle loop does not turn, so it is asked to; one that has not for long is stuck. */
static bool view_is_live(void *context)
{
	struct control *control = context;
	uint64_t now_ms = clock_now_ms();
	bool is_live = true;

	for (unsigned i = 0; i < control->workers_started; i++) {
		struct pulse *pulse = &control->pulses[i];
		uint64_t turns = counter_read(&control->workers[i].counters.turns);

		if (pulse->asked_ms == 0 || turns != pulse->turns) {
			if (inbox_send(&control->workers[i].inbox, WORKER_PING, NULL, NULL))
				*pulse = (struct pulse){ .turns = turns, .asked_ms = now_ms };
		} else if (now_ms - pulse->asked_ms > CONTROL_LIVE_MS) {
			is_live = false;
		}
	}
	return is_live;
}

static bool view_is_ready(void *context)
{
	return ((struct control *)context)->state == CONTROL_SERVING;
}

static size_t view_service_count(void *context)
{
	const struct control *control = context;

	return control->config == NULL ? 0 : control->config->upstream_count;
}

static struct admin_service view_service(void *context, size_t index)
{
	const struct control *control = context;
	const struct upstream_settings *settings = &control->config->upstreams[index];
	struct discovery_view known = discovery_look(control->discovery, settings->upstream);

	return (struct admin_service){ .settings = settings, .set = known.known, .serving = known.set,
		                       .discovery_error = known.name == NULL ? NULL : known.name->error,
		                       .last_answer_ms = known.name == NULL ? 0 : known.name->last_answer_ms };
}

static bool view_quarantined(void *context, const struct admin_service *service, size_t index,
                             struct admin_quarantined *quarantined)
{
	const struct control *control = context;
	struct discovery_view known = discovery_look(control->discovery, service->settings->upstream);

	return discovery_quarantined(&known, index, quarantined->address, &quarantined->why);
}

static size_t view_event_count(void *context)
{
	const struct control *control = context;

	return control->event_total < CONTROL_EVENTS ? control->event_total : CONTROL_EVENTS;
}

static struct admin_event view_event(void *context, size_t index)
{
	const struct control *control = context;
	size_t oldest = control->event_total < CONTROL_EVENTS ? 0 : control->event_total;

	return control->events[(oldest + index) % CONTROL_EVENTS];
}

static int compare_counters(const void *a, const void *b)
{
	uintptr_t first = (uintptr_t)*(void *const *)a, second = (uintptr_t)*(void *const *)b;

	return (first > second) - (first < second);
}

/* The counters that routes of the configuration in use have, sorted. NULL: memory is short. */
static void **counters_in_use(const struct control *control, size_t *count)
{
	void **list;

	*count = control->config == NULL ? 0 : control->config->route_count;
	list = calloc(*count + 1, sizeof *list);
	for (size_t i = 0; list != NULL && i < *count; i++)
		list[i] = control->config->routes[i].counters;
	if (list != NULL)
		qsort(list, *count, sizeof *list, compare_counters);
	return list;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct metrics_service *)a)->settings->name, ((const struct metrics_service *)b)->settings->name);
}

static void view_write_metrics(void *context, FILE *to)
{
	struct control *control = context;
	size_t service_count = view_service_count(context), in_use_count;
	void **in_use = counters_in_use(control, &in_use_count);
	struct metrics_route *routes = calloc(control->route_count + 1, sizeof *routes);
	struct metrics_service *services = calloc(service_count + 1, sizeof *services);
	const struct worker_counters **workers = calloc(control->worker_count + 1, sizeof *workers);

	if (in_use != NULL && routes != NULL && services != NULL && workers != NULL) {
		for (size_t i = 0; i < control->route_count; i++) {
			const struct counted_route *route = &control->routes[i];
			bool is_removed = route->upstream != NULL &&
			                  bsearch(&route->metrics, in_use, in_use_count, sizeof *in_use, compare_counters) == NULL;

			routes[i] = (struct metrics_route){ route->uri, route->id, route->upstream, route->metrics, is_removed };
		}
		for (size_t i = 0; i < service_count; i++) {
			const struct upstream_settings *settings = &control->config->upstreams[i];
			struct discovery_view known = discovery_look(control->discovery, settings->upstream);
			const struct guard *guard = known.name == NULL ? NULL : known.name->guard;

			services[i] = (struct metrics_service){
				.settings = settings,
				.set = known.known,
				.serving = known.set,
				.dns_questions = known.name == NULL ? 0 : known.name->questions_total,
				.dns_failures = known.name == NULL ? 0 : known.name->failures_total,
				.quarantined = guard == NULL ? 0 : guard->quarantined,
				.quarantines = guard == NULL ? 0 : guard->quarantines_total,
			};
		}
		qsort(services, service_count, sizeof *services, by_name);
		for (unsigned i = 0; i < control->worker_count; i++)
			workers[i] = &control->workers[i].counters;
		metrics_write(&(struct metrics_input){
				      .routes = routes,
				      .route_count = control->route_count,
				      .services = services,
				      .service_count = service_count,
				      .workers = workers,
				      .worker_count = control->worker_count,
				      .now_ms = clock_now_ms(),
				      .started_ms = control->started_ms,
				      .ready_ms = control->ready_ms,
				      .cpu = &control->cpu,
				      .started_wall_ms = control->started_wall_ms,
				      .reloads = control->reloads,
				      .reload_failures = control->reload_failures,
				      .config_wall_ms = control->config_wall_ms,
			      },
		              to);
	}
	free(in_use);
	free(routes);
	free(services);
	free(workers);
}

static bool view_calls(void *context, const char *upstream, struct admin_calls *calls)
{
	const struct control *control = context;
	struct metrics_calls counted = { 0 };

	for (size_t i = 0; i < control->route_count; i++) {
		const struct counted_route *route = &control->routes[i];

		if (route->upstream != NULL && strcmp(route->upstream, upstream) == 0)
			metrics_add_calls(route->metrics, &counted);
	}
	*calls = (struct admin_calls){
		.successes = counted.events[CALL_SUCCESS],
		.failures = counted.events[CALL_FAILURE],
		.timeouts = counted.events[CALL_TIMEOUT],
		.bad_requests = counted.events[CALL_BAD_REQUEST],
		.short_circuited = counted.events[CALL_SHORT_CIRCUITED],
		.rejected = counted.events[CALL_REJECTED],
		.fallbacks = counted.events[CALL_FALLBACK],
		.thrown = counted.events[CALL_THROWN],
		.bounds_us = metrics_bucket_us,
		.bound_count = METRICS_BUCKETS,
		.sum_us = counted.sum_us,
	};
	memcpy(calls->buckets, counted.buckets, sizeof counted.buckets);
	return true;
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

bool control_state_init(struct control *control)
{
	control->started_ms = clock_now_ms();
	control->cpu = (struct metrics_cpu){ .cpus = cgroup_cpus(), .before.at_ms = control->started_ms };
	control->view = (struct admin_view){
		.context = control,
		.config = view_config,
		.is_live = view_is_live,
		.is_ready = view_is_ready,
		.service_count = view_service_count,
		.service = view_service,
		.quarantined = view_quarantined,
		.event_count = view_event_count,
		.event = view_event,
		.write_metrics = view_write_metrics,
		.calls = view_calls,
	};
	control->pulses = calloc(control->worker_wanted, sizeof *control->pulses);
	control->shared.unrouted = add_route(control, strdup("UNKNOWN"), "UNKNOWN", NULL);
	return control->pulses != NULL && control->shared.unrouted != NULL;
}

void control_state_destroy(struct control *control)
{
	for (size_t i = 0; i < control->route_count; i++)
		free_route(&control->routes[i]);
	for (size_t i = 0; i < CONTROL_EVENTS; i++)
		free((char *)control->events[i].upstream);
	free(control->beginning.listen);
	free(control->routes);
	free(control->pulses);
}
