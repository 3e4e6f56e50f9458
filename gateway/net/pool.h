/*
 * The connections of one worker to one endpoint.
 *
 * Idle ones wait last in, first out, with their read event on: the peer's FIN, or bytes nobody asked for (which would
 * poison the next response), are seen at once and close the connection. A pool outlives its endpoint's withdrawal until
 * the last busy connection is done. All functions are for the worker's thread.
 */
#ifndef GATEWAY_NET_POOL_H
#define GATEWAY_NET_POOL_H

#include "gateway/net/stream.h"
#include "routes/upstream.h"

struct pool_limits {
	uint32_t max_idle; /* more than these wait for a second at most; 0: none waits */
	uint32_t idle_timeout_ms, max_age_ms;
};

struct pool {
	struct io *io;
	struct endpoint *endpoint; /* a reference */
	struct connection *newest, *oldest; /* idle */
	unsigned idle, busy;
	bool is_withdrawn;
	struct grave grave;
};

struct connection {
	struct stream stream;     /* must stay first: callbacks get the stream */
	struct deadline deadline; /* the owner's while busy */
	struct pool *pool;
	struct connection *newer, *older;
	uint64_t opened_ms;
	uint16_t age_share;    /* of max_age it may reach, in 1024ths: those that opened together don't end together */
	uint32_t peer_idle_ms; /* the peer said it would close after this; 0: it did not say */
	bool is_reused;        /* had a request before the one now on it */
	void *owner;           /* NULL: idle */
	struct grave grave;
};

struct pool *pool_new(struct io *io, struct endpoint *endpoint); /* NULL: memory is short */
/* No new connections will be asked for: closes the idle ones and goes when the busy ones have. */
void pool_withdraw(struct pool *pool);

/* An idle connection, or NULL. The caller becomes its owner and sets events and deadline. */
struct connection *pool_take(struct pool *pool, struct pool_limits limits);
/* A new one, which connects: on_connected or on_error follows. NULL with errno. */
struct connection *pool_connect(struct pool *pool, const struct stream_events *events, void *owner);
/* The owner is done and the connection is clean: it waits for the next, or is closed when it is too old. */
void pool_release(struct connection *connection, struct pool_limits limits);
/* Closes it, whether busy or idle. */
void connection_close(struct connection *connection, bool is_reset);

#endif
