/*
 * The query of /cluster, and any bytes as what three other gateways answer: never a crash. Whatever they say, /cluster is
 * JSON of bounded size in which every row has a cell for each gateway, no text has control characters, and an override
 * that holds is in force. What POST /cluster/breakers/NAME and /turbine.stream tell is JSON, too.
 *
 * Lines with a single % part an input: first the query, then the answers in the order of the questions. One that begins
 * with ! is none: `!404` is a status, any other an error. When no answer is left, nobody answers any more. Functions below
 * stand in for those of peer_link.c.
 */
#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "breaker/look.h"
#include "gateway/admin/cluster.h"
#include "gateway/admin/cluster_inside.h"
#include "gateway/admin/cluster_post.h"
#include "gateway/admin/cluster_view.h"
#include "gateway/admin/history.h"
#include "gateway/admin/page.h"
#include "gateway/admin/peer_link.h"
#include "gateway/admin/timeline.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "routes/config/complaints.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLUSTER_PEERS = 3, CLUSTER_TEXT_MAX = 512 * 1024, CLUSTER_STRING_MAX = 8192, CLUSTER_ROUNDS = 16 };

static struct {
	struct config *config; /* for all inputs */
	struct upstream *upstreams[2];
	struct timeline timeline;
	struct peer_link *links[CLUSTER_PEERS];
	size_t link_count;
} hall;

/* ---- in place of peer_link.c --------------------------------------------------------------------------------------- */

struct peer_link {
	peer_link_on_end *on_end;
	void *context;
	bool is_asking;
};

struct peer_link *peer_link_new(struct event_base *base, const struct address *address, peer_link_on_end *on_end, void *context)
{
	struct peer_link *link = malloc(sizeof *link);

	(void)base, (void)address;
	CHECK(link != NULL && hall.link_count < CLUSTER_PEERS);
	*link = (struct peer_link){ .on_end = on_end, .context = context };
	return hall.links[hall.link_count++] = link;
}

void peer_link_free(struct peer_link *link)
{
	free(link);
}

bool peer_link_ask(struct peer_link *link, const char *path, uint32_t limit_ms)
{
	CHECK(!link->is_asking && limit_ms == PEERS_LIMIT_MS && strncmp(path, "/cluster/self", 13) == 0);
	link->is_asking = true;
	return true;
}

bool peer_link_is_asking(const struct peer_link *link)
{
	return link->is_asking;
}

/* ---- the view ------------------------------------------------------------------------------------------------------- */

static size_t hall_service_count(void *context)
{
	(void)context;
	return hall.config->upstream_count;
}

static struct admin_service hall_service(void *context, size_t index)
{
	(void)context;
	return (struct admin_service){ .settings = &hall.config->upstreams[index] };
}

static struct admin_gateway hall_gateway(void *context)
{
	(void)context;
	return (struct admin_gateway){ .instance = "gateway-own", .name = "node1", .config = "cafe", .state = "serving" };
}

static const struct admin_view hall_view = {
	.service_count = hall_service_count, .service = hall_service, .gateway = hall_gateway, .timeline = &hall.timeline
};

static void hall_open(void)
{
	static const char yaml[] = "upstreams:\n"
	                           "  patient: { url: \"http://127.0.0.1:1\" }\n"
	                           "  ward: { url: \"http://127.0.0.1:2\", breaker: off }\n"
	                           "routes: [ { path: /, upstream: patient }, { path: /ward, upstream: ward } ]\n";
	struct complaints complaints;

	log_set_level(LOG_LEVEL_ERROR);
	hall.timeline.total = hall.link_count = 0;
	if (hall.config == NULL) {
		hall.config = config_parse("fuzz.yml", yaml, sizeof yaml - 1, &complaints);
		complaints_free(&complaints);
		CHECK(hall.config != NULL && hall.config->upstream_count == 2);
	}
	for (unsigned i = 0; i < 2; i++) {
		hall.upstreams[i] = upstream_new(&hall.config->upstreams[i], i, clock_now_ms(), NULL, NULL);
		CHECK(hall.upstreams[i] != NULL);
		hall.config->upstreams[i].upstream = hall.upstreams[i];
	}
}

static void hall_close(void)
{
	for (unsigned i = 0; i < 2; i++)
		upstream_release(hall.upstreams[i]);
}

/* ---- what is told --------------------------------------------------------------------------------------------------- */

static void check_strings(const json_t *value)
{
	const json_t *member;
	const char *key;
	size_t i;

	CHECK(!json_is_string(value) || peer_is_text(json_string_value(value), CLUSTER_STRING_MAX));
	json_array_foreach(value, i, member)
		check_strings(member);
	json_object_foreach((json_t *)value, key, member)
		check_strings(member);
}

/* Takes what is told; returns what a browser reads of it. */
static json_t *pass_on(json_t *told)
{
	char *text = json_dumps(told, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_error_t error;
	json_t *read = text == NULL || strlen(text) > CLUSTER_TEXT_MAX ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &error);

	CHECK(read != NULL);
	check_strings(read);
	free(text);
	json_decref(told);
	return read;
}

static void check_rows(const json_t *rows, size_t gateways)
{
	const json_t *row, *cell;
	size_t i, j;

	CHECK(json_is_array(rows));
	json_array_foreach(rows, i, row) {
		const json_t *cells = json_object_get(row, "cells");
		size_t known = 0;

		CHECK(json_array_size(cells) == gateways);
		json_array_foreach(cells, j, cell) {
			CHECK(json_is_object(cell) || json_is_null(cell) || (json_is_integer(cell) && json_integer_value(cell) == 0));
			known += !json_is_null(cell);
		}
		CHECK(known > 0);
	}
}

