/*
 * The listener, the table of pages, and the methods of each page.
 *
 * The listener shares the control thread with discovery and signals, so nothing here may wait: pages are made in memory in
 * one go, and heads, bodies, connections and silence are limited. It is not meant for the public: it listens on loopback
 * unless told otherwise. access.c has the access rules.
 */
#include "gateway/admin/admin.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/access.h"
#include "gateway/admin/assets.h"
#include "gateway/admin/breakers.h"
#include "gateway/admin/cluster.h"
#include "gateway/admin/cluster_post.h"
#include "gateway/admin/cluster_view.h"
#include "gateway/admin/health.h"
#include "gateway/admin/history.h"
#include "gateway/admin/meters.h"
#include "gateway/admin/page.h"
#include "gateway/admin/prometheus.h"
#include "gateway/admin/requests.h"
#include "gateway/admin/routes.h"
#include "gateway/admin/server.h"
#include "gateway/admin/stream.h"
#include "gateway/admin/upstreams.h"
#include "gateway/base/memory_file.h"

enum { HEAD_MAX_BYTES = 8192, BODY_MAX_BYTES = 4096 };

struct admin {
	struct server *server;
	const struct admin_view *view;
	struct history *history;
	struct streams *streams;
	struct cluster *cluster;
	struct requests *requests;
	bool is_local;
};

static void index_page(struct page_request *request);
static void info_page(struct page_request *request);
static void links_page(struct page_request *request);

static const struct page {
	const char *path;
	const char *rest; /* what more may follow the path, as /actuator calls it; NULL: nothing */
	bool takes_post;  /* at that */
	void (*serve)(struct page_request *request);
	const char *link; /* in /actuator; NULL: none */
	const char *help;
} pages[] = {
	{ "/", NULL, false, index_page, NULL, "the live page; this list for Accept: text/plain" },
	{ "/page", "file", false, assets_file, NULL, "the live page's files" },
	{ "/livez", NULL, false, health_livez, NULL, "200 while the event loops run" },
	{ "/readyz", NULL, false, health_readyz, NULL, "200, or 503 while draining" },
	{ "/actuator", NULL, false, links_page, "self", "links, as Spring Boot gives them" },
	{ "/actuator/health", "path", false, health_actuator, "health", "health, with the state of each breaker" },
	{ "/actuator/info", NULL, false, info_page, "info", "name and version" },
	{ "/actuator/metrics", "requiredMetricName", false, meters_page, "metrics", "metrics, as Spring Boot gives them" },
	{ "/actuator/prometheus", NULL, false, prometheus_page, "prometheus", "metrics for Prometheus" },
	{ "/metrics", NULL, false, prometheus_page, NULL, "metrics for Prometheus" },
	{ "/actuator/circuitbreakers", "name", true, breakers_page, "circuitbreakers", "breakers; POST .../NAME changes a state" },
	{ "/actuator/circuitbreakerevents", "name", false, breakers_events, "circuitbreakerevents",
	  "the last transitions and calls; .../NAME, .../NAME/TYPE" },
	{ "/actuator/gateway/routes", "id", false, routes_page, "gateway-routes", "routes" },
	{ "/actuator/hystrix.stream", NULL, false, stream_page, "hystrix.stream", "breakers for a Hystrix dashboard" },
	{ "/hystrix.stream", NULL, false, stream_page, NULL, "breakers for a Hystrix dashboard" },
	{ "/turbine.stream", NULL, false, stream_turbine_page, NULL, "breakers for a Hystrix dashboard, summed over all gateways" },
	{ "/requests", NULL, false, requests_page, NULL, "the last requests that were refused, failed or slow; ?id=REQUEST_ID" },
	{ "/cluster", NULL, false, cluster_page, NULL, "all gateways: breakers, endpoints, overrides and events of each" },
	{ "/cluster/self", NULL, false, cluster_self_page, NULL, "this gateway's part of /cluster, as the other gateways ask for it" },
	{ "/cluster/breakers", "name", true, cluster_breakers_page, NULL, "POST .../NAME changes a state on all gateways" },
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
		page_error(request, 500, "out of memory");
}

static void index_page(struct page_request *request)
{
	struct memory_file memory;

	page_header(request, "Vary", "Accept");
	if (page_prefers(request, "text/html") || !page_prefers(request, "text/plain")) {
		assets_page(request);
		return;
	}
	memory_file_open(&memory);
	if (memory.file != NULL)
		fprintf(memory.file, "gateway %s\n\n", GATEWAY_VERSION);
	for (size_t i = 0; memory.file != NULL && i < PAGE_COUNT; i++)
		fprintf(memory.file, "%-32s %s\n", pages[i].path, pages[i].help);
	answer_text(request, &memory, "text/plain; charset=utf-8");
}

/* As Spring Boot has it where the build wrote its name down. */
static void info_page(struct page_request *request)
{
	page_json(request, 200, PAGE_ACTUATOR, json_pack("{s:{s:s, s:s, s:s}}", "build", "artifact", "gateway", "name", "gateway",
	                                                 "version", GATEWAY_VERSION));
}

/* Links need the name by which the client knows us; a Host that is not a plain authority is left out. */
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

/* False: it is too long or has bytes that no name of ours has. */
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
		page_error(request, 404, "there is nothing with this name");
	} else if (!request->is_post || access_may_change(request)) {
		page->serve(request);
	}
}

static void on_request(struct evhttp_request *http, void *context)
{
	struct admin *admin = context;
	struct page_request request = { .http = http, .view = admin->view, .streams = admin->streams, .cluster = admin->cluster,
		                        .requests = admin->requests,
		                        .connections = server_connections(admin->server), .is_local = admin->is_local };
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(http);
	const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);

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

/* Accepts methods that no page takes, too, so that they get our 405 with Allow. */
enum {
	METHODS = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
	          EVHTTP_REQ_PATCH | EVHTTP_REQ_TRACE,
};

struct admin *admin_new(struct event_base *base, const struct address *address, const struct admin_view *view, char *error,
                        size_t size)
{
	struct admin *admin = calloc(1, sizeof *admin);

	if (admin != NULL) {
		admin->view = view;
		admin->is_local = address_is_loopback(address);
		admin->history = history_new(view);
		admin->streams = admin->history == NULL ? NULL : streams_new(base, admin->history);
		admin->cluster = admin->streams == NULL ? NULL : cluster_new(base, view, admin->history);
		admin->requests = requests_new(base, view);
	}
	if (admin == NULL || admin->cluster == NULL || admin->requests == NULL) {
		snprintf(error, size, "out of memory");
		admin_free(admin);
		return NULL;
	}
	admin->server = server_new(base, address,
	                           &(struct server_settings){ .head_bytes = HEAD_MAX_BYTES,
	                                                      .body_bytes = BODY_MAX_BYTES,
	                                                      .methods = METHODS,
	                                                      .on_request = on_request,
	                                                      .context = admin },
	                           error, size);
	if (admin->server == NULL) {
		admin_free(admin);
		return NULL;
	}
	return admin;
}

void admin_take_requests(struct admin *admin, struct kept_list *list)
{
	requests_take(admin->requests, list);
}

struct cluster *admin_cluster(struct admin *admin)
{
	return admin->cluster;
}

void admin_free(struct admin *admin)
{
	if (admin == NULL)
		return;
	cluster_end_waiting(admin->cluster);
	requests_end_waiting(admin->requests);
	streams_free(admin->streams);
	server_free(admin->server);
	cluster_free(admin->cluster);
	history_free(admin->history);
	requests_free(admin->requests);
	free(admin);
}
