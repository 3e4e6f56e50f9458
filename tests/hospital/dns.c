/*
 * A DNS server for tests, over UDP and TCP, that answers A and AAAA as swarm's does: from a file that is read again for
 * every query, so that changing the file is scaling a service, and with a TTL of 600 s that nobody should honour.
 *
 *   dns --listen 127.0.0.1:5354 --records FILE [--verbose]
 *
 * A line of the file is a name and its addresses, or words that say how to fail:
 *
 *   tasks.patient    127.0.0.11 127.0.0.12 ::1
 *   tasks.reception  NXDOMAIN | SERVFAIL | SILENT | EMPTY
 *   tasks.big        TRUNCATE 127.0.0.11        TC and nothing else over UDP, the addresses over TCP
 *
 * A name that is not in the file does not exist. An answer too long for the client's UDP is truncated, too. The file
 * should be replaced by rename, or half of it may be read. An address without a port takes any port that is free for
 * both; the line "dns: ready on ADDRESS:PORT" on stdout tells which. --verbose adds a line "query NAME TYPE udp|tcp"
 * for each query.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
	TTL_S = 600,
	TYPE_A = 1,
	TYPE_AAAA = 28,
	TYPE_OPT = 41,
	HEADER_BYTES = 12,
	NAME_MAX_TEXT = 256,
	UDP_LEAST_BYTES = 512,
	MESSAGE_MAX_BYTES = 65535,
	CODE_NOERROR = 0,
	CODE_FORMERR = 1,
	CODE_SERVFAIL = 2,
	CODE_NXDOMAIN = 3,
	CODE_NOTIMP = 4,
	BIND_TRIES = 50,
};

struct server {
	const char *records;
	bool is_verbose;
	struct event_base *base;
};

struct query {
	char name[NAME_MAX_TEXT];
	unsigned type;
	size_t question_end; /* in the query: header and question are repeated in the answer */
	size_t udp_bytes;    /* what the client takes in one datagram */
};

struct answer {
	uint8_t *bytes;
	size_t length;
	unsigned count, code;
	bool is_known, is_silent, is_truncated;
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "dns: %s: %s\n", what, why);
	exit(1);
}

