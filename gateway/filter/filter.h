/*
 * What a route does to its requests besides proxying them: a list of filters, which the exchange runs.
 *
 * The order is the same for every route (filters.c): CORS, limits by client, authentication, limits by claim, the limit of
 * the response's body.
 *
 * TO WRITE A FILTER
 *
 * 1. Its settings: a plain struct in routes/, which the route points to (NULL: the route does not have it), read by
 *    routes/config/ with the keys of keys.h, printed by print.c.
 * 2. A file of this folder with one `const struct filter_type`, and a line in the order of filters.c. A hook that it does
 *    not need is NULL. Nothing here knows an exchange: a hook looks at the struct filter_run and at the request.
 * 3. A row of OUTCOMES (gateway/exchange/outcome.h) for each new way to end; unauthorized, forbidden, rate_limited and
 *    auth_unavailable are there. A refusal is never a call: the upstream's breaker, bulkhead and endpoints don't hear of it.
 *
 * THE HOOKS run on the worker's thread, in the order of the list.
 *
 *   on_arrival   The route is found; nothing else was checked yet, such as its methods or the size of the body. It is for
 *                answers that must come before those checks, and for what on_response must know even then. It can't wait.
 *   on_request   The gateway has nothing against the request. The breaker, the bulkhead and the upstream come afterwards.
 *   on_resume    After filter_resume(): what on_request waited for has happened, or was given up. It may wait again.
 *   on_give_up   After filter_wait(): the filter does not wait any longer, since it has taken too long (`is_late`; then
 *                on_resume comes) or since the request ends. It cancels its event, and does not call filter_resume().
 *   on_response  A head goes to the client: the upstream's, or one of the gateway's own (`response` is NULL), such as
 *                fallbacks, errors and the answers of filters. The gateway may give up an upstream's response for a reply
 *                of its own; then it takes back what on_response added and calls it once more. Every request that
 *                arrived gets it, whether or not its on_request was reached.
 *                An interim response (1xx), too: the client gets it without what is removed or set, and nothing more.
 *   on_body      The upstream's response is about to be passed on; its head has not been sent yet. FILTER_BODY_PASS: the filter
 *                does not look at this body, which costs nothing then. FILTER_BODY_TAKE: on_pieces gets all of it.
 *                FILTER_BODY_REFUSE, after filter_answer(): the client gets that answer instead.
 *   on_pieces    A part of the body; the first one comes before the head is sent. It may change the pieces, which last as
 *                long as the hook. False, after filter_answer(): the client gets that answer, or, once it has the head, an
 *                early end that it can't take for that of the whole.
 *   on_end       Once, for every filter of a request that arrived: releases what the state holds. The filter must not call
 *                filter_resume() after it.
 *
 * A verdict is FILTER_CONTINUE, FILTER_ANSWER (return filter_answer()) or FILTER_WAIT (return filter_wait()). After a WAIT the
 * filter calls filter_resume() from an event of its own (a connection, a message to the worker), never from within a hook. The
 * client is not read meanwhile. A filter whose event comes for certain, since it has a timeout of its own (call.h), may return
 * FILTER_WAIT itself; its on_end cancels that event.
 *
 * MEMORY. filter_state() is state_size bytes for this request, zeroed before the first hook. A `struct request` and its
 * slices last as long as the hook. Names and values that are given to filter_set_...() must last as long as the request:
 * literals, settings, bytes in the state, or a copy that filter_keep() makes. When memory is short the functions below do
 * nothing, and after the hook the request ends with out_of_memory. So a hook need not check anything but the NULL of
 * filter_room().
 */
#ifndef GATEWAY_FILTER_FILTER_H
#define GATEWAY_FILTER_FILTER_H

#include "gateway/exchange/outcome.h"
#include "gateway/http/changes.h"
#include "gateway/http/pieces.h"
#include "gateway/http/request.h"
#include "gateway/http/response.h"
#include "gateway/worker/worker.h"
#include "routes/config/config.h"

struct filter;
struct filter_run;

