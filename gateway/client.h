/*
 * One client connection: reads request heads, hands requests to exchanges one after the other, and keeps what
 * comes too early.
 */
#ifndef GATEWAY_CLIENT_H
#define GATEWAY_CLIENT_H

#include "gateway/base/buffer.h"
#include "gateway/outcome.h"
#include "gateway/worker.h"

enum client_state {
	CLIENT_IDLE,         /* nothing of a request has come, or it waits in `held` for its turn */
	CLIENT_READING_HEAD, /* a part of a head is in `held` */
	CLIENT_EXCHANGE,     /* a request is under way */
	CLIENT_LINGERING,    /* all was said; what still comes is thrown away so that our last words are not lost in a reset */
	CLIENT_CLOSED,
};

struct client {
	struct stream stream; /* must stay first: callbacks get the stream */
	enum client_state state;
	struct worker *worker;
	struct deadline deadline;
	struct exchange *exchange; /* CLIENT_EXCHANGE */
	struct ring ring;                /* worker->strangers, waiting or serving */
	struct ring run;                 /* worker->run, or those whose turn it is; only when is_in_run_list */
	bool is_in_run_list;
	struct address peer;
	char peer_text[ADDRESS_TEXT_MAX]; /* without port */
	char port_text[5];                /* of the listener */
	uint8_t peer_text_length, port_text_length;
	struct buffer held; /* bytes that came before their turn; has memory only while there are such */
	uint64_t head_began_us; /* of the request being read */
	uint64_t idle_since_ms; /* the order of worker->waiting */
	struct grave grave;
};

static inline struct client *client_of_ring(struct ring *ring)
{
	return (struct client *)((char *)ring - offsetof(struct client, ring));
}

/* Takes the descriptor. False: memory is short; the descriptor is closed. */
bool client_open(struct worker *worker, int fd, const struct address *peer, uint16_t listener_port);
/* The worker's turn: goes on with the request that waits in `held`. */
void client_run(struct client *client);
void client_close(struct client *client, bool is_reset);

/* ---- between client.c and client_request.c */
/* The only place where a client's state changes. */
void client_enter(struct client *client, enum client_state state);
/* Its request waits in `held`, or it has to be read again: at the end of the turn, so that others come between. */
void client_queue_to_run(struct client *client);
void client_read_fresh(struct client *client, char *bytes, size_t length); /* nothing is held */
void client_read_held(struct client *client);                              /* `held` has grown, or its turn has come */
/* The exchange is over already, and the next request came with its last bytes. */
void client_hold_next(struct client *client, const char *bytes, size_t length);
/* The head of which a part is held will never be whole. */
void client_give_up_head(struct client *client, enum outcome outcome);
/* What it sends can't be kept; `bytes` begin its request. Closes it: counted, and with a line in the log as for every request. */
void client_shed(struct client *client, const char *bytes, size_t length);
static inline bool client_has_held(const struct client *client)
{
	return client->held.data != NULL;
}
static inline const struct limits *client_limits(const struct client *client)
{
	return &client->worker->snapshot->config->limits;
}

/* ---- for exchanges */
/* Keeps bytes that are not for this exchange, and reads no more until it is over. */
void client_hold(struct client *client, const char *bytes, size_t length);
/* The exchange is over and the response is out. `may_linger`: the client may still be sending. */
void client_exchange_over(struct client *client, bool keep, bool may_linger);

#endif
