/*
 * An exchange whose one side ended too early. Nothing that this side has sent is lost: the other side gets all of it, and
 * then an end that it can't take for the end of a complete message.
 *
 * If the framing of a response shows that a part is missing, a FIN is enough. A tunnel, or a body that ends with the
 * connection, needs a reset. A reset makes the kernel drop what it has not sent yet, and no event tells when the kernel has
 * sent everything: the gateway has to poll.
 */
#include "gateway/exchange/cut.h"

#include "gateway/exchange/places.h"
#include "gateway/exchange/settle.h"
#include "gateway/exchange/timeouts.h"

enum { LOOK_MS = 20 };

struct step cut_response(struct exchange *exchange)
{
	exchange->downstream->keeps = false;
	if (exchange->download.framing.kind == BODY_LENGTH || exchange->download.to_chunked)
		return step(STEP_DONE);
	return (struct step){ STEP_BREAK_OFF, exchange->outcome };
}

/* The remaining side, the only one that can still be sent to. */
static uint32_t survivor_took(const struct exchange *exchange, bool *all)
{
	const struct downstream *client = exchange->downstream;
	const struct lease *lease = exchange->attempt.lease;

	*all = lease != NULL ? lease->operations->has_taken_all(lease) : client->operations->has_taken_all(client);
	return lease != NULL ? lease->operations->taken(lease) : client->operations->taken(client);
}

static void resume_survivor(struct exchange *exchange)
{
	if (exchange->attempt.lease != NULL)
		exchange->attempt.lease->operations->resume(exchange->attempt.lease);
	else
		exchange->downstream->operations->discard(exchange->downstream);
}

struct step cut_look(struct exchange *exchange)
{
	uint64_t now_ms = worker_now_ms(exchange->worker);
	bool has_taken_all;
	uint32_t took = survivor_took(exchange, &has_taken_all);

	if (took != exchange->attempt.took) {
		exchange->attempt.took = took;
		exchange->attempt.heard_ms = now_ms;
	}
	if (has_taken_all ||
	    now_ms >= exchange->attempt.heard_ms + exchange->snapshot->config->limits.write_timeout_ms)
		return step_abort(exchange->outcome);
	deadline_set(&exchange->worker->io.deadlines, &exchange->waiting.deadline, now_ms + LOOK_MS);
	return step(STEP_WAIT);
}

struct step cut_break_off(struct exchange *exchange, enum outcome outcome)
{
	exchange->outcome = outcome;
	settle_permit(exchange, outcome_table[outcome].verdict);
	places_give_back(exchange);
	exchange_enter(exchange, EXCHANGE_BREAKING_OFF);
	timeouts_watch_client(exchange);
	if (exchange->attempt.lease != NULL)
		timeouts_set(exchange); /* the gateway waits for it no longer */
	resume_survivor(exchange); /* reading shows whether it leaves, too */
	deadline_init(&exchange->waiting.deadline, exchange->upcalls->on_wait_due);
	exchange->attempt.heard_ms = worker_now_ms(exchange->worker);
	return cut_look(exchange);
}
