#include "deploy/hospital/service.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "deploy/hospital/metrics.h"

enum { ANSWER_MAX_BYTES = 1024 * 1024 * 1024, BLOCK_BYTES = 64 * 1024 };

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

/* `more`: what the clinic says, which is taken; NULL: nothing. */
static void put_story(struct service *service, struct evhttp_request *request, const char *path, json_t *more,
                      struct evbuffer *body)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	json_t *story = json_object();
	char *text;

	json_object_set_new(story, "service", json_string(service->name));
	json_object_set_new(story, "replica", json_string(service->replica));
	if (getenv("HOSPITAL_VERSION") != NULL)
		json_object_set_new(story, "version", json_string(getenv("HOSPITAL_VERSION")));
	json_object_set_new(story, "method", json_string(method_name(evhttp_request_get_command(request))));
	json_object_set_new(story, "path", json_string(path));
	json_object_set_new(story, "query", json_string(query != NULL ? query : ""));
	json_object_set_new(story, "body_bytes",
	                    json_integer((json_int_t)evbuffer_get_length(evhttp_request_get_input_buffer(request))));
	json_object_set_new(story, "headers", headers_of(request));
	json_object_update(story, more);
	json_decref(more);
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

long query_number(struct evhttp_request *request, const char *name, long otherwise, long least, long most)
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

static const char *path_of(struct evhttp_request *request)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));

	return path == NULL ? "/" : path;
}

static void count(struct call *call, int status)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	metrics_count(method_name(evhttp_request_get_command(call->request)), call->uri == NULL ? "/**" : call->uri, status,
	              (double)(now.tv_sec - call->began.tv_sec) + (double)(now.tv_nsec - call->began.tv_nsec) / 1e9);
}

/* evhttp sends whatever it is given, and a client takes what follows an answer that has no body for the next answer. */
static void reply(struct evhttp_request *request, int status)
{
	struct evbuffer *body = evhttp_request_get_output_buffer(request);
	size_t length = evbuffer_get_length(body);
	bool has_none = status == 204 || status == 304, is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
	char digits[24];

	if (is_head && !has_none) {
		snprintf(digits, sizeof digits, "%zu", length);
		evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", digits);
	}
	if (is_head || has_none)
		evbuffer_drain(body, length);
	evhttp_send_reply(request, status, NULL, body);
}

static void send_story(struct call *call, int status, json_t *more)
{
	struct evbuffer *body = evhttp_request_get_output_buffer(call->request);

	evhttp_add_header(evhttp_request_get_output_headers(call->request), "Content-Type", "application/json");
	put_story(call->service, call->request, path_of(call->request), more, body);
	count(call, status);
	reply(call->request, status);
}

/* Spring's own pages. False: the path is none. */
static bool answer_actuator(struct call *call)
{
	struct service *service = call->service;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(call->request);
	struct evbuffer *body = evhttp_request_get_output_buffer(call->request);
	bool is_well = true;

	if (strcmp(path_of(call->request), "/actuator/prometheus") == 0) {
		evhttp_add_header(headers, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
		metrics_write(body, service->name);
	} else if (strcmp(path_of(call->request), "/actuator/health") == 0) {
		is_well = !service->is_broken && (service->clinic == NULL || clinic_is_well(service->clinic));
		evhttp_add_header(headers, "Content-Type", "application/json");
		evbuffer_add_printf(body, "{\"status\":\"%s\"}\n", is_well ? "UP" : "DOWN");
	} else {
		return false;
	}
	reply(call->request, is_well ? 200 : 503);
	return true;
}

static void on_clinic_done(void *context, int status, json_t *value)
{
	struct call *call = context;

	call->is_awaited = false;
	send_story(call, status, value); /* without a client this only frees the request */
	if (call->is_lonely)
		free(call);
}

/* False: it is nothing of the clinic's. */
static bool answer_clinic(struct call *call)
{
	struct clinic_answer answer;

	call->is_awaited = true;
	if (!clinic_ask(call->service->clinic, path_of(call->request), query_number(call->request, "patientId", 0, 0, 1000000000),
	                &answer, on_clinic_done, call)) {
		call->is_awaited = false;
		return false;
	}
	call->uri = answer.uri;
	if (answer.status != 0) {
		call->is_awaited = false;
		send_story(call, answer.status, answer.value);
	}
	return true;
}

void answer(struct call *call)
{
	struct service *service = call->service;
	struct evhttp_request *request = call->request;
	const char *path = path_of(request), *word = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	int status = 200;

	evhttp_add_header(headers, "X-Replica", service->replica);
	if (service->is_stopping)
		evhttp_add_header(headers, "Connection", "close");
	if (answer_actuator(call))
		return;
	if (service->fail_while != NULL && access(service->fail_while, F_OK) == 0)
		status = 500;
	else if (strcmp(word, "status") == 0)
		status = (int)query_number(request, "code", 200, 200, 599);
	if (strcmp(word, "bytes") == 0) {
		evhttp_add_header(headers, "Content-Type", "application/octet-stream");
		put_bytes(evhttp_request_get_output_buffer(request), query_number(request, "n", 0, 0, ANSWER_MAX_BYTES));
		count(call, status);
		reply(request, status);
	} else if (status != 200 || service->clinic == NULL || !answer_clinic(call)) {
		send_story(call, status, NULL);
	}
}
