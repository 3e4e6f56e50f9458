#include "gateway/net/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/base/container.h"

enum { STREAM_GATHER_BYTES = 1024 };

/* The C library's recv() and send() are points where a thread may be cancelled. We cancel no thread, and the
 * preparation for it takes longer than the rest of these functions. */
static ssize_t receive(int fd, char *bytes, size_t length)
{
	return syscall(SYS_recvfrom, fd, bytes, length, 0, NULL, NULL);
}

static ssize_t send_bytes(int fd, const char *bytes, size_t length, int flags)
{
	return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

static void on_writable(evutil_socket_t fd, short what, void *context);

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct stream *stream = context;

	(void)fd, (void)what;
	if (stream->events->on_readable != NULL)
		stream->events->on_readable(stream);
	else
		stream_read(stream);
}

/* The kernel reports the peer's reset once. If a send has reported it, reading ends as if the peer had sent its FIN;
 * only EPIPE means that the FIN came before the reset. */
static bool is_cut(const struct stream *stream)
{
	return stream_has_send_failed(stream) && stream->send_error != EPIPE;
}

void stream_read(struct stream *stream)
{
	size_t room = io_is_memory_tight(stream->io) ? IO_RECV_TIGHT : stream->recv_bytes;
	char *bytes = stream->io->scratch + IO_HEADROOM_BYTES;
	ssize_t length = receive(stream->fd, bytes, room);

	if (length > 0) {
		stream->may_hold_more = (size_t)length == room;
		if (stream->may_hold_more && room == stream->recv_bytes && room < IO_SCRATCH_BYTES)
			stream->recv_bytes *= 2;
		stream->events->on_bytes(stream, bytes, (size_t)length);
	} else if (length == 0 && is_cut(stream)) {
		stream->events->on_error(stream, stream->send_error);
	} else if (length == 0) {
		stream->has_ended = true;
		stream_pause(stream);
		stream->events->on_end(stream);
	} else if (errno != EAGAIN && errno != EINTR) {
		stream->events->on_error(stream, errno);
	}
}

/* Few streams wait to write, so a stream gets its write event only then. False: out of memory. */
static bool start_writing(struct stream *stream)
{
	struct event *event;

	if (stream->write_event != NULL)
		return true;
	if ((event = malloc(sizeof *event)) == NULL)
		return false;
	event_assign(event, stream->io->base, stream->fd, EV_WRITE | EV_PERSIST, on_writable, stream);
	if (event_add(event, NULL) < 0) {
		free(event);
		return false;
	}
	stream->write_event = event;
	return true;
}

static void stop_writing(struct stream *stream)
{
	if (stream->write_event == NULL)
		return;
	event_del(stream->write_event);
	free(stream->write_event);
	stream->write_event = NULL;
}

static void finish_connecting(struct stream *stream)
{
	int error = 0;
	socklen_t size = sizeof error;

	if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error != 0) {
		stream->events->on_error(stream, error);
		return;
	}
	stream->is_connecting = false;
	stop_writing(stream);
	stream_resume(stream);
	if (!stream->is_reading)
		stream->events->on_error(stream, ENOMEM);
	else
		stream->events->on_connected(stream);
}

static void free_pending(struct stream *stream)
{
	buffer_free(&stream->pending);
	if (stream->pipe != NULL) {
		buffer_kept_bytes -= stream->pipe->bytes;
		pipe_give_back(stream->io, stream->pipe);
		stream->pipe = NULL;
	}
}

static void fail_sends(struct stream *stream, int error)
{
	stream->send_error = error;
	free_pending(stream);
	stop_writing(stream);
	stream->events->on_send_failed(stream);
}

static void end_pending(struct stream *stream)
{
	stop_writing(stream);
	stream->events->on_drained(stream);
}

/* Moves bytes from the pipe to the socket, as far as the socket takes them; frees the pipe when it is empty. False: the
 * socket is dead (errno). */
static bool drain_pipe(struct stream *stream)
{
	struct pipe *pipe = stream->pipe;

	if (!pipe_drain(pipe, stream->fd))
		return false;
	if (pipe->bytes > 0)
		return true;
	stream->pipe = NULL;
	pipe_give_back(stream->io, pipe);
	return true;
}

ssize_t stream_splice(struct stream *from, struct stream *to, size_t limit, bool *failed)
{
	bool is_behind = to->pipe != NULL;
	struct pipe *pipe = is_behind ? to->pipe : pipe_take(from->io);
	size_t room = io_is_memory_tight(from->io) ? IO_RECV_LEAST : PIPE_BYTES;
	ssize_t taken;

	*failed = false;
	from->recv_bytes = IO_RECV_LEAST; /* so that the next response's first read leaves its body to splice, too */
	if (pipe == NULL) {
		errno = ENOMEM;
		return -1;
	}
	taken = pipe_fill(pipe, from->fd, limit < room ? limit : room);
	if (taken <= 0) {
		int error = errno;

		if (!is_behind)
			pipe_give_back(from->io, pipe);
		errno = error;
		return taken;
	}
	from->may_hold_more = true; /* as far as this stream knows */
	if (is_behind)
		return taken;
	to->pipe = pipe;
	*failed = !drain_pipe(to) || (to->pipe != NULL && !start_writing(to));
	return taken;
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct stream *stream = context;
	ssize_t sent;

	(void)what;
	if (stream->is_connecting) {
		finish_connecting(stream);
		return;
	}
	if (stream->pipe != NULL) {
		if (!drain_pipe(stream))
			fail_sends(stream, errno);
		else if (stream->pipe == NULL)
			end_pending(stream);
		return;
	}
	sent = send_bytes(fd, buffer_bytes(&stream->pending), buffer_length(&stream->pending), MSG_NOSIGNAL);
	if (sent < 0) {
		if (errno != EAGAIN && errno != EINTR)
			fail_sends(stream, errno);
		return;
	}
	buffer_take(&stream->pending, (size_t)sent);
	if (buffer_length(&stream->pending) > 0)
		return;
	free_pending(stream);
	end_pending(stream);
}

