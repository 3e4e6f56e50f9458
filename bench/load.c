/*
 * The load that wrk can't make: requests at a fixed rate whatever becomes of the answers, and a connection for each request.
 *
 *   load [-c CONNECTIONS] [-d MILLISECONDS] [-r PER_SECOND] [-s SEED] [-x] ADDRESS PORT FILE
 *
 * FILE holds requests without bodies, one after the other; they are sent in turn. With -r they are due at random times (a Poisson
 * process; the same SEED gives the same times), and a request's time runs from when it was due, not from when a connection was
 * free to carry it: a proxy that stalls is charged for all who would have come meanwhile. Without -r each connection sends its
 * next request as soon as it has its answer. -x: a connection for each request, which the other side closes. Whatever was due is
 * sent, or counted as an error when the time has run out twice over. Prints one line of JSON; any status but 200 is an error.
 *
 * Times are counted in buckets that are exact to 1/64, whatever the magnitude.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SUB_BITS = 6, SUB = 1 << SUB_BITS, BUCKETS = (64 - SUB_BITS) * SUB };

struct request {
	const char *bytes;
	size_t length;
};

struct connection {
	int fd;
	int64_t due_ns;
	const struct request *request; /* NULL: nothing is asked for */
	bool is_answered;              /* and waits to be closed */
	char head[4096];
	size_t held;
	size_t body; /* still to come once the head is there */
	bool has_head;
};

static struct sockaddr_in address;
static int loop;
static bool closes;
static struct connection *connections;
static struct request *requests;
static size_t connection_count = 64, request_count, next_request;
/* Who is free, in the order in which they became free, so that all of them are used. */
static struct connection **idle;
static size_t idle_first, idle_count;
static uint64_t buckets[BUCKETS], answered, errors, slowest_ns;
static char scratch[256 * 1024];

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static size_t bucket_of(uint64_t value)
{
	unsigned shift = value < SUB ? 0 : (unsigned)(63 - __builtin_clzll(value)) - SUB_BITS;

	return shift * SUB + (value >> shift);
}

static double percentile_ms(double share)
{
	uint64_t wanted = (uint64_t)ceil((double)answered * share), seen = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		seen += buckets[i];
		if (seen >= wanted && seen > 0) {
			size_t shift = i < 2 * SUB ? 0 : i / SUB - 1;

			return (double)((i - shift * SUB) << shift) / 1e6;
		}
	}
	return 0;
}

static void become_idle(struct connection *connection)
{
	connection->request = NULL;
	idle[(idle_first + idle_count++) % connection_count] = connection;
}

static void watch(struct connection *connection, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.ptr = connection };

	epoll_ctl(loop, operation, connection->fd, &event);
}

/* Waits for the handshake only where nothing is measured yet. */
static void open_connection(struct connection *connection)
{
	int on = 1;

	connection->fd = socket(AF_INET, SOCK_STREAM | (closes ? SOCK_NONBLOCK : 0), 0);
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
		perror("load: connect");
		exit(1);
	}
	fcntl(connection->fd, F_SETFL, O_NONBLOCK);
	watch(connection, closes ? EPOLLOUT : EPOLLIN, EPOLL_CTL_ADD);
}

static void fail(struct connection *connection)
{
	errors += connection->request != NULL && !connection->is_answered;
	close(connection->fd);
	if (!closes)
		open_connection(connection);
	if (connection->request != NULL)
		become_idle(connection);
}

static void send_request(struct connection *connection)
{
	const struct request *request = connection->request;

	if (send(connection->fd, request->bytes, request->length, MSG_NOSIGNAL) != (ssize_t)request->length)
		fail(connection);
}

static void begin(int64_t due_ns)
{
	struct connection *connection = idle[idle_first];

	idle_first = (idle_first + 1) % connection_count;
	idle_count--;
	connection->due_ns = due_ns;
	connection->request = &requests[next_request++ % request_count];
	connection->is_answered = connection->has_head = false;
	connection->held = 0;
	if (closes)
		open_connection(connection);
	else
		send_request(connection);
}

static void on_answer(struct connection *connection)
{
	uint64_t took_ns = (uint64_t)(now_ns() - connection->due_ns);

	buckets[bucket_of(took_ns)]++;
	slowest_ns = took_ns > slowest_ns ? took_ns : slowest_ns;
	answered++;
	connection->is_answered = true;
	if (!closes)
		become_idle(connection);
}

/* What came is head, or body, or both. False: it is not an answer of ours. */
static bool take(struct connection *connection, size_t got)
{
	char *end, *length;
	size_t head;

	if (!connection->has_head) {
		if (connection->held + got >= sizeof connection->head)
			got = sizeof connection->head - 1 - connection->held;
		memcpy(connection->head + connection->held, scratch, got);
		connection->head[connection->held + got] = '\0';
		connection->held += got;
		end = strstr(connection->head, "\r\n\r\n");
		if (end == NULL)
			return connection->held + 1 < sizeof connection->head;
		head = (size_t)(end - connection->head) + 4;
		length = strcasestr(connection->head, "\ncontent-length:");
		if (strncmp(connection->head + 8, " 200", 4) != 0 || length == NULL || length > end)
			return false;
		connection->has_head = true;
		connection->body = strtoul(length + 16, NULL, 10);
		got = connection->held - head;
	}
	if (got > connection->body)
		return false;
	connection->body -= got;
	if (connection->body == 0)
		on_answer(connection);
	return true;
}