static void put_16(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static unsigned get_16(const uint8_t *from)
{
	return (unsigned)from[0] << 8 | from[1];
}

/* ---- queries ---------------------------------------------------------------------------------------------------------- */

/* Reads the first question and looks for an OPT record after it. False: not to be understood. */
static bool query_parse(struct query *query, const uint8_t *bytes, size_t length)
{
	size_t at = HEADER_BYTES, to = 0;

	*query = (struct query){ .udp_bytes = UDP_LEAST_BYTES };
	if (get_16(bytes + 4) != 1)
		return false;
	while (at < length && bytes[at] != 0) {
		size_t label = bytes[at++];

		if (label > 63 || at + label >= length || to + label + 2 > sizeof query->name)
			return false;
		if (to > 0)
			query->name[to++] = '.';
		memcpy(query->name + to, bytes + at, label);
		to += label;
		at += label;
	}
	query->name[to] = '\0';
	if (at + 5 > length || strlen(query->name) != to)
		return false;
	query->type = get_16(bytes + at + 1);
	query->question_end = at += 5;
	/* An OPT record begins with the root name: 0, type, and the size where others have the class. */
	if (get_16(bytes + 10) == 1 && at + 5 <= length && bytes[at] == 0 && get_16(bytes + at + 1) == TYPE_OPT &&
	    get_16(bytes + at + 3) > UDP_LEAST_BYTES)
		query->udp_bytes = get_16(bytes + at + 3);
	return true;
}

/* ---- records ---------------------------------------------------------------------------------------------------------- */

static void add_address(struct answer *answer, unsigned type, const void *address, size_t size)
{
	uint8_t *to = answer->bytes + answer->length;

	if (answer->length + 12 + size > MESSAGE_MAX_BYTES)
		return;
	put_16(to, 0xc000 | HEADER_BYTES); /* the question's name */
	put_16(to + 2, type);
	put_16(to + 4, 1);
	put_16(to + 6, 0);
	put_16(to + 8, TTL_S);
	put_16(to + 10, (unsigned)size);
	memcpy(to + 12, address, size);
	answer->length += 12 + size;
	answer->count++;
}

static void take_word(struct answer *answer, const struct query *query, const char *word)
{
	uint8_t address[16];

	if (strcmp(word, "NXDOMAIN") == 0)
		answer->code = CODE_NXDOMAIN;
	else if (strcmp(word, "SERVFAIL") == 0)
		answer->code = CODE_SERVFAIL;
	else if (strcmp(word, "SILENT") == 0)
		answer->is_silent = true;
	else if (strcmp(word, "TRUNCATE") == 0)
		answer->is_truncated = true;
	else if (strcmp(word, "EMPTY") == 0)
		answer->count = 0;
	else if (inet_pton(AF_INET, word, address) == 1 && query->type == TYPE_A)
		add_address(answer, TYPE_A, address, 4);
	else if (inet_pton(AF_INET6, word, address) == 1 && query->type == TYPE_AAAA)
		add_address(answer, TYPE_AAAA, address, 16);
}

static void look_up(const struct server *server, const struct query *query, struct answer *answer)
{
	FILE *file = fopen(server->records, "r");
	char *line = NULL, *rest, *word;
	size_t size = 0;

	if (file == NULL) {
		answer->code = CODE_SERVFAIL;
		return;
	}
	while (getline(&line, &size, file) >= 0) {
		line[strcspn(line, "#\n")] = '\0';
		word = strtok_r(line, " \t", &rest);
		if (word == NULL || strcasecmp(word, query->name) != 0)
			continue;
		answer->is_known = true;
		while ((word = strtok_r(NULL, " \t", &rest)) != NULL)
			take_word(answer, query, word);
	}
	free(line);
	fclose(file);
	if (!answer->is_known)
		answer->code = CODE_NXDOMAIN;
}

/* The whole answer; 0: none is to be sent. `to` has room for MESSAGE_MAX_BYTES. */
static size_t respond(const struct server *server, const uint8_t *bytes, size_t length, bool is_tcp, uint8_t *to)
{
	struct answer answer = { .bytes = to, .code = CODE_NOERROR };
	struct query query;
	size_t question_end = HEADER_BYTES;

	if (length < HEADER_BYTES || (bytes[2] & 0x80) != 0)
		return 0;
	if (!query_parse(&query, bytes, length)) {
		answer.code = CODE_FORMERR;
	} else if ((bytes[2] & 0x78) != 0) {
		answer.code = CODE_NOTIMP;
	} else {
		question_end = query.question_end;
		answer.length = question_end;
		if (server->is_verbose) {
			printf("query %s %s %s\n", query.name,
			       query.type == TYPE_A ? "A" : query.type == TYPE_AAAA ? "AAAA" : "other", is_tcp ? "tcp" : "udp");
			fflush(stdout);
		}
		look_up(server, &query, &answer);
	}
	if (answer.is_silent)
		return 0;
	answer.is_truncated = !is_tcp && (answer.is_truncated || answer.length > query.udp_bytes);
	if (answer.code != CODE_NOERROR || answer.is_truncated) {
		answer.length = question_end;
		answer.count = 0;
	}
	memcpy(to, bytes, question_end);
	to[2] = (uint8_t)(0x80 | (bytes[2] & 0x01) | (answer.is_truncated ? 0x02 : 0));
	to[3] = (uint8_t)(0x80 | answer.code);
	put_16(to + 4, question_end > HEADER_BYTES ? 1 : 0);
	put_16(to + 6, answer.count);
	put_16(to + 8, 0);
	put_16(to + 10, 0);
	return answer.length > HEADER_BYTES ? answer.length : HEADER_BYTES;
}

/* ---- sockets ---------------------------------------------------------------------------------------------------------- */

static void on_datagram(evutil_socket_t fd, short what, void *context)
{
	static uint8_t query[MESSAGE_MAX_BYTES], answer[MESSAGE_MAX_BYTES];
	struct sockaddr_storage peer;
	socklen_t peer_length = sizeof peer;
	ssize_t length = recvfrom(fd, query, sizeof query, 0, (struct sockaddr *)&peer, &peer_length);
	size_t answer_length;

	(void)what;
	if (length < 0)
		return;
	answer_length = respond(context, query, (size_t)length, false, answer);
	if (answer_length > 0)
		(void)sendto(fd, answer, answer_length, 0, (struct sockaddr *)&peer, peer_length);
}

/* Over TCP a message is preceded by its length in two bytes. */
static void on_stream(struct bufferevent *stream, void *context)
{
	static uint8_t answer[2 + MESSAGE_MAX_BYTES];
	struct evbuffer *input = bufferevent_get_input(stream);
	const uint8_t *bytes;
	size_t length, answer_length;

	while (evbuffer_get_length(input) >= 2) {
		length = get_16(evbuffer_pullup(input, 2));
		if (evbuffer_get_length(input) < 2 + length)
			return;
		bytes = evbuffer_pullup(input, (ev_ssize_t)(2 + length));
		answer_length = respond(context, bytes + 2, length, true, answer + 2);
		evbuffer_drain(input, 2 + length);
		put_16(answer, (unsigned)answer_length);
		if (answer_length > 0)
			bufferevent_write(stream, answer, 2 + answer_length);
	}
}

static void on_stream_over(struct bufferevent *stream, short what, void *context)
{
	(void)what, (void)context;
	bufferevent_free(stream);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int length, void *context)
{
	struct server *server = context;
	struct bufferevent *stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);

	(void)listener, (void)peer, (void)length;
	if (stream == NULL) {
		close(fd);
		return;
	}
	bufferevent_setcb(stream, on_stream, NULL, on_stream_over, server);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
	struct server *server = context;

	(void)fd, (void)what;
	event_base_loopbreak(server->base);
}

