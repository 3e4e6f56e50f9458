/*
 * One replica of a service that misbehaves on demand, fast enough to carry the load of a fault test. What it shall do comes as
 * lines on stdin, each answered by one line of JSON on stdout:
 *
 *   do WHAT          from the next request on: answer, status CODE, reset (without an answer), end (likewise, but in order),
 *                    garbage, stall (reads, never answers), stall_body (half of it comes), cut (half of it comes, then a reset),
 *                    close (answers and closes without having said so)
 *   answer_after MS  every answer takes so long
 *   workers N        so many requests are worked on at once, each for answer_after; the others wait their turn; 0: no limit
 *   idle MS [random] connections with nothing on them any more are closed after so long, or a random time up to that; 0: never
 *   refuse, accept   no listener, or one again
 *   drop             all connections are reset
 *   look             what was seen; most_in_flight begins anew
 *
 * A path that ends with /large is answered with 1 MiB.
 *
 * Every request whose head came whole is counted by its X-Load-Id, in a file that all replicas share and that outlives them:
 * one byte for each id. That is how often it was begun anywhere, also by a replica that was killed over it.
 *
 *   replica --listen ADDRESS:PORT --name NAME --counts FILE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 16 * 1024, MOST_WORKERS = 4096, LINE_BYTES = 256, LARGE_BYTES = 1024 * 1024 };

enum manner { ANSWER, STATUS, RESET, END, GARBAGE, STALL, STALL_BODY, CUT, CLOSE, MANNERS };
static const char *const manners[MANNERS] = {
	"answer", "status", "reset", "end", "garbage", "stall", "stall_body", "cut", "close",
};

/* In a list sorted by the time something is due: the end of its idleness, or its answer. */
struct connection {
	struct connection *next, *previous;
	struct list *list;
	int64_t due_ns;
	int fd; /* -1: dead, freed when the turn is over */
	bool is_busy, is_large;
	size_t held, body_left, unsent; /* unsent: of a large answer */
	char head[HEAD_BYTES];
};

struct list {
	struct connection *first, *last;
};

static struct list idle, working, resting, dead; /* resting: nothing is ever due */
static int loop, listener = -1;
static struct sockaddr_in address;
static const char *name = "replica";
static unsigned char *counts;
static size_t counts_length;
static enum manner manner;
static unsigned status = 200;
static long answer_after_ms, idle_ms, workers;
static bool is_idle_random;
static int64_t free_at_ns[MOST_WORKERS];
static long received, answered, accepted, connections, in_flight, most_in_flight;

