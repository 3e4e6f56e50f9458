/*
 * The upstream of the benchmark: as lean as it gets, so that the proxies are what is measured. One thread, epoll, responses that
 * stand ready: the last segment of the path is 145, 16k or 1m. Reads Content-Length bodies and throws them away; closes after
 * its answer when it was asked to. Listens on every address of the loopback interface and on nothing else, so that one process
 * can be a thousand endpoints. usage: upstream PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
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
	char head[32 * 1024];
	size_t held;
	size_t body;                 /* of the request, still to come */
	const struct answer *answer; /* being sent */
	size_t sent;
	bool closes; /* after this answer */
};

static struct answer small, medium, large;
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

/* 1: all of it went, 0: the rest waits for room, -1: the peer is gone, or shall go. */
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
	return connection->closes ? -1 : 1;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t wanted = strlen(end);

	return length >= wanted && memcmp(text + length - wanted, end, wanted) == 0;
}

static bool begins_with(const char *line, const char *end, const char *name)
{
	size_t length = strlen(name);

	return (size_t)(end - line) >= length && strncasecmp(line, name, length) == 0;
}

/* Of the fields only two mean anything here, and both begin with a C. */
static void begin_request(struct connection *connection, const char *end)
{
	const char *line = memchr(connection->head, '\n', (size_t)(end - connection->head));
	size_t first_line = (size_t)((line == NULL ? end : line - 1) - connection->head);
	size_t path = first_line < strlen(" HTTP/1.1") ? 0 : first_line - strlen(" HTTP/1.1");

	connection->answer = ends_with(connection->head, path, "/16k") ? &medium :
	                     ends_with(connection->head, path, "/1m")  ? &large :
	                                                                 &small;
	connection->sent = 0;
	connection->body = 0;
	connection->closes = false;
	for (; line != NULL; line = memchr(line, '\n', (size_t)(end - line))) {
		if ((*++line | 0x20) != 'c')
			continue;
		if (begins_with(line, end, "content-length:"))
			connection->body = strtoul(line + strlen("content-length:"), NULL, 10);
		else if (begins_with(line, end, "connection: close"))
			connection->closes = true;
	}
}

/* Serves what is held. Like send_answer(). */
static int serve(struct connection *connection)
{
	for (;;) {
		char *end;
		size_t used;
		int result;

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
		result = send_answer(connection);
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

static void on_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	struct connection *connection;

	if (fd < 0)
		return;
	connection = calloc(1, sizeof *connection);
	connection->fd = fd;
	watch(connection, EPOLLIN, EPOLL_CTL_ADD);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct epoll_event events[256], first = { .events = EPOLLIN };

	if (argc != 2)
		return 2;
	small = make_answer(145);
	medium = make_answer(16 * 1024);
	large = make_answer(1024 * 1024);
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) {
		perror("upstream");
		return 1;
	}
	loop = epoll_create1(0);
	epoll_ctl(loop, EPOLL_CTL_ADD, listener, &first);
	for (;;) {
		int count = epoll_wait(loop, events, 256, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == NULL)
				on_accept(listener);
			else
				on_event(events[i].data.ptr, events[i].events);
		}
	}
}
