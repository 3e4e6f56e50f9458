/*
 * The other gateways: who they are, and what each of them last said of itself. The control thread's.
 *
 * Every cluster.refresh a round begins: each address of cluster.peers is asked for /cluster/self, PEERS_AT_ONCE at the same
 * time, as a question takes memory while it is under way, with PEERS_LIMIT_MS for all of an answer. While nobody watches they
 * are asked for the brief form, and at most PEERS_EACH_SECOND of them a second, so that a large cluster costs each gateway no
 * more than a middling one: rounds of more peers begin later. A peer that comes, goes, hangs, refuses, or answers nonsense is
 * an entry with words, and costs one question a round. One whose whole answer fails, perhaps as it is too large, is asked for
 * the brief form in the next round, so that watching keeps no override from being heard. One that DNS names no more stays as
 * an entry for PEERS_GONE_MS and is not asked, as its address may be another's by then; one that had said that it is draining
 * goes at once.
 *
 * A peer that answers with our own instance is this gateway.
 */
#ifndef GATEWAY_ADMIN_PEERS_H
#define GATEWAY_ADMIN_PEERS_H

#include "gateway/admin/peer_answer.h"
#include "routes/config/config.h"

struct event_base;
struct peer_link;
struct peers;

enum { PEERS_MAX = 64, PEERS_AT_ONCE = 8, PEERS_EACH_SECOND = 32 };
enum { PEERS_LIMIT_MS = 300, PEERS_GONE_MS = 60000, PEERS_WATCHED_MS = 10000, PEERS_HURRY_MS = 200 };

struct peer {
	struct peers *peers;
	struct address address;
	char text[ADDRESS_TEXT_MAX];
	struct peer_link *link;
	bool waits;             /* for its turn to be asked */
	uint64_t heard_ms;      /* its last good answer; 0: never */
	uint64_t listed_ms;     /* when DNS named it last */
	bool is_listed, is_self, is_silent; /* silent: overrides from it are not heard */
	bool asks_whole;        /* the last question was for the whole answer */
	unsigned failures;      /* in a row */
	unsigned whole_failures; /* of questions for a whole answer, since the last one came */
	char error[120];        /* of the last question, or why only brief ones are answered; "": it was fine */
	struct peer_answer answer; /* the last good one, of either form */
	uint64_t wall_offset_ms;   /* its clock less ours, as a number that may wrap around; within PEERS_LIMIT_MS */
	char *whole;            /* text of the last whole answer; NULL: none, or nobody watches */
	size_t whole_length;
};

enum { PEERS_SILENT_FAILURES = 2 }; /* so many in a row make it silent */

/* Is nothing known of its breakers and endpoints, although it may answer? */
static inline bool peer_lacks_whole(const struct peer *peer)
{
	return peer->whole_failures >= PEERS_SILENT_FAILURES;
}

struct peers_events {
	const char *(*instance)(void *context); /* ours */
	/* A good answer, of another gateway than this. */
	void (*on_answer)(void *context, const struct peer *peer);
	/* All of a round have answered or failed. */
	void (*on_round)(void *context);
	/* It went silent, or came back; or DNS names it no more, or again. `reason` is static. */
	void (*on_change)(void *context, const struct peer *peer, const char *reason);
};

/* NULL: out of memory. `events` must outlive it. */
struct peers *peers_new(struct event_base *base, const struct peers_events *events, void *context);
void peers_free(struct peers *peers);
/* How often they are asked (but see PEERS_EACH_SECOND), and on which port; written NULL: not at all, and all are forgotten. */
void peers_configure(struct peers *peers, const struct peers_settings *settings);
/* Sorted; ports are not looked at. Peers beyond PEERS_MAX are left out. A new peer is asked at once. */
void peers_take_addresses(struct peers *peers, const struct address *addresses, size_t count);
/* Somebody watches: whole answers for the next PEERS_WATCHED_MS. False: none yet, a round for them has begun. */
bool peers_watch(struct peers *peers);
/* The same, and the answers have what the Hystrix dashboard shows, too (self.h). */
void peers_watch_hystrix(struct peers *peers);
/* Until then a round every PEERS_HURRY_MS. */
void peers_hurry(struct peers *peers, uint64_t until_ms);

size_t peers_count(const struct peers *peers);
const struct peer *peers_at(const struct peers *peers, size_t index);
size_t peers_left_out(const struct peers *peers);

#endif
