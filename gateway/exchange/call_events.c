#include "gateway/exchange/call_events.h"

#include <stdlib.h>

#include "gateway/exchange/state.h"

/* Slow calls measure the upstream: the time that the client took to send its request, or to read what came before the
 * response, does not count. */
uint64_t call_events_took_ms(const struct exchange *exchange)
{
	uint64_t until_us = exchange->timeline.response_us != 0 ? exchange->timeline.response_us
	                    : io_now_us(&exchange->worker->io);
	uint64_t from_us = exchange->timeline.asked_us > exchange->timeline.attempt_us ? exchange->timeline.asked_us
	                   : exchange->timeline.attempt_us;

	return exchange->timeline.attempt_us == 0 || until_us < from_us ? 0 : (until_us - from_us) / 1000;
}

/* 0: the failure was not a status of the upstream. */
static unsigned reported_status(const struct exchange *exchange)
{
	if (exchange->outcome != OUTCOME_ANSWERED_FAILURE && exchange->outcome != OUTCOME_ANSWERED_UNAVAILABLE)
		return 0;
	return exchange->download.replaced_status != 0 ? exchange->download.replaced_status : exchange->download.status;
}

static struct breaker_call *describe(const struct exchange *exchange, enum breaker_event event, uint64_t skipped)
{
	const struct outcome_row *row = &outcome_table[exchange->outcome];
	struct breaker_call *call = malloc(sizeof *call);

	if (call != NULL)
		*call = (struct breaker_call){
			.event = event,
			.outcome = row->name,
			.why = exchange->why != NULL ? exchange->why : row->reason,
			.status = reported_status(exchange),
			.duration_ms = call_events_took_ms(exchange),
			.skipped = skipped,
		};
	return call;
}

void call_events_tell(struct exchange *exchange, enum breaker_event event)
{
	struct worker *worker = exchange->worker;
	struct upstream *upstream = exchange_upstream(exchange)->upstream;
	struct breaker_quota *quota = &worker_local(worker, upstream)->quotas[event];
	uint64_t now_ms = worker_now_ms(worker);
	struct breaker_call *call;

	if (breaker_quota_skips(quota, now_ms) || exchange->admission.breaker_seen == 1 + BREAKER_DISABLED)
		return;
	call = describe(exchange, event, breaker_quota_take(quota, now_ms));
	if (call != NULL && !inbox_send(&worker->shared->control, CONTROL_CALL, upstream_reference(upstream), call)) {
		upstream_release(upstream);
		free(call);
	}
}
