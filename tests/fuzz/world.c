/*
 * Files and sockets. A descriptor is WORLD_FD_FIRST and an index into `files`, the lowest that is free, so descriptors are
 * used again as soon as the kernel would.
 */
#include "tests/fuzz/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/world_calls.h"

enum { PIPE_SIZE = 64 * 1024 };

enum kind { FILE_FREE, FILE_EVENTFD, FILE_LISTENER, FILE_SOCKET, FILE_PIPE_READ, FILE_PIPE_WRITE, FILE_LOG };

struct file {
	enum kind kind;
	struct event *reader, *writer;
	struct peer *peer;   /* FILE_SOCKET; NULL: not connected yet */
	uint64_t count;      /* FILE_EVENTFD */
	struct bytes *inside; /* of a pipe; the reading end owns it */
	bool is_finished, lingers;
	bool is_corked; /* the last packet waits for its end */
};

struct world world;
static struct file files[WORLD_FILES];
static int file_end;       /* behind the last one that is in use */
static int listener_index; /* -1: none listens */
static unsigned met;       /* of the peers before this one, no client waits any more */

static struct file *file_of(int fd)
{
	int index = fd - WORLD_FD_FIRST;

	CHECK(index >= 0 && index < WORLD_FILES && files[index].kind != FILE_FREE);
	return &files[index];
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static int new_file(enum kind kind)
{
	for (int i = 0; i < WORLD_FILES; i++) {
		if (files[i].kind != FILE_FREE)
			continue;
		files[i] = (struct file){ .kind = kind };
		if (i >= file_end)
			file_end = i + 1;
		return WORLD_FD_FIRST + i;
	}
	world.has_failed = true;
	return fail(EMFILE);
}

/* As the kernel: a descriptor for the gateway, unless there shall be none. */
static int new_scarce_file(enum kind kind)
{
	if (world.fail_descriptors > 0) {
		world.fail_descriptors--;
		world.has_failed = true;
		return fail(EMFILE);
	}
	return new_file(kind);
}

static bool is_interrupted(void)
{
	if (world.interrupt_after == 0 || --world.interrupt_after > 0)
		return false;
	errno = EINTR;
	return true;
}

/* ---- bytes --------------------------------------------------------------------------------------------------- */

static size_t waiting(const struct bytes *bytes)
{
	return bytes->to - bytes->from;
}

static void put(struct bytes *bytes, const uint8_t *data, size_t length)
{
	if (bytes->from == bytes->to)
		bytes->from = bytes->to = 0;
	if (bytes->to + length > bytes->size) {
		bytes->size = (bytes->to + length) * 2;
		bytes->data = realloc(bytes->data, bytes->size);
		CHECK(bytes->data != NULL);
	}
	memcpy(bytes->data + bytes->to, data, length);
	bytes->to += length;
}

static size_t get(struct bytes *bytes, void *to, size_t most)
{
	size_t length = waiting(bytes) < most ? waiting(bytes) : most;

	if (length > 0)
		memcpy(to, bytes->data + bytes->from, length);
	bytes->from += length;
	return length;
}

/* ---- peers --------------------------------------------------------------------------------------------------- */

/* Its buffers stay with the place: allocating them anew for each run would take longer than the run. */
static struct peer *new_peer(bool is_client)
{
	struct peer *peer;
	struct bytes inbound;

