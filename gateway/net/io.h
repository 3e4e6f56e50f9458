/* The state that the sockets of one thread share, and the types that callers of a socket share with it. */
#ifndef GATEWAY_NET_IO_H
#define GATEWAY_NET_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buffer.h"
#include "gateway/base/clock.h"
#include "gateway/base/deadline.h"
#include "gateway/base/ring.h"

struct event_base;
struct pipe;

/* Frees the object at the end of the loop iteration: callbacks further up the stack may still look at it. */
struct deferred_free {
	struct deferred_free *next;
	void (*free)(struct deferred_free *deferred);
};

/* The state that the sockets of one thread share. */
struct io {
	struct event_base *base;
	struct deadlines deadlines;
	uint64_t now_us, now_ms; /* 0: the clock was not read in this loop iteration; use io_now_us() and io_now_ms() */
	char *scratch;   /* IO_HEADROOM_BYTES and IO_SCRATCH_BYTES */
	size_t memory_bytes; /* kept for peers at most (buffer_kept_bytes); above half of it memory is tight */
	struct deferred_free *deferred;
	bool cannot_splice; /* the kernel, or a filter of system calls, refuses it */
	struct pipe *pipes; /* spare ones (pipe.h) */
	unsigned pipe_count;
	struct ring unwatched; /* streams that were accepted a moment ago */
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

static inline void io_free_later(struct io *io, struct deferred_free *deferred, void (*free)(struct deferred_free *deferred))
{
	*deferred = (struct deferred_free){ .next = io->deferred, .free = free };
	io->deferred = deferred;
}

static inline bool io_is_memory_tight(const struct io *io)
{
	return buffer_kept_bytes > io->memory_bytes / 2;
}

/* The result of a send. */
enum send_result {
	SEND_DONE,
	SEND_PENDING, /* the gateway keeps what the peer does not take yet */
	SEND_FAILED, /* the peer takes no more, but its bytes can still be read */
	SEND_NO_MEMORY, /* there was no memory to keep what the peer did not take */
};

#endif
