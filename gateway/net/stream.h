/*
 * One non-blocking TCP socket on a thread's loop.
 *
 * Reading: one persistent, level-triggered read event for the socket's whole life and one recv per event, into the thread's
 * scratch buffer: a stream owns no memory while nothing of it waits. A socket that was accepted gets its event when its
 * owner first waits for it, or STREAM_WATCH_MS later: one that brings its request with it and is closed with the answer needs
 * none.
 *
 * Writing: first straight to the socket; what it does not take is kept, at first in a buffer of just that size, and a write
 * event is made. A caller that feeds a stream that is_pending must stop reading its own source (stream_pause) until
 * on_drained: that is the back-pressure.
 *
 *            recv                          sendmsg
 *   socket --------> io->scratch --owner--------------> socket
 *                                   | what is not taken
 *                                   v
 *                                pending --on writable--> socket, then on_drained
 *
 * A send that fails says nothing about what the peer has sent: a service may answer early and close with bytes unread, which
 * makes its kernel send a reset behind the answer (RFC 9112 section 9.5). So only what is pending is dropped (on_send_failed), and
 * reading goes on. The bytes that the kernel still holds come first; on_end or on_error is called when all of it was read.
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
#include "gateway/net/io.h"
#include "gateway/net/pipe.h"

/* The size of one recv. It starts small and grows while the other side takes everything at once: bulk transfers move
 * much at a time, slow readers leave little in memory. When memory is tight it is IO_RECV_TIGHT. */
enum { STREAM_WATCH_MS = 20 };
enum { IO_SCRATCH_BYTES = 256 * 1024, IO_RECV_LEAST = 16 * 1024, IO_RECV_TIGHT = 4 * 1024 };
/* Room in front of the received bytes: a rewritten head can stand right before its body. */
enum { IO_HEADROOM_BYTES = 4 * 1024 };

struct stream;

struct stream_events {
	/* In the scratch buffer; the callback may change them and the headroom. */
	void (*on_bytes)(struct stream *stream, char *bytes, size_t length);
	void (*on_end)(struct stream *stream);              /* the peer sends no more; reading pauses */
	void (*on_error)(struct stream *stream, int error); /* the connection is dead (errno), and all its bytes were read */
	void (*on_drained)(struct stream *stream);          /* the peer took all that was pending */
	void (*on_send_failed)(struct stream *stream);      /* the peer takes no more; what was pending is dropped */
	void (*on_connected)(struct stream *stream);        /* NULL for accepted sockets */
	/* Instead of on_bytes, on_end and on_error: the owner reads with stream_splice(). NULL for most. */
	void (*on_readable)(struct stream *stream);
};

struct stream {
	int fd; /* -1: closed */
	bool is_reading; /* only stream.c changes it */
	bool is_watched;             /* the read event is added; while is_reading is set it soon will be */
	bool is_connecting;
	bool has_ended; /* the peer's FIN was read; reading never resumes */
	bool may_hold_more; /* the last read filled all its room */
	int send_error; /* errno of a failed send, after which the peer takes no more; 0: none failed */
	uint32_t recv_bytes;
	struct buffer pending;
	struct pipe *pipe; /* spliced bytes that the socket has not taken yet; never together with `pending` */
	struct io *io;
	const struct stream_events *events;
	struct event read_event, *write_event; /* NULL: nothing waits to be written */
	struct ring unwatched;
};

/* For a new `io`, whose deadlines are ready. */
void streams_init(struct io *io);
/* Takes the descriptor, which is non-blocking. If it is connecting, on_connected or on_error follows. If it was
 * accepted, call stream_read() now, and stream_resume() to wait for more. False: no memory for events; the descriptor
 * is closed. */
bool stream_open(struct stream *stream, struct io *io, int fd, bool is_connecting, const struct stream_events *events);
/* Drops what is pending. With `is_reset` the peer gets RST, so that a cut message can't look whole. May be called twice. */
void stream_close(struct stream *stream, bool is_reset);

/* Sends the parts after what is pending. Changes `parts`. */
enum send_result stream_send(struct stream *stream, struct iovec *parts, int count);
/* The same, with a promise to call stream_finish() in the same loop iteration: the FIN goes in the same packet. */
enum send_result stream_send_last(struct stream *stream, struct iovec *parts, int count);
static inline bool stream_is_pending(const struct stream *stream)
{
	return stream->pending.data != NULL || stream->pipe != NULL;
}
static inline size_t stream_pending_bytes(const struct stream *stream)
{
	return stream->pipe != NULL ? stream->pipe->bytes : buffer_length(&stream->pending);
}
/*
 * Moves up to `limit` bytes from one socket to the other without copying them to user space. Allowed only if nothing is
 * pending for `to`, or only spliced bytes. Bytes that `to` does not take wait in a pipe and are then pending. Returns
 * how many bytes were taken from `from`; 0 at its end; -1 with errno, which may be EAGAIN, also because the pipe is
 * full. *failed: `to` is dead (errno).
 */
ssize_t stream_splice(struct stream *from, struct stream *to, size_t limit, bool *failed);
/* Does the peer take no more? */
static inline bool stream_has_send_failed(const struct stream *stream)
{
	return stream->send_error != 0;
}
/* FIN; only when nothing is pending. */
void stream_finish(struct stream *stream);

void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/* Is there something to read that this loop iteration already knows of, but has not handled yet? Costs no system
 * call. */
static inline bool stream_has_news(const struct stream *stream)
{
	return (stream->read_event.ev_evcallback.evcb_flags & EVLIST_ACTIVE) != 0;
}

/* Reads once now, as if the read event had come: for a socket that is probably readable. */
void stream_read(struct stream *stream);

#endif
