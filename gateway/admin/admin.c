/*
 * The listener, the table of pages, and which method each takes.
 *
 * It shares the control thread with discovery and signals, so nothing here may wait: pages are made in memory in one go, and
 * heads, bodies, connections and silence are limited. It is not meant for the public: it listens on loopback unless told
 * otherwise. Who may ask, and who may change something: access.c.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/page.h"
#include "gateway/base/memory_file.h"

enum { HEAD_MAX_BYTES = 8192, BODY_MAX_BYTES = 4096, TIMEOUT_S = 10 };

struct admin {
	struct evhttp *http;
	const struct admin_view *view;
	struct streams *streams;
	struct connections *connections;
	bool is_local;
};

static void index_page(struct page_request *request);
static void links_page(struct page_request *request);

static const struct page {
	const char *path;
	const char *rest; /* what more may follow the path, as /actuator calls it; NULL: nothing */
	bool takes_post;  /* at that */
	void (*serve)(struct page_request *request);
	const char *link; /* in /actuator; NULL: none */
	const char *help;
} pages[] = {
	{ "/", NULL, false, index_page, NULL, "this list" },
	{ "/livez", NULL, false, health_livez, NULL, "200 while the event loops turn" },
	{ "/readyz", NULL, false, health_readyz, NULL, "200, or 503 while draining" },
	{ "/actuator", NULL, false, links_page, "self", "links, as Spring Boot gives them" },
	{ "/actuator/health", "path", false, health_actuator, "health", "health, with the state of each breaker" },
	{ "/actuator/metrics", "requiredMetricName", false, meters_page, "metrics", "metrics, as Spring Boot gives them" },
	{ "/actuator/prometheus", NULL, false, prometheus_page, "prometheus", "metrics for Prometheus" },
	{ "/metrics", NULL, false, prometheus_page, NULL, "the same" },
	{ "/actuator/circuitbreakers", "name", true, breakers_page, "circuitbreakers", "breakers; POST .../NAME changes a state" },
	{ "/actuator/circuitbreakerevents", "name", false, breakers_events, "circuitbreakerevents", "the last transitions" },
	{ "/actuator/gateway/routes", "id", false, routes_page, "gateway-routes", "routes" },
	{ "/actuator/hystrix.stream", NULL, false, stream_page, "hystrix.stream", "for the Hystrix dashboard" },
	{ "/hystrix.stream", NULL, false, stream_page, NULL, "the same" },
	{ "/turbine.stream", NULL, false, stream_page, NULL, "the same: of this gateway alone" },
	{ "/upstreams", "name", false, upstreams_page, NULL, "upstreams and their endpoints" },
};

enum { PAGE_COUNT = sizeof pages / sizeof pages[0] };

/* ---- pages of this file ---------------------------------------------------------------------------------------- */

static void answer_text(struct page_request *request, struct memory_file *memory, const char *content_type)
{
	size_t length;
	char *text = memory_file_close(memory, &length);

	if (text != NULL)
		page_text(request, 200, content_type, text, length);
	else
		page_error(request, 500, "memory is short");
}

static void index_page(struct page_request *request)
{
	struct memory_file memory;

	memory_file_open(&memory);
	if (memory.file != NULL)
		fprintf(memory.file, "gateway %s\n\n", GATEWAY_VERSION);
	for (size_t i = 0; memory.file != NULL && i < PAGE_COUNT; i++)
		fprintf(memory.file, "%-32s %s\n", pages[i].path, pages[i].help);
	answer_text(request, &memory, "text/plain; charset=utf-8");
}

/* Links need the name that the client knows us by; one that is not a plain authority is left out. */
static const char *authority(struct page_request *request)
{
	const char *host = evhttp_find_header(evhttp_request_get_input_headers(request->http), "Host");
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";

	return host != NULL && host[0] != '\0' && host[strspn(host, plain)] == '\0' ? host : NULL;
}

static void add_link(json_t *links, const char *host, const char *name, const char *path, const char *rest)
{
	json_t *href = json_sprintf("%s%s%s%s", host == NULL ? "" : "http://", host == NULL ? "" : host, path, rest);

	json_object_set_new(links, name, json_pack("{s:o, s:b}", "href", href, "templated", rest[0] != '\0'));
}

static void links_page(struct page_request *request)
{
	json_t *links = json_object();
	const char *host = authority(request);

	for (size_t i = 0; i < PAGE_COUNT; i++) {
		char name[64], rest[64];

		if (pages[i].link == NULL)
			continue;
		add_link(links, host, pages[i].link, pages[i].path, "");
		if (pages[i].rest == NULL)
			continue;
		snprintf(name, sizeof name, "%s-%s", pages[i].link, pages[i].rest);
		snprintf(rest, sizeof rest, "/{%s}", pages[i].rest);
		add_link(links, host, name, pages[i].path, rest);
	}
	page_json(request, 200, PAGE_ACTUATOR, json_pack("{s:o}", "_links", links));
}

