/*
 * Breakers in the form of Resilience4j's actuator endpoints, and the one change that the listener accepts: a breaker's state.
 */
#include "gateway/admin/breakers.h"

#include <stdlib.h>
#include <string.h>

#include "breaker/look.h"
#include "breaker/names.h"
#include "gateway/admin/overrides.h"
#include "gateway/base/clock.h"

enum { EVENTS_MAX = 1000 }; /* the newest of all breakers */

/* Java's "33.333332%" with fewer digits; "-1.0%" while there are too few calls. */
static json_t *share(int32_t rate_bp, uint32_t part, uint32_t whole)
{
	if (rate_bp < 0 || whole == 0)
		return json_string("-1.0%");
	return json_sprintf("%.1f%%", (double)part * 100 / whole);
}

/* "50.0%", "12.5%", "0.25%" */
static json_t *threshold(uint32_t rate_bp)
{
	return json_sprintf("%.*f%%", rate_bp % 10 == 0 ? 1 : 2, rate_bp / 100.0);
}

json_t *breakers_figures(const struct admin_service *service)
{
	const struct breaker_settings *settings = &service->settings->breaker;
	struct breaker_view view = breaker_look(service->settings->upstream->breaker, settings, clock_now_ms());
	enum breaker_state shown = breaker_state_shown(view.state, settings);
	char state[PAGE_STATE_MAX];
	json_t *figures;

	page_format_state(state, shown);
	figures = json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:s}", "failureRate",
	                 share(view.failure_rate_bp, view.failures, view.calls), "slowCallRate",
	                 share(view.slow_rate_bp, view.slow_calls, view.calls), "failureRateThreshold",
	                 threshold(settings->failure_rate_bp), "slowCallRateThreshold",
	                 threshold(settings->slow_rate_bp), "bufferedCalls", (json_int_t)view.calls,
	                 "failedCalls", (json_int_t)view.failures, "slowCalls", (json_int_t)view.slow_calls,
	                 "slowFailedCalls", (json_int_t)view.slow_failures, "notPermittedCalls",
	                 (json_int_t)view.not_permitted, "state", state);
	if (shown != view.state) { /* for the search after the right figures, which is what observing is for */
		page_format_state(state, view.state);
		json_object_set_new(figures, "wouldBe", json_string(state));
	}
	/* Dashboards expect the number; a person reads the sentence. */
	if (view.failure_rate_bp < 0 && view.state == BREAKER_HALF_OPEN)
		json_object_set_new(figures, "note", json_sprintf("no rates (-1.0%%) before half_open_calls have ended: %u of %u",
		                                                  view.calls, settings->half_open_calls));
	else if (view.failure_rate_bp < 0)
		json_object_set_new(figures, "note", json_sprintf("no rates (-1.0%%) below minimum_calls: %u of %u", view.calls,
		                                                  settings->minimum_calls));
	return figures;
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

static void change(struct page_request *request, const struct admin_service *service)
{
	const struct upstream_settings *settings = service->settings;
	json_t *body = page_body(request);
	enum breaker_state wish, shown;
	char state[PAGE_STATE_MAX];

	if (body == NULL)
		return;
	if (!override_parse_word(json_string_value(json_object_get(body, "updateState")), &wish)) {
		page_error(request, 400, "updateState must be CLOSE, FORCE_OPEN, DISABLE or METRICS_ONLY");
	} else if (json_object_get(body, "for") != NULL || json_object_get(body, "reason") != NULL) {
		page_error(request, 400, "only /cluster/breakers/NAME takes for and reason");
	} else if (!settings->breaker.enabled) {
		page_error(request, 409, "the configuration says that this upstream has no breaker");
	} else {
		breaker_force(settings->upstream->breaker, wish, clock_now_ms());
		shown = breaker_state_shown(breaker_state_now(settings->upstream->breaker, &settings->breaker), &settings->breaker);
		page_format_state(state, shown);
		page_json(request, 200, PAGE_ACTUATOR,
		          json_pack("{s:s, s:s, s:o}", "circuitBreakerName", settings->name, "currentState", state, "message",
		                    json_sprintf("%s state has been changed successfully%s", settings->name,
		                                 shown == wish ? "" : "; but its mode is observe, so it rejects nothing")));
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
	else if (!view_find_service(request->view, request->rest, &service))
		page_error(request, 404, "there is no circuit breaker with this name");
	else if (request->is_post)
		change(request, &service);
	else
		page_json(request, 200, PAGE_ACTUATOR, breakers_figures(&service));
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

/* The requested breakers, to be sorted. */
struct chosen {
	const char *upstream, *type; /* NULL: any */
	struct admin_event *list;
	size_t count, room;
	bool is_short;
};

static json_t *describe_transition(const struct admin_event *event, const char *time)
{
	const struct breaker_transition *transition = &event->transition;
	char from[PAGE_STATE_MAX], to[PAGE_STATE_MAX];
	json_t *one;

	page_format_state(from, transition->from);
	page_format_state(to, transition->to);
	one = json_pack("{s:s, s:s, s:s, s:n, s:n, s:o, s:s, s:I, s:I, s:I, s:I, s:I}", "circuitBreakerName", event->upstream,
	                 "type", breaker_event_name(event->type), "creationTime", time, "errorMessage", "durationInMs",
	                 "stateTransition", json_sprintf("%s_TO_%s", from, to), "reason", breaker_reason_text(transition->reason),
	                 "calls", (json_int_t)transition->calls, "failures", (json_int_t)transition->failures, "slowCalls",
	                 (json_int_t)transition->slow_calls, "openForMs", (json_int_t)transition->open_for_ms, "generation",
	                 (json_int_t)transition->generation);
	if (event->only_observes)
		json_object_set_new(one, "observe", json_true());
	return one;
}

static json_t *message_of(const struct breaker_call *call)
{
	return call->status == 0 ? json_string(call->why) : json_sprintf("%s: %u", call->why, call->status);
}

/* As with Resilience4j, a call that was not permitted has neither error nor duration, and a slow one has no error. */
static json_t *describe_call(const struct admin_event *event, const char *time)
{
	const struct breaker_call *call = &event->call;
	bool has_error = call->event == BREAKER_EVENT_ERROR || call->event == BREAKER_EVENT_IGNORED_ERROR;
	bool was_made = call->event != BREAKER_EVENT_NOT_PERMITTED;

	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:n, s:s, s:I}", "circuitBreakerName", event->upstream, "type",
	                 breaker_event_name(event->type), "creationTime", time, "errorMessage",
	                 has_error ? message_of(call) : json_null(), "durationInMs",
	                 was_made ? json_integer((json_int_t)call->duration_ms) : json_null(), "stateTransition", "outcome",
	                 call->outcome, "skipped", (json_int_t)call->skipped);
}