	if (world.peer_count == WORLD_PEERS)
		return NULL;
	peer = &world.peers[world.peer_count];
	inbound = peer->inbound;
	memset(peer, 0, offsetof(struct peer, received));
	memset(&peer->asked, 0, offsetof(struct peer, answer) - offsetof(struct peer, asked));
	memset(&peer->serving, 0, sizeof *peer - offsetof(struct peer, serving));
	judge_begin(&peer->received, is_client);
	judge_begin(&peer->asks, false);
	judge_begin(&peer->answer, true);
	peer->id = world.peer_count++;
	peer->is_client = is_client;
	peer->inbound = inbound;
	peer->inbound.from = peer->inbound.to = 0;
	peer->fd = -1;
	peer->window = SIZE_MAX;
	peer->arrival = peer->serving = -1;
	return peer;
}

struct peer *world_connect_client(void)
{
	return listener_index < 0 ? NULL : new_peer(true);
}

void world_peer_sends(struct peer *peer, const uint8_t *data, size_t length)
{
	world.progress++;
	peer->sent += length;
	peer->sent_us = world.now_us;
	put(&peer->inbound, data, length);
}

void world_peer_finishes(struct peer *peer)
{
	world.progress++;
	peer->has_finished = true;
	peer->finished_us = world.now_us;
}

void world_peer_resets(struct peer *peer)
{
	world.progress++;
	peer->has_reset = true;
	if (peer->is_client && peer->state == PEER_WAITING) {
		peer->state = PEER_GONE; /* it never was accepted */
		peer->is_reset_known = true;
	}
}

void world_accept_hanging(unsigned server)
{
	for (unsigned i = 0; i < world.peer_count; i++) {
		struct peer *peer = &world.peers[i];

		if (peer->is_client || peer->server != server || peer->state != PEER_WAITING)
			continue;
		world.progress++;
		peer->state = PEER_OPEN;
		peers_on_connection(peer);
	}
}

/* ---- what the loop asks -------------------------------------------------------------------------------------- */

static struct peer *first_waiting_client(void)
{
	for (; met < world.peer_count; met++)
		if (world.peers[met].is_client && world.peers[met].state == PEER_WAITING)
			return &world.peers[met];
	return NULL;
}

static bool is_dead(const struct peer *peer)
{
	return peer->has_reset || peer->state == PEER_REFUSED;
}

static bool is_readable(const struct file *file)
{
	switch (file->kind) {
	case FILE_EVENTFD:
		return file->count > 0;
	case FILE_LISTENER:
		return first_waiting_client() != NULL;
	case FILE_SOCKET:
		if (file->peer == NULL || is_dead(file->peer))
			return true; /* EPOLLHUP or EPOLLERR wakes everybody */
		return file->peer->state == PEER_OPEN && (waiting(&file->peer->inbound) > 0 || file->peer->has_finished);
	default:
		return false;
	}
}

static bool is_writable(const struct file *file)
{
	if (file->kind != FILE_SOCKET)
		return false;
	return file->peer == NULL || is_dead(file->peer) || (file->peer->state == PEER_OPEN && file->peer->window > 0);
}

unsigned world_ready_events(struct event **to)
{
	unsigned count = 0;

	for (const struct file *file = files; file < files + file_end; file++) {
		CHECK(file->kind == FILE_FREE || !file->is_corked);
		if (file->reader != NULL && is_readable(file))
			to[count++] = file->reader;
		if (file->writer != NULL && is_writable(file))
			to[count++] = file->writer;
	}
	return count;
}

bool world_is_heard(const struct peer *peer)
{
	for (const struct file *file = files; file < files + file_end; file++)
		if (file->kind == FILE_SOCKET && file->peer == peer)
			return file->reader != NULL && file->reader->ev_evcallback.evcb_flags == EVLIST_ACTIVE;
	return false;
}

struct event **world_reader(int fd)
{
	return &file_of(fd)->reader;
}

struct event **world_writer(int fd)
{
	return &file_of(fd)->writer;
}

/* ---- sockets ------------------------------------------------------------------------------------------------- */

int world_socket(int family, int type, int protocol)
{
	(void)protocol;
	CHECK(family == AF_INET && (type & SOCK_NONBLOCK) && (type & SOCK_CLOEXEC));
	return new_scarce_file(FILE_SOCKET);
}

int world_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	struct file *file = file_of(fd);
	unsigned server = ntohs(((const struct sockaddr_in *)address)->sin_port) - 1u;
	struct peer *peer;

	CHECK(size == sizeof(struct sockaddr_in) && server < WORLD_SERVERS && file->peer == NULL);
	world.progress++;
	if (world.manners[server] == MANNER_REFUSE)
		return fail(ECONNREFUSED);
	peer = new_peer(false);
	world.has_failed |= peer == NULL;
	if (peer == NULL)
		return fail(EADDRNOTAVAIL);
	peer->server = server;
	peer->window = world.windows[server];
	peer->fd = fd;
	file->peer = peer;
	if (world.manners[server] == MANNER_REFUSE_LATER) {
		peer->state = PEER_REFUSED;
	} else if (world.manners[server] == MANNER_ACCEPT) {
		peer->state = PEER_OPEN;
		peers_on_connection(peer);
	}
	return fail(EINPROGRESS);
}

