/*
 * A pipe through which bytes go from one socket to another without being copied to user space (splice(2)). One thread's pipes
 * that are not in use wait in its `struct io`; a pipe that is in use belongs to the stream whose bytes are in it.
 */
#ifndef GATEWAY_NET_PIPE_H
#define GATEWAY_NET_PIPE_H

#include <stddef.h>

enum { PIPE_BYTES = 512 * 1024, PIPES_SPARE_MOST = 16 };

struct pipe {
	struct pipe *next;
	int read_fd, write_fd;
	size_t bytes; /* in it */
};

struct io;

/* Empty. NULL: memory or descriptors are short. */
struct pipe *pipe_take(struct io *io);
/* With bytes left in it, it is closed. */
void pipe_give_back(struct io *io, struct pipe *pipe);
void pipe_close_spare(struct io *io);

#endif
