/*
 * The client's side of HTTP/1.1. A connection has one request at a time. If the head of a response comes in one read, as
 * nearly all do, it is parsed where it was received; only a partial head is kept.
 */
#include "gateway/upstream/h1.h"

#include <errno.h>

#include "gateway/base/container.h"
#include "gateway/http/chunks.h"
#include "gateway/net/stream_info.h"
#include "gateway/upstream/h1_head.h"
#include "gateway/upstream/pool.h"

enum { HEAD_BYTES = 64 * 1024, FIELDS = 256 };

/* Room for one head at a time: nothing in it outlives a callback. */
static _Thread_local struct {
	struct response response;
	struct field fields[FIELDS];
} room;

static struct connection *connection_of(const struct lease *lease)
{
	return container_of(lease, struct connection, lease);
}

static struct lease *lease_of(struct stream *stream)
{
	return &connection_of_stream(stream)->lease;
}

static void end(struct lease *lease, enum lease_end how)
{
	lease->events->on_end(lease, how);
}

/* ---- the response --------------------------------------------------------------------------------------------- */

static const struct stream_events body_events, splicing_events, abandoned_events;
static void on_abandoned_bytes(struct stream *stream, char *bytes, size_t length);

/* If more bytes came than the response has, the next bytes of the connection may be more of them. */
static void decode(struct connection *connection, char *bytes, size_t length, struct pieces *pieces)
{
	transfer_take(&connection->body, bytes, length, pieces);
	if (pieces->used < length)
		connection->keeps = false;
}

static void take_head(struct connection *connection, char *bytes, size_t length, bool has_headroom)
{
	const struct response *response = &room.response;
	struct pieces pieces;

	connection->keeps = response->keep_alive && response->body.kind != BODY_UNTIL_CLOSE && !connection->is_body_odd;
	if (response->keep_alive_timeout_s != 0 && response->keep_alive_timeout_s < 86400)
		connection->peer_idle_ms = response->keep_alive_timeout_s * 1000;
	connection->stream.events = &body_events;
	connection->is_tunnel = response->status == 101;
	if (connection->is_tunnel)
		transfer_begin(&connection->body, (struct body){ .kind = BODY_UNTIL_CLOSE });
	else
		transfer_begin(&connection->body, response->body);
	decode(connection, bytes, length, &pieces);
	connection->lease.events->on_head(&connection->lease, response, &pieces, has_headroom);
}

static void read_head(struct stream *stream, char *bytes, size_t length)
{
	static const struct request_limits limits = { HEAD_BYTES, FIELDS };
	struct connection *connection = connection_of_stream(stream);
	struct lease *lease = &connection->lease;
	struct response *response = &room.response;
	bool is_partial = connection->partial.to > 0;

	lease->is_heard = true;
	endpoint_heard(lease->endpoint, io_now_ms(stream->io));
	if (is_partial) {
		if (!buffer_append(&connection->partial, bytes, length)) {
			end(lease, LEASE_NO_MEMORY);
			return;
		}
		bytes = buffer_bytes(&connection->partial);
		length = buffer_length(&connection->partial);
	}
	while (length > 0) {
		switch (response_parse(response, bytes, length, room.fields, &limits, connection->is_head_request)) {
		case PARSE_MORE:
			if (!is_partial && !buffer_append(&connection->partial, bytes, length))
				end(lease, LEASE_NO_MEMORY);
			return;
		case PARSE_REFUSED:
			lease->why = response->refused_why;
			end(lease, LEASE_INVALID);
			return;
		case PARSE_DONE:
			break;
		}
		bytes += response->head_length;
		length -= response->head_length;
		if (is_partial)
			buffer_take(&connection->partial, response->head_length);
		if (!response->is_interim) {
			take_head(connection, bytes, length, !is_partial);
			return;
		}
		if (lease->events->on_interim(lease, response))
			continue;
		if (length > 0 && stream->events == &abandoned_events) /* the client has left: this is what is still awaited */
			on_abandoned_bytes(stream, bytes, length);
		return;
	}
	buffer_clear(&connection->partial);
}

static void on_body(struct stream *stream, char *bytes, size_t length)
{
	struct connection *connection = connection_of_stream(stream);
	struct pieces pieces;

	decode(connection, bytes, length, &pieces);
	connection->lease.events->on_body(&connection->lease, &pieces);
}