/* ---- watching ------------------------------------------------------------------------------------------------- */

static void watch(struct stream *stream)
{
	ring_leave(&stream->unwatched);
	stream->is_reading = stream->is_watched = event_add(&stream->read_event, NULL) == 0;
}

static void watch_no_more(struct stream *stream)
{
	ring_leave(&stream->unwatched);
	if (stream->is_watched)
		event_del(&stream->read_event);
	stream->is_reading = stream->is_watched = false;
}

static void watch_later(struct stream *stream)
{
	struct io *io = stream->io;

	if (ring_is_empty(&io->unwatched))
		deadline_set(&io->deadlines, &io->watch_deadline, io_now_ms(io) + STREAM_WATCH_MS);
	ring_append(&io->unwatched, &stream->unwatched);
}

/* An exchange that takes this long notices a little later that its client has left. */
static void on_watch_due(struct deadline *deadline)
{
	struct io *io = container_of(deadline, struct io, watch_deadline);

	while (!ring_is_empty(&io->unwatched)) {
		struct stream *stream = container_of(io->unwatched.next, struct stream, unwatched);

		watch(stream);
		if (!stream->is_watched)
			stream->events->on_error(stream, ENOMEM);
	}
}

void streams_init(struct io *io)
{
	ring_init(&io->unwatched);
	deadline_init(&io->watch_deadline, on_watch_due);
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

bool stream_open(struct stream *stream, struct io *io, int fd, bool is_connecting, const struct stream_events *events)
{
	*stream = (struct stream){ .fd = fd, .io = io, .events = events, .is_connecting = is_connecting,
		                   .recv_bytes = IO_RECV_LEAST };
	event_assign(&stream->read_event, io->base, fd, EV_READ | EV_PERSIST, on_readable, stream);
	ring_init(&stream->unwatched);
	if (!is_connecting) {
		stream->is_reading = true;
		watch_later(stream);
		return true;
	}
	if (start_writing(stream))
		return true;
	close(fd);
	stream->fd = -1;
	return false;
}

void stream_close(struct stream *stream, bool is_reset)
{
	if (stream->fd < 0)
		return;
	watch_no_more(stream);
	stop_writing(stream);
	if (is_reset)
		setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
	close(stream->fd);
	stream->fd = -1;
	free_pending(stream);
}

void stream_finish(struct stream *stream)
{
	shutdown(stream->fd, SHUT_WR);
}

void stream_pause(struct stream *stream)
{
	watch_no_more(stream);
	stream->recv_bytes = IO_RECV_LEAST;
}

void stream_resume(struct stream *stream)
{
	/* While it connects only the write event counts: finish_connecting() comes back to this. */
	if (!stream->is_watched && !stream->has_ended && !stream->is_connecting && stream->fd >= 0)
		watch(stream);
}

/* Keeps the parts from `sent` on behind what is pending. */
static enum send_result keep(struct stream *stream, const struct iovec *parts, int count, size_t sent, size_t total)
{
	if (!buffer_reserve(&stream->pending, total - sent) || !start_writing(stream))
		return SEND_NO_MEMORY;
	for (int i = 0; i < count; i++) {
		size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;

		buffer_append(&stream->pending, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
		sent -= skip;
	}
	return SEND_PENDING;
}

/* Copying a few bytes costs less than the kernel's work on a list of parts. */
static __attribute__((noinline)) ssize_t send_parts(int fd, const struct iovec *parts, int count, size_t total,
                                                     int flags)
{
	char together[STREAM_GATHER_BYTES], *to = together;

	if (total > sizeof together)
		return sendmsg(fd, &(struct msghdr){ .msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count }, flags);
	for (int i = 0; i < count; i++)
		to = mempcpy(to, parts[i].iov_base, parts[i].iov_len);
	return send_bytes(fd, together, total, flags);
}

static inline enum send_result send_or_keep(struct stream *stream, struct iovec *parts, int count, int flags)
{
	size_t total = 0;
	ssize_t sent = 0;

	for (int i = 0; i < count; i++)
		total += parts[i].iov_len;
	if (total == 0)
		return stream_is_pending(stream) ? SEND_PENDING : SEND_DONE;
	if (!stream_is_pending(stream) && !stream->is_connecting) {
		sent = count == 1 ? send_bytes(stream->fd, parts->iov_base, total, flags)
		                  : send_parts(stream->fd, parts, count, total, flags);
		if (sent == (ssize_t)total)
			return SEND_DONE;
		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			if (!stream_has_send_failed(stream))
				stream->send_error = errno;
			return errno == ENOMEM ? SEND_NO_MEMORY : SEND_FAILED;
		}
		if (sent < 0)
			sent = 0;
	}
	return keep(stream, parts, count, (size_t)sent, total);
}

enum send_result stream_send(struct stream *stream, struct iovec *parts, int count)
{
	return send_or_keep(stream, parts, count, MSG_NOSIGNAL);
}

enum send_result stream_send_last(struct stream *stream, struct iovec *parts, int count)
{
	return send_or_keep(stream, parts, count, MSG_NOSIGNAL | MSG_MORE);
}
