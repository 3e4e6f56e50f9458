/*
 * The connections of one worker to one endpoint.
 *
 * Idle ones wait last in, first out, with their read event on. So the pool sees the peer's FIN, or unrequested bytes (which
 * would poison the next response), at once and closes the connection. A pool outlives its endpoint's withdrawal until the
 * last busy connection is done. All functions are for the worker's thread.
 */
#ifndef GATEWAY_UPSTREAM_POOL_H
#define GATEWAY_UPSTREAM_POOL_H

#include "gateway/base/container.h"
#include "gateway/http/transfer.h"
#include "gateway/net/stream.h"
#include "gateway/upstream/lease.h"

struct pool_limits {
	uint32_t max_idle; /* surplus ones wait for a second at most; 0: none waits */
	uint32_t idle_timeout_ms, max_age_ms;
};

struct pool {
	struct io *io;
	struct endpoint *endpoint; /* a reference */
	struct ring waiting; /* idle connections, the newest first */
	unsigned idle, busy;
	bool is_withdrawn;
	struct deferred_free deferred_free;
};

struct connection {
	struct stream stream;
	struct lease lease;   /* while it is idle, its deadline belongs to the pool */
	struct pool *pool;
	struct ring ring; /* pool->waiting, while idle */
	uint64_t opened_ms, idle_since_ms, taken_ms;
	uint16_t age_share;    /* of max_age it may reach, in 1024ths: those that opened together don't end together */
	uint32_t peer_idle_ms; /* the peer announced that it closes after this; 0: it did not */
	struct deferred_free deferred_free;
	/* for h1.c, about its present request: */
	bool is_head_request, is_body_odd;
	bool sends_chunks;
	bool is_tunnel;
	bool keeps; /* the response allows to use the connection again */
	struct buffer partial; /* of its head */
	struct transfer body;
};

static inline struct connection *connection_of_stream(struct stream *stream)
{
	return container_of(stream, struct connection, stream);
}

struct pool *pool_new(struct io *io, struct endpoint *endpoint); /* NULL: out of memory */
/* Nobody will ask for new connections: closes the idle ones, and frees the pool when the busy ones have ended. */
void pool_withdraw(struct pool *pool);

/*
 * An idle connection, or NULL. The caller sets its events, and the owner of its lease before the loop iteration ends.
 * `is_once`: for a request that must not be sent twice, so the connection should not end under it. A connection that has been
 * idle for more than half of the time after which the endpoint closes is then left alone, and the kernel is asked whether the
 * end has come already.
 */
struct connection *pool_take(struct pool *pool, struct pool_limits limits, bool is_once);
/* The taken connection had ended while it was idle. */
void pool_note_stale(struct connection *connection);
/* A new one, which connects: on_connected or on_error follows. NULL with *error. */
struct connection *pool_connect(struct pool *pool, const struct stream_events *events, int *error);
/* The owner is done and the connection is clean: it waits for the next request, or is closed if it is too old. */
void pool_release(struct connection *connection, struct pool_limits limits);
/* Closes it, whether busy or idle. */
void connection_close(struct connection *connection, bool is_reset);

#endif
