/*
 * Breakers in the form of Resilience4j's actuator endpoints, and the one thing here that changes something: a state.
 */
#include "gateway/admin/page.h"

#include <string.h>

#include "gateway/base/clock.h"

/* Java's "33.333332%" with fewer digits; "-1.0%" while there are too few calls. */
static json_t *share(int32_t rate_percent, uint32_t part, uint32_t whole)
{
	if (rate_percent < 0 || whole == 0)
		return json_string("-1.0%");
	return json_sprintf("%.1f%%", (double)part * 100 / whole);
}

/* slowFailedCalls is always 0: the breaker's window counts failed and slow calls apart, and which were both would take a ring of
 * its own, summed up with every failure, for a figure on which nothing is decided. */
json_t *breakers_figures(const struct admin_service *service)
{
	const struct breaker_settings *settings = &service->settings->breaker;
	struct breaker_view view = breaker_look(service->settings->upstream->breaker, settings, clock_now_ms());
	char state[PAGE_STATE_MAX];

	page_format_state(state, view.state);
	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:s}", "failureRate",
	                 share(view.failure_rate_percent, view.failures, view.calls), "slowCallRate",
	                 share(view.slow_rate_percent, view.slow_calls, view.calls), "failureRateThreshold",
	                 json_sprintf("%u.0%%", settings->failure_rate_percent), "slowCallRateThreshold",
	                 json_sprintf("%u.0%%", settings->slow_rate_percent), "bufferedCalls", (json_int_t)view.calls,
	                 "failedCalls", (json_int_t)view.failures, "slowCalls", (json_int_t)view.slow_calls,
	                 "slowFailedCalls", (json_int_t)0, "notPermittedCalls", (json_int_t)view.not_permitted, "state", state);
}

static void list(struct page_request *request)
{
	const struct admin_view *view = request->view;
	json_t *all = json_object();

	for (size_t i = 0, count = view->service_count(view->context); i < count; i++) {
		struct admin_service service = view->service(view->context, i);

		json_object_set_new(all, service.settings->name, breakers_figures(&service));
	}
	page_json(request, 200, PAGE_ACTUATOR, json_pack("{s:o}", "circuitBreakers", all));
}

/* ---- POST .../NAME --------------------------------------------------------------------------------------------- */

static bool find_wish(const char *word, enum breaker_state *state)
{
	static const struct {
		const char *word;
		enum breaker_state state;
	} wishes[] = {
		{ "CLOSE", BREAKER_CLOSED },
		{ "FORCE_OPEN", BREAKER_FORCED_OPEN },
		{ "DISABLE", BREAKER_DISABLED },
		{ "METRICS_ONLY", BREAKER_METRICS_ONLY },
	};

	for (size_t i = 0; word != NULL && i < sizeof wishes / sizeof wishes[0]; i++) {
		if (strcmp(wishes[i].word, word) == 0) {
			*state = wishes[i].state;
			return true;
		}
	}
	return false;
}

static void change(struct page_request *request, const struct admin_service *service)
{
	const struct upstream_settings *settings = service->settings;
	json_t *body = page_body(request);
	enum breaker_state wish;
	char state[PAGE_STATE_MAX];

	if (body == NULL)
		return;
	if (!find_wish(json_string_value(json_object_get(body, "updateState")), &wish)) {
		page_error(request, 400, "updateState must be CLOSE, FORCE_OPEN, DISABLE or METRICS_ONLY");
	} else if (!settings->breaker.enabled) {
		page_error(request, 409, "the configuration says that this upstream has no breaker");
	} else {
		breaker_force(settings->upstream->breaker, wish, clock_now_ms());
		page_format_state(state, breaker_state_now(settings->upstream->breaker, &settings->breaker));
		page_json(request, 200, PAGE_ACTUATOR,
		          json_pack("{s:s, s:s, s:o}", "circuitBreakerName", settings->name, "currentState", state, "message",
		                    json_sprintf("%s state has been changed successfully", settings->name)));
	}
	json_decref(body);
}

void breakers_page(struct page_request *request)
{
	struct admin_service service;

	if (request->rest[0] == '\0' && !request->is_post)
		list(request);
	else if (request->rest[0] == '\0')
		page_error(request, 404, "POST needs the name of a circuit breaker behind the path");
	else if (!page_find_service(request, request->rest, &service))
		page_error(request, 404, "there is no circuit breaker of this name");
	else if (request->is_post)
		change(request, &service);
	else
		page_json(request, 200, PAGE_ACTUATOR, breakers_figures(&service));
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

static json_t *describe(const struct admin_event *event)
{
	const struct breaker_transition *transition = &event->transition;
	char from[PAGE_STATE_MAX], to[PAGE_STATE_MAX], time[PAGE_TIME_MAX];

	page_format_state(from, transition->from);
	page_format_state(to, transition->to);
	page_format_time(time, event->wall_ms);
	return json_pack("{s:s, s:s, s:s, s:n, s:n, s:o, s:s, s:I, s:I, s:I, s:I, s:I}", "circuitBreakerName", event->upstream,
	                 "type", "STATE_TRANSITION", "creationTime", time, "errorMessage", "durationInMs", "stateTransition",
	                 json_sprintf("%s_TO_%s", from, to), "reason", breaker_reason_text(transition->reason), "calls",
	                 (json_int_t)transition->calls, "failures", (json_int_t)transition->failures, "slowCalls",
	                 (json_int_t)transition->slow_calls, "openForMs", (json_int_t)transition->open_for_ms, "generation",
	                 (json_int_t)transition->generation);
}

/* .../NAME and .../NAME/TYPE leave others out, as with Resilience4j. */
void breakers_events(struct page_request *request)
{
	const struct admin_view *view = request->view;
	char *type = strchr(request->rest, '/');
	json_t *all = json_array();

	if (type != NULL)
		*type++ = '\0';
	for (size_t i = 0, count = view->event_count(view->context); i < count; i++) {
		struct admin_event event = view->event(view->context, i);

		if (event.upstream == NULL || (request->rest[0] != '\0' && strcmp(request->rest, event.upstream) != 0))
			continue;
		if (type == NULL || strcmp(type, "STATE_TRANSITION") == 0)
			json_array_append_new(all, describe(&event));
	}
	page_json(request, 200, PAGE_ACTUATOR, json_pack("{s:o}", "circuitBreakerEvents", all));
}
