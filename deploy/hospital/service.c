/*
 * A service of the hospital: patient, reception, ward or finance. It answers every path with a line of JSON that tells which
 * replica it was and what reached it, and, where it has a database, does its part of the hospital's work (clinic.h).
 *
 *   service --name patient --listen 127.0.0.11:2222 [--replica patient-1]
 *   service --check http://127.0.0.1:2222/actuator/health      exits 0 when the answer is a 2xx, else 1
 *
 *   --database URL       mysql://USER:PASSWORD@HOST/DATABASE; or DATABASE_URL in the environment (off: none)
 *   --kafka HOST:PORT    sends and hears events; or KAFKA_BROKERS in the environment (off: none)
 *   --no-group           each replica is a consumer group of its own: then every replica handles every event
 *
 * /actuator/health and /actuator/prometheus are as Spring has them. The last segment of the path asks for special behaviour, with
 * any route prefix before it:
 *   .../slow?ms=500      answers later
 *   .../status?code=503  answers with that status
 *   .../bytes?n=1000000  answers with that many bytes
 *
 *   --record FOLDER      a line for each request of which a byte came (X-Load-Id, time) into FOLDER/REPLICA, whatever becomes
 *                        of it and of this process: what a client counts can be compared with what arrived; and one with
 *                        the word "stop" for SIGTERM
 *   --fail-while FILE    500 for everything but /actuator/health while that file is there
 *
 * HOSPITAL_VERSION in the environment is told with each answer; with HOSPITAL_BROKEN it never becomes healthy: a bad release.
 *
 * SIGTERM is taken as a well-behaved service takes it under swarm: no new connections, what is in flight is finished and
 * says "Connection: close", exit 0. Requests that were on their way on a kept connection are still answered for a moment.
 * A service that still waits for its database ends at once.
 */
#include "deploy/hospital/service.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deploy/hospital/check.h"
#include "deploy/hospital/fail.h"

enum {
	HEAD_MAX_BYTES = 256 * 1024,
	BODY_MAX_BYTES = 64 * 1024 * 1024,
	SLOW_MAX_MS = 600 * 1000,
	STOP_QUIET_MS = 200,
	STOP_MAX_MS = 4500,
};

static const struct timeval stop_quiet = { 0, STOP_QUIET_MS * 1000 };

/* ---- requests -------------------------------------------------------------------------------------------------------- */

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
	answer(call); /* without a client this only frees the request */
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
	if (call->timer != NULL || call->is_awaited)
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
	clock_gettime(CLOCK_MONOTONIC, &call->began);
	service->in_flight++;
	event_del(service->quiet);
	evhttp_request_set_on_complete_cb(request, on_complete, call);
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_client_gone, call);
	if (word == NULL || strcmp(word, "/slow") != 0) {
		answer(call);
		return;
	}
	delay_ms = query_number(request, "ms", 1000, 0, SLOW_MAX_MS);
	delay = (struct timeval){ delay_ms / 1000, delay_ms % 1000 * 1000 };
	if ((call->timer = evtimer_new(service->base, on_delay_over, call)) == NULL)
		fail("memory", strerror(ENOMEM));
	event_add(call->timer, &delay);
}

/* ---- stopping --------------------------------------------------------------------------------------------------------- */

/* While the service waits for its database. The kernel drops a signal to a container's first process that has no handler for it. */
static void on_early_stop(int number)
{
	(void)number;
	_exit(0);
}

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

static int serve(struct service *service, const char *listen, const struct clinic_settings *settings)
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
	signal(SIGTERM, on_early_stop);
	signal(SIGINT, on_early_stop);
	if ((settings->database != NULL || settings->brokers != NULL) &&
	    (service->clinic = clinic_new(service->base, settings)) == NULL)
		fail(service->name, "could not begin");
	evhttp_set_allowed_methods(service->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
	                                                  EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
	                                                  EVHTTP_REQ_PATCH);
	evhttp_set_max_headers_size(service->http, HEAD_MAX_BYTES);
	evhttp_set_max_body_size(service->http, BODY_MAX_BYTES);
	evhttp_set_default_content_type(service->http, NULL);
	evhttp_set_gencb(service->http, on_request, service);
	if (service->record >= 0)
		evhttp_set_bevcb(service->http, record_accept, service);
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
	if (service->clinic != NULL)
		clinic_free(service->clinic);
	for (int i = 0; i < 2; i++)
		event_free(stops[i]);
	if (service->in_flight == 0) /* else answers that still wait point at their requests */
		evhttp_free(service->http);
	event_free(service->quiet);
	event_base_free(service->base);
	return 0;
}

struct options {
	const char *listen, *record, *check;
	struct clinic_settings clinic;
};

static void take_option(struct service *service, struct options *options, const char *name, const char *value)
{
	if (value == NULL)
		fail(name, "an option with a value is wanted: --name, --listen, --replica, --database, --kafka, --record, "
		           "--fail-while, --check");
	if (strcmp(name, "--name") == 0)
		service->name = value;
	else if (strcmp(name, "--listen") == 0)
		options->listen = value;
	else if (strcmp(name, "--replica") == 0)
		snprintf(service->replica, sizeof service->replica, "%s", value);
	else if (strcmp(name, "--database") == 0)
		options->clinic.database = value;
	else if (strcmp(name, "--kafka") == 0)
		options->clinic.brokers = value;
	else if (strcmp(name, "--record") == 0)
		options->record = value;
	else if (strcmp(name, "--fail-while") == 0)
		service->fail_while = value;
	else if (strcmp(name, "--check") == 0)
		options->check = value;
	else
		fail(name, "no such option");
}

/* A variable of the environment; NULL if it is empty or "off". A stack file laid over another can change a variable, but can't
 * remove or empty it. */
static const char *setting(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' && strcmp(value, "off") != 0 ? value : NULL;
}

int main(int argc, char **argv)
{
	struct service service = { .name = "service", .record = -1, .is_broken = setting("HOSPITAL_BROKEN") != NULL };
	struct options options = { .clinic = { .database = setting("DATABASE_URL"), .brokers = setting("KAFKA_BROKERS") } };

	signal(SIGPIPE, SIG_IGN);
	if (gethostname(service.replica, sizeof service.replica - 1) != 0)
		snprintf(service.replica, sizeof service.replica, "unknown");
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--no-group") == 0) {
			options.clinic.has_no_group = true;
			continue;
		}
		take_option(&service, &options, argv[i], argv[i + 1]);
		i++;
	}
	if (options.check != NULL)
		return check(options.check);
	if (options.listen == NULL)
		fail("--listen", "address:port is wanted");
	if (options.record != NULL)
		record_open(&service, options.record);
	options.clinic.service = service.name;
	options.clinic.replica = service.replica;
	return serve(&service, options.listen, &options.clinic);
}
