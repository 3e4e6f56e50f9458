#include "gateway/upstream/pool.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway/base/container.h"
#include "gateway/net/own.h"
#include "gateway/net/socket.h"
#include "gateway/net/stream_info.h"

/*
 * How long one connection more than max_idle stays. Under steady load the number of idle ones changes with every loop
 * iteration: closing surplus ones at once would open hundreds a second only to close them again.
 */
#define POOL_SURPLUS_MS 1000

/* The peer has closed it while it was idle, or under the request that took it at `now_ms`. */
static void note_end(struct connection *connection, uint64_t now_ms)
{
	struct stream *stream = &connection->stream;

	/* After a reset the kernel can't tell when it came. */
	endpoint_note_idle(connection->pool->endpoint,
	                   stream->has_ended ? stream_silent_until_end_ms(stream) : now_ms - connection->idle_since_ms, true, now_ms);
}

static void on_idle_bytes(struct stream *stream, char *bytes, size_t length)
{
	(void)bytes, (void)length;
	connection_close(connection_of_stream(stream), true);
}

static void on_idle_end(struct stream *stream)
{
	struct connection *connection = connection_of_stream(stream);

	note_end(connection, io_now_ms(stream->io));
	connection_close(connection, false);
}

static void on_idle_error(struct stream *stream, int error)
{
	(void)error;
	on_idle_end(stream);
}

static const struct stream_events idle_events = {
	.on_bytes = on_idle_bytes,
	.on_end = on_idle_end,
	.on_error = on_idle_error,
	.on_drained = NULL, /* nothing is ever pending on an idle connection */
	.on_send_failed = NULL,
	.on_connected = NULL,
};

static struct connection *connection_of(struct deadline *deadline)
{
	return container_of(deadline, struct connection, lease.deadline);
}

static void on_idle_over(struct deadline *deadline)
{
	struct connection *connection = connection_of(deadline);

	uint64_t now_ms = io_now_ms(connection->pool->io);

	endpoint_note_idle(connection->pool->endpoint, now_ms - connection->idle_since_ms, false, now_ms);
	connection_close(connection, false);
}

struct pool *pool_new(struct io *io, struct endpoint *endpoint)
{
	struct pool *pool = calloc(1, sizeof *pool);

	if (pool == NULL)
		return NULL;
	pool->io = io;
	ring_init(&pool->waiting);
	pool->endpoint = endpoint_reference(endpoint);
	return pool;
}

static void free_pool(struct deferred_free *deferred)
{
	struct pool *pool = container_of(deferred, struct pool, deferred_free);

	endpoint_release(pool->endpoint);
	free(pool);
}

static void free_connection(struct deferred_free *deferred)
{
	struct connection *connection = container_of(deferred, struct connection, deferred_free);

	buffer_free(&connection->partial);
	transfer_end(&connection->body);
	free(connection);
}

static void free_if_unused(struct pool *pool)
{
	if (pool->is_withdrawn && pool->busy == 0 && pool->idle == 0)
		io_free_later(pool->io, &pool->deferred_free, free_pool);
}

void pool_withdraw(struct pool *pool)
{
	while (!ring_is_empty(&pool->waiting))
		connection_close(container_of(pool->waiting.next, struct connection, ring), false);
	pool->is_withdrawn = true;
	free_if_unused(pool);
}

static void remove_idle(struct connection *connection)
{
	struct pool *pool = connection->pool;

	ring_remove(&connection->ring);
	pool->idle--;
}

/* A random time between three quarters of max_age and all of it. */
static uint16_t choose_age_share(struct io *io, int fd)
{
	uint64_t mixed = (io_now_us(io) ^ (uint64_t)fd << 40) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint16_t)(768 + (mixed >> 56));
}

static bool is_too_old(const struct connection *connection, uint64_t now_ms, struct pool_limits limits)
{
	return now_ms - connection->opened_ms >= (uint64_t)limits.max_age_ms * connection->age_share / 1024;
}

/* May it end soon? Those before it in the list have been idle even longer. */
static bool is_risky(const struct connection *connection)
{
	uint32_t idle_ms = atomic_load_explicit(&connection->pool->endpoint->idle_ms, memory_order_relaxed);

	return idle_ms != 0 && stream_silent_ms(&connection->stream) > idle_ms / 2;
}

