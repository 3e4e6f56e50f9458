/*
 * One non-blocking TCP socket on a thread's loop.
 *
 * Reading: one persistent, level-triggered read event for the socket's whole life and one recv per event, into the thread's
 * scratch buffer: a stream owns no memory while nothing of it waits. A socket that was accepted gets its event when its
 * owner first waits for it, or STREAM_WATCH_MS later: one that brings its request with it and is closed with the answer needs
 * none.
 *
 * Writing: first straight to the socket; what it does not take is kept, in a buffer of just that size, and the write event is
 * added. Whoever feeds a stream that is_pending must stop reading its own source (stream_pause) until on_drained: that is the
 * back-pressure.
 *
 *            recv                          sendmsg
 *   socket --------> io->scratch --owner--------------> socket
 *                                   | what is not taken
 *                                   v
 *                                pending --on writable--> socket, then on_drained
 *
 * All functions are for the thread of `io`. Callbacks may close the stream.
 */
#ifndef GATEWAY_NET_STREAM_H
#define GATEWAY_NET_STREAM_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/base/buffer.h"
#include "gateway/base/clock.h"
#include "gateway/base/deadline.h"
#include "gateway/base/ring.h"

/* One recv starts small and grows while the other side takes everything at once: bulk gets large turns, slow readers leave
 * little behind in memory. When memory is tight it is IO_RECV_TIGHT. */
enum { STREAM_WATCH_MS = 20 };
enum { IO_SCRATCH_BYTES = 256 * 1024, IO_RECV_LEAST = 16 * 1024, IO_RECV_TIGHT = 4 * 1024 };
/* Before what is received there is room: a head that is written anew can stand right before its body. */
enum { IO_HEADROOM_BYTES = 4 * 1024 };

/* Freed when the turn of the loop is over: callbacks further up the stack may still look at it. */
struct grave {
	struct grave *next;
	void (*dig)(struct grave *grave);
};

/* What the sockets of one thread share. */
struct io {
	struct event_base *base;
	struct deadlines deadlines;
	uint64_t now_us, now_ms; /* 0: not read in this turn of the loop; use io_now_us() and io_now_ms() */
	char *scratch;   /* IO_HEADROOM_BYTES and IO_SCRATCH_BYTES */
	size_t memory_bytes; /* what this thread should keep for peers at most (buffer_kept_bytes); from half of it on it is tight */
	struct grave *graves;
	struct pipe *pipes; /* spare ones (pipe.h) */
	unsigned pipe_count;
	struct ring unwatched; /* streams that were accepted just now */
	struct deadline watch_deadline;
};

static inline uint64_t io_now_us(struct io *io)
{
	if (io->now_us == 0) {
		io->now_us = clock_now_us();
		io->now_ms = io->now_us / 1000;
	}
	return io->now_us;
}

static inline uint64_t io_now_ms(struct io *io)
{
	io_now_us(io);
	return io->now_ms;
}

static inline void io_bury(struct io *io, struct grave *grave, void (*dig)(struct grave *grave))
{
	*grave = (struct grave){ .next = io->graves, .dig = dig };
	io->graves = grave;
}

static inline bool io_is_memory_tight(const struct io *io)
{
	return buffer_kept_bytes > io->memory_bytes / 2;
}

struct stream;

struct stream_events {
	void (*on_bytes)(struct stream *stream, char *bytes, size_t length); /* in the scratch; they and the headroom may be changed */
	void (*on_end)(struct stream *stream);                               /* the peer sends no more; reading is paused */
	void (*on_error)(struct stream *stream, int error);                  /* the connection is dead (errno) */
	void (*on_drained)(struct stream *stream);                           /* nothing is pending any more */
	void (*on_connected)(struct stream *stream);                         /* NULL for accepted sockets */
	/* Instead of on_bytes, on_end and on_error: the owner reads for itself, with stream_splice(). NULL for most. */
	void (*on_readable)(struct stream *stream);
};

struct stream {
	int fd; /* -1: closed */
	bool is_reading, is_writing; /* touched by stream.c alone */
	bool is_watched;             /* the read event is added; else, while is_reading, it soon will be */
	bool is_connecting;
	bool has_ended; /* the peer's FIN was read: reading never resumes */
	bool may_hold_more; /* the last read took all it had room for */
	uint32_t recv_bytes;
	char *pending;
	uint32_t pending_from, pending_to, pending_size;
	struct pipe *pipe; /* what was spliced to it and is not yet taken; never together with `pending` */
	struct io *io;
	const struct stream_events *events;
	struct event read_event, write_event;
	struct ring unwatched;
};

/* For a new `io`, whose deadlines are ready. */
void streams_init(struct io *io);
/* Takes the descriptor, which is non-blocking. Connecting: on_connected or on_error follows. Accepted: stream_read() it now, and
 * stream_resume() when more is awaited. False: no memory for events; the descriptor is closed. */
bool stream_open(struct stream *stream, struct io *io, int fd, bool is_connecting, const struct stream_events *events);
/* Drops what is pending. With `is_reset` the peer gets RST, so that a cut message can't look whole. May be called twice. */
void stream_close(struct stream *stream, bool is_reset);

enum send_result {
	SEND_DONE,
	SEND_PENDING,
	SEND_FAILED, /* errno tells; ENOMEM: what was not taken could not be kept */
};
/* Sends behind what is pending. Changes `parts`. */
enum send_result stream_send(struct stream *stream, struct iovec *parts, int count);
/* ... and when it is done stream_finish() has to follow in the same turn: the end goes in the same packet. */
enum send_result stream_send_last(struct stream *stream, struct iovec *parts, int count);
static inline bool stream_is_pending(const struct stream *stream)
{
	return stream->pending != NULL || stream->pipe != NULL;
}
/*
 * Moves up to `limit` bytes from one socket to the other without copying them to user space. Only when nothing is pending for
 * `to`; what it does not take waits in a pipe, and then it is. Returns how many bytes were taken from `from`: 0 = its end,
 * -1 = errno, which may be EAGAIN. *failed: `to` is dead (errno).
 */
ssize_t stream_splice(struct stream *from, struct stream *to, size_t limit, bool *failed);
/* FIN; only when nothing is pending. */
void stream_finish(struct stream *stream);

void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);
/* Has the peer's host left what was sent to it unacknowledged for `silent_ms`? (RFC 9293 section 3.8.3 leaves it to the
 * user how long that may be.) A host that acknowledges but takes no more is reachable. */
bool stream_is_unreachable(const struct stream *stream, uint32_t silent_ms);
/* How many bytes the peer has acknowledged so far (it wraps). Whoever waits until nothing is pending sees by it whether the peer
 * takes anything at all: the kernel's own buffer may be megabytes, and asks for more only when a third of them has gone. */
uint32_t stream_taken(const struct stream *stream);
/* Is something to be read, as this turn of the loop knows already, though it has not come to it yet? Costs no system call. */
static inline bool stream_has_news(const struct stream *stream)
{
	return (stream->read_event.ev_evcallback.evcb_flags & EVLIST_ACTIVE) != 0;
}
/* Is there nothing to read, not even an end? For a connection that is about to be used for what must not be sent twice: its
 * end may have come in this very turn of the loop. */
bool stream_is_quiet(const struct stream *stream);
/* One read now, as if the read event had come: for a socket that is likely to be readable. */
void stream_read(struct stream *stream);

#endif
