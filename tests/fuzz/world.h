/*
 * A world for one worker: the system calls, the event loop and the clock that a proxying thread uses, in memory and without
 * surprises. What the kernel would decide (how much a read gives, when a connection stands, what time it is, when memory is
 * short) the fuzzer decides, and the same input always gives the same run.
 *
 * The gateway's objects are linked as they are; only the names of what they call are changed (world.syms), so no line of the
 * gateway knows about it. Behind each socket there is a peer: a client, or one connection of an upstream. What the gateway
 * sends goes to the peers (peers.c) at once; what a peer sends waits in `inbound` until the gateway reads it.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/judge.h"

enum {
	WORLD_FD_FIRST = 1000, /* real descriptors stay below */
	WORLD_FILES = 128,
	WORLD_PEERS = 96, /* connections in one run */
	WORLD_SERVERS = 4,
	WORLD_WALL_S = 1700000000, /* when its clock showed 0 */
	WORLD_PORT = 8080, /* of the listener; the servers' are 1 to 4 */
};

struct bytes {
	uint8_t *data;
	size_t from, to, size;
};

enum peer_state {
	PEER_WAITING, /* a client in the listener's queue; an upstream that has not said whether it accepts */
	PEER_OPEN,
	PEER_REFUSED,
	PEER_GONE, /* the gateway has closed its side */
};

struct peer {
	enum peer_state state;
	bool is_client;
	unsigned id, server;
	int fd;              /* the gateway's; -1: none */
	struct bytes inbound;
	uint64_t sent, read; /* bytes by the peer, and of them by the gateway */
	size_t window;       /* how much more it takes */
	uint64_t taken;      /* bytes by the peer */
	uint64_t sent_us, finished_us; /* when it last sent something; when it finished */
	bool has_finished, has_reset, is_reset_known;
	bool is_end_read; /* the gateway knows that no more follows */
	bool was_finished; /* the gateway has sent a FIN */
	struct judge received; /* what the gateway sends to it */

	/* A client: what it asks for, as a strict reader takes it; and of these requests, how many have reached an upstream or were
	 * passed over, and how many were answered. */
	struct judge asks;
	unsigned asked, matched, answered;
	bool is_unread;    /* from here on the strict reader can't follow */
	bool is_behind;    /* it did not take all that the gateway wanted to send at once */
	bool rule_is_body; /* it is getting a response whose body the route limits */
	/* Which answer it is getting. */
	int arrival, arrival_least; /* -1: no tag was seen in this response */
	unsigned tag_length;
	char tag[8];
	bool is_tag_in_head, is_old;
	char offered[JUDGE_UPGRADE]; /* protocols to change to */

	/* An upstream's connection. */
	struct judge answer; /* what the upstream sends on it */
	int serving;         /* the arrival; -1: none yet */
	bool is_answered;    /* the answer to it is whole */
	bool is_excessive;   /* it has sent what nobody asked for... */
	uint64_t excess_at;  /* ...from here on */
	bool is_held_up;     /* the gateway wanted to send, and could not: to its mind the request has begun */
	uint64_t touched;    /* when the gateway last sent something: order, not time */
};

/* How a server meets a connection. */
enum manner { MANNER_ACCEPT, MANNER_REFUSE, MANNER_REFUSE_LATER, MANNER_HANG };

struct world {
	uint64_t now_us, until_us;
	struct peer peers[WORLD_PEERS];
	unsigned peer_count;
	enum manner manners[WORLD_SERVERS];
	size_t windows[WORLD_SERVERS];   /* of their next connections */
	bool is_vanished[WORLD_SERVERS]; /* its host acknowledges nothing */
	size_t recv_most;                /* what one read gives at most, for the next recv_limited reads */
	unsigned recv_limited;
	unsigned fail_descriptors, fail_after, interrupt_after; /* 0: never */
	bool has_failed; /* something was refused for want of memory or descriptors */
	bool is_log_stuck;
	unsigned rotation; /* where the loop begins among the ready */
	uint64_t progress; /* grows with everything that happens */
	unsigned idle_turns;
	uint64_t order;
};
extern struct world world;

/* ---- for the stage (fuzz_connection.c) */
void world_begin(void);
void world_end(void);
/* Descriptors the gateway holds now. */
unsigned world_open_files(void);
/* Of the large blocks that are kept from run to run, those the gateway holds now. */
unsigned world_large_blocks(void);
int world_listen(void);
/* A client that connects; NULL: there were too many. */
struct peer *world_connect_client(void);
void world_peer_sends(struct peer *peer, const uint8_t *data, size_t length);
/* Does the loop know in this turn that the gateway can read from it, and has not come to that yet? */
bool world_is_heard(const struct peer *peer);
void world_peer_finishes(struct peer *peer);
void world_peer_resets(struct peer *peer);
/* A connection that hung is accepted. */
void world_accept_hanging(unsigned server);
/* Runs the thread that the worker made. */
void world_run_thread(void);
/* The second thread, until it waits for work. False: there was none. */
bool world_run_helper(void);
/* When the next timer is due; UINT64_MAX: none. */
uint64_t world_next_timer_us(void);

/* ---- functions of fuzz_connection.c and the peers for the world */
/* Nothing is ready: the next step of the input. False: there is none, and the loop must return. */
bool stage_next(void);
/* What this client is about to get the response to. */
struct stage_request {
	bool is_head, is_old; /* HTTP/1.0 */
	char offered[JUDGE_UPGRADE]; /* protocols to change to */
};
struct stage_request stage_request_of(const struct peer *client);
/* A file that the configuration names; NULL: there is none. */
const char *stage_file(const char *path);
void peers_on_connection(struct peer *peer);
void peers_on_bytes(struct peer *peer, const uint8_t *data, size_t length);
/* The gateway sends no more: with a FIN, or with a reset. */
void peers_on_end(struct peer *peer, bool is_reset);
void peers_on_log(const char *text, size_t length);

/* ---- the peers, for fuzz_connection.c */
void peers_begin(void);
/* The bytes that `text` stands for: \r \n \\ \xHH, and \t for the tag of the request that is answered. */
void peers_client_sends(struct peer *client, const uint8_t *text, size_t length);
void peers_upstream_sends(struct peer *connection, const uint8_t *text, size_t length);
/* `count` bytes of a body, full of tags. */
void peers_upstream_fills(struct peer *connection, size_t count);
void peers_client_fills(struct peer *client, size_t count);
void peers_upstream_finishes(struct peer *connection);
/* What a server answers to whatever it is asked; length 0: nothing. The text stays the caller's. */
void peers_answer_all(unsigned server, const uint8_t *text, size_t length);
/* The server's connection that had a request last and is open; NULL: none. */
struct peer *peers_current(unsigned server);
uint64_t peers_log_lines(void);
extern bool peers_trusts_ids; /* a client may choose its request id */

/* ---- between world.c and world_loop.c */
struct event;
/* The events of files that are added and ready, at most two of each; returns how many. */
unsigned world_ready_events(struct event **to);
struct event **world_reader(int fd); /* where the event of a descriptor is kept; NULL: it is none of ours */
struct event **world_writer(int fd);
/* An allocation of the gateway: may it succeed? */
bool world_may_allocate(void);

#endif
