/*
 * A counting client at a fixed rate: request n is due at start + n / rate, whatever became of those before it, and its latency
 * counts from when it was due and not from when there was a connection to send it on. So a server that stands still for a
 * second is seen as everybody would see it (no coordinated omission). Only when this process itself did not run for AWAY_NS or
 * longer, for want of a processor, is the rest of the schedule moved by that time (away_ms): to send all that at once would be a
 * load that nobody asked for, and the server would refuse the most of it.
 *
 *   load [--rate 1000] [--seconds 10] [--count N] [--connections 50] [--most 2000] [--method GET] [--body BYTES]
 *        [--field "Name: value"]... [--timeout MS] [--retry-refused] [--close] [--first ID] [--log FILE] http://ADDRESS:PORT/PATH
 *
 * Every request carries X-Load-Id: its number, from --first on, so that both ends can be compared. Connections are kept and used
 * in turn, the one that rested longest first; more are opened while all are busy, up to --most, then requests wait. It never
 * repeats a request: one that dies on a connection is counted by how it died, also when that connection was a kept one. Only
 * with --retry-refused does it connect again to who refused, until the request's timeout is over, as clients of a load
 * balancer would. A kept connection that ends with nothing on it is no failure, but counted (idle_closed).
 *
 * SIGTERM and SIGINT end the sending; what is under way is waited for. The result is one line of JSON. --log writes a line for
 * each request: id, ms it was due after the start, status or what went wrong, us late (until it was sent), us from due to the
 * end of the answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_REQUESTS = 50 * 1000 * 1000, MAX_HEAD_BYTES = 16 * 1024, SECOND_NS = 1000000000, AWAY_NS = 100000000 };

/* How a request ended where there was no whole answer; below STATUS. */
enum ending { REFUSED, CONNECT_TIMEOUT, RESET, CLOSED, CUT, TIMEOUT, MALFORMED, UNSENT, ENDINGS };
static const char *const ending_names[ENDINGS] = {
	"refused", "connect_timeout", "reset", "closed", "cut", "timeout", "malformed", "unsent",
};

enum { STATUS_MIN = 100, STATUS_MAX = 999 };

struct record {
	uint32_t late_us, took_us;
	uint32_t moved_ms; /* by which its schedule was moved */
	uint16_t ending; /* an enum ending, or a status */
};

enum state { CONNECTING, IDLE, BUSY, DEAD };

/* How the rest of an answer is framed. */
enum framing { HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS, UNTIL_CLOSE };

struct connection {
	struct connection *next, *previous; /* in the list of its state */
	enum state state;
	enum framing framing;
	int fd;
	int error; /* of connect(), where it was told at once */
	bool will_close, has_bytes;
	long request; /* the one on it, or that it is opened for; -1: none */
	int64_t deadline_ns, again_ns;
	size_t unsent; /* of the request's body */
	uint64_t left; /* of the answer's body, or of a chunk of it */
	unsigned status;
	size_t held;
	char head[MAX_HEAD_BYTES];
};

/* The first is the oldest. */
struct list {
	struct connection *first, *last;
	size_t length;
};

static struct {
	double rate, seconds;
	long count, connections, most, timeout_ms, first;
	const char *method, *path, *log;
	char fields[4096];
	size_t body;
	bool may_retry, is_closing;
	struct sockaddr_in address;
	char host[64];
} want = { .rate = 1000, .seconds = 10, .connections = 50, .most = 2000, .timeout_ms = 15000, .method = "GET", .path = "/" };

static struct list lists[DEAD + 1];
static struct record *records;
static long total, next_request, ended, opened, idle_closed, said_close, reconnects;
static int64_t start_ns, away_ms;
static int loop;
static volatile sig_atomic_t is_told_to_end;

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", what, why);
	exit(2);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

static int64_t due_ns(long request)
{
	int64_t moved_ms = request < next_request ? records[request].moved_ms : away_ms;

	return start_ns + (int64_t)((double)request * 1e9 / want.rate) + moved_ms * 1000000;
}

