#include "gateway/control/view.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/control/neighbours.h"
#include "gateway/discovery/name.h"
#include "gateway/filter/limiter.h"
#include "gateway/filter/store.h"
#include "gateway/telemetry/metrics_calls.h"

static const struct config *view_config(void *context)
{
	return ((struct control *)context)->config;
}

/* An idle loop does not iterate, so the control thread sends it a message. A worker that has not iterated CONTROL_LIVE_MS later is
 * stuck. */
static bool view_is_live(void *context)
{
	struct control *control = context;
	uint64_t now_ms = clock_now_ms();
	bool is_live = true;

	for (unsigned i = 0; i < control->workers_started; i++) {
		struct pulse *pulse = &control->pulses[i];
		uint64_t iterations = counter_read(&control->workers[i].counters.iterations);

		if (pulse->asked_ms == 0 || iterations != pulse->iterations) {
			if (inbox_send(&control->workers[i].inbox, WORKER_PING, NULL, NULL))
				*pulse = (struct pulse){ .iterations = iterations, .asked_ms = now_ms };
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

static void view_events(void *context, admin_take_event *take, void *to)
{
	event_log_each(&((struct control *)context)->events, take, to);
}

static int compare_counters(const void *a, const void *b)
{
	uintptr_t first = (uintptr_t)*(void *const *)a, second = (uintptr_t)*(void *const *)b;

	return (first > second) - (first < second);
}

/* The counters that routes of the configuration in use have, sorted. NULL: out of memory. */
static void **counters_in_use(const struct control *control, size_t *count)
{
	size_t routes = control->config == NULL ? 0 : control->config->route_count;
	void **list = calloc(3 * routes + 1, sizeof *list);

	*count = 0;
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < routes; i++) {
		const struct route *route = &control->config->routes[i];

		list[(*count)++] = route->counters;
		if (route->detour == NULL)
			continue;
		list[(*count)++] = route->detoured;
		list[(*count)++] = route->detour->counters;
	}
	qsort(list, *count, sizeof *list, compare_counters);
	return list;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct metrics_service *)a)->settings->name, ((const struct metrics_service *)b)->settings->name);
}

static void fill_routes(const struct control *control, void **in_use, size_t in_use_count, struct metrics_route *routes)
{
	for (size_t i = 0; i < control->route_count; i++) {
		const struct counted_route *route = &control->routes[i];
		bool is_removed = route->upstream != NULL &&
		                  bsearch(&route->metrics, in_use, in_use_count, sizeof *in_use, compare_counters) == NULL;

		routes[i] = (struct metrics_route){ route->uri, route->id, route->upstream, route->metrics, route->is_of_detoured,
			                           is_removed };
	}
}

/* By name. */
static void fill_services(const struct control *control, struct metrics_service *services, size_t count)
{
	for (size_t i = 0; i < count; i++) {
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
	qsort(services, count, sizeof *services, by_name);
}

static void view_write_metrics(void *context, FILE *to)
{
	struct control *control = context;
	size_t service_count = view_service_count(context), in_use_count;
	void **in_use = counters_in_use(control, &in_use_count);
	struct metrics_route *routes = calloc(control->route_count + 1, sizeof *routes);
	struct metrics_service *services = calloc(service_count + 1, sizeof *services);
	const struct worker_counters **workers = calloc(control->worker_count + 1, sizeof *workers);

	for (unsigned i = 0; i < control->worker_count; i++)
		inbox_send(&control->workers[i].inbox, WORKER_PING, NULL, NULL);
	if (in_use != NULL && routes != NULL && services != NULL && workers != NULL) {
		fill_routes(control, in_use, in_use_count, routes);
		fill_services(control, services, service_count);
		for (unsigned i = 0; i < control->worker_count; i++)
			workers[i] = &control->workers[i].counters;
		metrics_write(&(struct metrics_input){
				      .routes = routes,
				      .route_count = control->route_count,
				      .services = services,
				      .service_count = service_count,
				      .workers = workers,
				      .worker_count = control->worker_count,
				      .names = control->config == NULL ? METRICS_BOOT3 : control->config->metrics_names,
				      .configured_routes = control->config == NULL ? 0 : control->config->route_count,
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
		limiters_write_metrics(to);
		stores_write_metrics(to);
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
	calls->counts = (struct admin_counts){
		.successes = counted.events[CALL_SUCCESS],
		.failures = counted.events[CALL_FAILURE],
		.timeouts = counted.events[CALL_TIMEOUT],
		.bad_requests = counted.events[CALL_BAD_REQUEST],
		.short_circuited = counted.events[CALL_SHORT_CIRCUITED],
		.rejected = counted.events[CALL_REJECTED],
		.fallbacks = counted.events[CALL_FALLBACK],
		.thrown = counted.events[CALL_THROWN],
		.cancelled = counted.events[CALL_CANCELLED],
		.requests = counted.requests,
	};
	calls->latencies = counted.latencies;
	return true;
}

static unsigned view_ask_requests(void *context, uint64_t question)
{
	struct control *control = context;
	unsigned asked = 0;

	for (unsigned i = 0; i < control->workers_started; i++)
		asked += inbox_send(&control->workers[i].inbox, WORKER_KEPT, (void *)(uintptr_t)question, NULL);
	return asked;
}

static struct admin_gateway view_gateway(void *context)
{
	return neighbours_describe(context);
}

struct admin_view view_of(struct control *control)
{
	return (struct admin_view){
		.context = control,
		.config = view_config,
		.is_live = view_is_live,
		.is_ready = view_is_ready,
		.service_count = view_service_count,
		.service = view_service,
		.quarantined = view_quarantined,
		.events = view_events,
		.write_metrics = view_write_metrics,
		.calls = view_calls,
		.gateway = view_gateway,
		.ask_requests = view_ask_requests,
		.timeline = &control->timeline,
	};
}