enum filter_verdict { FILTER_CONTINUE, FILTER_ANSWER, FILTER_WAIT };
enum filter_body { FILTER_BODY_PASS, FILTER_BODY_TAKE, FILTER_BODY_REFUSE };
enum filter_hooks { FILTER_ARRIVAL, FILTER_REQUEST, FILTER_RESPONSE, FILTER_BODY, FILTER_END, FILTER_HOOKS };

typedef enum filter_verdict filter_hook(struct filter_run *run, const struct filter *filter, const struct request *request);

struct filter_type {
	const char *name;
	size_t state_size; /* for each request */
	/* The route's settings for this filter; NULL: the route does not have it. */
	const void *(*settings_of)(const struct route *route);
	/* create: on the control thread, when a configuration is prepared; sets filter->shared, which all workers get, and
	 * may choose another filter->type with fewer hooks, as the settings need. destroy: before the configuration's memory
	 * is freed, on any thread. The filter itself keeps counts that outlive a reload. False: out of memory. */
	bool (*create)(struct filter *filter);
	void (*destroy)(struct filter *filter);
	filter_hook *on_arrival, *on_request, *on_resume;
	void (*on_give_up)(struct filter_run *run, const struct filter *filter, bool is_late);
	void (*on_response)(struct filter_run *run, const struct filter *filter, const struct response *response);
	enum filter_body (*on_body)(struct filter_run *run, const struct filter *filter, const struct response *response);
	bool (*on_pieces)(struct filter_run *run, const struct filter *filter, struct pieces *pieces);
	void (*on_end)(struct filter_run *run, const struct filter *filter);
};

/* One filter of one route. It never changes. */
struct filter {
	const struct filter_type *type;
	const struct route *route;
	const void *settings; /* settings_of() */
	void *shared;         /* of create() */
	size_t state_offset;
	const struct filter *next[FILTER_HOOKS]; /* the next that has this hook */
};

/* Of a route: route->filters. It is linked by hooks, so that no request asks filters that have none. */
struct filter_list {
	size_t count, state_size;
	const struct filter *first[FILTER_HOOKS];
	struct filter filters[];
};

/* The answer of a filter instead of the upstream's. */
struct filter_reply {
	enum outcome outcome;
	unsigned status; /* 0: the outcome's */
	const char *why; /* a more exact reason for log and client; static; NULL: the outcome's */
	/* Without a body of its own the client gets the usual line of text. With one, even an empty one, the filter sets
	 * Content-Type and the like by filter_set_response_field(); the gateway writes Content-Length. */
	bool has_body;
	struct slice body; /* lasts as long as the request */
};

/* The exchange's facts for the filters. */
struct filter_origin {
	struct worker *worker;
	struct snapshot *snapshot; /* the one that the request uses */
	const struct route *route;
	const struct address *peer; /* of the connection */
	struct slice peer_text;     /* without port */
	struct slice asked_for;     /* the client's address as a trusted proxy names it, without port; empty: it is the peer */
	struct slice request_id;
	bool is_trusted;            /* the peer is a trusted proxy */
	void (*on_ready)(void *owner); /* filter_resume() */
	void *owner;
};

enum { FILTER_TEXT_BYTES = 128, FILTER_RESPONSE_BYTES_MAX = 8192 };

/* One request on its way through its route's filters. */
struct filter_run {
	struct filter_origin origin; /* to look at */
	struct filter_reply reply;   /* set by filter_answer() */

	/* filter.c's own */
	const struct filter_list *list;
	struct filter_run *next_spare;
	size_t room;       /* of its states */
	const struct filter *waiting; /* the last that has said WAIT or ANSWER; NULL: none */
	struct deadline deadline;     /* of filter_wait() */
	bool is_short, changes_request, changes_response;
	uint32_t takers; /* bits of the filters in the list that take the response's body */
	unsigned response_base; /* the first changes of the response, which on_response did not make */
	struct changes request, response;
	size_t text_used;
	struct filter_text *more; /* texts that did not fit into `text` */
	char text[FILTER_TEXT_BYTES];
	_Alignas(max_align_t) char states[];
};

