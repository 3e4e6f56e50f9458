/*
 * A stand-in for the patient and the reception service: answers every path with a line of JSON that tells which replica
 * it was and what reached it.
 *
 *   service --name patient --listen 127.0.0.11:2222 [--replica patient-1]
 *   service --check http://127.0.0.1:2222/actuator/health      exits 0 when the answer is a 2xx, else 1
 *
 * The last segment of the path asks for special behaviour, with any route prefix before it:
 *   .../slow?ms=500      answers later
 *   .../status?code=503  answers with that status
 *   .../bytes?n=1000000  answers with that many bytes
 *
 *   --record FOLDER      a line for each request of which a byte came (X-Load-Id, time) into FOLDER/REPLICA, whatever becomes
 *                        of it and of this process: what a client counts can be compared with what arrived; and one with
 *                        the word "stop" for SIGTERM
 *   --fail-while FILE    500 for everything but /actuator/health while that file is there
 *
 * SIGTERM is taken as a well-behaved service takes it under swarm: no new connections, what is in flight is finished and
 * says "Connection: close", exit 0. Requests that were on their way on a kept connection are still answered for a moment.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <jansson.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	HEAD_MAX_BYTES = 256 * 1024,
	BODY_MAX_BYTES = 64 * 1024 * 1024,
	ANSWER_MAX_BYTES = 1024 * 1024 * 1024,
	SLOW_MAX_MS = 600 * 1000,
	BLOCK_BYTES = 64 * 1024,
	STOP_QUIET_MS = 200,
	STOP_MAX_MS = 4500,
	CHECK_TIMEOUT_S = 2,
};

struct service {
	const char *name;
	char replica[256];
	struct event_base *base;
	struct evhttp *http;
	struct evconnlistener *listener;
	struct evhttp_bound_socket *socket;
	const char *fail_while; /* NULL: never */
	int record;             /* -1: none */
	struct event *quiet;    /* pending while stopping and nothing is in flight */
	unsigned in_flight;
	bool is_stopping;
};

/* A request until its answer is out or its client has gone. */
struct call {
	struct service *service;
	struct evhttp_request *request;
	struct event *timer; /* until the answer's time has come; NULL: it is given */
	bool is_lonely;      /* the client has gone, the timer still runs */
};

static const struct timeval stop_quiet = { 0, STOP_QUIET_MS * 1000 };

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "service: %s: %s\n", what, why);
	exit(1);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static const char *method_name(enum evhttp_cmd_type type)
{
	static const char *const names[] = { "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if ((unsigned)type == 1u << i)
			return names[i];
	return "";
}

/* A value that is no UTF-8 is left out: JSON cannot carry it. */
static json_t *headers_of(struct evhttp_request *request)
{
	json_t *headers = json_object();
	struct evkeyval *header;

	TAILQ_FOREACH(header, evhttp_request_get_input_headers(request), next) {
		json_t *before = json_object_get(headers, header->key);
		json_t *text = json_string(header->value);

		if (before != NULL) {
			json_t *joined = json_sprintf("%s, %s", json_string_value(before), json_string_value(text));

			json_decref(text);
			text = joined;
		}
		json_object_set_new(headers, header->key, text);
	}
	return headers;
}

static void put_story(struct service *service, struct evhttp_request *request, const char *path, struct evbuffer *body)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	json_t *story = json_object();
	char *text;

	json_object_set_new(story, "service", json_string(service->name));
	json_object_set_new(story, "replica", json_string(service->replica));
	json_object_set_new(story, "method", json_string(method_name(evhttp_request_get_command(request))));
	json_object_set_new(story, "path", json_string(path));
	json_object_set_new(story, "query", json_string(query != NULL ? query : ""));
	json_object_set_new(story, "body_bytes",
	                    json_integer((json_int_t)evbuffer_get_length(evhttp_request_get_input_buffer(request))));
	json_object_set_new(story, "headers", headers_of(request));
	text = json_dumps(story, JSON_COMPACT);
	json_decref(story);
	if (text != NULL)
		evbuffer_add_printf(body, "%s\n", text);
	free(text);
}