int world_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	struct peer *peer = first_waiting_client();
	struct sockaddr_in *from = (struct sockaddr_in *)address;
	int accepted;

	CHECK(file_of(fd)->kind == FILE_LISTENER && *size >= sizeof *from && (flags & SOCK_NONBLOCK));
	if (peer == NULL)
		return fail(EAGAIN);
	accepted = new_scarce_file(FILE_SOCKET);
	if (accepted < 0)
		return -1;
	world.progress++;
	peer->state = PEER_OPEN;
	peer->fd = accepted;
	file_of(accepted)->peer = peer;
	*from = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(40000) };
	from->sin_addr.s_addr = htonl(0x0a010000u + peer->id);
	*size = sizeof *from;
	return accepted;
}

/* How much one read gives. 0 and -1 as recv(2). */
static ssize_t may_read(struct peer *peer, size_t size)
{
	if (is_interrupted())
		return -1;
	if (waiting(&peer->inbound) > 0) {
		if (world.recv_limited > 0 && world.recv_most < size) {
			world.recv_limited--;
			size = world.recv_most;
		}
		return (ssize_t)(waiting(&peer->inbound) < size ? waiting(&peer->inbound) : size);
	}
	if (peer->has_reset && !peer->is_reset_known && !peer->has_finished) {
		world.progress++;
		peer->is_reset_known = true;
		return fail(ECONNRESET);
	}
	if (!peer->has_finished && !peer->has_reset)
		return fail(EAGAIN);
	peer->is_end_read = true;
	return 0;
}

ssize_t world_recv(int fd, void *to, size_t size, int flags)
{
	struct peer *peer = file_of(fd)->peer;
	ssize_t length;

	CHECK(peer != NULL && peer->state == PEER_OPEN && size > 0);
	length = may_read(peer, size);
	if (length > 0 && (flags & MSG_TRUNC)) /* how many are there? */
		return length;
	if (length > 0) {
		get(&peer->inbound, to, (size_t)length);
		if (flags & MSG_PEEK) {
			peer->inbound.from -= (size_t)length;
			return length;
		}
		peer->read += (size_t)length;
	}
	if (length >= 0)
		world.progress++;
	return length;
}

/* How much one write takes. */
static ssize_t may_write(struct file *file, size_t size)
{
	struct peer *peer = file->peer;

	CHECK(peer != NULL && (peer->state == PEER_OPEN || is_dead(peer)));
	CHECK(!file->is_finished);
	peer->is_held_up |= peer->window == 0 || world.interrupt_after == 1;
	peer->is_behind |= size > peer->window || world.interrupt_after == 1;
	if (is_interrupted())
		return -1;
	/* The kernel tells of a reset once, be it to who reads or to who writes. */
	if (is_dead(peer) && !peer->is_reset_known && !peer->has_finished) {
		peer->is_reset_known = true;
		return fail(ECONNRESET);
	}
	if (is_dead(peer))
		return fail(EPIPE);
	if (peer->window == 0 && size > 0)
		return fail(EAGAIN);
	size = size < peer->window ? size : peer->window;
	if (peer->window != SIZE_MAX)
		peer->window -= size;
	peer->taken += size;
	world.progress++;
	return (ssize_t)size;
}

ssize_t world_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct file *file = file_of(fd);
	size_t total = 0, left;
	ssize_t taken;

	CHECK(flags & MSG_NOSIGNAL);
	for (size_t i = 0; i < (size_t)message->msg_iovlen; i++)
		total += message->msg_iov[i].iov_len;
	taken = may_write(file, total);
	file->is_corked = taken == (ssize_t)total && (flags & MSG_MORE);
	left = taken < 0 ? 0 : (size_t)taken;
	for (size_t i = 0; i < (size_t)message->msg_iovlen && left > 0; i++) {
		size_t length = message->msg_iov[i].iov_len < left ? message->msg_iov[i].iov_len : left;

		peers_on_bytes(file->peer, message->msg_iov[i].iov_base, length);
		left -= length;
	}
	return taken;
}

ssize_t world_send(int fd, const void *data, size_t length, int flags)
{
	struct iovec part = { (void *)data, length };

	return world_sendmsg(fd, &(struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 }, flags);
}

/* What the gateway calls by number: to receive and to send. The sandbox does, too, and has none here. */
long world_syscall(long number, ...)
{
	va_list arguments;
	void *bytes;
	size_t length;
	int fd, flags;

	if (number != SYS_recvfrom && number != SYS_sendto)
		return fail(ENOSYS);
	va_start(arguments, number);
	fd = va_arg(arguments, int);
	bytes = va_arg(arguments, void *);
	length = va_arg(arguments, size_t);
	flags = va_arg(arguments, int);
	va_end(arguments);
	return number == SYS_recvfrom ? world_recv(fd, bytes, length, flags) : world_send(fd, bytes, length, flags);
}