static void on_readable(struct stream *stream)
{
	lease_of(stream)->events->on_readable(lease_of(stream));
}

static void on_end(struct stream *stream)
{
	struct connection *connection = connection_of_stream(stream);
	struct pieces last = { .result = PIECES_END };

	connection->lease.has_ended = true;
	if (stream->events->on_bytes == on_body && !connection->is_tunnel && transfer_close(&connection->body))
		connection->lease.events->on_body(&connection->lease, &last);
	else
		end(&connection->lease, LEASE_ENDED);
}

static void on_error(struct stream *stream, int error)
{
	end(lease_of(stream), error == ENOMEM ? LEASE_NO_MEMORY : LEASE_BROKEN);
}

/* ---- the request ---------------------------------------------------------------------------------------------- */

static void on_connected(struct stream *stream)
{
	lease_of(stream)->events->on_connected(lease_of(stream));
}

static void on_drained(struct stream *stream)
{
	lease_of(stream)->is_blocked = false;
	lease_of(stream)->events->on_writable(lease_of(stream));
}

static void on_send_failed(struct stream *stream)
{
	lease_of(stream)->has_failed = true;
	on_drained(stream); /* pending bytes are dropped */
}

static enum send_result send_parts(struct lease *lease, struct iovec *parts, int count)
{
	struct stream *stream = &connection_of(lease)->stream;
	enum send_result sent = stream_send(stream, parts, count);

	lease->is_blocked = sent == SEND_PENDING;
	lease->has_failed = stream_has_send_failed(stream);
	return sent;
}

/* `head` may be NULL. */
static __attribute__((noinline)) enum send_result send_with(struct lease *lease, const struct iovec *head,
                                                            const struct pieces *pieces)
{
	struct iovec parts[1 + CHUNKS_PARTS];
	const struct iovec *list = pieces->list;
	int count = 0, more = pieces->count;
	struct chunks chunks;

	if (connection_of(lease)->sends_chunks && !connection_of(lease)->is_tunnel) {
		chunks_encode(pieces, &chunks);
		list = chunks.list;
		more = chunks.count;
	}
	if (head != NULL)
		parts[count++] = *head;
	for (int i = 0; i < more; i++)
		parts[count++] = list[i];
	return send_parts(lease, parts, count);
}

static enum send_result send_request(struct lease *lease, const struct lease_request *request, struct iovec head,
                                     const struct pieces *pieces)
{
	struct connection *connection = connection_of(lease);

	connection->is_head_request = request->is_head;
	connection->is_body_odd = request->is_body_odd;
	connection->sends_chunks = request->is_unsized;
	if (pieces->count == 0 && !request->is_unsized)
		return send_parts(lease, &head, 1);
	return send_with(lease, &head, pieces);
}

static enum send_result send_more(struct lease *lease, const struct pieces *pieces)
{
	return send_with(lease, NULL, pieces);
}

static void send_end(struct lease *lease)
{
	stream_finish(&connection_of(lease)->stream);
}

#define EVENTS \
	.on_end = on_end, .on_error = on_error, .on_drained = on_drained, .on_send_failed = on_send_failed, \
	.on_connected = on_connected

static const struct stream_events head_events = { .on_bytes = read_head, EVENTS };
static const struct stream_events body_events = { .on_bytes = on_body, EVENTS };
static const struct stream_events splicing_events = { .on_bytes = on_body, EVENTS, .on_readable = on_readable };

/* ---- what the exchange asks for ------------------------------------------------------------------------------- */

static void pause_reading(struct lease *lease)
{
	stream_pause(&connection_of(lease)->stream);
}

static void resume_reading(struct lease *lease)
{
	stream_resume(&connection_of(lease)->stream);
}

static uint32_t taken(const struct lease *lease)
{
	return stream_taken(&connection_of(lease)->stream);
}

static bool has_taken_all(const struct lease *lease)
{
	return stream_has_taken_all(&connection_of(lease)->stream);
}

static bool is_unreachable(const struct lease *lease, uint32_t silent_ms)
{
	return stream_is_unreachable(&connection_of(lease)->stream, silent_ms);
}

