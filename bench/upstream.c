/*
 * The upstream of the benchmark: as lean as it gets, so that the proxies are what is measured. One thread, epoll, responses that
 * stand ready: /145, /16k, /1m. Reads Content-Length bodies and throws them away. usage: upstream ADDRESS PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct answer {
	char *bytes;
	size_t length;
};

struct connection {
	int fd;
	char head[16384];
	size_t held;
	size_t body;                 /* of the request, still to come */
	const struct answer *answer; /* being sent */
	size_t sent;
};

static struct answer answers[3];
static int loop;

static struct answer make_answer(size_t size)
{
	struct answer answer = { .bytes = malloc(size + 256) };
	int head = sprintf(answer.bytes, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size);

	memset(answer.bytes + head, 'x', size);
	answer.length = (size_t)head + size;
	return answer;
}

static void watch(struct connection *connection, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.ptr = connection };

	epoll_ctl(loop, operation, connection->fd, &event);
}

static void drop(struct connection *connection)
{
	close(connection->fd);
	free(connection);
}

/* 1: all of it went, 0: the rest waits for room, -1: the peer is gone. */
static int send_answer(struct connection *connection)
{
	const struct answer *answer = connection->answer;

	while (connection->sent < answer->length) {
		ssize_t sent = send(connection->fd, answer->bytes + connection->sent, answer->length - connection->sent, MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN ? 0 : -1;
		connection->sent += (size_t)sent;
	}
	connection->answer = NULL;
	return 1;
}

static void begin_request(struct connection *connection, char *end)
{
	char *path = memchr(connection->head, ' ', 10), *length;

	*end = '\0';
	length = strcasestr(connection->head, "\ncontent-length:");
	connection->body = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
	connection->answer = &answers[path == NULL || (path[2] == '1' && path[3] == '4') ? 0 : path[3] == '6' ? 1 : 2];
	connection->sent = 0;
}

/* Serves what is held. Like send_answer(). */
static int serve(struct connection *connection)
{
	for (;;) {
		char *end;
		size_t used;

		if (connection->answer == NULL) {
			end = memmem(connection->head, connection->held, "\r\n\r\n", 4);
			if (end == NULL)
				return connection->held == sizeof connection->head ? -1 : 1;
			used = (size_t)(end - connection->head) + 4;
			begin_request(connection, end);
			connection->held -= used;
			memmove(connection->head, connection->head + used, connection->held);
		}
		used = connection->body < connection->held ? connection->body : connection->held;
		connection->body -= used;
		connection->held -= used;
		memmove(connection->head, connection->head + used, connection->held);
		if (connection->body > 0)
			return 1;
		int result = send_answer(connection);

		if (result <= 0)
			return result;
	}
}

static void on_event(struct connection *connection, uint32_t events)
{
	int result = 1;

	if (events & EPOLLOUT) {
		result = send_answer(connection);
		if (result == 1) {
			watch(connection, EPOLLIN, EPOLL_CTL_MOD);
			result = serve(connection);
		}
	} else {
		ssize_t got = recv(connection->fd, connection->head + connection->held, sizeof connection->head - connection->held, 0);

		if (got <= 0) {
			drop(connection);
			return;
		}
		connection->held += (size_t)got;
		result = serve(connection);
	}
	if (result < 0)
		drop(connection);
	else if (result == 0)
		watch(connection, EPOLLOUT, EPOLL_CTL_MOD);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct epoll_event events[256], first = { .events = EPOLLIN };

	if (argc != 3)
		return 2;
	answers[0] = make_answer(145);
	answers[1] = make_answer(16 * 1024);
	answers[2] = make_answer(1024 * 1024);
	address.sin_port = htons((uint16_t)atoi(argv[2]));
	inet_pton(AF_INET, argv[1], &address.sin_addr);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) {
		perror("upstream");
		return 1;
	}
	loop = epoll_create1(0);
	epoll_ctl(loop, EPOLL_CTL_ADD, listener, &first);
	for (;;) {
		int count = epoll_wait(loop, events, 256, -1);

		for (int i = 0; i < count; i++) {
			struct connection *connection = events[i].data.ptr;

			if (connection != NULL) {
				on_event(connection, events[i].events);
				continue;
			}
			connection = calloc(1, sizeof *connection);
			connection->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			watch(connection, EPOLLIN, EPOLL_CTL_ADD);
		}
	}
}