static void put_bytes(struct evbuffer *body, long wanted)
{
	static char block[BLOCK_BYTES];

	memset(block, 'x', sizeof block);
	while (wanted > 0) {
		size_t length = wanted < BLOCK_BYTES ? (size_t)wanted : BLOCK_BYTES;

		evbuffer_add_reference(body, block, length, NULL, NULL);
		wanted -= (long)length;
	}
}

/* A number from the query, within bounds; `otherwise` when it is not there. */
static long query_number(struct evhttp_request *request, const char *name, long otherwise, long least, long most)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	struct evkeyvalq pairs = { 0 };
	const char *text;
	long number = otherwise;

	if (query == NULL || evhttp_parse_query_str(query, &pairs) != 0)
		return otherwise;
	if ((text = evhttp_find_header(&pairs, name)) != NULL)
		number = strtol(text, NULL, 10);
	evhttp_clear_headers(&pairs);
	return number < least ? least : number > most ? most : number;
}

static void answer(struct service *service, struct evhttp_request *request)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *body = evhttp_request_get_output_buffer(request);
	const char *word;
	int status = 200;

	if (path == NULL)
		path = "/";
	word = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	evhttp_add_header(headers, "X-Replica", service->replica);
	if (service->is_stopping)
		evhttp_add_header(headers, "Connection", "close");
	if (strcmp(path, "/actuator/health") != 0 && service->fail_while != NULL && access(service->fail_while, F_OK) == 0)
		status = 500;
	else if (strcmp(word, "status") == 0)
		status = (int)query_number(request, "code", 200, 200, 599);
	if (strcmp(word, "bytes") == 0) {
		evhttp_add_header(headers, "Content-Type", "application/octet-stream");
		put_bytes(body, query_number(request, "n", 0, 0, ANSWER_MAX_BYTES));
	} else if (strcmp(path, "/actuator/health") == 0) {
		evhttp_add_header(headers, "Content-Type", "application/json");
		evbuffer_add_printf(body, "{\"status\":\"UP\"}\n");
	} else {
		evhttp_add_header(headers, "Content-Type", "application/json");
		put_story(service, request, path, body);
	}
	evhttp_send_reply(request, status, NULL, body);
}

static void call_leave(struct call *call)
{
	struct service *service = call->service;

	if (--service->in_flight == 0 && service->is_stopping)
		event_add(service->quiet, &stop_quiet);
}

static void on_delay_over(evutil_socket_t fd, short what, void *context)
{
	struct call *call = context;

	(void)fd, (void)what;
	event_free(call->timer);
	call->timer = NULL;
	answer(call->service, call->request); /* without a client this only frees the request */
	if (call->is_lonely)
		free(call);
}

static void on_complete(struct evhttp_request *request, void *context)
{
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
	call_leave(context);
	free(context);
}

/* The connection broke before the answer was out. */
static void on_client_gone(struct evhttp_connection *connection, void *context)
{
	struct call *call = context;

	(void)connection;
	call_leave(call);
	if (call->timer != NULL)
		call->is_lonely = true;
	else
		free(call);
}

static void on_request(struct evhttp_request *request, void *context)
{
	struct service *service = context;
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	const char *word = path != NULL ? strrchr(path, '/') : NULL;
	struct call *call = calloc(1, sizeof *call);
	struct timeval delay;
	long delay_ms;

	if (call == NULL)
		fail("memory", strerror(ENOMEM));
	call->service = service;
	call->request = request;
	service->in_flight++;
	event_del(service->quiet);
	evhttp_request_set_on_complete_cb(request, on_complete, call);
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_client_gone, call);
	if (word == NULL || strcmp(word, "/slow") != 0) {
		answer(service, request);
		return;
	}
	delay_ms = query_number(request, "ms", 1000, 0, SLOW_MAX_MS);
	delay = (struct timeval){ delay_ms / 1000, delay_ms % 1000 * 1000 };
	if ((call->timer = evtimer_new(service->base, on_delay_over, call)) == NULL)
		fail("memory", strerror(ENOMEM));
	event_add(call->timer, &delay);
}

