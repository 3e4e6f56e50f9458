/*
 * After a 101 the connection speaks another protocol (RFC 9110 section 7.8). The gateway passes bytes on unchanged in both
 * directions, an end as an end and a reset as a reset, after everything that came before. A tunnel ends only by silence in
 * both directions, by a client that reads nothing, by a reset, or by two ends.
 *
 * A side that takes no more may still have sent something: the gateway passes that on, and throws away what comes for that
 * side.
 */
#include "gateway/exchange/tunnel.h"

#include "gateway/exchange/attempt.h"
#include "gateway/exchange/reading.h"
#include "gateway/exchange/timeouts.h"

/* ---- what both sides can do ------------------------------------------------------------------------------------- */

static bool is_blocked(const struct exchange *exchange, enum tunnel_side side)
{
	return side == TUNNEL_CLIENT ? exchange->downstream->is_blocked : exchange->attempt.lease->is_blocked;
}

static bool has_failed(const struct exchange *exchange, enum tunnel_side side)
{
	return side == TUNNEL_CLIENT ? exchange->downstream->has_failed : exchange->attempt.lease->has_failed;
}

static bool has_ended(const struct exchange *exchange, enum tunnel_side side)
{
	return side == TUNNEL_CLIENT ? exchange->downstream->has_ended : exchange->attempt.lease->has_ended;
}

static enum send_result send_to(struct exchange *exchange, enum tunnel_side side, const struct pieces *pieces)
{
	struct downstream *client = exchange->downstream;
	struct lease *lease = exchange->attempt.lease;

	return side == TUNNEL_CLIENT ? client->operations->body(client, pieces) : lease->operations->send(lease, pieces);
}

static void send_end(struct exchange *exchange, enum tunnel_side side)
{
	if (side == TUNNEL_CLIENT)
		exchange->downstream->operations->send_end(exchange->downstream);
	else
		exchange->attempt.lease->operations->send_end(exchange->attempt.lease);
}

static void pause_side(struct exchange *exchange, enum tunnel_side side)
{
	if (side == TUNNEL_CLIENT)
		exchange->downstream->operations->pause(exchange->downstream);
	else
		exchange->attempt.lease->operations->pause(exchange->attempt.lease);
}

static void resume_side(struct exchange *exchange, enum tunnel_side side)
{
	if (side == TUNNEL_CLIENT)
		exchange->downstream->operations->resume(exchange->downstream);
	else
		exchange->attempt.lease->operations->resume(exchange->attempt.lease);
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

static enum tunnel_side other(enum tunnel_side side)
{
	return side == TUNNEL_CLIENT ? TUNNEL_UPSTREAM : TUNNEL_CLIENT;
}

static bool is_over(const struct exchange *exchange, enum tunnel_side from)
{
	return (has_ended(exchange, from) || has_failed(exchange, other(from))) && !is_blocked(exchange, other(from));
}

static struct step finish_if_both_ended(struct exchange *exchange)
{
	if (!is_over(exchange, TUNNEL_CLIENT) || !is_over(exchange, TUNNEL_UPSTREAM))
		return step(STEP_WAIT);
	exchange->download.is_whole = true;
	return step(STEP_DONE);
}

struct step tunnel_begin(struct exchange *exchange, const struct pieces *pieces)
{
	struct downstream *client = exchange->downstream;
	struct buffer held;
	struct step said = step(STEP_WAIT);

	timeouts_set(exchange);
	if (pieces->count > 0)
		said = tunnel_relay(exchange, TUNNEL_UPSTREAM, pieces);
	/* The bytes that the client sent before it got the 101. */
	held = client->operations->upgrade(client);
	if (said.kind == STEP_WAIT && held.data != NULL)
		said = tunnel_relay(exchange, TUNNEL_CLIENT,
		                    &(struct pieces){ .list = { { buffer_bytes(&held), buffer_length(&held) } }, .count = 1 });
	buffer_free(&held);
	if (said.kind != STEP_WAIT)
		return said;
	if (client->has_ended)
		return tunnel_ended(exchange, TUNNEL_CLIENT);
	reading_resume(exchange);
	return said;
}

struct step tunnel_relay(struct exchange *exchange, enum tunnel_side from, const struct pieces *pieces)
{
	enum tunnel_side to = other(from);

	if (has_failed(exchange, to))
		return step(STEP_WAIT);
	exchange->attempt.heard_ms = worker_now_ms(exchange->worker);
	if (to == TUNNEL_CLIENT)
		exchange->download.bytes += pieces_bytes(pieces);
	else
		exchange->upload.bytes += pieces_bytes(pieces);
	switch (send_to(exchange, to, pieces)) {
	case SEND_DONE:
		break;
	case SEND_PENDING:
		pause_side(exchange, from);
		if (to == TUNNEL_CLIENT)
			timeouts_watch_client(exchange);
		break;
	case SEND_FAILED:
		return finish_if_both_ended(exchange);
	case SEND_NO_MEMORY:
		return step_abort(OUTCOME_OUT_OF_MEMORY);
	}
	return step(STEP_WAIT);
}

struct step tunnel_drained(struct exchange *exchange, enum tunnel_side side)
{
	enum tunnel_side source = other(side);

	if (has_ended(exchange, source))
		send_end(exchange, side);
	else
		resume_side(exchange, source);
	return finish_if_both_ended(exchange);
}

struct step tunnel_ended(struct exchange *exchange, enum tunnel_side from)
{
	if (!is_blocked(exchange, other(from)))
		send_end(exchange, other(from));
	return finish_if_both_ended(exchange);
}

struct step tunnel_broken(struct exchange *exchange, enum tunnel_side side, enum outcome outcome)
{
	pause_side(exchange, side);
	if (side == TUNNEL_UPSTREAM) {
		attempt_end(exchange, exchange->outcome);
	} else { /* nobody waits for it any more */
		exchange->downstream->is_blocked = false;
		deadline_clear(&exchange->downstream->deadline);
	}
	return (struct step){ STEP_BREAK_OFF, outcome };
}
