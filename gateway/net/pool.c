#include "gateway/net/pool.h"

#include <stdlib.h>

#include "gateway/net/socket.h"

/*
 * How long a connection waits that is one more than max_idle. Under steady load the number of idle ones swings with every
 * turn of the loop: closing at once what is above the limit would open hundreds a second only to close them again.
 */
#define POOL_SURPLUS_MS 1000

static void on_idle_bytes(struct stream *stream, char *bytes, size_t length)
{
	(void)bytes, (void)length;
	connection_close((struct connection *)stream, true);
}

static void on_idle_end(struct stream *stream)
{
	connection_close((struct connection *)stream, false);
}

static void on_idle_error(struct stream *stream, int error)
{
	(void)error;
	connection_close((struct connection *)stream, false);
}

static const struct stream_events idle_events = {
	.on_bytes = on_idle_bytes,
	.on_end = on_idle_end,
	.on_error = on_idle_error,
	.on_drained = NULL, /* nothing is ever pending on an idle connection */
	.on_connected = NULL,
};

static struct connection *connection_of(struct deadline *deadline)
{
	return (struct connection *)((char *)deadline - offsetof(struct connection, deadline));
}

static void on_idle_over(struct deadline *deadline)
{
	connection_close(connection_of(deadline), false);
}

struct pool *pool_new(struct io *io, struct endpoint *endpoint)
{
	struct pool *pool = calloc(1, sizeof *pool);

	if (pool == NULL)
		return NULL;
	pool->io = io;
	pool->endpoint = endpoint_reference(endpoint);
	return pool;
}

static void dig_pool(struct grave *grave)
{
	struct pool *pool = (struct pool *)((char *)grave - offsetof(struct pool, grave));

	endpoint_release(pool->endpoint);
	free(pool);
}

static void dig_connection(struct grave *grave)
{
	free((char *)grave - offsetof(struct connection, grave));
}

static void bury_if_unused(struct pool *pool)
{
	if (pool->is_withdrawn && pool->busy == 0 && pool->idle == 0)
		io_bury(pool->io, &pool->grave, dig_pool);
}

void pool_withdraw(struct pool *pool)
{
	while (pool->newest != NULL)
		connection_close(pool->newest, false);
	pool->is_withdrawn = true;
	bury_if_unused(pool);
}

static void remove_idle(struct connection *connection)
{
	struct pool *pool = connection->pool;

	if (connection->newer != NULL)
		connection->newer->older = connection->older;
	else
		pool->newest = connection->older;
	if (connection->older != NULL)
		connection->older->newer = connection->newer;
	else
		pool->oldest = connection->newer;
	connection->newer = connection->older = NULL;
	pool->idle--;
}

/* Between three quarters and all of max_age, by chance. */
static uint16_t choose_age_share(struct io *io, int fd)
{
	uint64_t mixed = (io_now_us(io) ^ (uint64_t)fd << 40) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint16_t)(768 + (mixed >> 56));
}

static bool is_too_old(const struct connection *connection, uint64_t now_ms, struct pool_limits limits)
{
	return now_ms - connection->opened_ms >= (uint64_t)limits.max_age_ms * connection->age_share / 1024;
}

struct connection *pool_take(struct pool *pool, struct pool_limits limits)
{
	uint64_t now_ms = io_now_ms(pool->io);
	struct connection *connection, *older;

	for (connection = pool->newest; connection != NULL; connection = older) {
		older = connection->older;
		if (is_too_old(connection, now_ms, limits)) {
			connection_close(connection, false);
		} else if (!stream_has_news(&connection->stream)) {
			remove_idle(connection);
			pool->busy++;
			connection->is_reused = true;
			deadline_clear(&connection->deadline);
			return connection;
		} /* else its end, or bytes that would be taken for the response to what is sent now */
	}
	return NULL;
}

struct connection *pool_connect(struct pool *pool, const struct stream_events *events, void *owner)
{
	struct connection *connection = calloc(1, sizeof *connection);
	int fd;

	if (connection == NULL)
		return NULL;
	fd = socket_connect(&pool->endpoint->address);
	if (fd < 0 || !stream_open(&connection->stream, pool->io, fd, true, events)) {
		free(connection);
		return NULL;
	}
	connection->pool = pool;
	connection->owner = owner;
	connection->opened_ms = io_now_ms(pool->io);
	connection->age_share = choose_age_share(pool->io, fd);
	deadline_init(&connection->deadline, on_idle_over);
	pool->busy++;
	return connection;
}

/* What came with its response, or its end, and was not read with it would be met by the next request. */
static bool has_leftovers(const struct stream *stream)
{
	return stream->may_hold_more && !stream_is_quiet(stream);
}

void pool_release(struct connection *connection, struct pool_limits limits)
{
	struct pool *pool = connection->pool;
	uint64_t now_ms = io_now_ms(pool->io);
	uint32_t idle_ms = limits.idle_timeout_ms;

	/* Closing a little before the peer does keeps the race between its FIN and our next request from happening. */
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
	connection->owner = NULL;
	connection->stream.events = &idle_events;
	connection->deadline.on_due = on_idle_over;
	deadline_set(&pool->io->deadlines, &connection->deadline, now_ms + idle_ms);
	connection->newer = NULL;
	connection->older = pool->newest;
	if (pool->newest != NULL)
		pool->newest->newer = connection;
	else
		pool->oldest = connection;
	pool->newest = connection;
	pool->idle++;
	pool->busy--;
}

void connection_close(struct connection *connection, bool is_reset)
{
	struct pool *pool = connection->pool;

	if (connection->stream.fd < 0)
		return;
	if (connection->owner == NULL)
		remove_idle(connection);
	else
		pool->busy--;
	connection->owner = NULL;
	stream_close(&connection->stream, is_reset);
	deadline_remove(&pool->io->deadlines, &connection->deadline);
	io_bury(pool->io, &connection->grave, dig_connection);
	bury_if_unused(pool);
}
