/*
 * A pipe through which bytes go from one socket to another without a copy to user space (splice(2)). A thread's unused
 * pipes wait in its `struct io`; a used pipe belongs to the stream whose bytes it holds.
 */
#ifndef GATEWAY_NET_PIPE_H
#define GATEWAY_NET_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PIPE_BYTES = 512 * 1024, PIPES_SPARE_MOST = 16 };

struct pipe {
	struct pipe *next;
	int read_fd, write_fd;
	size_t bytes; /* in it */
};

struct io;

/* Empty. NULL: memory or descriptors are short. */
struct pipe *pipe_take(struct io *io);
/* Moves up to `limit` bytes from a socket into the pipe. Returns how many, 0 at the end, -1 with errno. The bytes in
 * the pipe count as kept. */
ssize_t pipe_fill(struct pipe *pipe, int from, size_t limit);
/* Moves bytes from the pipe to a socket, as far as the socket takes them. False: the socket is dead (errno). */
bool pipe_drain(struct pipe *pipe, int to);
/* Gives the pipe back; closes it if bytes are left in it. */
void pipe_give_back(struct io *io, struct pipe *pipe);
void pipe_close_spare(struct io *io);

#endif
