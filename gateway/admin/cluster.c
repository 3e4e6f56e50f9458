#include "gateway/admin/cluster.h"

#include <event2/event.h>
#include <stdlib.h>

#include "breaker/look.h"
#include "gateway/admin/cluster_inside.h"
#include "gateway/admin/history.h"
#include "gateway/admin/self.h"
#include "gateway/admin/timeline.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/net/timer.h"

/* ---- overrides --------------------------------------------------------------------------------------------------- */

/* NULL: the configuration has no such upstream. Its breaker may be off, and may be on again after the next reload. */
static const struct upstream_settings *find_upstream(const struct cluster *cluster, const char *name)
{
	struct admin_service service;

	return view_find_service(cluster->view, name, &service) ? service.settings : NULL;
}

/* The state that the breaker keeps, also while the configuration says that it is off. */
static enum breaker_state kept_state(const struct upstream_settings *settings)
{
	return breaker_state_now(settings->upstream->breaker, &(struct breaker_settings){ .enabled = true });
}

/* Sets the state, which an operator chose here (from NULL) or at another gateway. A breaker that is off keeps it, too. */
static void force(const struct upstream_settings *settings, const struct override_entry *entry, const char *from)
{
	enum breaker_state kept = kept_state(settings);
	uint64_t now_ms = clock_now_ms();

	/* An operator's CLOSE ends what was then: a gateway that hears of it late has perhaps opened its breaker since. */
	if (entry->state == BREAKER_CLOSED && from != NULL &&
	    (kept == BREAKER_CLOSED || ((kept == BREAKER_OPEN || kept == BREAKER_HALF_OPEN) &&
	                                override_is_before(entry->stamp, clock_wall_ms() - (now_ms - settings->upstream->refuses_ms)))))
		return;
	breaker_force(settings->upstream->breaker, entry->state, now_ms);
}

/* Back to normal, unless another operator has set something else on this gateway meanwhile. */
static void undo(const struct upstream_settings *settings, enum breaker_state was_set)
{
	if (kept_state(settings) == was_set)
		breaker_force(settings->upstream->breaker, BREAKER_CLOSED, clock_now_ms());
}

static void watch_expiry(struct cluster *cluster)
{
	uint64_t next_ms = overrides_next_end(&cluster->overrides), now_ms = clock_now_ms();

	if (next_ms == UINT64_MAX)
		event_del(&cluster->expiry_timer);
	else
		timer_set(&cluster->expiry_timer, next_ms > now_ms ? next_ms - now_ms : 0);
}

static void on_expiry(evutil_socket_t fd, short what, void *context)
{
	struct cluster *cluster = context;
	const struct override_entry *entry;

	(void)fd, (void)what;
	while ((entry = overrides_expire(&cluster->overrides, clock_now_ms())) != NULL) {
		const struct upstream_settings *settings = find_upstream(cluster, entry->breaker);

		if (settings != NULL)
			undo(settings, entry->state);
		log_warn("override: breaker %s: %s is over", entry->breaker, override_word(entry->state));
		timeline_add(cluster->view->timeline, TIMELINE_OVERRIDE, entry->breaker, "%s is over", override_word(entry->state));
	}
	watch_expiry(cluster);
}

/* The audit line: on every gateway, once. */
static void tell_of(struct cluster *cluster, const struct override_entry *entry, const char *from)
{
	uint64_t now_ms = clock_now_ms(), left_s = override_holds(entry, now_ms) ? (entry->until_ms - now_ms + 999) / 1000 : 0;
	char left[48] = "";

	if (left_s > 0)
		snprintf(left, sizeof left, " for %llu s", (unsigned long long)left_s);
	else if (entry->state != BREAKER_CLOSED)
		snprintf(left, sizeof left, ", which is over");
	log_warn("override: breaker %s: %s%s, set by %s at %s%s%s%s%s", entry->breaker, override_word(entry->state), left, entry->by,
	         entry->at, from == NULL ? "" : ", taken over from ", from == NULL ? "" : from,
	         entry->reason[0] == '\0' ? "" : ": ", entry->reason);
	timeline_add(cluster->view->timeline, TIMELINE_OVERRIDE, entry->breaker, "%s%s, set by %s at %s%s%s",
	             override_word(entry->state), left, entry->by, entry->at, entry->reason[0] == '\0' ? "" : ": ", entry->reason);
}