static void on_readable(struct connection *connection)
{
	/* No more than the head's buffer holds until there is one, so that none of the body is lost. */
	size_t room = connection->has_head ? sizeof scratch : sizeof connection->head - 1 - connection->held;
	ssize_t got = recv(connection->fd, scratch, room, 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got == 0 && closes && connection->is_answered) {
		close(connection->fd);
		become_idle(connection);
		return;
	}
	if (got <= 0 || connection->request == NULL || connection->is_answered || !take(connection, (size_t)got))
		fail(connection);
}

static void on_event(struct connection *connection, uint32_t events)
{
	if (events & EPOLLOUT) {
		watch(connection, EPOLLIN, EPOLL_CTL_MOD);
		send_request(connection);
	} else {
		on_readable(connection);
	}
}

static void read_requests(const char *name)
{
	FILE *file = fopen(name, "rb");
	char *text = calloc(1, 16 * 1024 * 1024), *end;
	size_t room = 0;

	if (file == NULL || fread(text, 1, 16 * 1024 * 1024 - 1, file) == 0) {
		perror(name);
		exit(1);
	}
	fclose(file);
	for (; (end = strstr(text, "\r\n\r\n")) != NULL; text = end + 4) {
		if (request_count == room) {
			room = room * 2 + 16;
			requests = realloc(requests, room * sizeof *requests);
		}
		requests[request_count++] = (struct request){ .bytes = text, .length = (size_t)(end - text) + 4 };
	}
}

/* From one arrival to the next; `per_ns` of them come in a nanosecond. */
static int64_t gap_ns(double per_ns, unsigned short dice[3])
{
	return (int64_t)(-log(1 - erand48(dice)) / per_ns);
}

static void run(int64_t length_ns, double rate, unsigned seed)
{
	unsigned short dice[3] = { 0x330e, (unsigned short)seed, (unsigned short)(seed >> 16) };
	double per_ns = rate / 1e9;
	int64_t start_ns = now_ns(), end_ns = start_ns + length_ns, limit_ns = end_ns + length_ns, now = start_ns;
	int64_t due_ns = rate > 0 ? start_ns + gap_ns(per_ns, dice) : start_ns;
	struct epoll_event events[256];

	while (now < limit_ns && (due_ns < end_ns || idle_count < connection_count)) {
		struct timespec timeout = { 0 };
		int64_t until_ns = limit_ns;
		int count;

		while (idle_count > 0 && due_ns <= now && due_ns < end_ns) {
			begin(due_ns);
			due_ns = rate > 0 ? due_ns + gap_ns(per_ns, dice) : now;
		}
		if (idle_count > 0 && due_ns < end_ns)
			until_ns = due_ns;
		if (until_ns > now)
			timeout = (struct timespec){ .tv_sec = (until_ns - now) / 1000000000, .tv_nsec = (until_ns - now) % 1000000000 };
		count = epoll_pwait2(loop, events, 256, &timeout, NULL);
		for (int i = 0; i < count; i++)
			on_event(events[i].data.ptr, events[i].events);
		now = now_ns();
		if (rate == 0)
			due_ns = now;
	}
	errors += connection_count - idle_count;
	for (; rate > 0 && due_ns < end_ns; due_ns += gap_ns(per_ns, dice))
		errors++;
	printf("{\"requests\": %lu, \"errors\": %lu, \"seconds\": %.6f, \"p50\": %.4f, \"p99\": %.4f, \"p999\": %.4f, \"max\": %.4f}\n",
	       answered, errors, (double)(now - start_ns) / 1e9, percentile_ms(0.5), percentile_ms(0.99), percentile_ms(0.999),
	       (double)slowest_ns / 1e6);
}

int main(int argc, char **argv)
{
	int64_t length_ms = 1000;
	double rate = 0;
	unsigned seed = 1;
	int option;

	while ((option = getopt(argc, argv, "c:d:r:s:x")) != -1) {
		switch (option) {
		case 'c': connection_count = strtoul(optarg, NULL, 10); break;
		case 'd': length_ms = strtol(optarg, NULL, 10); break;
		case 'r': rate = strtod(optarg, NULL); break;
		case 's': seed = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'x': closes = true; break;
		default: return 2;
		}
	}
	if (argc - optind != 3 || connection_count < 1 || connection_count > 65536 || length_ms < 1 || length_ms > 60000) {
		fprintf(stderr, "usage: load [-c CONNECTIONS] [-d MILLISECONDS] [-r PER_SECOND] [-s SEED] [-x] ADDRESS PORT FILE\n");
		return 2;
	}
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[optind + 1])) };
	inet_pton(AF_INET, argv[optind], &address.sin_addr);
	read_requests(argv[optind + 2]);
	prctl(PR_SET_TIMERSLACK, 1);
	loop = epoll_create1(0);
	connections = calloc(connection_count, sizeof *connections);
	idle = calloc(connection_count, sizeof *idle);
	for (size_t i = 0; i < connection_count; i++) {
		if (!closes)
			open_connection(&connections[i]);
		become_idle(&connections[i]);
	}
	run(length_ms * 1000000, rate, seed);
	return 0;
}
