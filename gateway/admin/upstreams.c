/*
 * /upstreams: where requests may go, and why not elsewhere. The page to look at when a service answers strangely.
 */
#include "gateway/admin/upstreams.h"

#include "gateway/admin/breakers.h"
#include "gateway/base/clock.h"
#include "routes/balance.h"

/* Since its last answer, of those in flight: what makes it silent (balance.h). */
static uint64_t unanswered(const struct endpoint *endpoint)
{
	uint64_t in_flight = atomic_load((_Atomic uint32_t *)&endpoint->in_flight);
	uint64_t answered = atomic_load((_Atomic uint64_t *)&endpoint->answered);
	uint64_t since = atomic_load((_Atomic uint64_t *)&endpoint->requests_total) - answered;

	return since < in_flight ? since : in_flight;
}

/* null: it has not been checked. */
static json_t *describe_health(const struct health *health, uint64_t now_ms)
{
	if (health->checks_total == 0)
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:s?, s:I, s:I, s:I}", "state", health_state_name(health->state), "forMs",
	                 (json_int_t)(health->since_ms == 0 ? 0 : now_ms - health->since_ms), "lastStatus",
	                 (json_int_t)health->last.status, "lastError", health->last.error, "lastTookMs",
	                 (json_int_t)health->last.took_ms, "checks", (json_int_t)health->checks_total, "failures",
	                 (json_int_t)health->failures_total);
}

static const char *state_of(const struct endpoint *endpoint, bool is_ejected)
{
	if (endpoint->health.state == HEALTH_UNHEALTHY)
		return "unhealthy";
	return is_ejected ? "ejected" : "available";
}

const char *upstreams_endpoint_state(const struct admin_service *service, const struct endpoint *endpoint, uint64_t now_ms)
{
	return state_of(endpoint, balance_is_passed_over(service->serving, &service->settings->ejection, now_ms, endpoint));
}

static json_t *describe_endpoint(const struct admin_service *service, const struct endpoint *endpoint, uint64_t now_ms)
{
	const struct ejection *ejection = &endpoint->ejection;
	const char *last_error = atomic_load((_Atomic(const char *) *)&endpoint->last_error);
	bool is_ejected = balance_is_passed_over(service->serving, &service->settings->ejection, now_ms, endpoint);
	uint64_t until_ms = atomic_load((_Atomic uint64_t *)&ejection->until_ms);

	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s?, s:s?, s:I, s:o}", "address", endpoint->text, "state",
	                 state_of(endpoint, is_ejected), "inFlight",
	                 (json_int_t)atomic_load((_Atomic uint32_t *)&endpoint->in_flight), "unanswered",
	                 (json_int_t)unanswered(endpoint), "requests",
	                 (json_int_t)atomic_load((_Atomic uint64_t *)&endpoint->requests_total), "failures",
	                 (json_int_t)atomic_load((_Atomic uint64_t *)&endpoint->failures_total), "failuresInARow",
	                 (json_int_t)atomic_load((_Atomic uint32_t *)&ejection->failures), "ejections",
	                 (json_int_t)atomic_load((_Atomic uint64_t *)&ejection->ejections_total), "ejectedForMs",
	                 (json_int_t)(is_ejected && until_ms > now_ms ? until_ms - now_ms : 0), "lastError", last_error,
	                 "discoveredBy", endpoint->discovered_by, "ageMs",
	                 (json_int_t)(now_ms > endpoint->born_ms ? now_ms - endpoint->born_ms : 0), "health",
	                 describe_health(&endpoint->health, now_ms));
}

static json_t *describe_quarantined(const struct admin_view *view, const struct admin_service *service)
{
	json_t *all = json_array();
	struct admin_quarantined one;

	for (size_t i = 0; view->quarantined != NULL && view->quarantined(view->context, service, i, &one); i++)
		json_array_append_new(all, json_pack("{s:s, s:s}", "address", one.address, "reason", one.why));
	return all;
}

static json_t *describe_discovery(const struct admin_view *view, const struct admin_service *service,
                                  uint64_t now_ms)
{
	const struct upstream_settings *settings = service->settings;
	json_t *age = service->last_answer_ms == 0 || service->last_answer_ms > now_ms
	                      ? json_null()
	                      : json_integer((json_int_t)(now_ms - service->last_answer_ms));

	return json_pack("{s:s, s:s, s:s?, s:o, s:o}", "by", settings->address.family == 0 ? "dns" : "address", "host",
	                 settings->host, "error", service->discovery_error, "lastAnswerAgeMs", age, "quarantined",
	                 describe_quarantined(view, service));
}

static json_t *describe(const struct admin_view *view, const struct admin_service *service)
{
	const struct upstream_settings *settings = service->settings;
	const struct upstream *upstream = settings->upstream;
	uint64_t now_ms = clock_now_ms();
	json_t *endpoints = json_array();

	for (size_t i = 0; service->set != NULL && i < service->set->count; i++)
		json_array_append_new(endpoints, describe_endpoint(service, service->set->endpoints[i], now_ms));
	return json_pack("{s:s, s:s, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:{s:I, s:I}, s:o}", "name", settings->name,
	                 "url", settings->url, "breaker", breakers_figures(service), "discovery",
	                 describe_discovery(view, service, now_ms), "bulkhead", "inFlight",
	                 (json_int_t)bulkhead_in_flight(&upstream->bulkhead), "maxInFlight",
	                 (json_int_t)settings->bulkhead_max_in_flight, "waiting", (json_int_t)bulkhead_waiting(&upstream->bulkhead),
	                 "maxWaiting", (json_int_t)settings->bulkhead_max_waiting, "waited",
	                 (json_int_t)atomic_load((_Atomic uint64_t *)&upstream->queue.waited_total), "rejected",
	                 (json_int_t)atomic_load((_Atomic uint64_t *)&upstream->bulkhead.rejected_total), "streams",
	                 (json_int_t)bulkhead_in_flight(&upstream->streams), "retry", "attempts",
	                 (json_int_t)settings->retry_attempts, "refusedByBudget",
	                 (json_int_t)atomic_load((_Atomic uint64_t *)&upstream->retry_budget.refused_total), "endpoints",
	                 endpoints);
}

void upstreams_page(struct page_request *request)
{
	const struct admin_view *view = request->view;
	struct admin_service service;
	json_t *all;

	if (request->rest[0] != '\0') {
		if (view_find_service(request->view, request->rest, &service))
			page_json(request, 200, PAGE_JSON, describe(view, &service));
		else
			page_error(request, 404, "there is no upstream with this name");
		return;
	}
	all = json_array();
	for (size_t i = 0, count = view->service_count(view->context); i < count; i++) {
		service = view->service(view->context, i);
		json_array_append_new(all, describe(view, &service));
	}
	page_json(request, 200, PAGE_JSON, json_pack("{s:o}", "upstreams", all));
}