static void fail(const char *what)
{
	fprintf(stderr, "replica: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- lists ------------------------------------------------------------------------------------------------------------- */

static void leave(struct connection *connection)
{
	struct list *list = connection->list;

	*(connection->previous ? &connection->previous->next : &list->first) = connection->next;
	*(connection->next ? &connection->next->previous : &list->last) = connection->previous;
}

/* Nearly always at the end: what is due later comes later. */
static void join(struct connection *connection, struct list *list, int64_t due_ns)
{
	struct connection *before = list->last;

	while (before != NULL && before->due_ns > due_ns)
		before = before->previous;
	connection->list = list;
	connection->due_ns = due_ns;
	connection->previous = before;
	connection->next = before ? before->next : list->first;
	*(connection->previous ? &connection->previous->next : &list->first) = connection;
	*(connection->next ? &connection->next->previous : &list->last) = connection;
}

static void move(struct connection *connection, struct list *list, int64_t due_ns)
{
	leave(connection);
	join(connection, list, due_ns);
}

/* ---- connections ------------------------------------------------------------------------------------------------------- */

static void end(struct connection *connection, bool is_reset)
{
	struct linger now = { 1, 0 };

	if (connection->fd < 0)
		return;
	if (is_reset)
		setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(connection->fd);
	connection->fd = -1;
	connections--;
	in_flight -= connection->is_busy;
	move(connection, &dead, 0);
}

static void become_idle(struct connection *connection)
{
	long after = is_idle_random && idle_ms > 0 ? random() % idle_ms : idle_ms;

	move(connection, idle_ms > 0 ? &idle : &resting, now_ns() + after * 1000000);
}

static void put(struct connection *connection, const char *bytes, size_t length)
{
	(void)!send(connection->fd, bytes, length, MSG_NOSIGNAL); /* small, into an empty buffer */
}

/* An answer that does not fit waits for room, which is told by an event. */
static void send_large(struct connection *connection)
{
	static const char bytes[64 * 1024];

	while (connection->unsent > 0) {
		size_t length = connection->unsent < sizeof bytes ? connection->unsent : sizeof bytes;
		ssize_t sent = send(connection->fd, bytes, length, MSG_NOSIGNAL);

		if (sent < 0)
			return;
		connection->unsent -= (size_t)sent;
	}
}

static void answer(struct connection *connection)
{
	static const char garbage[] = "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 this is no HTTP at all\n\n";
	char bytes[512], body[128];
	int length = snprintf(body, sizeof body, "{\"service\":\"patient\",\"replica\":\"%s\"}%*s\n", name, 60, "");
	int head = snprintf(bytes, sizeof bytes, "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
	                    status, status < 400 ? "OK" : "Failed", length, body);

	connection->is_busy = false;
	in_flight--;
	answered++;
	if (connection->is_large && manner == ANSWER) {
		head = snprintf(bytes, sizeof bytes, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LARGE_BYTES);
		put(connection, bytes, (size_t)head);
		connection->unsent = LARGE_BYTES;
		send_large(connection);
		become_idle(connection);
		return;
	}
	switch (manner) {
	case GARBAGE:
		put(connection, garbage, sizeof garbage - 1);
		break;
	case RESET:
	case END:
		end(connection, manner == RESET);
		return;
	case STALL_BODY:
	case CUT:
		put(connection, bytes, (size_t)(head - length / 2));
		if (manner == CUT)
			end(connection, true);
		else
			move(connection, &resting, 0);
		return;
	default:
		put(connection, bytes, (size_t)head);
		if (manner == CLOSE) {
			end(connection, false);
			return;
		}
	}
	become_idle(connection);
}

static int64_t done_at(int64_t now)
{
	long first = 0;

	if (workers == 0)
		return now + answer_after_ms * 1000000;
	for (long i = 1; i < workers; i++)
		if (free_at_ns[i] < free_at_ns[first])
			first = i;
	free_at_ns[first] = (free_at_ns[first] > now ? free_at_ns[first] : now) + answer_after_ms * 1000000;
	return free_at_ns[first];
}

static void begin(struct connection *connection, char *end_of_head)
{
	const char *id, *length;

	*end_of_head = '\0';
	id = strcasestr(connection->head, "\nx-load-id:");
	length = strcasestr(connection->head, "\ncontent-length:");
	connection->is_large = strstr(connection->head, "/large HTTP/1.") != NULL;
	connection->body_left = length ? strtoul(length + 16, NULL, 10) : 0;
	if (id != NULL && strtoul(id + 11, NULL, 10) < counts_length)
		__atomic_fetch_add(&counts[strtoul(id + 11, NULL, 10)], 1, __ATOMIC_RELAXED);
	received++;
	connection->is_busy = true;
	if (++in_flight > most_in_flight)
		most_in_flight = in_flight;
}

/* What is held of requests; one at a time, nobody here pipelines. */
static void serve(struct connection *connection)
{
	size_t used;

	if (!connection->is_busy) {
		char *end_of_head = memmem(connection->head, connection->held, "\r\n\r\n", 4);

		if (end_of_head == NULL) {
			if (connection->held == sizeof connection->head)
				end(connection, true);
			return;
		}
		used = (size_t)(end_of_head - connection->head) + 4;
		begin(connection, end_of_head);
		connection->held -= used;
		memmove(connection->head, connection->head + used, connection->held);
	}
	used = connection->body_left < connection->held ? connection->body_left : connection->held;
	connection->body_left -= used;
	connection->held = 0;
	if (connection->body_left > 0)
		return;
	if (manner == STALL)
		move(connection, &resting, 0);
	else if (answer_after_ms == 0 && workers == 0)
		answer(connection);
	else
		move(connection, &working, done_at(now_ns()));
}

static void on_event(struct connection *connection)
{
	send_large(connection);
	while (connection->fd >= 0) {
		char *room = connection->head + connection->held;
		ssize_t got = recv(connection->fd, room, sizeof connection->head - connection->held, 0);

		if (got <= 0) {
			if (got == 0 || errno != EAGAIN)
				end(connection, false);
			return;
		}
		if (connection->list == &idle)
			move(connection, &resting, 0);
		connection->held += (size_t)got;
		serve(connection);
	}
}

static void on_due(int64_t now)
{
	while (working.first != NULL && working.first->due_ns <= now)
		answer(working.first);
	while (idle.first != NULL && idle.first->due_ns <= now)
		end(idle.first, false);
	while (dead.first != NULL) {
		struct connection *connection = dead.first;

		leave(connection);
		free(connection);
	}
}

/* ---- the listener ------------------------------------------------------------------------------------------------------ */

static void start_listening(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &listener };
	int on = 1;

	if (listener >= 0)
		return;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0)
		fail("listen");
	epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
}

static void on_connection(void)
{
	int fd;

	while (listener >= 0 && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *connection = malloc(sizeof *connection);
		struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection };

		if (connection == NULL)
			fail("memory");
		memset(connection, 0, offsetof(struct connection, head));
		connection->fd = fd;
		connections++;
		accepted++;
		join(connection, &resting, 0); /* until its first request it is not idle, but expected to begin */
		epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
	}
}