/* ---- connections ------------------------------------------------------------------------------------------------------- */

static void list_remove(struct connection *connection)
{
	struct list *list = &lists[connection->state];

	*(connection->previous ? &connection->previous->next : &list->first) = connection->next;
	*(connection->next ? &connection->next->previous : &list->last) = connection->previous;
	list->length--;
}

static void list_append(struct connection *connection, enum state state)
{
	struct list *list = &lists[state];

	connection->state = state;
	connection->next = NULL;
	connection->previous = list->last;
	*(list->last ? &list->last->next : &list->first) = connection;
	list->last = connection;
	list->length++;
}

static void enter(struct connection *connection, enum state state)
{
	list_remove(connection);
	list_append(connection, state);
}

static void end_request(struct connection *connection, unsigned ending)
{
	struct record *record = &records[connection->request];
	int64_t took = (now_ns() - due_ns(connection->request)) / 1000;

	record->took_us = took < 0 ? 0 : (uint32_t)took;
	record->ending = (uint16_t)ending;
	connection->request = -1;
	ended++;
}

/* Its memory stays until the turn is over: an event may still be reported for it. */
static void end_connection(struct connection *connection)
{
	close(connection->fd);
	enter(connection, DEAD);
}

static void free_dead(void)
{
	struct connection *connection;

	while ((connection = lists[DEAD].first) != NULL) {
		list_remove(connection);
		free(connection);
	}
}

static void begin_connecting(struct connection *connection)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, .data.ptr = connection };
	int on = 1;

	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		fail("socket", strerror(errno));
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (epoll_ctl(loop, EPOLL_CTL_ADD, connection->fd, &event) != 0)
		fail("epoll", strerror(errno));
	/* What comes of it is told by an event, also when it is refused at once. */
	connection->error = 0;
	if (connect(connection->fd, (struct sockaddr *)&want.address, sizeof want.address) != 0 && errno != EINPROGRESS)
		connection->error = errno;
	opened++;
}

static struct connection *open_connection(long request)
{
	struct connection *connection = calloc(1, sizeof *connection);

	if (connection == NULL)
		fail("memory", strerror(ENOMEM));
	connection->request = request;
	connection->deadline_ns = (request < 0 ? now_ns() : due_ns(request)) + want.timeout_ms * 1000000;
	list_append(connection, CONNECTING);
	begin_connecting(connection);
	return connection;
}

/* ---- a request --------------------------------------------------------------------------------------------------------- */

static void send_body(struct connection *connection)
{
	static const char bytes[16 * 1024];
	ssize_t sent;

	while (connection->unsent > 0) {
		size_t length = connection->unsent < sizeof bytes ? connection->unsent : sizeof bytes;

		sent = send(connection->fd, bytes, length, MSG_NOSIGNAL);
		if (sent < 0)
			return; /* until there is room; an error is told by the event */
		connection->unsent -= (size_t)sent;
	}
}

static void send_request(struct connection *connection)
{
	char head[8192];
	long request = connection->request;
	int length = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Load-Id: %ld\r\n%s", want.method, want.path,
	                      want.host, want.first + request, want.fields);
	int64_t late = (now_ns() - due_ns(request)) / 1000;

	if (want.body > 0 || strcmp(want.method, "POST") == 0)
		length += snprintf(head + length, sizeof head - (size_t)length, "Content-Length: %zu\r\n", want.body);
	if (want.is_closing)
		length += snprintf(head + length, sizeof head - (size_t)length, "Connection: close\r\n");
	length += snprintf(head + length, sizeof head - (size_t)length, "\r\n");
	records[request].late_us = late < 0 ? 0 : (uint32_t)late;
	connection->framing = HEAD;
	connection->held = 0;
	connection->has_bytes = connection->will_close = false;
	enter(connection, BUSY);
	/* Fits into an empty send buffer; an error is told by the event. */
	(void)!send(connection->fd, head, (size_t)length, MSG_NOSIGNAL | (want.body > 0 ? MSG_MORE : 0));
	connection->unsent = want.body;
	send_body(connection);
}

