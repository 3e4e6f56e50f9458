#include "gateway/net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/net/pipe.h"

enum { STREAM_GATHER_BYTES = 1024 };

/* The C library's recv() and send() are points where a thread may be cancelled. None of ours is, and to get ready for it takes
 * longer than the rest of them. */
static ssize_t receive(int fd, char *bytes, size_t length)
{
	return syscall(SYS_recvfrom, fd, bytes, length, 0, NULL, NULL);
}

static ssize_t send_bytes(int fd, const char *bytes, size_t length, int flags)
{
	return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct stream *stream = context;

	(void)fd, (void)what;
	if (stream->events->on_readable != NULL)
		stream->events->on_readable(stream);
	else
		stream_read(stream);
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
	} else if (length == 0) {
		stream->has_ended = true;
		stream_pause(stream);
		stream->events->on_end(stream);
	} else if (errno != EAGAIN && errno != EINTR) {
		stream->events->on_error(stream, errno);
	}
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
	event_del(&stream->write_event);
	stream->is_writing = false;
	stream_resume(stream);
	if (!stream->is_reading)
		stream->events->on_error(stream, ENOMEM);
	else
		stream->events->on_connected(stream);
}

static void free_pending(struct stream *stream)
{
	if (stream->pending == NULL)
		return;
	buffer_kept_bytes -= stream->pending_size;
	free(stream->pending);
	stream->pending = NULL;
}

static void end_pending(struct stream *stream)
{
	event_del(&stream->write_event);
	stream->is_writing = false;
	stream->events->on_drained(stream);
}

