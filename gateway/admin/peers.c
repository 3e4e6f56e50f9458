#include "gateway/admin/peers.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/peer_link.h"
#include "gateway/base/clock.h"
#include "gateway/base/random.h"
#include "gateway/net/timer.h"

struct peers {
	struct event_base *base;
	const struct peers_events *events;
	void *context;
	bool is_on;         /* cluster.peers is */
	struct event timer; /* the next round */
	struct random random;
	uint32_t refresh_ms;
	uint16_t port;
	struct peer *list[PEERS_MAX]; /* in the order of addresses */
	size_t count, left_out, asking;
	size_t turn; /* the next peer to ask, if it waits */
	bool is_in_round;
	uint64_t watched_until_ms, hystrix_until_ms, hurried_until_ms;
	bool has_whole; /* a round for whole answers has ended since it is watched */
	bool round_is_whole;
};

size_t peers_count(const struct peers *peers)
{
	return peers->count;
}

const struct peer *peers_at(const struct peers *peers, size_t index)
{
	return peers->list[index];
}

size_t peers_left_out(const struct peers *peers)
{
	return peers->left_out;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void drop_whole(struct peer *peer)
{
	free(peer->whole);
	peer->whole = NULL;
	peer->whole_length = 0;
}

/* And why there is none. */
static void forget_whole(struct peer *peer)
{
	drop_whole(peer);
	peer->whole_failures = 0;
}

/* Without memory for it the page lacks what this peer says in detail. */
static void keep_whole(struct peer *peer, const struct peer_link_result *result)
{
	forget_whole(peer);
	peer->whole = malloc(result->length);
	if (peer->whole == NULL)
		return;
	memcpy(peer->whole, result->body, result->length);
	peer->whole_length = result->length;
}

static void fail(struct peer *peer, const char *before, const char *reason)
{
	snprintf(peer->error, sizeof peer->error, "%s%s", before, reason);
	peer->whole_failures += peer->asks_whole;
	if (peer_lacks_whole(peer))
		drop_whole(peer);
	if (++peer->failures < PEERS_SILENT_FAILURES || peer->is_silent)
		return;
	forget_whole(peer);
	peer->is_silent = true;
	peer->peers->events->on_change(peer->peers->context, peer, "is silent");
}

static void take(struct peer *peer, const struct peer_link_result *result)
{
	struct peers *peers = peer->peers;
	struct peer_answer answer;
	const char *error;
	uint64_t now_ms = clock_now_ms();

	if (!peer_answer_read(result->body, result->length, now_ms, &answer, NULL, &error)) {
		fail(peer, "", error);
		return;
	}
	if (answer.is_whole)
		keep_whole(peer, result);
	else
		answer.second = peer->answer.second; /* of the whole one that is kept */
	peer_answer_free(&peer->answer);
	peer->answer = answer;
	peer->wall_offset_ms = answer.wall_ms - clock_wall_ms();
	peer->heard_ms = now_ms;
	peer->failures = 0;
	if (!peer_lacks_whole(peer)) /* else it says why there is only the brief form */
		peer->error[0] = '\0';
	peer->is_self = strcmp(answer.instance, peers->events->instance(peers->context)) == 0;
	if (peer->is_silent)
		peers->events->on_change(peers->context, peer, "answers again");
	peer->is_silent = false;
	if (!peer->is_self)
		peers->events->on_answer(peers->context, peer);
}

static void ask_waiting(struct peers *peers);

static void go_on(struct peers *peers)
{
	ask_waiting(peers);
	if (!peers->is_in_round || peers->asking > 0)
		return;
	peers->is_in_round = false;
	peers->has_whole = peers->has_whole || peers->round_is_whole;
	peers->events->on_round(peers->context);
}

static void on_end(void *context, const struct peer_link_result *result)
{
	struct peer *peer = context;
	struct peers *peers = peer->peers;
	char status[16];

	peers->asking--;
	if (result->error != NULL) {
		fail(peer, "no answer: ", result->error);
	} else if (result->status != 200) {
		snprintf(status, sizeof status, "%d", result->status);
		fail(peer, "not a gateway of this kind: it answers with ", status);
	} else {
		take(peer, result);
	}
	go_on(peers);
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

static bool is_watched(const struct peers *peers)
{
	return clock_now_ms() < peers->watched_until_ms;
}

/* After a failure for the brief form, since the whole one may be too much, and overrides have to be heard all the same. */
static void ask(struct peer *peer)
{
	struct peers *peers = peer->peers;
	const char *path = clock_now_ms() < peers->hystrix_until_ms ? "/cluster/self?hystrix" : "/cluster/self";

	peer->asks_whole = is_watched(peers) && peer->failures == 0;
	if (!peer->asks_whole)
		path = "/cluster/self?brief";
	if (peer_link_ask(peer->link, path, PEERS_LIMIT_MS))
		peers->asking++;
	else
		fail(peer, "", "out of memory");
}

/* Round robin, so that peers that hang don't keep others from being asked, however soon the next round comes. */
static void ask_waiting(struct peers *peers)
{
	for (size_t i = 0; i < peers->count && peers->asking < PEERS_AT_ONCE; i++) {
		struct peer *peer = peers->list[peers->turn++ % peers->count];

		if (!peer->waits)
			continue;
		peer->waits = false;
		if (peer->is_listed && !peer_link_is_asking(peer->link))
			ask(peer);
	}
}

static uint32_t round_wait_ms(const struct peers *peers)
{
	uint32_t least_ms = (uint32_t)peers->count * 1000 / PEERS_EACH_SECOND;

	if (clock_now_ms() < peers->hurried_until_ms)
		return PEERS_HURRY_MS;
	return is_watched(peers) || peers->refresh_ms > least_ms ? peers->refresh_ms : least_ms;
}

static void set_timer(struct peers *peers)
{
	timer_set(&peers->timer, random_shorten(&peers->random, round_wait_ms(peers)));
}

static void free_peer(struct peer *peer)
{
	peer->peers->asking -= peer_link_is_asking(peer->link);
	peer_link_free(peer->link);
	peer_answer_free(&peer->answer);
	drop_whole(peer);
	free(peer);
}

/* Frees peers that have been gone for long enough. */
static void forget_gone(struct peers *peers)
{
	uint64_t now_ms = clock_now_ms();
	size_t kept = 0;

	for (size_t i = 0; i < peers->count; i++) {
		struct peer *peer = peers->list[i];
		bool said_so = peer->heard_ms == 0 || peer->is_self || strcmp(peer->answer.state, "draining") == 0;

		if (!peer->is_listed && (said_so || now_ms - peer->listed_ms > PEERS_GONE_MS))
			free_peer(peer);
		else
			peers->list[kept++] = peer;
	}
	peers->count = kept;
}

static void begin_round(struct peers *peers)
{
	forget_gone(peers);
	peers->is_in_round = true;
	peers->round_is_whole = is_watched(peers);
	if (!peers->round_is_whole)
		peers->has_whole = false;
	for (size_t i = 0; i < peers->count; i++) {
		struct peer *peer = peers->list[i];

		if (!peers->round_is_whole)
			forget_whole(peer);
		peer->waits = true;
	}
	set_timer(peers);
	go_on(peers);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	begin_round(context);
}

bool peers_watch(struct peers *peers)
{
	bool was_watched = is_watched(peers);

	peers->watched_until_ms = clock_now_ms() + PEERS_WATCHED_MS;
	if (!peers->is_on)
		return true;
	if (!was_watched)
		begin_round(peers);
	return peers->has_whole;
}

void peers_watch_hystrix(struct peers *peers)
{
	peers->hystrix_until_ms = clock_now_ms() + PEERS_WATCHED_MS;
	peers_watch(peers);
}

void peers_hurry(struct peers *peers, uint64_t until_ms)
{
	if (until_ms > peers->hurried_until_ms)
		peers->hurried_until_ms = until_ms;
	if (peers->is_on)
		set_timer(peers);
}

/* ---- who they are ------------------------------------------------------------------------------------------------ */

static struct peer *find(const struct peers *peers, const struct address *address)
{
	for (size_t i = 0; i < peers->count; i++)
		if (address_equal(&peers->list[i]->address, address))
			return peers->list[i];
	return NULL;
}

/* Only entries of peers that are gone give way. */
static bool make_room(struct peers *peers)
{
	for (size_t i = 0; i < peers->count && peers->count == PEERS_MAX; i++) {
		if (peers->list[i]->is_listed)
			continue;
		free_peer(peers->list[i]);
		memmove(&peers->list[i], &peers->list[i + 1], (--peers->count - i) * sizeof(struct peer *));
	}
	return peers->count < PEERS_MAX;
}

static void add(struct peers *peers, const struct address *address)
{
	struct peer *peer = make_room(peers) ? calloc(1, sizeof *peer) : NULL;
	struct peer_link *link = peer == NULL ? NULL : peer_link_new(peers->base, address, on_end, peer);
	size_t place = 0;

	if (link == NULL) {
		free(peer);
		peers->left_out++;
		return;
	}
	*peer = (struct peer){ .peers = peers, .link = link, .address = *address, .is_listed = true, .waits = true,
		               .listed_ms = clock_now_ms() };
	address_format(address, peer->text);
	while (place < peers->count && address_compare(&peers->list[place]->address, address) < 0)
		place++;
	memmove(&peers->list[place + 1], &peers->list[place], (peers->count - place) * sizeof(struct peer *));
	peers->list[place] = peer;
	peers->count++;
}

void peers_take_addresses(struct peers *peers, const struct address *addresses, size_t count)
{
	if (!peers->is_on)
		return;
	for (size_t i = 0; i < peers->count; i++) {
		struct peer *peer = peers->list[i];
		bool was_listed = peer->is_listed;

		peer->is_listed = false;
		for (size_t j = 0; j < count && !peer->is_listed; j++) {
			struct address address = addresses[j];

			address.port = peers->port;
			peer->is_listed = address_equal(&address, &peer->address);
		}
		if (peer->is_listed)
			peer->listed_ms = clock_now_ms();
		else if (was_listed)
			snprintf(peer->error, sizeof peer->error, "DNS names it no more");
		if (was_listed != peer->is_listed && !peer->is_self)
			peers->events->on_change(peers->context, peer, was_listed ? "is named no more by DNS" : "is named again by DNS");
	}
	peers->left_out = 0;
	if (!peers->is_in_round) { /* also where nobody is new: the answer may be awaited */
		peers->is_in_round = true;
		peers->round_is_whole = false;
	}
	for (size_t i = 0; i < count; i++) {
		struct address address = addresses[i];

		address.port = peers->port;
		if (find(peers, &address) == NULL)
			add(peers, &address);
	}
	go_on(peers);
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

static void forget_all(struct peers *peers)
{
	event_del(&peers->timer);
	for (size_t i = 0; i < peers->count; i++)
		free_peer(peers->list[i]);
	peers->count = peers->left_out = 0;
	peers->is_in_round = peers->has_whole = false;
}

void peers_configure(struct peers *peers, const struct peers_settings *settings)
{
	peers->is_on = settings->written != NULL;
	if (!peers->is_on || peers->port != settings->port)
		forget_all(peers);
	if (!peers->is_on)
		return;
	peers->port = settings->port;
	peers->refresh_ms = settings->refresh_ms;
	set_timer(peers);
}

struct peers *peers_new(struct event_base *base, const struct peers_events *events, void *context)
{
	struct peers *peers = calloc(1, sizeof *peers);

	if (peers == NULL)
		return NULL;
	peers->base = base;
	peers->events = events;
	peers->context = context;
	random_seed(&peers->random);
	evtimer_assign(&peers->timer, base, on_timer, peers);
	return peers;
}

void peers_free(struct peers *peers)
{
	if (peers == NULL)
		return;
	forget_all(peers);
	free(peers);
}
