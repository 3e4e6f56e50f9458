/* /cluster: what all gateways say, as tables by gateway (cluster.h). This gateway's own words go the same way as those
 * of the others. */
#include "gateway/admin/cluster_view.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/admin/cluster.h"
#include "gateway/admin/cluster_inside.h"
#include "gateway/admin/self.h"
#include "gateway/admin/trend.h"
#include "gateway/admin/turbine.h"
#include "gateway/base/clock.h"

enum { GATEWAYS_MAX = PEERS_MAX + 1, EVENTS_SHOWN = 200, BREAKER_ROWS_MAX = 1000, ENDPOINT_ROWS_MAX = 20000 };

/* A table that is being made. */
struct making {
	const struct peer *gateways[GATEWAYS_MAX]; /* [0]: this one; NULL: DNS does not name it */
	size_t count, at;                          /* at: whose words are being taken */
	json_t *breakers, *endpoints;              /* rows by name, and by upstream and address */
	json_t *events;
	uint64_t left_out;
};

static void find_gateways(const struct cluster *cluster, struct making *making)
{
	making->count = 1;
	for (size_t i = 0; i < peers_count(cluster->peers); i++) {
		const struct peer *peer = peers_at(cluster->peers, i);

		if (peer->is_self)
			making->gateways[0] = peer;
		else
			making->gateways[making->count++] = peer;
	}
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* The row of that key in `rows`, or a new one with a null for each gateway. NULL: there are too many, or memory is
 * short. */
static json_t *row(struct making *making, json_t *rows, const char *key, size_t most, json_t *(*make)(const char *key))
{
	json_t *found = json_object_get(rows, key), *cells;

	if (found != NULL)
		return found;
	if (json_object_size(rows) >= most) {
		making->left_out++;
		return NULL;
	}
	found = make(key);
	cells = json_array();
	for (size_t i = 0; i < making->count; i++)
		json_array_append_new(cells, json_null());
	json_object_set_new(found, "cells", cells);
	return json_object_set_new(rows, key, found) == 0 ? found : NULL;
}

/* A name that one gateway has twice: the first counts. */
static void set_cell(const struct making *making, const json_t *found, json_t *cell)
{
	json_t *cells = json_object_get(found, "cells");

	if (json_is_null(json_array_get(cells, making->at)))
		json_array_set_new(cells, making->at, cell);
	else
		json_decref(cell);
}

static json_t *make_breaker(const char *key)
{
	return json_pack("{s:s}", "name", key);
}

/* The key is "upstream\naddress": neither has a control character. */
static json_t *make_endpoint(const char *key)
{
	const char *end = strchr(key, '\n');

	return json_pack("{s:s%, s:s}", "upstream", key, (size_t)(end - key), "address", end + 1);
}

static void take_upstream(void *to, const char *name, json_t *cell)
{
	struct making *making = to;

	set_cell(making, row(making, making->breakers, name, BREAKER_ROWS_MAX, make_breaker), cell);
}

static void take_endpoint(void *to, const char *name, const char *address, json_t *cell)
{
	struct making *making = to;
	char key[2 * PEER_NAME + 1];

	snprintf(key, sizeof key, "%s\n%s", name, address);
	if (json_object_size(cell) == 0) {
		json_decref(cell);
		cell = json_integer(0);
	}
	set_cell(making, row(making, making->endpoints, key, ENDPOINT_ROWS_MAX, make_endpoint), cell);
}

static void take_event(void *to, json_t *event)
{
	struct making *making = to;

	json_object_set_new(event, "gateway", json_integer((json_int_t)making->at));
	json_array_append_new(making->events, event);
}

static void take_words(struct making *making, size_t at, const json_t *root, size_t seconds)
{
	making->at = at;
	peer_answer_each(root, seconds, take_upstream, take_endpoint, making);
	peer_answer_events(root, take_event, making);
}

static json_t *values_of(json_t *rows)
{
	json_t *list = json_array(), *value;
	const char *key;

	json_object_foreach(rows, key, value)
		json_array_append(list, value);
	json_decref(rows);
	return list;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

struct told_event {
	json_t *told;
	json_int_t at_ms; /* by this gateway's clock */
	size_t gateway;
};

static int by_time(const void *a, const void *b)
{
	json_int_t early = ((const struct told_event *)a)->at_ms, late = ((const struct told_event *)b)->at_ms;

	return (early > late) - (early < late);
}

static struct told_event read_event(const struct making *making, json_t *told)
{
	size_t gateway = (size_t)json_integer_value(json_object_get(told, "gateway"));
	uint64_t wall_ms = (uint64_t)json_integer_value(json_object_get(told, "wallMs"));
	uint64_t ahead_ms = gateway == 0 ? 0 : making->gateways[gateway]->wall_offset_ms;

	return (struct told_event){ .told = told, .at_ms = (json_int_t)(wall_ms - ahead_ms), .gateway = gateway };
}

/* If there are too many, the oldest give way. But each gateway keeps its share, whatever times the others' events have. NULL:
 * out of memory. */
static json_t *newest_events(const struct making *making)
{
	size_t count = json_array_size(making->events), left = count, share = EVENTS_SHOWN / making->count;
	size_t left_of[GATEWAYS_MAX] = { 0 };
	struct told_event *list = calloc(count + 1, sizeof *list);
	json_t *sorted = list == NULL ? NULL : json_array();

	for (size_t i = 0; list != NULL && i < count; i++) {
		list[i] = read_event(making, json_array_get(making->events, i));
		left_of[list[i].gateway]++;
	}
	if (list != NULL && count > 1)
		qsort(list, count, sizeof *list, by_time);
	for (size_t i = 0; list != NULL && i < count; i++) {
		if (left > EVENTS_SHOWN && left_of[list[i].gateway] > share) {
			left--;
			left_of[list[i].gateway]--;
		} else {
			json_array_append(sorted, list[i].told);
		}
	}
	free(list);
	return sorted;
}

/* ---- gateways ---------------------------------------------------------------------------------------------------- */

static void put_text(json_t *object, const char *key, const char *text)
{
	if (text[0] != '\0')
		json_object_set_new(object, key, json_string(text));
}

static void put_answer(json_t *one, const struct peer_answer *answer)
{
	put_text(one, "instance", answer->instance);
	put_text(one, "name", answer->name);
	put_text(one, "version", answer->version);
	put_text(one, "config", answer->config);
	put_text(one, "state", answer->state);
	json_object_set_new(one, "uptimeMs", json_integer((json_int_t)answer->uptime_ms));
	json_object_set_new(one, "second", json_integer((json_int_t)answer->second));
}

static void put_truth(json_t *object, const char *key, bool is_true)
{
	if (is_true)
		json_object_set_new(object, key, json_true());
}

static json_t *describe_peer(const struct peer *peer)
{
	json_t *one = json_object();

	put_text(one, "address", peer->text);
	if (peer->heard_ms != 0) {
		put_answer(one, &peer->answer);
		json_object_set_new(one, "ageMs", json_integer((json_int_t)(clock_now_ms() - peer->heard_ms)));
		json_object_set_new(one, "clockMs", json_integer((json_int_t)peer->wall_offset_ms));
	}
	put_text(one, "error", peer->error);
	put_truth(one, "isSilent", peer->is_silent || peer_lacks_whole(peer));
	put_truth(one, "isGone", !peer->is_listed);
	return one;
}

static json_t *describe_self(const struct making *making, const struct peer_answer *answer)
{
	json_t *one = json_object();

	if (making->gateways[0] != NULL)
		put_text(one, "address", making->gateways[0]->text);
	put_truth(one, "isSelf", true);
	put_answer(one, answer);
	return one;
}

/* This gateway's own answer, as the others would hear it, but for its size: it counts here even where it is too large for them.
 * NULL: out of memory. */
static json_t *hear_self(const struct cluster *cluster, struct peer_answer *answer)
{
	json_t *self = self_describe(cluster->view, cluster->history, &cluster->overrides, false);
	const char *ignored;

	peer_answer_take(self, clock_now_ms(), answer, &ignored);
	return self;
}

/* ---- overrides --------------------------------------------------------------------------------------------------- */

static const char *result_at(const struct peer *peer, const struct override_entry *entry)
{
	for (size_t i = 0; peer->heard_ms != 0 && i < peer->answer.override_count; i++) {
		const struct peer_override *one = &peer->answer.overrides[i];

		if (one->entry.stamp == entry->stamp && strcmp(one->entry.breaker, entry->breaker) == 0)
			return one->result;
	}
	return NULL;
}

static json_t *describe_overrides(const struct cluster *cluster, const struct making *making)
{
	json_t *all = json_array();
	uint64_t now_ms = clock_now_ms();

	for (size_t i = 0; i < cluster->overrides.count; i++) {
		const struct override_entry *entry = &cluster->overrides.list[i];
		json_t *one = self_describe_override(entry, now_ms), *results = json_array();

		json_array_append_new(results, json_string(self_override_result(cluster->view, entry, now_ms)));
		for (size_t j = 1; j < making->count; j++) {
			const char *result = result_at(making->gateways[j], entry);

			json_array_append_new(results, result == NULL ? json_null() : json_string(result));
		}
		json_object_set_new(one, "results", results);
		json_array_append_new(all, one);
	}
	return all;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void take_peer(struct making *making, size_t at, size_t seconds)
{
	const struct peer *peer = making->gateways[at];
	struct peer_answer answer;
	json_t *root = NULL;
	const char *error;

	if (peer->whole == NULL || peer->is_silent || !peer->is_listed ||
	    !peer_answer_read(peer->whole, peer->whole_length, clock_now_ms(), &answer, &root, &error))
		return;
	take_words(making, at, root, seconds);
	peer_answer_free(&answer);
	json_decref(root);
}

json_t *cluster_describe(const struct cluster *cluster, size_t seconds)
{
	struct making making = { .breakers = json_object(), .endpoints = json_object(), .events = json_array() };
	struct peer_answer own;
	json_t *root = hear_self(cluster, &own), *all = json_object(), *gateways = json_array();

	find_gateways(cluster, &making);
	json_array_append_new(gateways, describe_self(&making, &own));
	take_words(&making, 0, root, seconds);
	for (size_t i = 1; i < making.count; i++) {
		json_array_append_new(gateways, describe_peer(making.gateways[i]));
		take_peer(&making, i, seconds);
	}
	json_object_set_new(all, "wallMs", json_integer((json_int_t)clock_wall_ms()));
	put_text(all, "peers", cluster->written);
	put_text(all, "peersError", cluster->error);
	if (peers_left_out(cluster->peers) > 0)
		json_object_set_new(all, "peersLeftOut", json_integer((json_int_t)peers_left_out(cluster->peers)));
	json_object_set_new(all, "refreshMs", json_integer(cluster->refresh_ms));
	json_object_set_new(all, "gateways", gateways);
	json_object_set_new(all, "breakers", values_of(making.breakers));
	json_object_set_new(all, "endpoints", values_of(making.endpoints));
	if (making.left_out > 0)
		json_object_set_new(all, "leftOut", json_integer((json_int_t)making.left_out));
	json_object_set_new(all, "overrides", describe_overrides(cluster, &making));
	json_object_set_new(all, "events", newest_events(&making));
	json_decref(making.events);
	peer_answer_free(&own);
	json_decref(root);
	return all;
}

json_t *cluster_sum_messages(struct cluster *cluster, const json_t *own)
{
	json_t *others = json_array(), *sums;

	peers_watch_hystrix(cluster->peers);
	for (size_t i = 0; i < peers_count(cluster->peers); i++) {
		const struct peer *peer = peers_at(cluster->peers, i);
		json_t *root = peer->whole == NULL || peer->is_self || peer->is_silent || !peer->is_listed
		                       ? NULL
		                       : json_loadb(peer->whole, peer->whole_length, 0, NULL);

		json_array_append(others, json_object_get(root, "hystrix"));
		json_decref(root);
	}
	sums = turbine_sum(own, others);
	json_decref(others);
	return sums;
}

static bool is_whole(const struct cluster *cluster, const struct waiting *waiting, bool is_round)
{
	(void)cluster, (void)waiting;
	return is_round;
}

static void answer(struct cluster *cluster, struct page_request *request, const struct waiting *waiting)
{
	page_json(request, 200, PAGE_JSON, cluster_describe(cluster, waiting->seconds));
}

size_t cluster_read_seconds(const json_t *values)
{
	const char *text = json_string_value(json_array_get(values, 0));
	size_t number = 0;

	if (text == NULL)
		return TREND_SECONDS;
	for (; *text >= '0' && *text <= '9' && number <= TREND_SECONDS; text++)
		number = number * 10 + (size_t)(*text - '0');
	return *text == '\0' && number <= TREND_SECONDS ? number : 0;
}

/* False after an error was answered. */
static bool read_seconds(struct page_request *request, size_t *seconds)
{
	json_t *values = page_parameters(request, "seconds");

	*seconds = cluster_read_seconds(values);
	if (values != NULL && *seconds == 0)
		page_error(request, 400, "seconds is a number from 1 to 120");
	json_decref(values);
	return values != NULL && *seconds > 0;
}

void cluster_page(struct page_request *request)
{
	struct cluster *cluster = request->cluster;
	struct waiting waiting = { .wait_ms = WAITING_ROUND_MS, .is_whole = is_whole, .answer = answer };

	if (!read_seconds(request, &waiting.seconds))
		return;
	if (peers_watch(cluster->peers) || !cluster_wait(cluster, request, &waiting))
		answer(cluster, request, &waiting);
}
