#include "gateway/admin/self.h"

#include <string.h>

#include "breaker/look.h"
#include "breaker/names.h"
#include "gateway/admin/history.h"
#include "gateway/admin/page.h"
#include "gateway/admin/timeline.h"
#include "gateway/admin/trend.h"
#include "gateway/admin/upstreams.h"
#include "gateway/base/clock.h"

/* ---- what is nothing is left out --------------------------------------------------------------------------------- */

static void put_number(json_t *object, const char *key, uint64_t value)
{
	if (value != 0)
		json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* `since_ms` 0: it is not known. */
static void put_age(json_t *object, const char *key, uint64_t since_ms, uint64_t now_ms)
{
	put_number(object, key, since_ms != 0 && now_ms > since_ms ? now_ms - since_ms : 0);
}

static void put_text(json_t *object, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_object_set_new(object, key, json_string(text));
}

/* In percent, with one decimal. */
static void put_share(json_t *object, const char *key, int32_t share_bp)
{
	int32_t tenths = (share_bp + 5) / 10;

	if (share_bp >= 0)
		json_object_set_new(object, key, json_real(tenths / 10.0));
}

/* ---- overrides --------------------------------------------------------------------------------------------------- */

const char *self_override_result(const struct admin_view *view, const struct override_entry *entry, uint64_t now_ms)
{
	struct admin_service service;

	if (!view_find_service(view, entry->breaker, &service))
		return "no such breaker";
	if (!service.settings->breaker.enabled)
		return "breaker is off";
	if (entry->state == BREAKER_CLOSED)
		return "applied";
	if (!override_holds(entry, now_ms))
		return "over";
	if (breaker_state_now(service.settings->upstream->breaker, &service.settings->breaker) != entry->state)
		return "changed here";
	/* It is forced open, and lets every request through. */
	return entry->state == BREAKER_FORCED_OPEN && service.settings->breaker.observe ? "only observes" : "applied";
}

json_t *self_describe_override(const struct override_entry *entry, uint64_t now_ms)
{
	json_t *one = json_object();
	char stamp[OVERRIDE_STAMP_TEXT];

	override_format_stamp(stamp, entry->stamp);
	put_text(one, "breaker", entry->breaker);
	put_text(one, "state", override_word(entry->state));
	put_number(one, "leftMs", override_holds(entry, now_ms) ? entry->until_ms - now_ms : 0);
	put_number(one, "untilWallMs", entry->until_wall_ms);
	put_text(one, "reason", entry->reason);
	put_text(one, "by", entry->by);
	put_text(one, "at", entry->at);
	put_text(one, "origin", entry->origin);
	put_text(one, "stamp", stamp);
	return one;
}

/* ---- upstreams --------------------------------------------------------------------------------------------------- */

static json_t *describe_endpoint(const struct admin_service *service, const struct endpoint *endpoint, uint64_t now_ms)
{
	uint64_t until_ms = atomic_load((_Atomic uint64_t *)&endpoint->ejection.until_ms);
	const char *state = upstreams_endpoint_state(service, endpoint, now_ms);
	json_t *one = json_object();

	put_text(one, "address", endpoint->text);
	if (strcmp(state, "available") != 0)
		put_text(one, "state", state);
	put_number(one, "inFlight", atomic_load((_Atomic uint32_t *)&endpoint->in_flight));
	put_number(one, "ejections", atomic_load((_Atomic uint64_t *)&endpoint->ejection.ejections_total));
	if (strcmp(state, "ejected") == 0) {
		put_number(one, "ejectedForMs", until_ms > now_ms ? until_ms - now_ms : 0);
		put_age(one, "sinceMs", atomic_load((_Atomic uint64_t *)&endpoint->ejected_ms), now_ms);
	} else if (strcmp(state, "unhealthy") == 0) {
		put_age(one, "sinceMs", endpoint->health.since_ms, now_ms);
	}
	put_text(one, "lastError", atomic_load((_Atomic(const char *) *)&endpoint->last_error));
	return one;
}

static json_t *describe_endpoints(const struct admin_view *view, const struct admin_service *service, uint64_t now_ms)
{
	json_t *all = json_array();
	struct admin_quarantined one;

	for (size_t i = 0; service->set != NULL && i < service->set->count; i++)
		json_array_append_new(all, describe_endpoint(service, service->set->endpoints[i], now_ms));
	for (size_t i = 0; view->quarantined != NULL && view->quarantined(view->context, service, i, &one); i++)
		json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "address", one.address, "state", "quarantined", "lastError",
		                                     one.why));
	return all;
}

static void put_breaker(json_t *one, const struct upstream_settings *settings, uint64_t now_ms)
{
	const struct breaker_settings *breaker = &settings->breaker;
	struct breaker_view seen = breaker_look(settings->upstream->breaker, breaker, now_ms);
	uint64_t since_ms = settings->upstream->changed_ms, refuses_ms = settings->upstream->refuses_ms;
	bool refuses = breaker_state_refuses(seen.state);

	put_text(one, "state", breaker->enabled ? breaker_state_name(seen.state) : "off");
	if (!breaker->enabled)
		return;
	put_age(one, "sinceMs", since_ms, now_ms);
	put_number(one, "refusesMs", refuses && now_ms > refuses_ms ? now_ms - refuses_ms : 0);
	put_number(one, "nextProbeMs", seen.state == BREAKER_OPEN ? seen.open_for_ms : 0);
	if (breaker->observe)
		json_object_set_new(one, "observe", json_true());
	put_number(one, "calls", seen.calls);
	put_number(one, "failures", seen.failures);
	put_number(one, "slowCalls", seen.slow_calls);
	put_number(one, "minimumCalls", breaker->minimum_calls);
	put_share(one, "failureRate", seen.failure_rate_bp);
	put_share(one, "failureThreshold", (int32_t)breaker->failure_rate_bp);
	put_number(one, "slowCallMs", breaker->slow_call_ms);
	if (breaker->slow_call_ms != 0) {
		put_share(one, "slowRate", seen.slow_rate_bp);
		put_share(one, "slowThreshold", (int32_t)breaker->slow_rate_bp);
	}
	put_number(one, breaker->window == BREAKER_WINDOW_TIME ? "windowMs" : "windowCalls", breaker->window_size);
	put_number(one, "notPermitted", seen.not_permitted);
}