/* True: the breaker is in another state than before. */
static bool enforce(const struct cluster *cluster, const struct override_entry *entry, const struct override_entry *before,
                    const char *from)
{
	const struct upstream_settings *settings = find_upstream(cluster, entry->breaker);
	enum breaker_state kept;

	if (settings == NULL)
		return false;
	settings->upstream->override_stamp = entry->stamp;
	kept = kept_state(settings);
	if (override_holds(entry, clock_now_ms()) || entry->state == BREAKER_CLOSED)
		force(settings, entry, from);
	else if (before->until_ms != 0)
		undo(settings, before->state);
	return kept_state(settings) != kept;
}

/* Does an answer wait that tells of it? */
static bool is_awaited(const void *context, const char *breaker)
{
	const struct cluster *cluster = context;

	for (size_t i = 0; i < WAITING_MAX; i++)
		if (later_waits(&cluster->waiting[i].later) && strcmp(cluster->waiting[i].breaker, breaker) == 0)
			return true;
	return false;
}

/* Did its breaker take it, or a newer one, that has given way since? */
static bool is_forgotten(const struct cluster *cluster, const struct override_entry *entry)
{
	const struct upstream_settings *settings = find_upstream(cluster, entry->breaker);

	return settings != NULL && settings->upstream->override_stamp >= entry->stamp;
}

/* False: it is not new, or there is no room. */
static bool take(struct cluster *cluster, const struct override_entry *entry, struct override_entry *before)
{
	enum override_taken taken = overrides_take(&cluster->overrides, entry, before);

	if (taken == OVERRIDE_FULL && !is_forgotten(cluster, entry) &&
	    overrides_make_room(&cluster->overrides, entry, is_awaited, cluster))
		taken = overrides_take(&cluster->overrides, entry, before);
	return taken == OVERRIDE_TAKEN;
}

void cluster_take_override(struct cluster *cluster, const struct override_entry *entry, const char *from)
{
	struct override_entry before;
	bool has_changed;

	if (!take(cluster, entry, &before))
		return;
	has_changed = enforce(cluster, entry, &before, from);
	/* A gateway that starts hears of many overrides that are over and were never in force here. */
	if (has_changed || entry->until_ms != 0 || before.until_ms != 0 || from == NULL)
		tell_of(cluster, entry, from);
	watch_expiry(cluster);
}

void cluster_apply(struct cluster *cluster)
{
	uint64_t now_ms = clock_now_ms();

	for (size_t i = 0; i < cluster->overrides.count; i++) {
		const struct override_entry *entry = &cluster->overrides.list[i];
		const struct upstream_settings *settings = override_holds(entry, now_ms) ? find_upstream(cluster, entry->breaker) : NULL;

		/* An operator may have set something else on this gateway since the breaker took the override. */
		if (settings != NULL && settings->upstream->override_stamp != entry->stamp)
			enforce(cluster, entry, &(struct override_entry){ .breaker = "" }, NULL);
	}
}

/* ---- answers that wait ------------------------------------------------------------------------------------------- */

static void watch_waiting(struct cluster *cluster)
{
	uint64_t next_ms = UINT64_MAX, now_ms = clock_now_ms();

	for (size_t i = 0; i < WAITING_MAX; i++)
		if (later_waits(&cluster->waiting[i].later) && cluster->waiting[i].due_ms < next_ms)
			next_ms = cluster->waiting[i].due_ms;
	if (next_ms == UINT64_MAX)
		event_del(&cluster->waiting_timer);
	else
		timer_set(&cluster->waiting_timer, next_ms > now_ms ? next_ms - now_ms : 0);
}

bool cluster_wait(struct cluster *cluster, const struct page_request *request, const struct waiting *waiting)
{
	for (size_t i = 0; i < WAITING_MAX; i++) {
		if (later_waits(&cluster->waiting[i].later))
			continue;
		cluster->waiting[i] = *waiting;
		cluster->waiting[i].due_ms = clock_now_ms() + waiting->wait_ms;
		later_keep(&cluster->waiting[i].later, request);
		watch_waiting(cluster);
		return true;
	}
	return false;
}

static void answer(struct cluster *cluster, struct waiting *waiting)
{
	struct page_request request = later_take(&waiting->later);

	waiting->answer(cluster, &request, waiting);
}

/* Answers the requests whose time has come, or that have got everything that they waited for. */
static void answer_waiting(struct cluster *cluster, bool is_round)
{
	uint64_t now_ms = clock_now_ms();

	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiting *waiting = &cluster->waiting[i];

		if (!later_waits(&waiting->later))
			continue;
		if (waiting->due_ms <= now_ms || waiting->is_whole(cluster, waiting, is_round))
			answer(cluster, waiting);
	}
	watch_waiting(cluster);
}

