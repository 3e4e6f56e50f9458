#include "deploy/autoscaler/web.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/admin/server.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"

enum { HEAD_MAX_BYTES = 16 * 1024 };

struct web {
	struct server *server;
	struct scaler *scaler;
	bool is_dry_run;
	uint64_t received, unnamed, misnamed, refused; /* alerts; messages */
};

static void answer(struct evhttp_request *request, int status, const char *reason, const char *type, struct evbuffer *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	size_t length = body == NULL ? 0 : evbuffer_get_length(body);
	char digits[24];

	snprintf(digits, sizeof digits, "%zu", length);
	evhttp_add_header(headers, "Content-Length", digits);
	/* evhttp sends whatever it is given, and a client takes what follows the head of an answer to HEAD for the next answer. */
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD && body != NULL)
		evbuffer_drain(body, length);
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(headers, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
	if (status >= 400)
		evhttp_add_header(headers, "Connection", "close"); /* what follows a message that was not understood is not read */
	evhttp_send_reply(request, status, reason, body);
	if (body != NULL)
		evbuffer_free(body);
}

static void answer_text(struct evhttp_request *request, int status, const char *reason, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (body != NULL)
		evbuffer_add_printf(body, "%s\n", text);
	answer(request, status, reason, "text/plain; charset=utf-8", body);
}

/* ---- alerts ------------------------------------------------------------------------------------------------------ */

static bool is_from_a_page(struct evhttp_request *request)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(request);

	return evhttp_find_header(headers, "Origin") != NULL || evhttp_find_header(headers, "Sec-Fetch-Site") != NULL;
}

static void take_alerts(struct web *web, struct evhttp_request *request)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(request), *body;
	size_t length = evbuffer_get_length(input);
	const char *bytes = (const char *)evbuffer_pullup(input, -1);
	struct wishes wishes;
	char error[160];

	if (is_from_a_page(request)) {
		answer_text(request, 403, "Forbidden", "alerts are not taken from a browser");
		return;
	}
	if (bytes == NULL && length > 0) { /* libevent had no memory to put the body into one piece */
		answer_text(request, 503, "Service Unavailable", "out of memory");
		return;
	}
	if (!alerts_read(bytes == NULL ? "" : bytes, length, (double)clock_wall_ms() / 1000, &wishes, error, sizeof error)) {
		web->refused++;
		log_warn("a message with alerts is refused: %s", error);
		answer_text(request, 400, "Bad Request", error);
		return;
	}
	web->received += wishes.alerts;
	web->unnamed += wishes.unnamed;
	web->misnamed += wishes.misnamed;
	if (wishes.misnamed > 0)
		log_warn("%zu alerts name something by their label scale that is no service's name", wishes.misnamed);
	scaler_wish(web->scaler, &wishes);
	alerts_free(&wishes);
	body = evbuffer_new();
	if (body != NULL)
		evbuffer_add_printf(body, "{\"status\":\"success\"}\n");
	answer(request, 200, "OK", "application/json", body);
}

/* ---- what it tells ----------------------------------------------------------------------------------------------- */

static void add_escaped(struct evbuffer *to, const char *text)
{
	char *escaped = evhttp_htmlescape(text);

	if (escaped != NULL)
		evbuffer_add_printf(to, "%s", escaped);
	free(escaped);
}

