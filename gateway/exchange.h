/*
 * THE SPINE: one request with its response.
 *
 *   exchange_begin --> find_route --> admit --> attempt --> (connection's events) --> answer --> settle --> record
 *                                      ^ |          ^ |
 *                     waits for a place+-+          +-+ another endpoint, while the client has got nothing
 *                                        +--> fallback
 *
 * State           the client has got        the upstream connection
 * WAITING         nothing, or a 1xx         none: not admitted yet, waiting for a place in the bulkhead, or pausing before
 *                                           another try
 * CONNECTING      nothing                   is being opened; the request's body is held, the client is not read
 * AWAITING        nothing, or a 1xx         has the head, gets the body; a response head is awaited
 * STREAMING       the response head         sends the body, and may still take the request's
 * TUNNEL          a 101                     bytes both ways
 * ANSWERING       all, or it waits in the   none any more
 *                 client's stream
 * ENDED           -                         none; the struct is about to be used again
 *
 * The permit of the breaker is held from admit to settle, which happens exactly once, at exchange_finish() or exchange_abort()
 * at the latest.
 */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "gateway/client.h"
#include "gateway/forward.h"
#include "gateway/http/transfer.h"
#include "gateway/outcome.h"
#include "routes/balance.h"
#include "routes/route.h"

/* A body up to this size is kept until the response head has come, so that it can be sent again; with what chunked coding adds to
 * it, unless its pieces are tiny. */
enum { EXCHANGE_REPLAY_BYTES = 64 * 1024, EXCHANGE_REPLAY_FRAMING_BYTES = 4 * 1024 };

enum exchange_state {
	EXCHANGE_WAITING,
	EXCHANGE_CONNECTING,
	EXCHANGE_AWAITING,
	EXCHANGE_STREAMING,
	EXCHANGE_TUNNEL,
	EXCHANGE_ANSWERING,
	EXCHANGE_ENDED,
};

struct exchange {
	enum exchange_state state;
	enum outcome outcome; /* of the last attempt; final when state is ANSWERING or later */
	struct worker *worker;
	struct client *client;
	struct snapshot *snapshot;
	const struct route *route; /* NULL: none was found */
	struct connection *connection;
	struct breaker_permit permit;
	bool holds_permit, holds_place; /* to be given back: to the breaker, to the bulkhead */
	uint64_t retry_after_ms;        /* what the breaker said when it refused; 0: it did not */

	/* WAITING: until when; and for a place: its number, its neighbours in the worker's list. */
	struct deadline patience;
	uint64_t ticket; /* 0: not for a place */
	struct exchange *next_waiting, *previous_waiting;
	uint64_t waited_since_us, waited_us;

	/* The request as it came: slices point into `raw`. */
	enum method method;
	uint8_t version_minor;
	bool is_trusted; /* the client is a trusted proxy */
	bool wants_keep_alive, wants_upgrade;
	bool expects_continue; /* and has not been told to: it is the upstream's turn */
	struct slice method_text, target, user_agent, referer, trace_id;
	struct slice asked_for; /* the client's address that a trusted proxy names; empty: there is none, the peer is the client */
	uint8_t request_id_length;

	bool has_lost_body; /* more of the body came than is kept */
	bool is_deaf;       /* the upstream takes no more of the body; the rest is thrown away */
	struct transfer upload, download;

	struct balance_avoid avoid;
	bool is_endpoint_out; /* it failed only at endpoints that rest, and others serve in their place */
	bool is_client_late;  /* ... or while the rest of the request had still not come */
	unsigned attempts, retries;
	uint32_t pause_ms; /* before the next try */
	bool must_connect; /* an idle connection turned out dead: the next must be a new one */
	uint8_t endpoint_text_length;
	uint64_t began_us, asked_us, attempt_us, connected_us, sent_us, response_us; /* 0: not yet */
	                                /* asked_us: when the client had said all it has to say so far, and taken what was for it */
	uint64_t received_ms; /* when the upstream last sent something, or its client was last waited for instead */
	uint32_t client_took, upstream_took; /* stream_taken(), when the deadline of what is pending was set */

