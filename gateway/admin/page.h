/*
 * Between the files of the admin listener: a request as a page sees it, and the ways to answer it.
 *
 * Every request gets exactly one answer, from one of page_*(), or becomes a stream. A page that answers later keeps a copy of the
 * struct and watches the connection (cluster.c).
 */
#ifndef GATEWAY_ADMIN_PAGE_H
#define GATEWAY_ADMIN_PAGE_H

#include <jansson.h>

#include "gateway/admin/view.h"

struct bufferevent;
struct event_base;
struct cluster;
struct connections;
struct requests;
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
	struct cluster *cluster;
	struct requests *requests;
	struct connections *connections;
	bool is_head, is_post;
	bool is_local; /* the listener is on a loopback address */
	char rest[PAGE_REST_MAX]; /* what follows the page's path, decoded, without its first slash; "" = nothing */
};

/* Takes the reference to `value`; NULL: memory was short while it was made, the answer is a 500. */
void page_json(struct page_request *request, int status, const char *content_type, json_t *value);
/* Takes `text`, which it free()s. */
void page_text(struct page_request *request, int status, const char *content_type, char *text, size_t length);
/* A 200 with text that stays. */
void page_static(struct page_request *request, const char *content_type, const char *text, size_t length);
/* {"status": ..., "error": ..., "message": ...}, as Spring words it. `message` is UTF-8. The connection is closed: evhttp may
 * have left a part of what was refused unread, and would take it for the next request. */
void page_error(struct page_request *request, int status, const char *message);
void page_header(struct page_request *request, const char *name, const char *value);

/* Does Accept name this media type, and want it at least as much as plain text? A client that takes anything gets plain text. */
bool page_prefers(struct page_request *request, const char *media_type);

/* The body of a POST, when it is a JSON object; NULL after an error was answered. The caller owns it. */
json_t *page_body(struct page_request *request);

/* The values of all parameters of that name; NULL after an error was answered. The caller owns it. */
json_t *page_parameters(struct page_request *request, const char *name);

/* The same of a query, which may be NULL. NULL: `status` says with what that has to be answered. */
json_t *page_read_query(const char *query, const char *name, int *status);

/* Is a parameter of that name there, with or without a value? */
bool page_has_parameter(struct page_request *request, const char *name);

/* "2026-03-01T12:00:00.123Z" */
enum { PAGE_TIME_MAX = 32 };
void page_format_time(char text[PAGE_TIME_MAX], uint64_t wall_ms);
/* "CLOSED", as Resilience4j writes it. */
enum { PAGE_STATE_MAX = 16 };
void page_format_state(char text[PAGE_STATE_MAX], enum breaker_state state);

#endif
