/*
 * The head of the upstream's response arrives: the gateway tries again, replaces the response, or passes it on. (The
 * gateway's own answers: local_reply.c.)
 */
#include "gateway/exchange/response_head.h"

#include "gateway/exchange/admission.h"
#include "gateway/exchange/attempt.h"
#include "gateway/exchange/filtering.h"
#include "gateway/exchange/forward_parts.h"
#include "gateway/exchange/response_body.h"
#include "gateway/exchange/retry.h"
#include "gateway/exchange/settle.h"
#include "gateway/exchange/timeouts.h"
#include "gateway/exchange/tunnel.h"
#include "gateway/http/upgrade.h"

enum {
	SPLICE_LEAST_BYTES = 64 * 1024, /* below it a copy is cheaper than the system calls that it saves */
	INTERIM_MAX = 16,
	OWN_FIELDS_MOST = 1024, /* what the gateway adds to a head */
};

static bool has_status(const uint64_t statuses[10], unsigned status)
{
	return statuses[status / 64] >> (status % 64) & 1;
}

static enum outcome outcome_of(const struct exchange *exchange, unsigned status)
{
	if (!upstream_settings_is_failure_status(exchange_upstream(exchange), status))
		return OUTCOME_ANSWERED;
	return status == 502 || status == 503 || status == 504 ? OUTCOME_ANSWERED_UNAVAILABLE : OUTCOME_ANSWERED_FAILURE;
}

/* A client whose protocol has no chunks notices the end of the body otherwise: with HTTP/1.0 by the end of the connection. */
static void decide_framing(struct exchange *exchange, const struct response *response)
{
	struct downstream *client = exchange->downstream;
	bool is_unsized = response->body.kind == BODY_CHUNKED || response->body.kind == BODY_UNTIL_CLOSE;
	bool to_chunked = is_unsized && client->takes_chunks, is_whole = exchange->upload.is_whole;

	exchange->download.framing = response->body;
	exchange->download.to_chunked = to_chunked;
	client->keeps = exchange->request.wants_keep_alive && is_whole && (to_chunked || !is_unsized) &&
	                exchange->worker->state == WORKER_SERVING;
	/* An upstream that answers before it has the whole request may take the rest of it for the next request. */
	exchange->attempt.is_clean = is_whole;
}

static bool is_too_long(const struct exchange *exchange, const struct response *response, const struct changes *changes)
{
	size_t bound = response->head_length + response->fields.count + edits_bound(&exchange->route->response_headers);

	if (changes != NULL)
		bound += changes->bytes;
	return bound + OWN_FIELDS_MOST > exchange->worker->head_size;
}

static struct step respond(struct exchange *exchange, const struct response *response, const struct changes *changes,
                           const struct pieces *pieces, bool has_headroom)
{
	struct downstream *client = exchange->downstream;
	const struct downstream_head head = {
		.response = response,
		.edits = &exchange->route->response_headers,
		.changes = changes,
		.to_chunked = exchange->download.to_chunked,
		.is_head_request = exchange->request.method == METHOD_HEAD,
		.has_headroom = has_headroom,
	};
	bool was_blocked = client->is_blocked;

	return response_body_sent(exchange, client->operations->respond(client, &head, pieces), was_blocked);
}

/* Events are sent while they happen (WHATWG HTML, section 9.2), for as long as the client listens. */
static bool is_event_stream(const struct response *response)
{
	static const struct slice name = SLICE("Content-Type"), type = SLICE("text/event-stream");

	if (response->body.kind != BODY_CHUNKED && response->body.kind != BODY_UNTIL_CLOSE)
		return false;
	for (size_t i = 0; i < response->fields.count; i++) {
		const struct field *field = &response->fields.list[i];

		if (field->id == FIELD_OTHER && slice_equal_nocase(field->name, name))
			return field->value.length >= type.length &&
			       slice_equal_nocase((struct slice){ field->value.data, type.length }, type) &&
			       (field->value.length == type.length || field->value.data[type.length] == ';' ||
			        field->value.data[type.length] == ' ' || field->value.data[type.length] == '\t');
	}
	return false;
}

/* Nothing of it went to the client, so another try may begin a response of its own. */
static struct step refuse(struct exchange *exchange, enum outcome outcome)
{
	exchange->attempt.is_clean = false;
	exchange->download.framing = (struct body){ .kind = BODY_NONE };
	exchange->download.to_chunked = false;
	return step_fail(outcome);
}

/* A body of known length whose bytes nobody changes, between two plain sockets. */
static bool may_splice(const struct exchange *exchange)
{
	const struct exchange_download *download = &exchange->download;

	return download->framing.kind == BODY_LENGTH && download->framing.length - download->bytes >= SPLICE_LEAST_BYTES &&
	       !exchange->worker->io.cannot_splice && exchange->attempt.lease->operations->set_splicing != NULL &&
	       exchange->downstream->operations->raw(exchange->downstream) != NULL;
}

/* Passes on the upstream's response: its head and the bytes that came with it go out in one send. */
static struct step pass(struct exchange *exchange, const struct response *response, struct pieces *pieces, bool has_headroom)
{
	const struct changes *changes = NULL;
	bool is_filtered = false;
	struct step said;