	/* The response. */
	uint8_t interim_count;
	unsigned status; /* as the client gets it; 0: nothing */
	unsigned replaced_status; /* the upstream's, when the fallback took its place */
	uint64_t reply_bytes;     /* of the gateway's own body */
	bool keeps_client, keeps_connection;
	const char *why; /* more words for the log; static */
	uint8_t breaker_seen; /* 1 + enum breaker_state, as the breaker was asked; 0: it was not */
	struct grave grave;

	/* Last, as they stay with the struct when it is used again. */
	struct exchange *next_spare;
	char request_id[REQUEST_ID_MAX];
	char endpoint_text[ADDRESS_TEXT_MAX];
	struct buffer raw;     /* the request's head as it came */
	struct buffer head;    /* ... and as it goes on */
	struct buffer kept;    /* as much of its body as can be sent again */
	struct buffer partial; /* of the response's head */
};

/* ---- from the client (client.c) */
/* The request's head is whole and valid. `bytes` begin with the head; what follows may be its body, or more. Returns how many
 * bytes belong to this request. The exchange may be over when this returns. */
size_t exchange_begin(struct client *client, const struct request *request, char *bytes, size_t length);
/* The request can't be served; what is known of it is in `request`. */
void exchange_refuse(struct client *client, const struct request *request, enum outcome outcome);
/* Bytes after the head: returns how many of them belong to this request. */
size_t exchange_take(struct exchange *exchange, char *bytes, size_t length);
void exchange_on_client_end(struct exchange *exchange);
void exchange_on_client_drained(struct exchange *exchange);
void exchange_on_client_due(struct exchange *exchange);
/* Reads the client again, if the exchange has use for what comes. */
void exchange_resume_client(struct exchange *exchange);
/* Ends it whatever it is doing; the client's connection is reset. */
void exchange_abort(struct exchange *exchange, enum outcome outcome);

/* ---- between the files of the spine */
/* The only place where an exchange's state changes. */
void exchange_enter(struct exchange *exchange, enum exchange_state state);
/* Something went wrong: another try when the table allows, else the answer that the table names. */
void exchange_fail(struct exchange *exchange, enum outcome outcome);
/* admission.c: asks the breaker; it holds a permit then. */
bool exchange_may_pass(struct exchange *exchange);
/* ... and the bulkhead: an attempt begins, or it waits for a place, or it fails. */
void exchange_admit(struct exchange *exchange);
/* It waits no longer. */
void exchange_stop_waiting(struct exchange *exchange);
/* Gives its place back, for the next. */
void exchange_leave_bulkhead(struct exchange *exchange);

/* Tells the breaker, once. */
void exchange_settle(struct exchange *exchange, enum breaker_verdict verdict);
/* To the client; `is_last`: no more of the answer follows, and exchange_finish() is called in the same turn. Where the connection
 * ends with it, the FIN goes in the same packet. */
static inline enum send_result exchange_send(struct exchange *exchange, struct iovec *parts, int count, bool is_last)
{
	struct stream *client = &exchange->client->stream;

	return is_last && !exchange->keeps_client ? stream_send_last(client, parts, count) : stream_send(client, parts, count);
}
/* After exchange_finish(), when all was sent: records, and gives the client back. */
void exchange_end(struct exchange *exchange);
/* After the upstream's part is done: waits for the client to take the rest, or ends. */
void exchange_finish(struct exchange *exchange);
const struct upstream_settings *exchange_upstream(const struct exchange *exchange);