int world_shutdown(int fd, int how)
{
	struct file *file = file_of(fd);

	CHECK(how == SHUT_WR);
	file->is_corked = false;
	if (file->peer == NULL || is_dead(file->peer))
		return fail(ENOTCONN);
	if (!file->is_finished)
		peers_on_end(file->peer, false);
	world.progress++;
	file->is_finished = file->peer->was_finished = true;
	return 0;
}

int world_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	(void)value, (void)size;
	if (level == SOL_SOCKET && option == SO_LINGER)
		file_of(fd)->lingers = true;
	return 0;
}

int world_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
	const struct file *file = file_of(fd);
	const struct peer *peer = file->peer;
	struct tcp_info *info = value;

	if (file->kind == FILE_LOG) {
		errno = ENOTSOCK;
		return -1;
	}
	if (level == SOL_SOCKET && option == SO_ERROR) {
		*(int *)value = peer->state == PEER_REFUSED ? ECONNREFUSED : peer->has_reset ? ECONNRESET : 0;
		return 0;
	}
	CHECK(level == IPPROTO_TCP && option == TCP_INFO && *size >= sizeof *info);
	*info = (struct tcp_info){ .tcpi_state = 1, .tcpi_bytes_acked = peer->taken,
	                          .tcpi_last_data_recv = (uint32_t)((world.now_us - peer->sent_us) / 1000),
	                          .tcpi_last_ack_recv = (uint32_t)((world.now_us - peer->finished_us) / 1000) };
	if (!peer->is_client && world.is_vanished[peer->server]) {
		info->tcpi_unacked = info->tcpi_retransmits = 1;
		info->tcpi_last_ack_recv = 1000 * 1000;
	}
	return 0;
}

static void close_socket(struct file *file)
{
	struct peer *peer = file->peer;
	bool is_reset;

	if (peer == NULL)
		return;
	/* Unread bytes make a close a reset (RFC 1122 section 4.2.2.13). */
	is_reset = file->lingers || waiting(&peer->inbound) > 0;
	CHECK(!file->is_corked);
	if (!is_dead(peer) && peer->state == PEER_OPEN && !(file->is_finished && !is_reset))
		peers_on_end(peer, is_reset);
	peer->state = PEER_GONE;
	peer->fd = -1;
}

int world_close(int fd)
{
	struct file *file;

	if (fd < WORLD_FD_FIRST)
		return close(fd);
	file = file_of(fd);
	CHECK(file->reader == NULL && file->writer == NULL);
	if (file->kind == FILE_SOCKET)
		close_socket(file);
	if (file->kind == FILE_LISTENER)
		listener_index = -1;
	if (file->kind == FILE_PIPE_READ) {
		free(file->inside->data);
		free(file->inside);
	}
	world.progress++;
	file->kind = FILE_FREE;
	while (file_end > 0 && files[file_end - 1].kind == FILE_FREE)
		file_end--;
	return 0;
}

/* ---- pipes, eventfds and the log ------------------------------------------------------------------------------ */

int world_pipe2(int fds[2], int flags)
{
	struct bytes *inside;

	CHECK(flags & O_NONBLOCK);
	fds[0] = new_scarce_file(FILE_PIPE_READ);
	if (fds[0] < 0)
		return -1;
	fds[1] = new_file(FILE_PIPE_WRITE);
	inside = calloc(1, sizeof *inside);
	CHECK(fds[1] >= 0 && inside != NULL);
	file_of(fds[0])->inside = file_of(fds[1])->inside = inside;
	return 0;
}

static ssize_t splice_in(struct peer *peer, struct bytes *inside, size_t size)
{
	size_t room = PIPE_SIZE - waiting(inside);
	ssize_t length;

	if (room == 0)
		return fail(EAGAIN);
	length = may_read(peer, size < room ? size : room);
	if (length > 0) {
		put(inside, peer->inbound.data + peer->inbound.from, (size_t)length);
		peer->inbound.from += (size_t)length;
		peer->read += (size_t)length;
	}
	if (length >= 0)
		world.progress++;
	return length;
}

