/*
 * The floor: a TCP relay that knows no HTTP. One upstream connection for each client; one recv and one send each way, read
 * events only, through one buffer. What no proxy can beat without moving fewer bytes - or, where each request comes on a
 * connection of its own, without keeping its upstream connections, which takes knowing HTTP.
 * usage: relay ADDRESS PORT UPSTREAM_ADDRESS UPSTREAM_PORT BUFFER_KIB
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct end {
	int fd;
	struct end *other;
	char *pending; /* for this end; its other end is not read meanwhile */
	size_t from, to;
};

static int loop;
static char scratch[1024 * 1024];
static size_t buffer_size; /* how much of it is used */

static void watch(struct end *end, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.ptr = end };

	epoll_ctl(loop, operation, end->fd, &event);
}

static void drop(struct end *end)
{
	struct end *other = end->other;

	close(end->fd);
	close(other->fd);
	end->fd = other->fd = -1; /* leaks two structs a connection: events of this turn may still name them */
}

static void on_writable(struct end *end)
{
	ssize_t sent = send(end->fd, end->pending + end->from, end->to - end->from, MSG_NOSIGNAL);

	if (sent < 0 && errno != EAGAIN) {
		drop(end);
		return;
	}
	end->from += sent > 0 ? (size_t)sent : 0;
	if (end->from < end->to)
		return;
	free(end->pending);
	end->pending = NULL;
	watch(end, EPOLLIN, EPOLL_CTL_MOD);
	watch(end->other, EPOLLIN, EPOLL_CTL_MOD);
}

static void on_readable(struct end *end)
{
	ssize_t got = recv(end->fd, scratch, buffer_size, 0), sent;
	struct end *other = end->other;

	if (got <= 0) {
		if (got == 0 || errno != EAGAIN)
			drop(end);
		return;
	}
	sent = send(other->fd, scratch, (size_t)got, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN) {
		drop(end);
		return;
	}
	sent = sent < 0 ? 0 : sent;
	if (sent == got)
		return;
	other->pending = malloc((size_t)(got - sent));
	other->from = 0;
	other->to = (size_t)(got - sent);
	for (size_t i = 0; i < other->to; i++)
		other->pending[i] = scratch[(size_t)sent + i];
	watch(other, EPOLLOUT, EPOLL_CTL_MOD);
	watch(end, 0, EPOLL_CTL_MOD);
}

/* The listener hands out clients that have sent something already. */
static void on_accept(int listener, const struct sockaddr_in *upstream)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
	struct end *client, *server;

	if (fd < 0)
		return;
	client = calloc(1, sizeof *client);
	server = calloc(1, sizeof *server);
	client->fd = fd;
	server->fd = socket(AF_INET, SOCK_STREAM, 0);
	client->other = server;
	server->other = client;
	setsockopt(server->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(server->fd, (const struct sockaddr *)upstream, sizeof *upstream) != 0) {
		drop(client);
		return;
	}
	watch(client, EPOLLIN, EPOLL_CTL_ADD);
	watch(server, EPOLLIN, EPOLL_CTL_ADD);
	on_readable(client);
}

static struct sockaddr_in address_of(const char *ip, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	inet_pton(AF_INET, ip, &address.sin_addr);
	return address;
}

int main(int argc, char **argv)
{
	struct sockaddr_in here, there;
	struct epoll_event events[256], first = { .events = EPOLLIN };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	buffer_size = argc == 6 ? strtoul(argv[5], NULL, 10) * 1024 : 0;
	if (buffer_size == 0 || buffer_size > sizeof scratch)
		return 2;
	here = address_of(argv[1], argv[2]);
	there = address_of(argv[3], argv[4]);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 4096) != 0) {
		perror("relay");
		return 1;
	}
	loop = epoll_create1(0);
	epoll_ctl(loop, EPOLL_CTL_ADD, listener, &first);
	for (;;) {
		int count = epoll_wait(loop, events, 256, -1);

		for (int i = 0; i < count; i++) {
			struct end *end = events[i].data.ptr;

			if (end == NULL)
				on_accept(listener, &there);
			else if (end->fd >= 0 && events[i].events & EPOLLOUT && end->pending != NULL)
				on_writable(end);
			else if (end->fd >= 0)
				on_readable(end);
		}
	}
}