/* From the pipe to the socket, as far as it takes it; the pipe goes when it is empty. False: the socket is dead (errno). */
static bool drain_pipe(struct stream *stream)
{
	struct pipe *pipe = stream->pipe;

	while (pipe->bytes > 0) {
		ssize_t moved = splice(pipe->read_fd, NULL, stream->fd, NULL, pipe->bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (moved <= 0)
			return moved < 0 && (errno == EAGAIN || errno == EINTR);
		pipe->bytes -= (size_t)moved;
		buffer_kept_bytes -= (size_t)moved;
	}
	stream->pipe = NULL;
	pipe_give_back(stream->io, pipe);
	return true;
}

ssize_t stream_splice(struct stream *from, struct stream *to, size_t limit, bool *failed)
{
	struct pipe *pipe = pipe_take(from->io);
	size_t room = io_is_memory_tight(from->io) ? IO_RECV_LEAST : PIPE_BYTES;
	ssize_t taken;

	*failed = false;
	from->recv_bytes = IO_RECV_LEAST; /* the next response's first read should leave its body to splice, too */
	if (pipe == NULL) {
		errno = ENOMEM;
		return -1;
	}
	taken = splice(from->fd, NULL, pipe->write_fd, NULL, limit < room ? limit : room,
	               SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE);
	if (taken <= 0) {
		int error = errno;

		pipe_give_back(from->io, pipe);
		errno = error;
		return taken;
	}
	from->may_hold_more = true; /* as far as is known here */
	pipe->bytes = (size_t)taken;
	buffer_kept_bytes += (size_t)taken;
	to->pipe = pipe;
	if (!drain_pipe(to) || (to->pipe != NULL && !to->is_writing && event_add(&to->write_event, NULL) < 0))
		*failed = true;
	else
		to->is_writing = to->pipe != NULL;
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
			stream->events->on_error(stream, errno);
		else if (stream->pipe == NULL)
			end_pending(stream);
		return;
	}
	sent = send_bytes(fd, stream->pending + stream->pending_from, stream->pending_to - stream->pending_from,
	                  MSG_NOSIGNAL);
	if (sent < 0) {
		if (errno != EAGAIN && errno != EINTR)
			stream->events->on_error(stream, errno);
		return;
	}
	stream->pending_from += (uint32_t)sent;
	if (stream->pending_from < stream->pending_to)
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

/* Whether its client has left is seen a little late by an exchange that takes this long. */
static void on_watch_due(struct deadline *deadline)
{
	struct io *io = (struct io *)((char *)deadline - offsetof(struct io, watch_deadline));

	while (!ring_is_empty(&io->unwatched)) {
		struct stream *stream = (struct stream *)((char *)io->unwatched.next - offsetof(struct stream, unwatched));

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
	event_assign(&stream->write_event, io->base, fd, EV_WRITE | EV_PERSIST, on_writable, stream);
	ring_init(&stream->unwatched);
	if (is_connecting) {
		stream->is_writing = event_add(&stream->write_event, NULL) == 0;
	} else {
		stream->is_reading = true;
		watch_later(stream);
	}
	if (stream->is_writing || stream->is_reading)
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
	if (stream->is_writing)
		event_del(&stream->write_event);
	stream->is_writing = false;
	if (is_reset)
		setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
	close(stream->fd);
	stream->fd = -1;
	free_pending(stream);
	if (stream->pipe != NULL) {
		buffer_kept_bytes -= stream->pipe->bytes;
		pipe_give_back(stream->io, stream->pipe);
	}
	stream->pipe = NULL;
}

void stream_finish(struct stream *stream)
{
	shutdown(stream->fd, SHUT_WR);
}

/* All zero when it can't be had. */
static struct tcp_info ask_kernel(const struct stream *stream)
{
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t size = sizeof info;

	(void)getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	return info;
}

uint32_t stream_taken(const struct stream *stream)
{
	return (uint32_t)ask_kernel(stream).tcpi_bytes_acked;
}

bool stream_is_unreachable(const struct stream *stream, uint32_t silent_ms)
{
	struct tcp_info info = ask_kernel(stream);
	bool is_silent, is_deaf;

	is_silent = info.tcpi_last_ack_recv >= silent_ms - silent_ms / 8;
	/* Who no longer hears us goes on sending its last answer again, and that counts as something heard. But each time that
	 * we send again takes twice as long as the last, and begins anew when anything of it was acknowledged; so at least the
	 * half of our time but one first wait has passed like that. */
	is_deaf = info.tcpi_rto - (info.tcpi_rto >> info.tcpi_backoff) >= silent_ms * UINT64_C(1000) / 3;
	/* What this machine itself could not put on its way (no route, a firewall) is not unacknowledged, but probed for; one
	 * probe may be on its way to who has closed its window. */
	return (info.tcpi_unacked > 0 && info.tcpi_retransmits > 0 && (is_silent || is_deaf)) ||
	       (info.tcpi_probes > 1 && is_silent);
}

bool stream_is_quiet(const struct stream *stream)
{
	char byte;

	return recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void stream_pause(struct stream *stream)
{
	watch_no_more(stream);
	stream->recv_bytes = IO_RECV_LEAST;
}

void stream_resume(struct stream *stream)
{
	if (!stream->is_watched && !stream->has_ended && stream->fd >= 0)
		watch(stream);
}

/* Keeps the parts from `sent` on behind what is pending. */
static enum send_result keep(struct stream *stream, const struct iovec *parts, int count, size_t sent, size_t total)
{
	size_t old = stream->pending == NULL ? 0 : stream->pending_to - stream->pending_from;
	char *kept, *to;

	if (old + (total - sent) > UINT32_MAX || !buffer_may_keep(old + (total - sent)) ||
	    (kept = malloc(old + (total - sent))) == NULL) {
		errno = ENOMEM;
		return SEND_FAILED;
	}
	to = kept;
	if (old > 0)
		to = mempcpy(to, stream->pending + stream->pending_from, old);
	for (int i = 0; i < count; i++) {
		size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;

		to = mempcpy(to, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
		sent -= skip;
	}
	free_pending(stream);
	stream->pending = kept;
	stream->pending_from = 0;
	stream->pending_to = stream->pending_size = (uint32_t)(to - kept);
	buffer_kept_bytes += stream->pending_size;
	if (!stream->is_writing && event_add(&stream->write_event, NULL) < 0) {
		errno = ENOMEM;
		return SEND_FAILED;
	}
	stream->is_writing = true;
	return SEND_PENDING;
}

/* To copy a few bytes costs less than what the kernel does to read a list of parts. */
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
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return SEND_FAILED;
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