/* ---- --record --------------------------------------------------------------------------------------------------------- */

static void record(struct service *service, const char *what, int what_length)
{
	struct timespec now;
	char line[128];
	int length;

	clock_gettime(CLOCK_REALTIME, &now);
	length = snprintf(line, sizeof line, "%.*s %ld.%06ld\n", what_length, what, (long)now.tv_sec, now.tv_nsec / 1000);
	if (length >= (int)sizeof line || write(service->record, line, (size_t)length) != length)
		fail("--record", strerror(errno));
}

/* Bytes have come. evhttp takes them out at once, so those of a new request find the buffer empty. */
static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *change, void *context)
{
	struct service *service = context;
	char head[4096];
	const char *id;
	ev_ssize_t length;

	if (change->n_added == 0 || change->orig_size != 0)
		return;
	length = evbuffer_copyout(input, head, sizeof head - 1);
	head[length > 0 ? length : 0] = '\0';
	if ((id = strstr(head, "\r\nX-Load-Id: ")) != NULL) {
		id += strlen("\r\nX-Load-Id: ");
		record(service, id, (int)strcspn(id, "\r"));
	}
}

static struct bufferevent *on_accept(struct event_base *base, void *context)
{
	struct bufferevent *connection = bufferevent_socket_new(base, -1, 0);

	if (connection == NULL || evbuffer_add_cb(bufferevent_get_input(connection), on_input, context) == NULL)
		fail("memory", strerror(ENOMEM));
	return connection;
}

static void record_open(struct service *service, const char *folder)
{
	char path[1024];

	snprintf(path, sizeof path, "%s/%s", folder, service->replica);
	if ((service->record = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0)
		fail(path, strerror(errno));
}

/* ---- stopping --------------------------------------------------------------------------------------------------------- */

static void on_quiet(evutil_socket_t fd, short what, void *context)
{
	struct service *service = context;

	(void)fd, (void)what;
	event_base_loopexit(service->base, NULL);
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
	struct service *service = context;
	struct timeval most = { STOP_MAX_MS / 1000, STOP_MAX_MS % 1000 * 1000 };

	(void)fd, (void)what;
	if (service->is_stopping) {
		event_base_loopbreak(service->base);
		return;
	}
	service->is_stopping = true;
	if (service->record >= 0)
		record(service, "stop", 4);
	evhttp_del_accept_socket(service->http, service->socket);
	event_base_loopexit(service->base, &most);
	if (service->in_flight == 0)
		event_add(service->quiet, &stop_quiet);
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

static int serve(struct service *service, const char *listen)
{
	struct sockaddr_storage address;
	int length = sizeof address;
	struct event *stops[2];

	if (evutil_parse_sockaddr_port(listen, (struct sockaddr *)&address, &length) != 0)
		fail(listen, "address:port is wanted");
	service->base = event_base_new();
	service->http = service->base != NULL ? evhttp_new(service->base) : NULL;
	if (service->http == NULL || (service->quiet = evtimer_new(service->base, on_quiet, service)) == NULL)
		fail("memory", strerror(ENOMEM));
	evhttp_set_allowed_methods(service->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
	                                                  EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
	                                                  EVHTTP_REQ_PATCH);
	evhttp_set_max_headers_size(service->http, HEAD_MAX_BYTES);
	evhttp_set_max_body_size(service->http, BODY_MAX_BYTES);
	evhttp_set_default_content_type(service->http, NULL);
	evhttp_set_gencb(service->http, on_request, service);
	if (service->record >= 0)
		evhttp_set_bevcb(service->http, on_accept, service);
	service->listener = evconnlistener_new_bind(service->base, NULL, NULL,
	                                            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC, -1,
	                                            (struct sockaddr *)&address, length);
	if (service->listener == NULL)
		fail(listen, strerror(errno));
	service->socket = evhttp_bind_listener(service->http, service->listener);
	for (int i = 0; i < 2; i++) {
		stops[i] = evsignal_new(service->base, i == 0 ? SIGTERM : SIGINT, on_stop, service);
		if (stops[i] == NULL || event_add(stops[i], NULL) != 0)
			fail("memory", strerror(ENOMEM));
	}
	fprintf(stderr, "service: %s ready on %s\n", service->replica, listen);
	event_base_dispatch(service->base);
	for (int i = 0; i < 2; i++)
		event_free(stops[i]);
	if (service->in_flight == 0) /* else answers that still wait point at their requests */
		evhttp_free(service->http);
	event_free(service->quiet);
	event_base_free(service->base);
	return 0;
}

/* ---- --check ---------------------------------------------------------------------------------------------------------- */

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *found;
	struct timeval timeout = { CHECK_TIMEOUT_S, 0 };
	int error = getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &hints, &found), fd;

	if (error != 0)
		fail(host, gai_strerror(error));
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0 ||
	    connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		fail(host, strerror(errno));
	freeaddrinfo(found);
	return fd;
}