static void on_answered(struct connection *connection)
{
	end_request(connection, connection->status);
	if (connection->will_close || want.is_closing) {
		end_connection(connection);
		return;
	}
	enter(connection, IDLE);
}

/* ---- an answer --------------------------------------------------------------------------------------------------------- */

static const char *field(const char *head, const char *name)
{
	const char *found = strcasestr(head, name);

	return found == NULL ? NULL : found + strlen(name) + strspn(found + strlen(name), " \t");
}

/* False: it is no HTTP. */
static bool begin_answer(struct connection *connection, const char *head)
{
	const char *value;

	if (strncmp(head, "HTTP/1.1 ", 9) != 0)
		return false;
	connection->status = (unsigned)strtoul(head + 9, NULL, 10);
	if (connection->status < STATUS_MIN || connection->status > STATUS_MAX)
		return false;
	if (connection->status < 200)
		return true;
	if ((value = field(head, "\r\nConnection:")) != NULL && strncasecmp(value, "close", 5) == 0) {
		connection->will_close = true;
		said_close++;
	}
	connection->left = 0;
	if (strcmp(want.method, "HEAD") == 0 || connection->status == 204 || connection->status == 304)
		connection->framing = LENGTH;
	else if ((value = field(head, "\r\nTransfer-Encoding:")) != NULL)
		connection->framing = CHUNK_SIZE;
	else if ((value = field(head, "\r\nContent-Length:")) != NULL) {
		connection->framing = LENGTH;
		connection->left = strtoull(value, NULL, 10);
	} else
		connection->framing = UNTIL_CLOSE;
	return true;
}

/* The next line into *line, ended with NUL; its length with the line feed, or 0: not all of it is there. */
static size_t take_line(struct connection *connection, const char *bytes, size_t length)
{
	const char *end = memchr(bytes, '\n', length);
	size_t taken = end != NULL ? (size_t)(end - bytes) + 1 : length;

	if (connection->held + taken >= sizeof connection->head)
		taken = sizeof connection->head - connection->held - 1;
	memcpy(connection->head + connection->held, bytes, taken);
	connection->held += taken;
	connection->head[connection->held] = '\0';
	return taken;
}

/* What a line of the answer's framing means; false: nonsense. Clears the line. */
static bool on_line(struct connection *connection)
{
	char *line = connection->head, *end;

	if (connection->framing == HEAD) {
		if (connection->held < 4 || memcmp(line + connection->held - 4, "\r\n\r\n", 4) != 0)
			return true; /* the head is kept until it is whole */
		if (!begin_answer(connection, line))
			return false;
	} else if (connection->framing == CHUNK_SIZE) {
		connection->left = strtoull(line, &end, 16);
		if (end == line)
			return false;
		connection->framing = connection->left > 0 ? CHUNK_DATA : TRAILERS;
	} else if (connection->framing == CHUNK_END) {
		if (strcmp(line, "\r\n") != 0)
			return false;
		connection->framing = CHUNK_SIZE;
	} else if (strcmp(line, "\r\n") == 0) {
		connection->framing = LENGTH; /* after the trailers: of no more bytes */
		connection->left = 0;
	}
	connection->held = 0;
	return true;
}

/* True: all of the answer is there, or it is nonsense (`malformed`). */
static bool take_bytes(struct connection *connection, const char *bytes, size_t length, bool *malformed)
{
	*malformed = false;
	for (;;) {
		size_t taken;

		if (connection->framing == LENGTH && connection->left == 0) {
			*malformed = length > 0; /* bytes that nobody asked for */
			return true;
		}
		if (length == 0)
			return false;
		if (connection->framing == LENGTH || connection->framing == CHUNK_DATA) {
			taken = length < connection->left ? length : (size_t)connection->left;
			connection->left -= taken;
			if (connection->framing == CHUNK_DATA && connection->left == 0)
				connection->framing = CHUNK_END;
		} else if (connection->framing == UNTIL_CLOSE) {
			taken = length;
		} else {
			taken = take_line(connection, bytes, length);
			if (taken == 0) {
				*malformed = true;
				return true;
			}
			if (bytes[taken - 1] == '\n' && !on_line(connection)) {
				*malformed = true;
				return true;
			}
		}
		bytes += taken;
		length -= taken;
	}
}

