#include "gateway/control/state.h"

#include <stdlib.h>

#include "breaker/look.h"
#include "breaker/names.h"
#include "gateway/base/cgroup.h"
#include "gateway/base/log.h"
#include "gateway/net/timer.h"

/* ---- counters ------------------------------------------------------------------------------------------------ */

static void free_route(struct counted_route *route)
{
	free(route->uri);
	free(route->id);
	free(route->upstream);
	metrics_free(route->metrics);
}

static struct route_metrics *add_route(struct control *control, const char *id, const char *uri, const char *upstream,
                                       bool is_of_detoured)
{
	struct counted_route *larger = realloc(control->routes, (control->route_count + 1) * sizeof *larger);
	struct counted_route route = { .uri = strdup(uri), .id = strdup(id), .upstream = upstream == NULL ? NULL : strdup(upstream),
		                       .is_of_detoured = is_of_detoured };

	if (larger != NULL)
		control->routes = larger;
	route.metrics = metrics_new(control->worker_wanted);
	if (larger == NULL || route.id == NULL || route.uri == NULL || (upstream != NULL && route.upstream == NULL) ||
	    route.metrics == NULL) {
		free_route(&route);
		return NULL;
	}
	control->routes[control->route_count++] = route;
	return route.metrics;
}

struct route_metrics *control_counters(struct control *control, const struct route *route, bool is_of_detoured)
{
	for (size_t i = 0; i < control->route_count; i++) {
		const struct counted_route *known = &control->routes[i];

		if (known->upstream != NULL && known->is_of_detoured == is_of_detoured && strcmp(known->id, route->id) == 0 &&
		    strcmp(known->uri, route->path) == 0 && strcmp(known->upstream, route->upstream->name) == 0)
			return known->metrics;
	}
	return add_route(control, route->id, route->path, route->upstream->name, is_of_detoured);
}

void control_on_minute(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;

	(void)fd, (void)what;
	for (size_t i = 0; i < control->route_count; i++)
		metrics_turn(control->routes[i].metrics);
	timer_set(&control->minute_timer, METRICS_TURN_MS);
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

void control_send_endpoints(struct control *control, struct upstream *upstream, struct endpoint_set *set)
{
	for (unsigned i = 0; i < control->worker_count; i++) {
		upstream_reference(upstream);
		endpoint_set_reference(set);
		if (!inbox_send(&control->workers[i].inbox, WORKER_ENDPOINTS, upstream, set)) {
			log_error("out of memory: worker %u did not get the new endpoints of %s", i, upstream->name);
			atomic_store(&set->must_renew, true);
			upstream_release(upstream);
			endpoint_set_release(set);
		}
	}
}

/* Wakes the requests that wait for a place. */
static void send_opened(struct control *control, struct upstream *upstream)
{
	for (unsigned i = 0; i < control->worker_count && bulkhead_waiting(&upstream->bulkhead) > 0; i++)
		if (!inbox_send(&control->workers[i].inbox, WORKER_WAKE, upstream_reference(upstream), NULL))
			upstream_release(upstream);
}

static bool only_observes(const struct control *control, const struct upstream *upstream)
{
	const struct config *config = control->config;
	const struct upstream_settings *settings = config == NULL ? NULL : config_find_upstream(config, upstream->name);

	return settings != NULL && settings->breaker.observe;
}

/* "closed -> open", or "would go closed -> open, but only observes". An operator's disabling works in every mode. */
static void write_change(char *text, size_t size, const struct breaker_transition *transition, bool only_observes)
{
	bool is_wish = only_observes && (breaker_state_refuses(transition->from) || breaker_state_refuses(transition->to));

	snprintf(text, size, "%s%s -> %s%s", is_wish ? "would go " : "", breaker_state_name(transition->from),
	         breaker_state_name(transition->to), is_wish ? ", but only observes" : "");
}

void control_transition(struct control *control, struct upstream *upstream, const struct breaker_transition *transition)
{
	bool is_observer = only_observes(control, upstream);
	char change[80], duration[40] = "", text[TIMELINE_TEXT];

	write_change(change, sizeof change, transition, is_observer);
	if (transition->to == BREAKER_OPEN)
		snprintf(duration, sizeof duration, "; for %u ms", transition->open_for_ms);
	snprintf(text, sizeof text, "%s: %s; %u calls, %u failed, %u slow%s", change, breaker_reason_text(transition->reason),
	         transition->calls, transition->failures, transition->slow_calls, duration);
	log_write(transition->to == BREAKER_OPEN ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "breaker %s: %s", upstream->name, text);
	if (transition->to == BREAKER_OPEN || transition->to == BREAKER_FORCED_OPEN)
		send_opened(control, upstream);
	upstream->changed_ms = transition->at_ms;
	if (!breaker_state_refuses(transition->from))
		upstream->refuses_ms = transition->at_ms;
	event_log_add_transition(&control->events, upstream->name, transition, is_observer);
	timeline_add(&control->timeline, TIMELINE_TRANSITION, upstream->name, "%s", text);
}

/* Without memory the log misses this report; the breaker itself has changed all the same. */
void control_on_transition(void *context, struct upstream *upstream, const struct breaker_transition *transition)
{
	struct control *control = context;
	struct breaker_transition *copy = malloc(sizeof *copy);

	if (copy == NULL)
		return;
	*copy = *transition;
	if (!inbox_send(&control->shared.control, CONTROL_TRANSITION, upstream_reference(upstream), copy)) {
		upstream_release(upstream);
		free(copy);
	}
}

void control_ejection(struct control *control, struct upstream *upstream, char *text)
{
	log_warn("upstream %s: %s", upstream->name, text);
	timeline_add(&control->timeline, TIMELINE_EJECTION, upstream->name, "%s", text);
	upstream_release(upstream);
	free(text);
}

void control_take_kept(struct control *control, struct kept_list *list)
{
	if (control->admin != NULL)
		admin_take_requests(control->admin, list);
	else
		free(list);
}

void control_log_ready(const struct control *control)
{
	const struct config *config = control->config;
	char list[512];
	size_t used = 0;

	list[0] = '\0';
	for (size_t i = 0; i < config->listen_count && used + ADDRESS_TEXT_MAX + 4 < sizeof list; i++) {
		char text[ADDRESS_TEXT_MAX];

		address_format(&config->listen[i], text);
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", text);
	}
	if (config->admin.family != 0) {
		char text[ADDRESS_TEXT_MAX];

		address_format(&config->admin, text);
		snprintf(list + used, sizeof list - used, "; admin on %s", text);
	}
	log_always("ready: listening on %s; %u worker%s, gateway " GATEWAY_VERSION, list, control->worker_count,
	         control->worker_count == 1 ? "" : "s");
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

bool control_state_init(struct control *control)
{
	control->started_ms = clock_now_ms();
	control->cpu = (struct metrics_cpu){ .cpus = cgroup_cpus(), .before.at_ms = control->started_ms };
	control->pulses = calloc(control->worker_wanted, sizeof *control->pulses);
	control->shared.unrouted = add_route(control, "UNKNOWN", "UNKNOWN", NULL, false);
	return control->pulses != NULL && control->shared.unrouted != NULL;
}

void control_state_destroy(struct control *control)
{
	for (size_t i = 0; i < control->route_count; i++)
		free_route(&control->routes[i]);
	event_log_destroy(&control->events);
	free(control->beginning.listen);
	free(control->routes);
	free(control->pulses);
}
