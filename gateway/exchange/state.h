/*
 * THE SPINE: one request with its response.
 *
 *   exchange_begin --> find_route --> filter --> admit --> attempt --> (connection's events) --> answer --> settle --> record
 *                                       | ^       ^ |          ^ |
 *                  waits, e.g. for an   +-+       | |          +-+ another endpoint, while the client has got nothing
 *                  authentication service    waits+-+--> fallback
 *                                            for a place
 *
 * State           the client has got        the upstream connection
 * GATHERING       nothing                   none: a small body is read first, so that no upstream waits for a slow client
 * FILTERING       nothing                   none: a filter of the route waits for something; the client is not read
 * WAITING         nothing, or a 1xx         none: not admitted yet, waiting for a place in the bulkhead, or pausing before
 *                                           another try
 * CONNECTING      nothing                   is being opened; the request's body is held, the client is not read
 * AWAITING        nothing, or a 1xx         has the head, gets the body; a response head is awaited
 * STREAMING       the response head         sends the body, and may still take the request's
 * TUNNEL          a 101                     bytes both ways
 * ANSWERING       all, or it waits in the   none any more
 *                 client's stream
 * BREAKING_OFF    what came for it, then a  none any more, or it gets the last that a client sent into a tunnel, then a reset
 *                 reset
 * ENDED           -                         none; the struct is about to be used again
 *
 * Each permit of the breaker is settled exactly once: unused when the request has to wait or its body is gathered first,
 * else at STEP_DONE or STEP_ABORT at the latest.
 */
#ifndef GATEWAY_EXCHANGE_STATE_H
#define GATEWAY_EXCHANGE_STATE_H

#include "gateway/downstream/downstream.h"
#include "gateway/exchange/forward_request.h"
#include "gateway/exchange/outcome.h"
#include "gateway/filter/filter.h"
#include "gateway/http/framing.h"
#include "gateway/upstream/lease.h"
#include "gateway/worker/worker.h"
#include "routes/balance.h"
#include "routes/route.h"

/* A body up to this size is kept until the response head has come, so that it can be sent again. */
enum { EXCHANGE_REPLAY_BYTES = 64 * 1024 };

/* In the order in which a request passes through them, though it goes back after a filter, for another try and for another
 * upstream: the code compares with < and >. */
enum exchange_state {
	EXCHANGE_GATHERING,
	EXCHANGE_FILTERING,
	EXCHANGE_WAITING,
	EXCHANGE_CONNECTING,
	EXCHANGE_AWAITING,
	EXCHANGE_STREAMING,
	EXCHANGE_TUNNEL,
	EXCHANGE_ANSWERING,
	EXCHANGE_BREAKING_OFF,
	EXCHANGE_ENDED,
};

/* The request as the client sent it: slices point into exchange->raw. */
struct exchange_request {
	enum method method;
	bool is_trusted; /* the client is a trusted proxy */
	bool wants_keep_alive;
	bool expects_continue; /* and has not got a 100 yet: the upstream decides */
	uint8_t id_length;
	struct slice method_text, target, user_agent, referer, trace_id;
	struct slice upgrade; /* the protocols that may replace HTTP; empty: the client offers none */
	struct slice asked_for; /* the client's address as a trusted proxy names it; empty: the peer is the client */
};

/* The parts of the breaker and the bulkhead that it holds. */
struct exchange_admission {
	struct breaker_permit permit;
	bool holds_permit, holds_place, holds_stream; /* to be given back: to the breaker, the bulkhead, max_streams */
	uint8_t breaker_seen; /* 1 + enum breaker_state, when the breaker was asked; 0: it was not */
	uint64_t retry_after_ms; /* the breaker's answer when it refused; 0: it did not */
	uint64_t ticket; /* its number in the queue for a place; 0: it is not in the queue */
	uint64_t waited_since_us, waited_us;
	struct ring held; /* in worker->blocked or worker->streams; next NULL: in neither */
	uint64_t held_since_ms; /* since when the gateway has been waiting for its client's next bytes, or for it to read */
	uint64_t awaited_since_ms, awaited_from; /* for its request's body, piece after piece; the bytes of it that were here then */
};

struct exchange_waiting {
	struct deadline deadline; /* WAITING: until when. BREAKING_OFF: when to look again */
	struct ring queue; /* its neighbours in the queue for a place */
};

/* One try after the other. */
struct exchange_attempt {
	struct lease *lease; /* NULL: none is under way, or its part is over */
	unsigned count, retries;
	unsigned earlier; /* of `count`: before the detour, at the other upstream */
	uint32_t pause_ms; /* before the next try */
	uint32_t took; /* taken(), when the deadline of what is pending was set */
	uint64_t heard_ms; /* when the upstream last sent something, or when the gateway last waited for the client instead */
	bool is_endpoint_out; /* it failed only at endpoints that are ejected, and others serve in their place */
	bool is_client_late; /* ... or while more of the request had still not come, or after the client was waited for */
	bool must_connect; /* an idle connection was dead: the next must be new */
	bool is_clean; /* the upstream had the whole request before it responded, and sent nothing after the response */
	uint8_t endpoint_text_length;
};

struct exchange_upload {
	struct body framing;
	uint64_t bytes; /* of the body, so far */
	struct slice trailers; /* at its end; the downstream keeps them */
	bool is_whole;
	bool drops_trailers; /* they don't go on */
	bool is_lost; /* more of the body came than the gateway kept */
};