static void on_waiting_due(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	answer_waiting(context, false);
}

/* ---- peers ------------------------------------------------------------------------------------------------------- */

static const char *instance(void *context)
{
	const struct cluster *cluster = context;

	return cluster->view->gateway(cluster->view->context).instance;
}

static void on_answer(void *context, const struct peer *peer)
{
	for (size_t i = 0; i < peer->answer.override_count; i++) {
		const struct override_entry *entry = &peer->answer.overrides[i].entry;

		if (override_is_plausible(entry->stamp, clock_wall_ms()))
			cluster_take_override(context, entry, peer->text);
	}
}

static void settle(struct cluster *cluster)
{
	if (cluster->is_settled)
		return;
	cluster->is_settled = true;
	event_del(&cluster->settle_timer);
	if (cluster->view->on_settled != NULL)
		cluster->view->on_settled(cluster->view->context);
}

static void on_settle_due(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	settle(context);
}

static void on_round(void *context)
{
	answer_waiting(context, true);
	settle(context);
}

static void on_change(void *context, const struct peer *peer, const char *reason)
{
	struct cluster *cluster = context;
	const char *name = peer->answer.name, *before = name[0] == '\0' ? "" : " (", *after = name[0] == '\0' ? "" : ")";
	const char *colon = peer->error[0] == '\0' ? "" : ": ";

	log_warn("cluster: %s%s%s%s %s%s%s", peer->text, before, name, after, reason, colon, peer->error);
	timeline_add(cluster->view->timeline, TIMELINE_PEER, NULL, "%s%s%s%s %s%s%s", peer->text, before, name, after, reason, colon,
	             peer->error);
}

void cluster_take_addresses(struct cluster *cluster, const struct address *addresses, size_t count, const char *error)
{
	snprintf(cluster->error, sizeof cluster->error, "%s", error == NULL ? "" : error);
	peers_take_addresses(cluster->peers, addresses, count);
}

void cluster_configure(struct cluster *cluster, const struct peers_settings *settings)
{
	peers_configure(cluster->peers, settings);
	snprintf(cluster->written, sizeof cluster->written, "%s", settings->written == NULL ? "" : settings->written);
	cluster->refresh_ms = settings->refresh_ms;
	if (settings->written == NULL) {
		cluster->error[0] = '\0';
		settle(cluster);
	} else if (settings->address.family != 0) {
		cluster_take_addresses(cluster, &settings->address, 1, NULL);
	}
	if (!cluster->is_settled && !event_pending(&cluster->settle_timer, EV_TIMEOUT, NULL))
		timer_set(&cluster->settle_timer, CLUSTER_SETTLE_MS);
}

bool cluster_is_settled(const struct cluster *cluster)
{
	return cluster->is_settled;
}

/* ---- pages ------------------------------------------------------------------------------------------------------- */

void cluster_self_page(struct page_request *request)
{
	const struct cluster *cluster = request->cluster;
	json_t *self = self_describe(request->view, cluster->history, &cluster->overrides, page_has_parameter(request, "brief"));

	if (page_has_parameter(request, "hystrix"))
		json_object_set_new(self, "hystrix", history_messages(cluster->history));
	page_json(request, 200, PAGE_JSON, self);
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

struct cluster *cluster_new(struct event_base *base, const struct admin_view *view, const struct history *history)
{
	static const struct peers_events events = { .instance = instance, .on_answer = on_answer, .on_round = on_round,
		                                    .on_change = on_change };
	struct cluster *cluster = calloc(1, sizeof *cluster);

	if (cluster == NULL)
		return NULL;
	cluster->view = view;
	cluster->history = history;
	cluster->peers = peers_new(base, &events, cluster);
	if (cluster->peers == NULL) {
		free(cluster);
		return NULL;
	}
	evtimer_assign(&cluster->settle_timer, base, on_settle_due, cluster);
	evtimer_assign(&cluster->expiry_timer, base, on_expiry, cluster);
	evtimer_assign(&cluster->waiting_timer, base, on_waiting_due, cluster);
	return cluster;
}

void cluster_end_waiting(struct cluster *cluster)
{
	for (size_t i = 0; cluster != NULL && i < WAITING_MAX; i++)
		later_end(&cluster->waiting[i].later);
}

void cluster_free(struct cluster *cluster)
{
	if (cluster == NULL)
		return;
	event_del(&cluster->settle_timer);
	event_del(&cluster->expiry_timer);
	event_del(&cluster->waiting_timer);
	peers_free(cluster->peers);
	overrides_destroy(&cluster->overrides);
	free(cluster);
}
