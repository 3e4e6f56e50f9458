#include "gateway/net/pipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/net/stream.h"

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
	/* An unprivileged user may not have all it wants (pipe-user-pages-soft); then it is smaller and takes more turns. */
	(void)fcntl(pipe->write_fd, F_SETPIPE_SZ, PIPE_BYTES);
	return pipe;
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