struct connection *pool_take(struct pool *pool, struct pool_limits limits, bool is_once)
{
	uint64_t now_ms = io_now_ms(pool->io);

	for (struct ring *entry = pool->waiting.next, *older; entry != &pool->waiting; entry = older) {
		struct connection *connection = container_of(entry, struct connection, ring);

		older = entry->next;
		if (is_once && is_risky(connection))
			return NULL;
		if (is_too_old(connection, now_ms, limits)) {
			connection_close(connection, false);
			continue;
		}
		if (stream_has_news(&connection->stream))
			continue; /* its end, or bytes that would pass for the response to the next request */
		if (is_once && !stream_is_quiet(&connection->stream)) {
			connection_close(connection, false);
			continue;
		}
		remove_idle(connection);
		pool->busy++;
		connection->taken_ms = now_ms;
		connection->lease.is_reused = true;
		deadline_clear(&connection->lease.deadline);
		return connection;
	}
	return NULL;
}

void pool_note_stale(struct connection *connection)
{
	note_end(connection, connection->taken_ms);
}

struct connection *pool_connect(struct pool *pool, const struct stream_events *events, int *error)
{
	struct connection *connection = calloc(1, sizeof *connection);
	int fd;

	*error = ENOMEM;
	if (connection == NULL)
		return NULL;
	fd = socket_connect(&pool->endpoint->address);
	if (fd < 0)
		*error = errno;
	if (fd < 0 || !stream_open(&connection->stream, pool->io, fd, true, events)) {
		free(connection);
		return NULL;
	}
	own_note(fd, pool->endpoint->address.port, io_now_ms(pool->io));
	connection->pool = pool;
	connection->lease.endpoint = pool->endpoint;
	connection->opened_ms = io_now_ms(pool->io);
	connection->age_share = choose_age_share(pool->io, fd);
	deadline_init(&connection->lease.deadline, on_idle_over);
	pool->busy++;
	return connection;
}

/* The next request would meet bytes, or an end, that came after its response and were not read with it. */
static bool has_leftovers(const struct stream *stream)
{
	return stream->may_hold_more && !stream_is_quiet(stream);
}

void pool_release(struct connection *connection, struct pool_limits limits)
{
	struct pool *pool = connection->pool;
	uint64_t now_ms = io_now_ms(pool->io);
	uint32_t idle_ms = limits.idle_timeout_ms;

	/* Closing a little before the peer does avoids the race between its FIN and our next request. */
	if (connection->peer_idle_ms != 0 && connection->peer_idle_ms / 2 < idle_ms)
		idle_ms = connection->peer_idle_ms / 2;
	if (pool->idle >= limits.max_idle && idle_ms > POOL_SURPLUS_MS)
		idle_ms = POOL_SURPLUS_MS;
	stream_resume(&connection->stream);
	if (pool->is_withdrawn || limits.max_idle == 0 || is_too_old(connection, now_ms, limits) ||
	    idle_ms == 0 || stream_is_pending(&connection->stream) || !connection->stream.is_reading ||
	    has_leftovers(&connection->stream)) {
		connection_close(connection, false);
		return;
	}
	connection->lease.owner = NULL;
	connection->idle_since_ms = now_ms;
	connection->stream.events = &idle_events;
	connection->lease.deadline.on_due = on_idle_over;
	deadline_set(&pool->io->deadlines, &connection->lease.deadline, now_ms + idle_ms);
	ring_prepend(&pool->waiting, &connection->ring);
	pool->idle++;
	pool->busy--;
}

void connection_close(struct connection *connection, bool is_reset)
{
	struct pool *pool = connection->pool;

	if (connection->stream.fd < 0)
		return;
	if (connection->lease.owner == NULL)
		remove_idle(connection);
	else
		pool->busy--;
	connection->lease.owner = NULL;
	stream_close(&connection->stream, is_reset);
	deadline_remove(&pool->io->deadlines, &connection->lease.deadline);
	io_free_later(pool->io, &connection->deferred_free, free_connection);
	free_if_unused(pool);
}