/* In the order of this gateway's clock, which a peer's answer may put anywhere. */
static void check_events(const json_t *events, const json_t *gateways)
{
	json_int_t before = INT64_MIN;
	const json_t *event;
	size_t i;

	CHECK(json_is_array(events) && json_array_size(events) <= 200);
	json_array_foreach(events, i, event) {
		uint64_t wall_ms = (uint64_t)json_integer_value(json_object_get(event, "wallMs"));
		const json_t *gateway = json_object_get(event, "gateway"),
		             *from = json_array_get(gateways, (size_t)json_integer_value(gateway));
		json_int_t at_ms = (json_int_t)(wall_ms - (uint64_t)json_integer_value(json_object_get(from, "clockMs")));

		CHECK(at_ms >= before && json_is_integer(gateway) && from != NULL);
		before = at_ms;
	}
}

static void check_cluster(json_t *told, const struct cluster *cluster)
{
	json_t *view = pass_on(told);
	size_t gateways = json_array_size(json_object_get(view, "gateways")), i;
	const json_t *overrides = json_object_get(view, "overrides"), *one;

	CHECK(gateways >= 1 && gateways <= CLUSTER_PEERS + 1 && json_array_size(overrides) == cluster->overrides.count);
	check_rows(json_object_get(view, "breakers"), gateways);
	check_rows(json_object_get(view, "endpoints"), gateways);
	check_events(json_object_get(view, "events"), json_object_get(view, "gateways"));
	json_array_foreach(overrides, i, one)
		CHECK(json_array_size(json_object_get(one, "results")) == gateways);
	json_decref(view);
}

static void check_overrides(const struct cluster *cluster)
{
	struct upstream_settings *patient = &hall.config->upstreams[0];

	for (size_t i = 0; i < cluster->overrides.count; i++) {
		const struct override_entry *entry = &cluster->overrides.list[i];
		struct waiting waiting = { .stamp = entry->stamp };
		json_t *told;

		memcpy(waiting.breaker, entry->breaker, sizeof waiting.breaker);
		told = pass_on(cluster_describe_override(cluster, &waiting));
		CHECK(json_array_size(json_object_get(told, "gateways")) >= 1);
		json_decref(told);
		if (strcmp(entry->breaker, patient->name) == 0 && override_holds(entry, clock_now_ms()))
			CHECK(breaker_state_now(patient->upstream->breaker, &patient->breaker) == entry->state);
	}
}

/* ---- one input ------------------------------------------------------------------------------------------------------ */

/* The next part, as a copy that the caller frees; NULL: there is none. */
static char *next_part(const char **at, const char *end, size_t *length)
{
	const char *from = *at, *mark;
	char *copy;

	if (from == NULL)
		return NULL;
	mark = memmem(from, (size_t)(end - from), "\n%\n", 3);
	*at = mark == NULL ? NULL : mark + 3;
	*length = (size_t)((mark == NULL ? end : mark) - from);
	copy = malloc(*length + 1);
	CHECK(copy != NULL);
	memcpy(copy, from, *length);
	copy[*length] = '\0';
	return copy;
}

static struct peer_link *find_asking(void)
{
	for (size_t i = 0; i < hall.link_count; i++)
		if (hall.links[i]->is_asking)
			return hall.links[i];
	return NULL;
}

static void tell_peer(struct peer_link *link, const char *part, size_t length)
{
	struct peer_link_result result = { .status = 200, .body = part, .length = length };

	if (part[0] == '!') {
		result = (struct peer_link_result){ .status = atoi(part + 1) };
		result.error = result.status == 0 ? "it refuses the connection" : NULL;
	}
	link->is_asking = false;
	link->on_end(link->context, &result);
}

static void play(struct event_base *base, struct cluster *cluster, const char *at, const char *end)
{
	size_t length, rounds = 0;
	char *part;

	while ((part = next_part(&at, end, &length)) != NULL && rounds < CLUSTER_ROUNDS) {
		while (find_asking() == NULL && rounds++ < CLUSTER_ROUNDS)
			event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		if (find_asking() != NULL)
			tell_peer(find_asking(), part, length);
		free(part);
	}
	free(part);
	check_overrides(cluster);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct peers_settings settings = { .written = "fuzz:1", .port = 1, .refresh_ms = 0 };
	struct address addresses[CLUSTER_PEERS];
	struct event_base *base = event_base_new();
	const char *at = (const char *)data, *end = at + size;
	size_t length, seconds;
	char *query = next_part(&at, end, &length);
	int status;
	json_t *values = page_read_query(query, "seconds", &status), *own;
	struct history *history;
	struct cluster *cluster;

	hall_open();
	history = history_new(&hall_view);
	cluster = cluster_new(base, &hall_view, history);
	CHECK((values == NULL) == (status != 200) && cluster != NULL);
	seconds = cluster_read_seconds(values);
	CHECK(seconds <= 120);
	cluster_configure(cluster, &settings);
	for (size_t i = 0; i < CLUSTER_PEERS; i++)
		addresses[i] = (struct address){ .family = 4, .ip = { 127, 0, 0, (uint8_t)(2 + i) } };
	peers_watch(cluster->peers);
	cluster_take_addresses(cluster, addresses, CLUSTER_PEERS, NULL);
	play(base, cluster, at, end);
	check_cluster(cluster_describe(cluster, seconds == 0 ? 120 : seconds), cluster);
	own = history_messages(history);
	json_decref(pass_on(cluster_sum_messages(cluster, own)));
	json_decref(own);
	json_decref(values);
	free(query);
	cluster_free(cluster);
	history_free(history);
	hall_close();
	event_base_free(base);
	return 0;
}
