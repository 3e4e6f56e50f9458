/* One client connection: its states, and the bytes that came too early. */
#ifndef GATEWAY_DOWNSTREAM_H1_CLIENT_H
#define GATEWAY_DOWNSTREAM_H1_CLIENT_H

#include "gateway/base/buffer.h"
#include "gateway/base/container.h"
#include "gateway/downstream/downstream.h"
#include "gateway/http/transfer.h"
#include "gateway/net/stream.h"
#include "gateway/worker/worker.h"

enum client_state {
	CLIENT_IDLE,         /* no byte of a request has come, or one waits in `held` for its turn */
	CLIENT_READING_HEAD, /* a part of a head is in `held` */
	CLIENT_EXCHANGE,     /* a request is under way */
	CLIENT_LINGERING,    /* all was said; what still comes is thrown away so that our last words are not lost in a reset */
	CLIENT_CLOSED,
};

struct client {
	struct stream stream;
	enum client_state state;
	bool is_in_run_list;
	bool sends_chunks; /* of the response under way */
	struct downstream downstream; /* its exchange: in CLIENT_EXCHANGE */
	struct ring ring;                /* worker->new_clients, waiting or serving */
	struct transfer body; /* of the request that is under way, as it comes in */
	struct buffer held; /* bytes that came before their turn; no memory while there are none */
	uint64_t head_began_us; /* of the request being read */
	uint64_t idle_since_ms; /* the order of worker->waiting */
	union {
		struct ring run; /* worker->run, or those whose turn it is; only when is_in_run_list */
		struct deferred_free deferred_free;
	};
};

static inline struct client *client_of_stream(struct stream *stream)
{
	return container_of(stream, struct client, stream);
}
static inline struct client *client_of_ring(struct ring *ring)
{
	return container_of(ring, struct client, ring);
}

void h1_client_close(struct client *client, bool is_reset);
/* The only place where a client's state changes. */
void h1_client_enter(struct client *client, enum client_state state);
/* Its request waits in `held`, or it must be read again: at the end of the loop iteration, so that others come between. */
void h1_client_queue_to_run(struct client *client);

static inline bool h1_client_has_held(const struct client *client)
{
	return client->held.data != NULL;
}
static inline const struct limits *h1_client_limits(const struct client *client)
{
	return &client->downstream.worker->snapshot->config->limits;
}
static inline struct client *client_of(const struct downstream *downstream)
{
	return container_of(downstream, struct client, downstream);
}
/* Does every byte belong to the exchange under way, undecoded? So it is after a refused request, for a body that is thrown away,
 * and after a 101. */
static inline bool h1_client_takes_all(const struct client *client)
{
	return client->body.kind == BODY_UNTIL_CLOSE;
}
/* While it lingers: something comes, and for a while more is waited for. */
void h1_client_linger_on(struct client *client);
/* Holds bytes that are not for this exchange, and reads no more until it is over. */
void h1_client_hold(struct client *client, const char *bytes, size_t length);

#endif