	decide_framing(exchange, response);
	if (exchange->filters != NULL && !filtering_respond(exchange, response, &changes))
		return refuse(exchange, OUTCOME_OUT_OF_MEMORY);
	if (pieces->result == PIECES_BAD || is_too_long(exchange, response, changes)) {
		exchange->why = pieces->result == PIECES_BAD ? pieces->why : "the response's head is too long";
		return refuse(exchange, OUTCOME_RESPONSE_INVALID);
	}
	if (pieces->result == PIECES_NO_MEMORY)
		return refuse(exchange, OUTCOME_OUT_OF_MEMORY);
	if (exchange->filters != NULL && (said = filtering_begin_body(exchange, response, pieces, &is_filtered)).kind != STEP_NEXT)
		return refuse(exchange, said.outcome);
	/* Take a stream's place last: another try must not hold one. */
	if (is_event_stream(response) && !admission_become_stream(exchange))
		return refuse(exchange, OUTCOME_OVERLOADED);
	exchange->download.status = response->status;
	exchange_enter(exchange, EXCHANGE_STREAMING);
	response_body_note(exchange, pieces);
	if (is_filtered)
		exchange->attempt.lease->events = exchange->upcalls->filtered;
	else if (may_splice(exchange))
		exchange->attempt.lease->operations->set_splicing(exchange->attempt.lease, true);
	said = respond(exchange, response, changes, pieces, has_headroom && !is_filtered);
	if (said.kind == STEP_WAIT)
		timeouts_set(exchange);
	return said;
}

static struct step begin_tunnel(struct exchange *exchange, const struct response *response, const struct pieces *pieces)
{
	const struct pieces none = { .count = 0 };
	const struct changes *changes = NULL;
	struct step said;

	if (!upgrade_is_offered(exchange->request.upgrade, response->upgrade)) {
		exchange->why = exchange->request.upgrade.length == 0 ? "101 without a wish to upgrade"
		                                                      : "101 for a protocol that was not offered";
		return step_fail(OUTCOME_RESPONSE_INVALID);
	}
	if (exchange->filters != NULL && !filtering_respond(exchange, response, &changes))
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	if (!admission_become_stream(exchange))
		return step_fail(OUTCOME_OVERLOADED);
	exchange->downstream->keeps = exchange->attempt.is_clean = false;
	exchange->download.status = 101;
	exchange->outcome = OUTCOME_UPGRADED;
	settle_permit(exchange, BREAKER_SUCCESS);
	exchange_enter(exchange, EXCHANGE_TUNNEL);
	if (is_too_long(exchange, response, changes))
		return step_abort(OUTCOME_RESPONSE_INVALID);
	said = respond(exchange, response, changes, &none, false);
	return said.kind == STEP_WAIT ? tunnel_begin(exchange, pieces) : said;
}

/* A 408 that the upstream sent to the idle connection, and not to this request, which crossed it on its way (RFC 9110 section
 * 15.5.9). A server that keeps the connection may mean the request: then the gateway believes it if the request can't be sent
 * again. */
static bool is_about_idleness(const struct exchange *exchange, const struct response *response)
{
	return response->status == 408 && exchange->attempt.lease->is_reused &&
	       exchange->download.interim_count == 0 &&
	       !timeouts_is_client_late(exchange) && (!response->keep_alive || attempt_may_replay(exchange, 0));
}

/* The client does not get this response. If all of it came with its head, its connection can be used again. */
static void drop(struct exchange *exchange, const struct pieces *pieces)
{
	exchange->download.is_whole = pieces->result == PIECES_END;
	exchange->attempt.is_clean = exchange->upload.is_whole;
}

struct step response_head_take(struct exchange *exchange, const struct response *response, struct pieces *pieces,
                               bool has_headroom)
{
	exchange->timeline.response_us = io_now_us(&exchange->worker->io);
	if (response->status == 101)
		return begin_tunnel(exchange, response, pieces);
	if (is_about_idleness(exchange, response))
		return step_fail(OUTCOME_STALE_CONNECTION);
	exchange->outcome = outcome_of(exchange, response->status);
	exchange->attempt.is_client_late = timeouts_is_client_late(exchange);
	if (retry_may(exchange, exchange->outcome)) {
		drop(exchange, pieces);
		return step(STEP_REPEAT);
	}
	if (!exchange->route->has_fallback_on_statuses ||
	    !has_status(exchange->route->fallback_on_statuses, response->status))
		return pass(exchange, response, pieces, has_headroom);
	drop(exchange, pieces);
	/* The breaker and the endpoint are judged by the upstream's answer, which the client does not see. */
	exchange->download.replaced_status = response->status;
	return (struct step){ STEP_REPLY, OUTCOME_REPLACED };
}

/* 1xx: an HTTP/1.0 client knows none (RFC 9110 section 15.2). */
struct step response_head_interim(struct exchange *exchange, const struct response *response)
{
	struct downstream *client = exchange->downstream;
	const struct changes *changes = NULL;
	bool was_blocked = client->is_blocked;
	struct step said = step(STEP_WAIT);

	if (++exchange->download.interim_count > INTERIM_MAX) {
		exchange->why = "too many interim responses";
		return step_fail(OUTCOME_RESPONSE_INVALID);
	}
	if (exchange->filters != NULL && !filtering_respond(exchange, response, &changes))
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	if (client->version_minor > 0)
		said = response_body_sent(exchange,
		                          client->operations->interim(client, response, &exchange->route->response_headers, changes),
		                          was_blocked);
	if (said.kind == STEP_WAIT && response->status == 100) { /* from now on the gateway waits for the client */
		exchange->request.expects_continue = false;
		timeouts_set(exchange);
		timeouts_watch_client(exchange);
	}
	return said;
}