/* The same port for UDP and TCP; where any will do, several are tried. */
static int bind_both(struct server *server, const char *text, struct evconnlistener **listener)
{
	struct sockaddr_storage address;
	int length = sizeof address, udp;
	socklen_t bound = sizeof address;

	for (int i = 0; i < BIND_TRIES; i++) {
		length = sizeof address;
		if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&address, &length) != 0)
			fail(text, "address:port is wanted");
		udp = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (udp < 0 || bind(udp, (struct sockaddr *)&address, (socklen_t)length) != 0)
			fail(text, strerror(errno));
		bound = sizeof address;
		getsockname(udp, (struct sockaddr *)&address, &bound);
		*listener = evconnlistener_new_bind(server->base, on_accept, server,
		                                    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC, -1,
		                                    (struct sockaddr *)&address, length);
		if (*listener != NULL) {
			char shown[INET6_ADDRSTRLEN];
			bool is_v6 = address.ss_family == AF_INET6;
			const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
			const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;

			inet_ntop(address.ss_family, is_v6 ? (const void *)&v6->sin6_addr : &v4->sin_addr, shown, sizeof shown);
			printf(is_v6 ? "dns: ready on [%s]:%u\n" : "dns: ready on %s:%u\n", shown,
			       ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
			fflush(stdout);
			return udp;
		}
		close(udp);
	}
	fail(text, "no port is free for both UDP and TCP");
	return -1;
}

int main(int argc, char **argv)
{
	struct server server = { 0 };
	struct evconnlistener *listener = NULL;
	struct event *datagrams, *stops[2];
	const char *listen = NULL;
	int udp;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0)
			server.is_verbose = true;
		else if (i + 1 < argc && strcmp(argv[i], "--listen") == 0)
			listen = argv[++i];
		else if (i + 1 < argc && strcmp(argv[i], "--records") == 0)
			server.records = argv[++i];
		else
			fail(argv[i], "wanted: --listen ADDRESS:PORT --records FILE [--verbose]");
	}
	if (listen == NULL || server.records == NULL)
		fail("options", "wanted: --listen ADDRESS:PORT --records FILE [--verbose]");
	signal(SIGPIPE, SIG_IGN);
	server.base = event_base_new();
	if (server.base == NULL)
		fail("memory", strerror(ENOMEM));
	udp = bind_both(&server, listen, &listener);
	datagrams = event_new(server.base, udp, EV_READ | EV_PERSIST, on_datagram, &server);
	stops[0] = evsignal_new(server.base, SIGTERM, on_stop, &server);
	stops[1] = evsignal_new(server.base, SIGINT, on_stop, &server);
	if (datagrams == NULL || stops[0] == NULL || stops[1] == NULL)
		fail("memory", strerror(ENOMEM));
	event_add(datagrams, NULL);
	event_add(stops[0], NULL);
	event_add(stops[1], NULL);
	event_base_dispatch(server.base);
	event_free(datagrams);
	event_free(stops[0]);
	event_free(stops[1]);
	evconnlistener_free(listener);
	close(udp);
	event_base_free(server.base);
	return 0;
}
