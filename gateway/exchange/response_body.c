/* The body of an upstream's response on its way to the client, with back-pressure. */
#include "gateway/exchange/response_body.h"

#include <errno.h>

#include "gateway/base/log.h"
#include "gateway/exchange/timeouts.h"
#include "gateway/exchange/tunnel.h"

enum { AHEAD_MOST_BYTES = 512 * 1024 }; /* of one response */

/* The client reads more slowly than the response comes. The gateway keeps a part of it, so that a service with few threads is
 * done; a quarter of limits.memory is for that. */
static void hold_back(struct exchange *exchange, bool was_blocked)
{
	bool may_keep_more = exchange->state == EXCHANGE_STREAMING &&
	                     exchange->downstream->operations->pending_bytes(exchange->downstream) < AHEAD_MOST_BYTES &&
	                     buffer_kept_bytes <= exchange->worker->io.memory_bytes / 4;

	if (exchange->attempt.lease != NULL && !may_keep_more)
		exchange->attempt.lease->operations->pause(exchange->attempt.lease);
	if (!was_blocked) /* else its deadline continues, whatever comes */
		timeouts_watch_client(exchange);
}

struct step response_body_sent(struct exchange *exchange, enum send_result sent, bool was_blocked)
{
	switch (sent) {
	case SEND_DONE:
		break;
	case SEND_PENDING:
		hold_back(exchange, was_blocked);
		break;
	case SEND_FAILED:
		return step_abort(OUTCOME_CLIENT_ABORTED);
	case SEND_NO_MEMORY:
		return step_abort(OUTCOME_OUT_OF_MEMORY);
	}
	return step(exchange->download.is_whole ? STEP_DONE : STEP_WAIT);
}

void response_body_note(struct exchange *exchange, const struct pieces *pieces)
{
	exchange->download.bytes += pieces_bytes(pieces);
	exchange->download.is_whole = pieces->result == PIECES_END;
}

struct step response_body_take(struct exchange *exchange, const struct pieces *pieces)
{
	struct downstream *client = exchange->downstream;
	bool was_blocked = client->is_blocked;
	struct step said;

	exchange->attempt.heard_ms = worker_now_ms(exchange->worker);
	if (pieces->result == PIECES_NO_MEMORY)
		return step_fail(OUTCOME_OUT_OF_MEMORY);
	response_body_note(exchange, pieces);
	said = response_body_sent(exchange, client->operations->body(client, pieces), was_blocked);
	if (pieces->result != PIECES_BAD || said.kind != STEP_WAIT)
		return said;
	exchange->why = pieces->why;
	return step_fail(OUTCOME_RESPONSE_INVALID);
}

struct step response_body_drained(struct exchange *exchange)
{
	struct step said = step(STEP_WAIT);

	if (exchange->state == EXCHANGE_ANSWERING)
		return step(STEP_OVER);
	if (exchange->download.pending_since_ms != 0)
		exchange->download.pending_ms += worker_now_ms(exchange->worker) - exchange->download.pending_since_ms;
	exchange->download.pending_since_ms = 0;
	timeouts_watch_client(exchange);
	/* While the gateway did not read it, the upstream could send nothing. */
	if (exchange->state >= EXCHANGE_STREAMING)
		exchange->attempt.heard_ms = worker_now_ms(exchange->worker);
	else if (exchange->state == EXCHANGE_AWAITING)
		exchange->timeline.asked_us = exchange->timeline.sent_us = io_now_us(&exchange->worker->io);
	if (exchange->state == EXCHANGE_TUNNEL)
		said = tunnel_drained(exchange, TUNNEL_CLIENT);
	if (said.kind == STEP_WAIT && exchange->attempt.lease != NULL) {
		exchange->attempt.lease->operations->resume(exchange->attempt.lease);
		timeouts_set(exchange);
	}
	return said;
}

static bool is_refused(int error)
{
	return error == ENOSYS || error == EPERM || error == EACCES || error == EOPNOTSUPP || error == EINVAL;
}

static struct step lose_remainder(struct exchange *exchange, ssize_t taken)
{
	struct lease *lease = exchange->attempt.lease;
	struct worker *worker = exchange->worker;
	/* splice() also says that it has come to the end when an urgent byte stands before it. */
	int error = taken < 0 ? errno : lease->operations->holds(lease, 1) ? EAGAIN : ECONNRESET;
	bool is_short = error == ENOMEM || error == EMFILE || error == ENFILE;

	if (!is_short && !is_refused(error) && error != EAGAIN && error != EINTR)
		return step_fail(OUTCOME_RESPONSE_CUT);
	if (is_refused(error) && !worker->io.cannot_splice)
		log_warn("worker %u: the kernel refuses splice(): %s; large responses are copied", worker->index, strerror(error));
	worker->io.cannot_splice |= is_refused(error);
	if (exchange->downstream->is_blocked) /* its pipe may be full, and a copy would overtake the bytes in it */
		lease->operations->pause(lease);
	else if (error != EINTR) /* also if splice() stops at an urgent byte, where a copy goes on */
		lease->operations->set_splicing(lease, false); /* the read event comes again */
	return step(STEP_WAIT);
}

struct step response_body_splice(struct exchange *exchange)
{
	struct lease *lease = exchange->attempt.lease;
	struct downstream *client = exchange->downstream;
	bool was_blocked = client->is_blocked;
	enum send_result sent;
	ssize_t taken = lease->operations->splice(lease, client->operations->raw(client),
	                                                 exchange->download.framing.length - exchange->download.bytes, &sent);

	if (taken <= 0)
		return lose_remainder(exchange, taken);
	exchange->attempt.heard_ms = worker_now_ms(exchange->worker);
	exchange->download.bytes += (uint64_t)taken;
	exchange->download.is_whole = exchange->download.bytes == exchange->download.framing.length;
	if (sent == SEND_FAILED)
		return step_abort(OUTCOME_CLIENT_ABORTED);
	client->is_blocked = sent == SEND_PENDING;
	if (client->is_blocked)
		hold_back(exchange, was_blocked);
	return step(exchange->download.is_whole ? STEP_DONE : STEP_WAIT);
}