static void stop_listening(void)
{
	if (listener >= 0)
		close(listener);
	listener = -1;
}

static void drop_all(void)
{
	struct list *lists[] = { &idle, &working, &resting };

	for (int i = 0; i < 3; i++)
		while (lists[i]->first != NULL)
			end(lists[i]->first, true);
}

/* ---- commands ---------------------------------------------------------------------------------------------------------- */

static bool take_manner(const char *word, unsigned code)
{
	for (int i = 0; i < MANNERS; i++) {
		if (strcmp(word, manners[i]) != 0)
			continue;
		manner = (enum manner)i;
		status = manner == STATUS ? code : 200;
		return true;
	}
	return false;
}

static bool obey(const char *line)
{
	char word[32] = "", what[32] = "", more[32] = "";
	int words = sscanf(line, "%31s %31s %31s", word, what, more);

	if (strcmp(word, "do") == 0)
		return take_manner(what, (unsigned)atoi(more));
	if (strcmp(word, "answer_after") == 0) {
		answer_after_ms = atol(what);
	} else if (strcmp(word, "workers") == 0) {
		workers = atol(what) < MOST_WORKERS ? atol(what) : MOST_WORKERS;
		memset(free_at_ns, 0, sizeof free_at_ns);
	} else if (strcmp(word, "idle") == 0) {
		idle_ms = atol(what);
		is_idle_random = words == 3;
	} else if (strcmp(word, "refuse") == 0) {
		stop_listening();
	} else if (strcmp(word, "accept") == 0) {
		start_listening();
	} else if (strcmp(word, "drop") == 0) {
		drop_all();
	} else if (strcmp(word, "look") != 0) {
		return false;
	}
	return true;
}

static void on_command(void)
{
	static char line[LINE_BYTES];
	static size_t held;
	ssize_t got = read(0, line + held, sizeof line - 1 - held);
	char *end_of_line;

	if (got <= 0)
		exit(0); /* who started it has gone */
	held += (size_t)got;
	line[held] = '\0';
	while ((end_of_line = strchr(line, '\n')) != NULL) {
		*end_of_line = '\0';
		if (!obey(line))
			printf("{\"error\": \"what is that?\"}\n");
		else
			printf("{\"received\": %ld, \"answered\": %ld, \"accepted\": %ld, \"connections\": %ld, \"in_flight\": %ld, "
			       "\"most_in_flight\": %ld}\n", received, answered, accepted, connections, in_flight, most_in_flight);
		if (strcmp(line, "look") == 0)
			most_in_flight = in_flight;
		held -= (size_t)(end_of_line + 1 - line);
		memmove(line, end_of_line + 1, held + 1);
	}
	fflush(stdout);
}

static void map_counts(const char *file)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	struct stat about;

	if (fd < 0 || fstat(fd, &about) != 0)
		fail(file);
	counts_length = (size_t)about.st_size;
	counts = mmap(NULL, counts_length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counts == MAP_FAILED)
		fail(file);
	close(fd);
}

static void read_options(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		char *colon = strrchr(argv[i + 1], ':');

		if (strcmp(argv[i], "--name") == 0) {
			name = argv[i + 1];
		} else if (strcmp(argv[i], "--counts") == 0) {
			map_counts(argv[i + 1]);
		} else if (strcmp(argv[i], "--listen") == 0 && colon != NULL) {
			*colon = '\0';
			address.sin_family = AF_INET;
			address.sin_port = htons((uint16_t)atoi(colon + 1));
			inet_pton(AF_INET, argv[i + 1], &address.sin_addr);
		} else {
			fprintf(stderr, "replica: %s?\n", argv[i]);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[256], commands = { .events = EPOLLIN, .data.ptr = NULL };
	struct rlimit files;

	read_options(argc, argv);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	loop = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(loop, EPOLL_CTL_ADD, 0, &commands);
	start_listening();
	printf("{\"ready\": true}\n");
	fflush(stdout);
	for (;;) {
		struct connection *next = working.first != NULL ? working.first : idle.first;
		int64_t wait_ns;
		struct timespec wait;
		int count;

		if (idle.first != NULL && next->due_ns > idle.first->due_ns)
			next = idle.first;
		wait_ns = next == NULL ? 1000000000 : next->due_ns - now_ns();
		wait_ns = wait_ns < 0 ? 0 : wait_ns > 1000000000 ? 1000000000 : wait_ns;
		wait = (struct timespec){ wait_ns / 1000000000, wait_ns % 1000000000 };
		count = epoll_pwait2(loop, events, 256, &wait, NULL);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == NULL)
				on_command();
			else if (events[i].data.ptr == &listener)
				on_connection();
			else
				on_event(events[i].data.ptr);
		}
		on_due(now_ns());
	}
}