/* ---- events ------------------------------------------------------------------------------------------------------------ */

static void on_end(struct connection *connection, bool is_reset)
{
	if (connection->state == IDLE) {
		idle_closed++;
	} else if (connection->framing == UNTIL_CLOSE && !is_reset) {
		end_request(connection, connection->status);
	} else {
		end_request(connection, connection->has_bytes ? CUT : is_reset ? RESET : CLOSED);
	}
	end_connection(connection);
}

static void on_readable(struct connection *connection)
{
	static char bytes[256 * 1024];

	for (;;) {
		ssize_t got = recv(connection->fd, bytes, sizeof bytes, 0);
		bool is_malformed;

		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			on_end(connection, got < 0);
			return;
		}
		if (connection->state == IDLE) {
			idle_closed++; /* an unasked answer, such as 408 */
			end_connection(connection);
			return;
		}
		connection->has_bytes = true;
		if (take_bytes(connection, bytes, (size_t)got, &is_malformed)) {
			if (is_malformed) {
				end_request(connection, MALFORMED);
				end_connection(connection);
				return;
			}
			on_answered(connection);
			if (connection->state == DEAD)
				return;
		}
	}
}

static void on_connected(struct connection *connection)
{
	int error = connection->error;
	socklen_t length = sizeof error;

	if (error == 0)
		getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error == 0) {
		if (connection->request >= 0)
			send_request(connection);
		else
			enter(connection, IDLE);
	} else if (connection->request >= 0 && want.may_retry) {
		close(connection->fd); /* tried again by retry_refused(), a little later */
		connection->again_ns = now_ns() + 5000000;
		connection->fd = -2;
	} else {
		if (connection->request >= 0)
			end_request(connection, error == ECONNREFUSED ? REFUSED : error == ETIMEDOUT ? CONNECT_TIMEOUT : RESET);
		end_connection(connection);
	}
}

static void on_event(struct connection *connection, uint32_t events)
{
	if (connection->state == DEAD)
		return;
	if (connection->state == CONNECTING) {
		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		on_connected(connection);
		if (connection->state != BUSY && connection->state != IDLE)
			return;
	}
	if (events & EPOLLOUT && connection->state == BUSY)
		send_body(connection);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		on_readable(connection);
}

static void retry_refused(int64_t now)
{
	for (struct connection *connection = lists[CONNECTING].first, *next; connection != NULL; connection = next) {
		next = connection->next;
		if (connection->fd == -2 && connection->again_ns <= now) {
			reconnects++;
			begin_connecting(connection);
		}
	}
}

static void give_up(int64_t now)
{
	static const enum state states[] = { CONNECTING, BUSY };

	for (int i = 0; i < 2; i++) {
		for (struct connection *connection = lists[states[i]].first, *next; connection != NULL; connection = next) {
			next = connection->next;
			if (connection->deadline_ns > now) {
				if (i == 1)
					break; /* the first was sent first */
				continue;
			}
			if (connection->request >= 0)
				end_request(connection, i == 1 ? TIMEOUT : connection->fd == -2 ? REFUSED : CONNECT_TIMEOUT);
			end_connection(connection);
		}
	}
}

/* Sends what is due; gives the time of what is due next. */
static int64_t send_due(int64_t now)
{
	for (; next_request < total && !is_told_to_end; next_request++) {
		struct connection *connection = lists[IDLE].first;
		int64_t due = due_ns(next_request);

		if (due > now)
			return due;
		records[next_request].moved_ms = (uint32_t)away_ms;
		if (connection != NULL) {
			connection->request = next_request;
			connection->deadline_ns = due + want.timeout_ms * 1000000;
			send_request(connection);
		} else if (lists[CONNECTING].length + lists[BUSY].length < (size_t)want.most) {
			open_connection(next_request);
		} else if (due + want.timeout_ms * 1000000 < now) {
			records[next_request] = (struct record){ .took_us = (uint32_t)(want.timeout_ms * 1000), .moved_ms = (uint32_t)away_ms,
			                                          .ending = UNSENT };
			ended++;
		} else {
			return now + 1000000;
		}
	}
	return now + 20000000;
}

