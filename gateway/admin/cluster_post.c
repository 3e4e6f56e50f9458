/* POST /cluster/breakers/NAME: an override for all gateways, and what each of them says to it (cluster.h). */
#include "gateway/admin/cluster_post.h"

#include <event2/http.h>
#include <string.h>

#include "gateway/admin/cluster.h"
#include "gateway/admin/cluster_inside.h"
#include "gateway/admin/self.h"
#include "gateway/admin/wish.h"
#include "gateway/base/clock.h"

/* ---- who has it --------------------------------------------------------------------------------------------- */

/* NULL: it has not told yet. */
static const char *result_of(const struct peer *peer, const char *breaker, uint64_t stamp)
{
	for (size_t i = 0; i < peer->answer.override_count; i++) {
		const struct peer_override *one = &peer->answer.overrides[i];

		if (one->entry.stamp >= stamp && strcmp(one->entry.breaker, breaker) == 0)
			return one->result;
	}
	return NULL;
}

/* Has every gateway in DNS told that it has the override? */
static bool is_everywhere(const struct cluster *cluster, const struct waiting *waiting)
{
	for (size_t i = 0; i < peers_count(cluster->peers); i++) {
		const struct peer *peer = peers_at(cluster->peers, i);

		if (peer->is_listed && !peer->is_self && result_of(peer, waiting->breaker, waiting->stamp) == NULL)
			return false;
	}
	return true;
}

static bool is_whole(const struct cluster *cluster, const struct waiting *waiting, bool is_round)
{
	(void)is_round;
	return is_everywhere(cluster, waiting);
}

static json_t *describe_peer(const struct peer *peer, const struct waiting *waiting)
{
	const char *result = result_of(peer, waiting->breaker, waiting->stamp);

	if (result == NULL)
		result = peer->failures == 0 ? "has not said yet" : peer->error;
	return json_pack("{s:s, s:s, s:s}", "address", peer->text, "name", peer->answer.name, "result", result);
}

json_t *cluster_describe_override(const struct cluster *cluster, const struct waiting *waiting)
{
	const struct override_entry *entry = overrides_find(&cluster->overrides, waiting->breaker);
	struct admin_gateway own = cluster->view->gateway(cluster->view->context);
	json_t *gateways = json_array();
	char stamp[OVERRIDE_STAMP_TEXT];

	override_format_stamp(stamp, waiting->stamp);
	json_array_append_new(gateways, json_pack("{s:s, s:b, s:s}", "name", own.name, "isSelf", true, "result",
	                                          self_override_result(cluster->view, entry, clock_now_ms())));
	for (size_t i = 0; i < peers_count(cluster->peers); i++) {
		const struct peer *peer = peers_at(cluster->peers, i);

		if (peer->is_self)
			json_object_set_new(json_array_get(gateways, 0), "address", json_string(peer->text));
		else if (peer->is_listed)
			json_array_append_new(gateways, describe_peer(peer, waiting));
	}
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:o}", "breaker", waiting->breaker, "state", override_word(entry->state),
	                 "stamp", stamp, "forMs", (json_int_t)waiting->span_ms, "untilWallMs", (json_int_t)entry->until_wall_ms,
	                 "complete", is_everywhere(cluster, waiting), "gateways", gateways);
}

static void answer(struct cluster *cluster, struct page_request *request, const struct waiting *waiting)
{
	page_json(request, 200, PAGE_JSON, cluster_describe_override(cluster, waiting));
}

/* ---- setting it --------------------------------------------------------------------------------------------- */

static void set(struct page_request *request, struct override_entry *entry, uint64_t span_ms)
{
	struct cluster *cluster = request->cluster;
	struct admin_gateway own = cluster->view->gateway(cluster->view->context);
	struct waiting waiting = { .wait_ms = WAITING_OVERRIDE_MS, .is_whole = is_whole, .answer = answer, .span_ms = span_ms };
	char *address = NULL;
	ev_uint16_t port;

	evhttp_connection_get_peer(evhttp_request_get_connection(request->http), &address, &port);
	snprintf(entry->by, sizeof entry->by, "%s", address == NULL ? "" : address);
	snprintf(entry->at, sizeof entry->at, "%s", own.name);
	snprintf(entry->origin, sizeof entry->origin, "%s", own.instance);
	entry->stamp = overrides_next_stamp(&cluster->overrides, clock_wall_ms());
	entry->until_ms = span_ms == 0 ? 0 : clock_now_ms() + span_ms;
	entry->until_wall_ms = span_ms == 0 ? 0 : clock_wall_ms() + span_ms;
	cluster_take_override(cluster, entry, NULL);
	if (overrides_find(&cluster->overrides, entry->breaker) == NULL) {
		page_error(request, 503, "out of memory, or 256 breakers have overrides in force");
		return;
	}
	memcpy(waiting.breaker, entry->breaker, sizeof waiting.breaker);
	waiting.stamp = entry->stamp;
	peers_hurry(cluster->peers, clock_now_ms() + WAITING_OVERRIDE_MS);
	if (is_everywhere(cluster, &waiting) || !cluster_wait(cluster, request, &waiting))
		answer(cluster, request, &waiting);
}

void cluster_breakers_page(struct page_request *request)
{
	struct admin_service service;
	struct override_entry entry = { .breaker = "" };
	const char *error;
	uint64_t span_ms;
	json_t *body;

	if (!request->is_post) {
		page_header(request, "Allow", "POST");
		page_error(request, 405, "this path takes POST alone; /cluster shows what is set");
		return;
	}
	if (!view_find_service(request->view, request->rest, &service)) {
		page_error(request, 404, "there is no circuit breaker of this name");
		return;
	}
	if (!service.settings->breaker.enabled) {
		page_error(request, 409, "the configuration says that this upstream has no breaker");
		return;
	}
	body = page_body(request);
	if (body == NULL)
		return;
	snprintf(entry.breaker, sizeof entry.breaker, "%s", service.settings->name);
	error = wish_read(body, &entry, &span_ms);
	if (error != NULL)
		page_error(request, 400, error);
	else
		set(request, &entry, span_ms);
	json_decref(body);
}
