#include "gateway/net/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/net/io.h"

struct pipe *pipe_take(struct io *io)
{
	struct pipe *pipe = io->pipes;
	int fds[2];

	if (pipe != NULL) {
		io->pipes = pipe->next;
		io->pipe_count--;
		return pipe;
	}
	pipe = calloc(1, sizeof *pipe);
	if (pipe == NULL || pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
		free(pipe);
		return NULL;
	}
	pipe->read_fd = fds[0];
	pipe->write_fd = fds[1];
	/* The kernel may give an unprivileged user a smaller pipe (pipe-user-pages-soft); then the bytes take more
	 * iterations. */
	(void)fcntl(pipe->write_fd, F_SETPIPE_SZ, PIPE_BYTES);
	return pipe;
}

ssize_t pipe_fill(struct pipe *pipe, int from, size_t limit)
{
	ssize_t taken = splice(from, NULL, pipe->write_fd, NULL, limit, SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE);

	if (taken > 0) {
		pipe->bytes += (size_t)taken;
		buffer_kept_bytes += (size_t)taken;
	}
	return taken;
}

bool pipe_drain(struct pipe *pipe, int to)
{
	while (pipe->bytes > 0) {
		ssize_t moved = splice(pipe->read_fd, NULL, to, NULL, pipe->bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (moved <= 0)
			return moved < 0 && (errno == EAGAIN || errno == EINTR);
		pipe->bytes -= (size_t)moved;
		buffer_kept_bytes -= (size_t)moved;
	}
	return true;
}

static void close_pipe(struct pipe *pipe)
{
	close(pipe->read_fd);
	close(pipe->write_fd);
	free(pipe);
}

void pipe_give_back(struct io *io, struct pipe *pipe)
{
	if (pipe->bytes > 0 || io->pipe_count >= PIPES_SPARE_MOST) {
		close_pipe(pipe);
		return;
	}
	pipe->next = io->pipes;
	io->pipes = pipe;
	io->pipe_count++;
}

void pipe_close_spare(struct io *io)
{
	struct pipe *pipe;

	while ((pipe = io->pipes) != NULL) {
		io->pipes = pipe->next;
		close_pipe(pipe);
	}
	io->pipe_count = 0;
}