/* Answers may have come meanwhile that nobody looked at. */
static void come_back(int64_t away_ns)
{
	static const enum state waiting[] = { CONNECTING, BUSY };

	away_ms += away_ns / 1000000;
	for (int i = 0; i < 2; i++)
		for (struct connection *connection = lists[waiting[i]].first; connection != NULL; connection = connection->next)
			connection->deadline_ns += away_ns;
}

static void run(void)
{
	struct epoll_event events[512];
	int64_t maintained = 0, expected = INT64_MAX - AWAY_NS;

	for (long i = 0; i < want.connections; i++)
		open_connection(-1);
	start_ns = now_ns() + 100000000; /* they connect meanwhile */
	for (;;) {
		int64_t now = now_ns(), next, wait;
		struct timespec timeout;
		int count;

		if (now > expected + AWAY_NS)
			come_back(now - expected);
		next = send_due(now);
		if (is_told_to_end)
			total = next_request;
		if (ended == total)
			return;
		if (now - maintained > 5000000) {
			give_up(now);
			retry_refused(now);
			maintained = now;
		}
		free_dead();
		wait = next - now_ns();
		wait = wait < 0 ? 0 : wait > 5000000 ? 5000000 : wait;
		expected = now + wait; /* from now on, wherever this process is stopped */
		timeout = (struct timespec){ 0, wait };
		count = epoll_pwait2(loop, events, 512, &timeout, NULL);
		for (int i = 0; i < count; i++)
			on_event(events[i].data.ptr, events[i].events);
	}
}

/* ---- the result -------------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print_percentiles(const char *name, uint32_t *values, size_t count)
{
	static const double shares[] = { 0.5, 0.9, 0.99, 0.999 };
	static const char *const names[] = { "p50", "p90", "p99", "p999" };

	qsort(values, count, sizeof *values, by_size);
	printf(", \"%s\": {", name);
	for (int i = 0; i < 4; i++)
		printf("\"%s\": %.3f, ", names[i], count == 0 ? 0 : values[(size_t)((double)(count - 1) * shares[i])] / 1000.0);
	printf("\"max\": %.3f}", count == 0 ? 0 : values[count - 1] / 1000.0);
}

static void print_result(void)
{
	long counts[STATUS_MAX + 1] = { 0 };
	uint32_t *answered = calloc((size_t)total + 1, sizeof *answered), *late = calloc((size_t)total + 1, sizeof *late);
	size_t answers = 0;
	const char *comma = "";

	for (long i = 0; i < total; i++) {
		counts[records[i].ending]++;
		late[i] = records[i].late_us;
		if (records[i].ending >= STATUS_MIN)
			answered[answers++] = records[i].took_us;
	}
	printf("{\"requests\": %ld, \"seconds\": %.3f, \"statuses\": {", total, (double)total / want.rate);
	for (int i = STATUS_MIN; i <= STATUS_MAX; i++)
		if (counts[i] > 0) {
			printf("%s\"%d\": %ld", comma, i, counts[i]);
			comma = ", ";
		}
	printf("}, \"errors\": {");
	comma = "";
	for (int i = 0; i < ENDINGS; i++)
		if (counts[i] > 0) {
			printf("%s\"%s\": %ld", comma, ending_names[i], counts[i]);
			comma = ", ";
		}
	printf("}, \"opened\": %ld, \"idle_closed\": %ld, \"said_close\": %ld, \"reconnects\": %ld, \"away_ms\": %lld", opened,
	       idle_closed, said_close, reconnects, (long long)away_ms);
	print_percentiles("latency_ms", answered, answers);
	print_percentiles("late_ms", late, (size_t)total);
	printf("}\n");
	free(answered);
	free(late);
}

static void write_log(void)
{
	FILE *file = fopen(want.log, "w");

	if (file == NULL)
		fail(want.log, strerror(errno));
	for (long i = 0; i < total; i++) {
		struct record *record = &records[i];

		fprintf(file, "%ld %.3f ", want.first + i, (double)i * 1000 / want.rate + record->moved_ms);
		if (record->ending < STATUS_MIN)
			fprintf(file, "%s", ending_names[record->ending]);
		else
			fprintf(file, "%u", record->ending);
		fprintf(file, " %u %u\n", record->late_us, record->took_us);
	}
	if (fclose(file) != 0)
		fail(want.log, strerror(errno));
}

/* ---- the command line -------------------------------------------------------------------------------------------------- */