/* ---- dispatch -------------------------------------------------------------------------------------------------- */

/* The rest after the page's path, beginning with its slash; NULL: this page has another path. */
static const char *rest_of(const struct page *page, const char *path)
{
	size_t length = strlen(page->path);

	if (strncmp(path, page->path, length) != 0)
		return NULL;
	path += length;
	if (path[0] == '\0' || strcmp(path, "/") == 0)
		return "";
	return page->rest != NULL && path[0] == '/' ? path : NULL;
}

/* False: it is too long or holds what no name of ours does. */
static bool decode_rest(struct page_request *request, const char *rest)
{
	size_t length = 0;
	char *decoded;
	bool fits;

	if (rest[0] == '\0')
		return true;
	decoded = evhttp_uridecode(rest + 1, 0, &length);
	fits = decoded != NULL && length < sizeof request->rest && strlen(decoded) == length;
	if (fits)
		memcpy(request->rest, decoded, length + 1);
	free(decoded);
	return fits;
}

static void serve(struct page_request *request, const struct page *page, const char *rest)
{
	enum evhttp_cmd_type command = evhttp_request_get_command(request->http);

	request->is_head = command == EVHTTP_REQ_HEAD;
	request->is_post = command == EVHTTP_REQ_POST;
	if (command != EVHTTP_REQ_GET && !request->is_head && !(request->is_post && page->takes_post)) {
		page_header(request, "Allow", page->takes_post ? "GET, HEAD, POST" : "GET, HEAD");
		page_error(request, 405, "this path does not have this method");
	} else if (!decode_rest(request, rest)) {
		page_error(request, 404, "there is nothing of this name");
	} else if (!request->is_post || access_may_change(request)) {
		page->serve(request);
	}
}

static void on_request(struct evhttp_request *http, void *context)
{
	struct admin *admin = context;
	struct page_request request = { .http = http, .view = admin->view, .streams = admin->streams,
		                        .connections = admin->connections, .is_local = admin->is_local };
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(http);
	const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);

	connections_note(admin->connections, evhttp_connection_get_bufferevent(evhttp_request_get_connection(http)), false);
	request.is_head = evhttp_request_get_command(http) == EVHTTP_REQ_HEAD;
	if (!access_may_ask(&request))
		return;
	for (size_t i = 0; path != NULL && i < PAGE_COUNT; i++) {
		const char *rest = rest_of(&pages[i], path);

		if (rest != NULL) {
			serve(&request, &pages[i], rest);
			return;
		}
	}
	page_error(&request, 404, "there is no such page; / lists them");
}

/* ---- birth and death ------------------------------------------------------------------------------------------- */

static void set_limits(struct evhttp *http)
{
	evhttp_set_max_headers_size(http, HEAD_MAX_BYTES);
	evhttp_set_max_body_size(http, BODY_MAX_BYTES);
	evhttp_set_timeout(http, TIMEOUT_S);
	/* Those that no page takes are let in, too: they get our 405, with Allow. */
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
	                                         EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH | EVHTTP_REQ_TRACE);
}

struct admin *admin_new(struct event_base *base, const struct address *address, const struct admin_view *view, char *error,
                        size_t size)
{
	struct admin *admin = calloc(1, sizeof *admin);
	char ip[ADDRESS_TEXT_MAX];

	address_format_ip(address, ip);
	if (admin != NULL) {
		admin->view = view;
		admin->is_local = address_is_loopback(address);
		admin->http = evhttp_new(base);
		admin->streams = streams_new(base, view);
		admin->connections = connections_new(base);
	}
	if (admin == NULL || admin->http == NULL || admin->streams == NULL || admin->connections == NULL) {
		snprintf(error, size, "memory is short");
		admin_free(admin);
		return NULL;
	}
	set_limits(admin->http);
	evhttp_set_gencb(admin->http, on_request, admin);
	evhttp_set_bevcb(admin->http, connections_accept, admin->connections);
	errno = 0;
	if (evhttp_bind_socket(admin->http, ip, address->port) != 0) {
		char text[ADDRESS_TEXT_MAX];

		address_format(address, text);
		snprintf(error, size, "can't listen on %s: %s", text, errno == 0 ? "no such address" : strerror(errno));
		admin_free(admin);
		return NULL;
	}
	return admin;
}

void admin_free(struct admin *admin)
{
	if (admin == NULL)
		return;
	streams_free(admin->streams);
	if (admin->http != NULL)
		evhttp_free(admin->http);
	connections_free(admin->connections);
	free(admin);
}
