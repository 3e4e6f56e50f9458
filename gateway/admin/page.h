/*
 * Between the files of the admin listener: a request as a page sees it, and the ways to answer it.
 *
 * Every request gets exactly one answer, from one of page_*(), or becomes a stream. A page never keeps the request.
 */
#ifndef GATEWAY_ADMIN_PAGE_H
#define GATEWAY_ADMIN_PAGE_H

#include <jansson.h>

#include "gateway/admin/admin.h"

struct bufferevent;
struct connections;
struct evhttp_request;
struct streams;

/* Spring's own media type, which its tools ask for. */
#define PAGE_ACTUATOR "application/vnd.spring-boot.actuator.v3+json"
#define PAGE_JSON "application/json"

enum { PAGE_REST_MAX = 256 };

struct page_request {
	struct evhttp_request *http;
	const struct admin_view *view;
	struct streams *streams;
	struct connections *connections;
	bool is_head, is_post;
	bool is_local; /* the listener is on a loopback address */
	char rest[PAGE_REST_MAX]; /* what follows the page's path, decoded, without its first slash; "" = nothing */
};

/* Takes the reference to `value`; NULL: memory was short while it was made, the answer is a 500. */
void page_json(struct page_request *request, int status, const char *content_type, json_t *value);
/* Takes `text`, which it free()s. */
void page_text(struct page_request *request, int status, const char *content_type, char *text, size_t length);
/* {"status": ..., "error": ..., "message": ...}, as Spring words it. `message` is UTF-8. */
void page_error(struct page_request *request, int status, const char *message);
void page_header(struct page_request *request, const char *name, const char *value);

/* The body of a POST, when it is a JSON object; NULL after an error was answered. The caller owns it. */
json_t *page_body(struct page_request *request);

/* The values of all parameters of that name; NULL after an error was answered. The caller owns it. */
json_t *page_parameters(struct page_request *request, const char *name);

/* The service of that name in the current configuration. */
bool page_find_service(struct page_request *request, const char *name, struct admin_service *service);

/* "2026-03-01T12:00:00.123Z" */
enum { PAGE_TIME_MAX = 32 };
void page_format_time(char text[PAGE_TIME_MAX], uint64_t wall_ms);
/* "CLOSED", as Resilience4j writes it. */
enum { PAGE_STATE_MAX = 16 };
void page_format_state(char text[PAGE_STATE_MAX], enum breaker_state state);

/* access.c: false after an error was answered */
bool access_may_ask(struct page_request *request);
bool access_may_change(struct page_request *request);

/* health.c */
void health_livez(struct page_request *request);
void health_readyz(struct page_request *request);
void health_actuator(struct page_request *request);

/* breakers.c */
void breakers_page(struct page_request *request);
void breakers_events(struct page_request *request);
/* The figures of one breaker as Resilience4j reports them. */
json_t *breakers_figures(const struct admin_service *service);

/* routes.c */
void routes_page(struct page_request *request);

/* prometheus.c */
void prometheus_page(struct page_request *request);
/* The whole text, which the caller frees; NULL after an error was answered. */
char *page_metrics(struct page_request *request);

/* meters.c */
void meters_page(struct page_request *request);

/* upstreams.c */
void upstreams_page(struct page_request *request);

/* connections.c */
struct connections *connections_new(struct event_base *base);
void connections_free(struct connections *connections); /* after evhttp's are gone */
/* For evhttp: makes the bufferevent of a connection that is about to be accepted. */
struct bufferevent *connections_accept(struct event_base *base, void *context);
/* A request came on it; of a stream no more are awaited. */
void connections_note(struct connections *connections, struct bufferevent *io, bool is_stream);

/* stream.c */
struct streams *streams_new(struct event_base *base, const struct admin_view *view);
void streams_free(struct streams *streams); /* ends all of them */
void stream_page(struct page_request *request);

#endif