static int check(const char *url)
{
	struct evhttp_uri *uri = evhttp_uri_parse(url);
	const char *host = uri != NULL ? evhttp_uri_get_host(uri) : NULL, *path, *query;
	char port[8], text[1024];
	ssize_t got, length = 0;
	int fd;

	if (host == NULL)
		fail(url, "http://address:port/path is wanted");
	path = evhttp_uri_get_path(uri);
	snprintf(port, sizeof port, "%d", evhttp_uri_get_port(uri) < 0 ? 80 : evhttp_uri_get_port(uri));
	fd = connect_to(host, port);
	query = evhttp_uri_get_query(uri);
	got = snprintf(text, sizeof text, "GET %s%s%s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n",
	               path == NULL || *path == '\0' ? "/" : path, query != NULL ? "?" : "", query != NULL ? query : "", host,
	               port);
	if (got >= (ssize_t)sizeof text || send(fd, text, (size_t)got, MSG_NOSIGNAL) != got)
		fail(url, "could not ask");
	while (length < 12 && (got = recv(fd, text + length, sizeof text - (size_t)length, 0)) > 0)
		length += got;
	close(fd);
	evhttp_uri_free(uri);
	if (length >= 12 && memcmp(text, "HTTP/1.", 7) == 0 && text[8] == ' ' && text[9] == '2')
		return 0;
	fprintf(stderr, "service: %s: %.*s\n", url, length < 12 ? 9 : 12, length < 12 ? "no answer" : text);
	return 1;
}

int main(int argc, char **argv)
{
	struct service service = { .name = "service", .record = -1 };
	const char *listen = NULL, *folder = NULL;

	signal(SIGPIPE, SIG_IGN);
	if (gethostname(service.replica, sizeof service.replica - 1) != 0)
		snprintf(service.replica, sizeof service.replica, "unknown");
	for (int i = 1; i < argc; i++) {
		if (i + 1 == argc)
			fail(argv[i], "an option with a value is wanted: --name, --listen, --replica, --record, --fail-while, --check");
		if (strcmp(argv[i], "--name") == 0)
			service.name = argv[++i];
		else if (strcmp(argv[i], "--listen") == 0)
			listen = argv[++i];
		else if (strcmp(argv[i], "--replica") == 0)
			snprintf(service.replica, sizeof service.replica, "%s", argv[++i]);
		else if (strcmp(argv[i], "--record") == 0)
			folder = argv[++i];
		else if (strcmp(argv[i], "--fail-while") == 0)
			service.fail_while = argv[++i];
		else if (strcmp(argv[i], "--check") == 0)
			return check(argv[++i]);
		else
			fail(argv[i], "no such option");
	}
	if (listen == NULL)
		fail("--listen", "address:port is wanted");
	if (folder != NULL)
		record_open(&service, folder);
	return serve(&service, listen);
}