static bool holds(const struct lease *lease, uint64_t length)
{
	return stream_holds(&connection_of(lease)->stream, length);
}

static void set_splicing(struct lease *lease, bool is_splicing)
{
	connection_of(lease)->stream.events = is_splicing ? &splicing_events : &body_events;
}

static ssize_t splice_to(struct lease *lease, struct stream *to, size_t limit, enum send_result *sent)
{
	bool has_failed;
	ssize_t moved;

	if (to->pending.data != NULL) { /* the head and the bytes that came with it, which must not be overtaken */
		errno = EAGAIN;
		*sent = SEND_PENDING;
		return -1;
	}
	moved = stream_splice(&connection_of(lease)->stream, to, limit, &has_failed);
	*sent = has_failed ? SEND_FAILED : stream_is_pending(to) ? SEND_PENDING : SEND_DONE;
	if (moved > 0)
		transfer_skip(&connection_of(lease)->body, (size_t)moved);
	return moved;
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

static struct pool_limits limits_of(const struct upstream_settings *settings)
{
	return (struct pool_limits){
		.max_idle = settings->pool_max_idle,
		.idle_timeout_ms = settings->pool_idle_timeout_ms,
		.max_age_ms = settings->pool_max_age_ms,
	};
}

static void release(struct lease *lease, enum lease_release how, const struct upstream_settings *settings)
{
	struct connection *connection = connection_of(lease);

	if (how == LEASE_STALE)
		pool_note_stale(connection);
	if (how != LEASE_KEEP || !connection->keeps || lease->has_failed) {
		connection_close(connection, how == LEASE_CUT || how == LEASE_STALE);
		return;
	}
	if (connection->partial.data != NULL)
		buffer_free(&connection->partial);
	if (connection->body.trailers != NULL)
		transfer_end(&connection->body);
	pool_release(connection, limits_of(settings));
}

/* It answers, even if only with the first byte of a head. */
static void on_abandoned_bytes(struct stream *stream, char *bytes, size_t length)
{
	(void)bytes, (void)length;
	endpoint_heard(lease_of(stream)->endpoint, io_now_ms(stream->io));
	end(lease_of(stream), LEASE_ENDED);
}

static const struct stream_events abandoned_events = {
	.on_bytes = on_abandoned_bytes,
	.on_end = on_end,
	.on_error = on_error,
	.on_drained = NULL, /* nothing is pending */
	.on_send_failed = NULL,
	.on_connected = NULL,
};

static bool abandon(struct lease *lease)
{
	struct stream *stream = &connection_of(lease)->stream;

	stream_resume(stream);
	if (lease->is_blocked || !stream->is_reading)
		return false;
	stream->events = &abandoned_events;
	stream_finish(stream);
	return true;
}

static const struct lease_operations operations = {
	.request = send_request, .send = send_more, .send_end = send_end, .pause = pause_reading, .resume = resume_reading,
	.release = release, .abandon = abandon, .taken = taken, .has_taken_all = has_taken_all, .is_unreachable = is_unreachable,
	.holds = holds, .set_splicing = set_splicing, .splice = splice_to,
};

/* ---- the beginning -------------------------------------------------------------------------------------------- */

static void on_due(struct deadline *deadline)
{
	struct lease *lease = container_of(deadline, struct lease, deadline);

	lease->events->on_due(lease);
}

static struct lease *begin(struct connection *connection)
{
	struct lease *lease = &connection->lease;

	connection->stream.events = &head_events;
	lease->operations = &operations;
	lease->deadline.on_due = on_due;
	lease->is_heard = false;
	connection->is_tunnel = false;
	return lease;
}

static struct lease *take(struct pool *pool, const struct upstream_settings *settings, bool is_once)
{
	struct connection *connection = pool_take(pool, limits_of(settings), is_once);

	return connection == NULL ? NULL : begin(connection);
}

static struct lease *connect_new(struct pool *pool, int *error)
{
	struct connection *connection = pool_connect(pool, &head_events, error);

	return connection == NULL ? NULL : begin(connection);
}

const struct upstream_protocol upstream_h1 = {
	.head_room = H1_HEAD_ROOM, .write_begin = h1_head_begin, .write_end = h1_head_end, .take = take, .connect = connect_new,
};