ssize_t world_splice(int from, off_t *from_offset, int to, off_t *to_offset, size_t size, unsigned flags)
{
	struct file *source = file_of(from), *sink = file_of(to);
	ssize_t length;

	CHECK(from_offset == NULL && to_offset == NULL && (flags & SPLICE_F_NONBLOCK) && size > 0);
	if (source->kind == FILE_SOCKET) {
		CHECK(sink->kind == FILE_PIPE_WRITE);
		return splice_in(source->peer, sink->inside, size);
	}
	CHECK(source->kind == FILE_PIPE_READ && sink->kind == FILE_SOCKET && waiting(source->inside) > 0);
	length = may_write(sink, waiting(source->inside) < size ? waiting(source->inside) : size);
	if (length > 0) {
		peers_on_bytes(sink->peer, source->inside->data + source->inside->from, (size_t)length);
		source->inside->from += (size_t)length;
	}
	return length;
}

int world_eventfd(unsigned count, int flags)
{
	int fd = new_file(FILE_EVENTFD);

	CHECK(fd >= 0 && (flags & O_NONBLOCK));
	file_of(fd)->count = count;
	return fd;
}

ssize_t world_read(int fd, void *to, size_t size)
{
	struct file *file;

	if (fd < WORLD_FD_FIRST)
		return read(fd, to, size);
	file = file_of(fd);
	CHECK(file->kind == FILE_EVENTFD && size == sizeof file->count);
	if (file->count == 0)
		return fail(EAGAIN);
	memcpy(to, &file->count, size);
	file->count = 0;
	world.progress++;
	return (ssize_t)size;
}

ssize_t world_write(int fd, const void *data, size_t size)
{
	struct file *file;

	if (fd == STDERR_FILENO)
		return (ssize_t)size; /* diagnostics */
	file = file_of(fd);
	if (file->kind == FILE_EVENTFD) {
		file->count++;
		return (ssize_t)size;
	}
	CHECK(file->kind == FILE_LOG && size > 0);
	if (world.is_log_stuck)
		return fail(EAGAIN);
	peers_on_log(data, size);
	return (ssize_t)size;
}

/* What a configuration names is read before anything happens. */
static int open_text(const char *text)
{
	int fd = memfd_create("world", MFD_CLOEXEC);

	CHECK(fd >= 0 && text != NULL && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

int world_open(const char *path, int flags, ...)
{
	CHECK(flags & O_NONBLOCK);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return open_text(stage_file(path));
	return new_scarce_file(FILE_LOG);
}

/* What a compiler makes of those when it knows the room that there is. */
ssize_t world_read_chk(int fd, void *to, size_t size, size_t room)
{
	CHECK(size <= room);
	return world_read(fd, to, size);
}

ssize_t world_recv_chk(int fd, void *to, size_t size, size_t room, int flags)
{
	CHECK(size <= room);
	return world_recv(fd, to, size, flags);
}

int world_open_2(const char *path, int flags)
{
	return world_open(path, flags);
}

off_t world_lseek(int fd, off_t offset, int whence)
{
	(void)file_of(fd), (void)offset, (void)whence;
	return fail(ESPIPE);
}

/* The outputs are pipes, whatever this process has. */
int world_fstat(int fd, struct stat *about)
{
	if (fd > STDERR_FILENO)
		return fstat(fd, about); /* open_text() */
	*about = (struct stat){ .st_mode = S_IFIFO };
	return 0;
}

int world_fcntl(int fd, int command, ...)
{
	(void)fd;
	return command == F_SETPIPE_SZ ? PIPE_SIZE : fail(EINVAL);
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

int world_listen(void)
{
	int fd = new_file(FILE_LISTENER);

	CHECK(fd >= 0);
	listener_index = fd - WORLD_FD_FIRST;
	return fd;
}

unsigned world_open_files(void)
{
	unsigned count = 0;

	for (int i = 0; i < WORLD_FILES; i++)
		count += files[i].kind != FILE_FREE;
	return count;
}

void world_begin(void)
{
	/* All but the peers, which are begun one by one. */
	world.now_us = world.until_us = UINT64_C(1000) * 1000 * 1000;
	world.peer_count = met = 0;
	memset(world.manners, 0, sizeof world - offsetof(struct world, manners));
	for (int i = 0; i < WORLD_SERVERS; i++)
		world.windows[i] = SIZE_MAX;
	listener_index = -1;
}

void world_end(void)
{
	while (file_end > 0)
		world_close(WORLD_FD_FIRST + file_end - 1);
}