/* ---- for filters --------------------------------------------------------------------------------------------- */

/* Of this request. */
static inline void *filter_state(struct filter_run *run, const struct filter *filter)
{
	return run->states + filter->state_offset;
}
/* The state of another filter that runs earlier, for functions in that filter's header; NULL: the route does not have it. */
void *filter_state_of(struct filter_run *run, const struct filter_type *type);

/* Sets a field of the upstream's request. The gateway removes what the client sent under this name, in every spelling. The
 * operator's request_headers have the last word. The configuration's reader refuses names that the gateway itself writes
 * (Host, X-Forwarded-..., framing, hop-by-hop). False: the value has bytes that no field may have, and is not set. */
bool filter_set_request_field(struct filter_run *run, struct slice name, struct slice value);
void filter_remove_request_field(struct filter_run *run, struct slice name);
/* Changes a field of the response, whoever makes it. The operator's response_headers have the last word. Values must be the
 * filter's own texts, settings, or values of parsed fields: nobody checks their bytes again. All of them together may take
 * FILTER_RESPONSE_BYTES_MAX: false if this one would be too much. */
bool filter_add_response_field(struct filter_run *run, struct slice name, struct slice value);
bool filter_set_response_field(struct filter_run *run, struct slice name, struct slice value);
/* Whole lines, with their ends: made once, when the configuration is read, without the names that the operator's response_headers
 * set or remove. Only one filter of a route has such. */
bool filter_set_response_lines(struct filter_run *run, struct slice lines);
void filter_remove_response_fields(struct filter_run *run, struct slice prefix); /* all whose names begin with it */

/* A copy that lasts as long as the request. Empty: memory is short, or the text was. */
struct slice filter_keep(struct filter_run *run, struct slice text);
/* Room for so many bytes; NULL: memory is short. */
char *filter_room(struct filter_run *run, size_t length);

/* For a hook to return. It may then set details in run->reply, such as a status of its own or a body. */
enum filter_verdict filter_answer(struct filter_run *run, enum outcome outcome, const char *why);
/* For a hook to return: if nobody calls filter_resume() within `most_ms`, the filter's on_give_up and on_resume come. */
enum filter_verdict filter_wait(struct filter_run *run, uint64_t most_ms);
void filter_resume(struct filter_run *run);

/* The client: the peer, or the address that a trusted proxy names, in `room`. */
const struct address *filter_client(const struct filter_run *run, struct address *room);
/* The last field of this name; NULL: there is none. If there are several, the service might take another. */
const struct field *filter_find_field(const struct fields *fields, struct slice name, bool *are_several);

/* ---- for the exchange ---------------------------------------------------------------------------------------- */

/* Puts a filter at the end of a list that has room for it, which was zero at first. */
void filter_list_add(struct filter_list *list, const struct filter *filter);

/* Then comes run->origin. NULL: out of memory. */
struct filter_run *filter_begin(struct worker *worker, const struct filter_list *list);
/* An ANSWER is in run->reply. */
enum filter_verdict filter_arrive(struct filter_run *run, const struct request *request);
/* All on_request hooks. */
enum filter_verdict filter_admit(struct filter_run *run, const struct request *request);
/* When it has said FILTER_WAIT, after on_ready: the others. */
enum filter_verdict filter_go_on(struct filter_run *run, const struct request *request);
/* The changes to the request's head; NULL: none. */
static inline const struct changes *filter_request_changes(const struct filter_run *run)
{
	return changes_are_none(&run->request) ? NULL : &run->request;
}
/* ... of the response's. False: memory is short. */
bool filter_respond(struct filter_run *run, const struct response *response, const struct changes **changes);
/* Before the head of the upstream's response is sent. REFUSE is in run->reply. */
enum filter_body filter_begin_body(struct filter_run *run, const struct response *response);
/* After a TAKE: a part of its body. False: run->reply says how the gateway answers instead. */
bool filter_pieces(struct filter_run *run, struct pieces *pieces);
/* Releases all. */
void filter_end(struct filter_run *run);
/* The worker ends. */
void filter_free_spares(struct worker *worker);

#endif
