/* Shared by the files of the service: the service itself, and a request in flight. For the loop's thread. */
#ifndef HOSPITAL_SERVICE_H
#define HOSPITAL_SERVICE_H

#include <stdbool.h>
#include <time.h>

#include "deploy/hospital/clinic.h"

struct bufferevent;
struct event;
struct event_base;
struct evhttp_request;

struct service {
	const char *name;
	char replica[100 + 1]; /* as much as the records' column takes */
	struct event_base *base;
	struct evhttp *http;
	struct evconnlistener *listener;
	struct evhttp_bound_socket *socket;
	struct clinic *clinic;  /* NULL: it has neither database nor events */
	const char *fail_while; /* NULL: never */
	bool is_broken;
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
	bool is_awaited;     /* the clinic gives the answer later */
	bool is_lonely;      /* the client has gone, the answer is still to come */
	const char *uri;     /* the path's template, for metrics */
	struct timespec began;
};

/* ---- answer.c: gives the answer, or has the clinic give it later. Without a client this only frees the request. */
void answer(struct call *call);
/* A number from the query, within bounds; `otherwise` when it is not there. */
long query_number(struct evhttp_request *request, const char *name, long otherwise, long least, long most);

/* ---- record.c: --record */
void record_open(struct service *service, const char *folder);
void record(struct service *service, const char *what, int what_length);
/* For evhttp: a connection of which each request is recorded as soon as a byte of it came. */
struct bufferevent *record_accept(struct event_base *base, void *service);

#endif