static void on_signal(int number)
{
	(void)number;
	is_told_to_end = 1;
}

static void read_url(char *url)
{
	char *colon, *slash;

	if (strncmp(url, "http://", 7) != 0 || (colon = strchr(url + 7, ':')) == NULL || strlen(url) > 2000)
		fail(url, "http://ADDRESS:PORT/PATH is wanted");
	if ((slash = strchr(colon, '/')) != NULL) {
		want.path = strdup(slash);
		*slash = '\0';
	}
	snprintf(want.host, sizeof want.host, "%s", url + 7);
	*colon = '\0';
	want.address.sin_family = AF_INET;
	want.address.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, url + 7, &want.address.sin_addr) != 1)
		fail(url, "an IPv4 address is wanted");
}

static void add_field(const char *text)
{
	size_t length = strlen(want.fields);

	if (length + strlen(text) + 3 > sizeof want.fields)
		fail("--field", "too many");
	snprintf(want.fields + length, sizeof want.fields - length, "%s\r\n", text);
}

static void read_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (name[0] != '-') {
			read_url(argv[i]);
			continue;
		}
		if (strcmp(name, "--retry-refused") == 0) {
			want.may_retry = true;
			continue;
		}
		if (strcmp(name, "--close") == 0) {
			want.is_closing = true;
			continue;
		}
		if (value == NULL)
			fail(name, "a value is wanted, or there is no such option");
		i++;
		if (strcmp(name, "--rate") == 0)
			want.rate = strtod(value, NULL);
		else if (strcmp(name, "--seconds") == 0)
			want.seconds = strtod(value, NULL);
		else if (strcmp(name, "--count") == 0)
			want.count = strtol(value, NULL, 10);
		else if (strcmp(name, "--connections") == 0)
			want.connections = strtol(value, NULL, 10);
		else if (strcmp(name, "--most") == 0)
			want.most = strtol(value, NULL, 10);
		else if (strcmp(name, "--timeout") == 0)
			want.timeout_ms = strtol(value, NULL, 10);
		else if (strcmp(name, "--first") == 0)
			want.first = strtol(value, NULL, 10);
		else if (strcmp(name, "--method") == 0)
			want.method = value;
		else if (strcmp(name, "--log") == 0)
			want.log = value;
		else if (strcmp(name, "--field") == 0)
			add_field(value);
		else if (strcmp(name, "--body") == 0)
			want.body = strtoul(value, NULL, 10);
		else
			fail(name, "no such option");
	}
	total = want.count > 0 ? want.count : (long)(want.rate * want.seconds);
	if (want.host[0] == '\0' || want.rate <= 0 || total <= 0 || total > MAX_REQUESTS || want.body > 1024 * 1024 || want.most < 1 ||
	    want.connections > want.most || want.connections < 0 || want.timeout_ms < 1 ||
	    strlen(want.path) + strlen(want.fields) > 6000)
		fail("options", "an url, and numbers within bounds are wanted");
}

int main(int argc, char **argv)
{
	struct sigaction end = { .sa_handler = on_signal };
	struct rlimit files;

	read_options(argc, argv);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	records = calloc((size_t)total, sizeof *records);
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (records == NULL || loop < 0)
		fail("memory", strerror(errno));
	run();
	print_result();
	if (want.log != NULL)
		write_log();
	return 0;
}