struct exchange_download {
	struct body framing;
	bool is_whole;
	bool to_chunked;
	uint64_t bytes; /* of the body, as the upstream sent it */
	unsigned status; /* the client's; 0: the client has got nothing */
	unsigned replaced_status; /* the upstream's, when the fallback took its place */
	uint64_t reply_bytes; /* of the gateway's own body */
	uint64_t pending_since_ms; /* since when the client has left bytes pending; 0: it has not */
	uint64_t pending_ms; /* all times before */
	uint32_t took; /* taken(), when the deadline of what is pending was set */
	uint8_t interim_count; /* of this try */
};

/* 0: not yet. */
struct exchange_timeline {
	uint64_t began_us;
	uint64_t asked_us; /* last time the client had sent everything and drained our output */
	uint64_t attempt_us, connected_us, sent_us, response_us; /* of the last try */
};

/* The functions of exchange.c that the steps call. */
struct exchange_upcalls {
	const struct lease_events *lease;    /* the events of a lease */
	const struct lease_events *filtered; /* ... whose response's body goes through filters */
	void (*on_wait_due)(struct deadline *deadline); /* waiting.deadline */
	void (*on_filters_ready)(void *owner); /* a filter that waited continues */
};

struct exchange {
	enum exchange_state state;
	enum outcome outcome; /* of the last attempt; final when state is ANSWERING or later */
	struct worker *worker;
	struct downstream *downstream;
	struct snapshot *snapshot;
	const struct route *route; /* NULL: none was found */
	struct filter_run *filters; /* NULL: its route has none */
	struct intake_saved *saved; /* NULL: it has never waited for a filter */
	const char *why; /* a more exact reason for the log; static */
	struct exchange_request request;
	struct exchange_admission admission;
	struct exchange_attempt attempt;
	struct exchange_upload upload;
	struct exchange_download download;
	struct exchange_timeline timeline;

	/* Last what is not zero when the struct is used again: set before it is read, */
	struct exchange *next_spare;
	struct exchange_waiting waiting;
	struct balance_avoid avoid; /* endpoints; its count is 0 at first */
	struct deferred_free deferred_free;
	const struct route_path *route_path; /* the path of the route that matched; set only if the answer lists methods */
	char request_id[REQUEST_ID_MAX];
	char endpoint_text[ADDRESS_TEXT_MAX];
	/* or kept. */
	const struct exchange_upcalls *upcalls;
	struct buffer raw;     /* the request's head as the client sent it */
	struct buffer head;    /* ... and as the upstream gets it */
	struct buffer kept;    /* the part of its body that can be sent again */
};

/*
 * Steps return: a function of this folder returns what it found out, and only exchange.c acts on it. So no caller has to ask
 * whether the exchange still lives.
 */
enum step_kind {
	STEP_WAIT,      /* for the next event */
	STEP_NEXT,      /* go on; for exchange.c: the request is admitted or its pause is over, so begin an attempt */
	STEP_REPEAT,    /* give up this attempt's response for another attempt */
	STEP_REPLY,     /* the gateway answers by itself, by this outcome */
	STEP_FAIL,      /* something failed: another try if the table of outcomes allows it, else the table's answer */
	STEP_DONE,      /* the upstream is done: the client gets the rest, and that is all */
	STEP_BREAK_OFF, /* one side ended early: the other gets all that came for it, then a reset */
	STEP_ABORT,     /* end it now, and reset the client */
	STEP_OVER,      /* all was sent: record it, and give the client back */
};

struct step {
	enum step_kind kind;
	enum outcome outcome; /* of REPLY, FAIL, BREAK_OFF, ABORT */
};

static inline struct step step(enum step_kind kind)
{
	return (struct step){ .kind = kind };
}
static inline struct step step_fail(enum outcome outcome)
{
	return (struct step){ STEP_FAIL, outcome };
}
static inline struct step step_abort(enum outcome outcome)
{
	return (struct step){ STEP_ABORT, outcome };
}

/* The only place where an exchange's state changes. */
static inline void exchange_enter(struct exchange *exchange, enum exchange_state state)
{
	if (state == EXCHANGE_TUNNEL)
		counter_add(&exchange->worker->counters.tunnels_open, 1);
	if (exchange->state == EXCHANGE_TUNNEL)
		counter_add(&exchange->worker->counters.tunnels_open, (uint64_t)-1);
	exchange->state = state;
}
static inline const struct upstream_settings *exchange_upstream(const struct exchange *exchange)
{
	return exchange->route->upstream;
}
static inline const struct upstream_protocol *exchange_protocol(const struct exchange *exchange)
{
	return worker_local(exchange->worker, exchange_upstream(exchange)->upstream)->protocol;
}
/* Removes it from worker->blocked or worker->streams. */
static inline void exchange_release_ring(struct exchange *exchange)
{
	if (exchange->admission.held.next == NULL)
		return;
	ring_remove(&exchange->admission.held);
	exchange->admission.held.next = NULL;
}

/* A client that moves fewer bytes, or nothing for so long, has to go if there is not room for all. */
enum { SLOW_MS = 500, SLOW_BYTES_PER_S = 4096 };

#endif
