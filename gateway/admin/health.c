/*
 * Is the gateway well? Liveness only asks whether the loops run: killing a gateway because an upstream is ill helps nobody.
 * Readiness fails while draining, so that load balancers look elsewhere. Open breakers are shown, but the gateway stays UP:
 * serving fallbacks is its work.
 */
#include "gateway/admin/health.h"

#include <string.h>

#include "breaker/look.h"
#include "gateway/admin/breakers.h"

static void answer(struct page_request *request, bool is_well, const char *bad_word, const char *content_type)
{
	page_json(request, is_well ? 200 : 503, content_type, json_pack("{s:s}", "status", is_well ? "UP" : bad_word));
}

void health_livez(struct page_request *request)
{
	answer(request, request->view->is_live(request->view->context), "DOWN", PAGE_JSON);
}

void health_readyz(struct page_request *request)
{
	answer(request, request->view->is_ready(request->view->context), "OUT_OF_SERVICE", PAGE_JSON);
}

static enum breaker_state state_of(const struct admin_service *service)
{
	const struct breaker_settings *settings = &service->settings->breaker;

	return breaker_state_shown(breaker_state_now(service->settings->upstream->breaker, settings), settings);
}

static const char *status_of(enum breaker_state state)
{
	switch (state) {
	case BREAKER_OPEN:
	case BREAKER_FORCED_OPEN:
		return "CIRCUIT_OPEN";
	case BREAKER_HALF_OPEN:
		return "CIRCUIT_HALF_OPEN";
	case BREAKER_CLOSED:
	case BREAKER_DISABLED:
	case BREAKER_METRICS_ONLY:
		break;
	}
	return "UP";
}

/* As Resilience4j's health indicator has it. */
static json_t *breakers(const struct admin_view *view)
{
	json_t *details = json_object();

	for (size_t i = 0, count = view->service_count(view->context); i < count; i++) {
		struct admin_service service = view->service(view->context, i);
		json_t *figures = breakers_figures(&service); /* may end a half-open state: the state is read after it */

		json_object_set_new(details, service.settings->name,
		                    json_pack("{s:s, s:o}", "status", status_of(state_of(&service)), "details", figures));
	}
	return json_pack("{s:s, s:o}", "status", "UP", "details", details);
}

/* As Spring Cloud's Hystrix health indicator has it. */
static json_t *hystrix(const struct admin_view *view)
{
	json_t *open = json_array(), *value;

	for (size_t i = 0, count = view->service_count(view->context); i < count; i++) {
		struct admin_service service = view->service(view->context, i);

		if (strcmp(status_of(state_of(&service)), "UP") != 0)
			json_array_append_new(open, json_sprintf(UPSTREAM_HYSTRIX_GROUP "::%s", service.settings->name));
	}
	if (json_array_size(open) > 0)
		return json_pack("{s:s, s:{s:o}}", "status", "CIRCUIT_OPEN", "details", "openCircuitBreakers", open);
	value = json_pack("{s:s}", "status", "UP");
	json_decref(open);
	return value;
}

static json_t *state(bool is_well, const char *bad_word)
{
	return json_pack("{s:s}", "status", is_well ? "UP" : bad_word);
}

/* As Spring Boot maps a status to HTTP's; CIRCUIT_OPEN is no illness. */
static bool is_bad(const json_t *component)
{
	const char *status = json_string_value(json_object_get(component, "status"));

	return status != NULL && (strcmp(status, "DOWN") == 0 || strcmp(status, "OUT_OF_SERVICE") == 0);
}

void health_actuator(struct page_request *request)
{
	const struct admin_view *view = request->view;
	bool is_live = view->is_live(view->context), is_ready = view->is_ready(view->context);
	json_t *components, *one;

	if (strcmp(request->rest, "liveness") == 0) {
		answer(request, is_live, "DOWN", PAGE_ACTUATOR);
		return;
	}
	if (strcmp(request->rest, "readiness") == 0) {
		answer(request, is_ready, "OUT_OF_SERVICE", PAGE_ACTUATOR);
		return;
	}
	components = json_pack("{s:o, s:o, s:o, s:o, s:o}", "circuitBreakers", breakers(view), "hystrix", hystrix(view),
	                       "livenessState", state(is_live, "DOWN"), "ping", state(true, ""), "readinessState",
	                       state(is_ready, "OUT_OF_SERVICE"));
	if (request->rest[0] == '\0') {
		page_json(request, is_live && is_ready ? 200 : 503, PAGE_ACTUATOR,
		          json_pack("{s:s, s:o, s:[s, s]}", "status", !is_live ? "DOWN" : is_ready ? "UP" : "OUT_OF_SERVICE",
		                    "components", components, "groups", "liveness", "readiness"));
		return;
	}
	one = json_incref(json_object_get(components, request->rest));
	json_decref(components);
	if (one == NULL)
		page_error(request, 404, "health has no such component");
	else
		page_json(request, is_bad(one) ? 503 : 200, PAGE_ACTUATOR, one);
}