static void add_event(struct evbuffer *to, const struct scaler_event *event)
{
	time_t seconds = (time_t)(event->wall_ms / 1000);
	char when[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(when, sizeof when, "%Y-%m-%d %H:%M:%SZ", &tm);
	evbuffer_add_printf(to, "<tr><td>%s<td>", when);
	add_escaped(to, event->service);
	evbuffer_add_printf(to, "<td>%s<td>", event->result);
	if (event->from != event->to)
		evbuffer_add_printf(to, "%llu &rarr; %llu", (unsigned long long)event->from, (unsigned long long)event->to);
	else if (event->from != 0)
		evbuffer_add_printf(to, "%llu", (unsigned long long)event->from);
	evbuffer_add_printf(to, "<td>");
	add_escaped(to, event->why);
	evbuffer_add_printf(to, "\n");
}

static void show_page(struct web *web, struct evhttp_request *request)
{
	struct scaler_event *events = calloc(SCALER_EVENTS, sizeof *events);
	struct evbuffer *body = evbuffer_new();
	size_t count;

	if (events == NULL || body == NULL) {
		free(events);
		answer(request, 503, "Service Unavailable", "text/plain", body);
		return;
	}
	count = scaler_events(web->scaler, events);
	evbuffer_add_printf(body, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
	                          "<title>Autoscaler</title><style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,"
	                          "sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}table{border-collapse:collapse;"
	                          "width:100%%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8886}</style>"
	                          "<h1>Autoscaler</h1><p>%s%llu alerts received, %llu of them without a label <code>scale</code>. "
	                          "Each decision that differs from the service's last one, the newest first:"
	                          "<table><thead><tr><th>when<th>service<th>decision<th>replicas<th>why<tbody>\n",
	                    web->is_dry_run ? "<strong>Dry run: nothing is changed.</strong> " : "",
	                    (unsigned long long)web->received, (unsigned long long)web->unnamed);
	for (size_t i = 0; i < count; i++)
		add_event(body, &events[i]);
	evbuffer_add_printf(body, count == 0 ? "<tr><td colspan=5>nothing yet</table>\n" : "</table>\n");
	free(events);
	answer(request, 200, "OK", "text/html; charset=utf-8", body);
}

static void show_metrics(struct web *web, struct evhttp_request *request)
{
	struct evbuffer *body = evbuffer_new();
	uint64_t counts[SCALER_COUNTS];

	scaler_counts(web->scaler, counts);
	if (body != NULL) {
		evbuffer_add_printf(body, "# HELP autoscaler_alerts_total Alerts received.\n# TYPE autoscaler_alerts_total counter\n"
		                          "autoscaler_alerts_total %llu\n"
		                          "# HELP autoscaler_alerts_ignored_total Alerts that name no service.\n"
		                          "# TYPE autoscaler_alerts_ignored_total counter\n"
		                          "autoscaler_alerts_ignored_total{reason=\"no_label\"} %llu\n"
		                          "autoscaler_alerts_ignored_total{reason=\"no_name\"} %llu\n"
		                          "# HELP autoscaler_messages_refused_total Messages that were no alerts.\n"
		                          "# TYPE autoscaler_messages_refused_total counter\n"
		                          "autoscaler_messages_refused_total %llu\n"
		                          "# HELP autoscaler_decisions_total What was decided for a service.\n"
		                          "# TYPE autoscaler_decisions_total counter\n",
		                    (unsigned long long)web->received, (unsigned long long)web->unnamed,
		                    (unsigned long long)web->misnamed, (unsigned long long)web->refused);
		for (size_t i = 0; i < SCALER_COUNTS; i++)
			evbuffer_add_printf(body, "autoscaler_decisions_total{result=\"%s\"} %llu\n", scaler_count_names[i],
			                    (unsigned long long)counts[i]);
	}
	answer(request, 200, "OK", "text/plain; version=0.0.4; charset=utf-8", body);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static bool is_alerts_path(const char *path)
{
	static const char *const paths[] = { "/alert/api/v2/alerts", "/alert/api/v1/alerts", "/alert", "/alert/" };

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		if (strcmp(path, paths[i]) == 0)
			return true;
	return false;
}

static void on_request(struct evhttp_request *request, void *context)
{
	struct web *web = context;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri == NULL || evhttp_uri_get_path(uri) == NULL ? "" : evhttp_uri_get_path(uri);
	bool is_post = evhttp_request_get_command(request) == EVHTTP_REQ_POST;

	if (is_alerts_path(path) && is_post)
		take_alerts(web, request);
	else if (is_alerts_path(path))
		answer_text(request, 405, "Method Not Allowed", "alerts are sent with POST");
	else if (is_post)
		answer_text(request, 404, "Not Found", "alerts are taken at /alert/api/v2/alerts, /alert/api/v1/alerts and /alert");
	else if (strcmp(path, "/livez") == 0)
		answer_text(request, 200, "OK", "alive");
	else if (strcmp(path, "/metrics") == 0)
		show_metrics(web, request);
	else if (strcmp(path, "/") == 0)
		show_page(web, request);
	else
		answer_text(request, 404, "Not Found", "there are /, /metrics, /livez and, for alerts, /alert/api/v2/alerts");
}

struct web *web_new(struct event_base *base, const struct address *address, struct scaler *scaler, bool is_dry_run, char *error,
                    size_t error_size)
{
	struct web *web = calloc(1, sizeof *web);

	if (web == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	web->scaler = scaler;
	web->is_dry_run = is_dry_run;
	web->server = server_new(base, address,
	                         &(struct server_settings){ .head_bytes = HEAD_MAX_BYTES,
	                                                    .body_bytes = ALERTS_BODY_MAX,
	                                                    .methods = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST,
	                                                    .on_request = on_request,
	                                                    .context = web },
	                         error, error_size);
	if (web->server == NULL) {
		free(web);
		return NULL;
	}
	return web;
}

void web_free(struct web *web)
{
	if (web == NULL)
		return;
	server_free(web->server);
	free(web);
}