static json_t *describe(const struct admin_event *event)
{
	char time[PAGE_TIME_MAX];

	page_format_time(time, event->wall_ms);
	return event->type == BREAKER_EVENT_STATE_TRANSITION ? describe_transition(event, time) : describe_call(event, time);
}

static void take_event(void *to, const struct admin_event *event)
{
	struct chosen *chosen = to;

	if ((chosen->upstream != NULL && strcmp(chosen->upstream, event->upstream) != 0) ||
	    (chosen->type != NULL && strcmp(chosen->type, breaker_event_name(event->type)) != 0))
		return;
	if (chosen->count == chosen->room) {
		size_t room = chosen->room * 2 + 64;
		struct admin_event *larger = realloc(chosen->list, room * sizeof *larger);

		chosen->is_short |= larger == NULL;
		if (larger == NULL)
			return;
		chosen->list = larger;
		chosen->room = room;
	}
	chosen->list[chosen->count++] = *event;
}

static int by_number(const void *a, const void *b)
{
	uint64_t first = ((const struct admin_event *)a)->number, second = ((const struct admin_event *)b)->number;

	return (first > second) - (first < second);
}

/* Resilience4j has more types, which the gateway does not report. */
static bool is_type(const char *type)
{
	static const char *const others[] = { "SUCCESS", "RESET", "FORCED_OPEN", "DISABLED", "FAILURE_RATE_EXCEEDED",
		                              "SLOW_CALL_RATE_EXCEEDED" };

	for (size_t i = 0; i < BREAKER_EVENT_COUNT; i++)
		if (strcmp(type, breaker_event_name((enum breaker_event)i)) == 0)
			return true;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (strcmp(type, others[i]) == 0)
			return true;
	return false;
}

static void answer_events(struct page_request *request, struct chosen *chosen)
{
	json_t *all = json_array();

	request->view->events(request->view->context, take_event, chosen);
	if (chosen->count > 1)
		qsort(chosen->list, chosen->count, sizeof *chosen->list, by_number);
	for (size_t i = chosen->count > EVENTS_MAX ? chosen->count - EVENTS_MAX : 0; i < chosen->count; i++)
		json_array_append_new(all, describe(&chosen->list[i]));
	free(chosen->list);
	if (chosen->is_short) {
		json_decref(all);
		all = NULL;
	}
	page_json(request, 200, PAGE_ACTUATOR, json_pack("{s:o}", "circuitBreakerEvents", all));
}

/* .../NAME and .../NAME/TYPE leave others out, as with Resilience4j. */
void breakers_events(struct page_request *request)
{
	char *type = strchr(request->rest, '/');

	if (type != NULL)
		*type++ = '\0';
	if (type != NULL && !is_type(type))
		page_error(request, 400, "the types are STATE_TRANSITION, ERROR, IGNORED_ERROR, NOT_PERMITTED and SLOW");
	else
		answer_events(request, &(struct chosen){ .upstream = request->rest[0] == '\0' ? NULL : request->rest, .type = type });
}