/* exchange_memory.c */
struct exchange *exchange_open(struct client *client); /* NULL: there is no memory; the client is gone, and counted */
void exchange_close(struct exchange *exchange);        /* it may still be looked at until the turn is over */
void exchange_free(struct exchange *exchange);         /* a spare one */
/* Copies what the log and the answers need; `begin` is what `request` points into. False: memory is short. */
bool exchange_keep_request(struct exchange *exchange, const struct request *request, const char *begin);
/* The same for a request that was refused: fields of a refused head are not looked at. */
void exchange_keep_line(struct exchange *exchange, const struct request *request);

/* admission.c: for the worker's loop. At the end of a turn with has_calls; and what to do with a WORKER_CALL, whose
 * reference it takes. */
void admission_run(struct worker *worker);
void admission_on_call(struct worker *worker, struct upstream *upstream);
/* A configuration that names this upstream comes into use. */
void admission_take_limits(struct worker *worker, const struct upstream_settings *settings);
/* The last exchange of an upstream that is no longer configured is over: others may still wait in other workers. */
void admission_forget(struct worker *worker, struct local_upstream *local);

/* upload.c: sets the deadline for what the client should send or take next */
void exchange_watch_client(struct exchange *exchange);
/* Has the client been waited for, for the rest of its request, for a while, or does it send next to nothing? Then what becomes of
 * the request says nothing about the upstream. */
enum { SLOW_MS = 500, SLOW_BYTES_PER_S = 4096 };
bool exchange_is_rest_late(const struct exchange *exchange); /* of a request that is not whole */
static inline bool exchange_is_client_late(const struct exchange *exchange)
{
	return !exchange->upload.is_whole && exchange_is_rest_late(exchange);
}

/* Is doing it twice doing it once, and would its body, with `more` bytes of it, be small enough to be kept for that? */
static inline bool exchange_may_replay(const struct exchange *exchange, size_t more)
{
	return method_is_idempotent(exchange->method) && exchange->upload.bytes <= EXCHANGE_REPLAY_BYTES &&
	       exchange->kept.to + more <= EXCHANGE_REPLAY_BYTES + EXCHANGE_REPLAY_FRAMING_BYTES;
}

/* attempt.c: one try at an endpoint */
void attempt_begin(struct exchange *exchange);
/* May the request be sent again after this outcome? Takes from the retry budget. Then attempt_repeat() follows. */
bool attempt_may_repeat(struct exchange *exchange, enum outcome outcome);
/* After a pause, where there has to be one. */
void attempt_repeat(struct exchange *exchange);
/* From now on the response's body comes by answer_splice(), or by answer_body() again. */
void attempt_splice(struct exchange *exchange, bool is_splicing);
/* Parts with the connection: back to its pool when it is clean, else closed. */
void attempt_end(struct exchange *exchange);
/* Sends these parts of the request's body on, or keeps them while connecting. False: the exchange has failed. */
bool attempt_send_body(struct exchange *exchange, struct transfer_parts *parts);

/* patience.c: what the upstream is waited for has changed */
void attempt_set_deadline(struct exchange *exchange);
/* When timeouts.total is over; UINT64_MAX: it does not run, the client is still sending. */
uint64_t exchange_total_due_ms(const struct exchange *exchange);
void attempt_on_due(struct deadline *deadline); /* of a connection */

/* answer.c: what the client gets */
/* Bytes that belong to the response's head, and maybe more. */
void answer_head(struct exchange *exchange, char *bytes, size_t length);
void answer_body(struct exchange *exchange, char *bytes, size_t length);
void answer_splice(struct exchange *exchange); /* there is something to read */
/* The upstream closed. */
void answer_close(struct exchange *exchange);

/* reply.c: the gateway's own answer, by exchange->outcome */
void reply(struct exchange *exchange);

/* tunnel.c */
void tunnel_begin(struct exchange *exchange, char *rest, size_t length);
void tunnel_relay(struct exchange *exchange, struct stream *to, char *bytes, size_t length);
void tunnel_drained(struct exchange *exchange, struct stream *drained);
void tunnel_ended(struct exchange *exchange, struct stream *from);

#endif