/* One of the three figures of each second as numbers in a text: a hundred numbers of JSON would be a hundred
 * allocations. */
static void put_trend(json_t *one, const char *key, const struct trend *trend, size_t offset)
{
	char text[TREND_SECONDS * 11 + 1];
	size_t used = 0;

	for (size_t i = TREND_SECONDS; i-- > 0;) {
		struct trend_sample sample = trend_at(trend, i);
		uint32_t value;

		memcpy(&value, (const char *)&sample + offset, sizeof value);
		if (used > 0 || value != 0)
			used += (size_t)snprintf(text + used, sizeof text - used, used == 0 ? "%u" : " %u", value);
	}
	if (used > 0)
		json_object_set_new(one, key, json_string(text));
}

static void put_trends(json_t *one, const struct trend *trend)
{
	struct trend_sample recent = trend_recent(trend);

	put_trend(one, "requests", trend, offsetof(struct trend_sample, requests));
	put_trend(one, "failed", trend, offsetof(struct trend_sample, failed));
	put_trend(one, "refused", trend, offsetof(struct trend_sample, refused));
	put_number(one, "recentMs", TREND_RECENT_SECONDS * UINT64_C(1000));
	put_number(one, "clientRequests", recent.requests);
	put_number(one, "clientFallbacks", recent.fallbacks);
	put_number(one, "clientErrors", recent.errors);
	put_number(one, "upstreamTries", recent.tries);
	put_number(one, "upstreamFailures", recent.tries_failed);
}

static json_t *describe_upstream(const struct admin_view *view, const struct history *history, const struct admin_service *service)
{
	const struct upstream_settings *settings = service->settings;
	struct upstream *upstream = settings->upstream;
	const struct trend *trend = history_trend(history, settings->name);
	uint64_t now_ms = clock_now_ms();
	json_t *one = json_object();

	put_text(one, "name", settings->name);
	put_breaker(one, settings, now_ms);
	put_number(one, "inFlight", bulkhead_in_flight(&upstream->bulkhead));
	put_number(one, "maxInFlight", settings->bulkhead_max_in_flight);
	put_number(one, "waiting", bulkhead_waiting(&upstream->bulkhead));
	put_number(one, "maxWaiting", settings->bulkhead_max_waiting);
	put_number(one, "streams", bulkhead_in_flight(&upstream->streams));
	put_number(one, "retriesLeft", retry_budget_left(&upstream->retry_budget, settings->retry_budget_bp, now_ms));
	if (trend != NULL)
		put_trends(one, trend);
	put_text(one, "discoveryError", service->discovery_error);
	if (service->set == NULL || service->set->count == 0)
		put_age(one, "emptyMs", upstream->empty_ms, now_ms);
	json_object_set_new(one, "endpoints", describe_endpoints(view, service, now_ms));
	return one;
}

/* ---- events, and all of it --------------------------------------------------------------------------------------- */

static json_t *describe_events(const struct timeline *timeline)
{
	json_t *all = json_array();

	for (size_t i = 0; timeline != NULL && i < timeline_count(timeline); i++) {
		const struct timeline_event *event = timeline_at(timeline, i);
		json_t *one = json_object();

		put_number(one, "number", event->number);
		put_number(one, "wallMs", event->wall_ms);
		put_text(one, "kind", timeline_kind_name(event->kind));
		put_text(one, "upstream", event->upstream);
		put_text(one, "text", event->text);
		json_array_append_new(all, one);
	}
	return all;
}

static void put_whole(json_t *self, const struct admin_view *view, const struct history *history)
{
	json_t *upstreams = json_array();

	for (size_t i = 0, count = view->service_count(view->context); i < count; i++) {
		struct admin_service service = view->service(view->context, i);

		json_array_append_new(upstreams, describe_upstream(view, history, &service));
	}
	put_number(self, "second", history_seconds(history));
	json_object_set_new(self, "upstreams", upstreams);
	json_object_set_new(self, "events", describe_events(view->timeline));
}

json_t *self_describe(const struct admin_view *view, const struct history *history, const struct overrides *overrides,
                      bool is_brief)
{
	struct admin_gateway gateway = view->gateway(view->context);
	json_t *self = json_object(), *all = json_array();
	uint64_t now_ms = clock_now_ms();

	put_number(self, "format", SELF_FORMAT);
	put_text(self, "instance", gateway.instance);
	put_text(self, "name", gateway.name);
	put_text(self, "version", GATEWAY_VERSION);
	put_text(self, "config", gateway.config);
	put_text(self, "state", gateway.state);
	put_number(self, "uptimeMs", gateway.uptime_ms);
	put_number(self, "wallMs", clock_wall_ms());
	for (size_t i = 0; i < overrides->count; i++) {
		json_t *one = self_describe_override(&overrides->list[i], now_ms);

		put_text(one, "result", self_override_result(view, &overrides->list[i], now_ms));
		json_array_append_new(all, one);
	}
	json_object_set_new(self, "overrides", all);
	if (!is_brief)
		put_whole(self, view, history);
	return self;
}
