/*
 * Tells the breaker how an exchange ended, once: who caused its end, and how long the upstream took.
 */
#include "gateway/exchange/settle.h"

#include "gateway/exchange/call_events.h"

uint64_t settle_client_hash(const struct exchange *exchange)
{
	const struct slice asked_for = exchange->request.asked_for;
	struct address address;

	if (asked_for.length == 0 || !address_parse_ip_part(&address, asked_for.data, asked_for.length))
		address = exchange->downstream->peer;
	return client_counts_hash(exchange->worker->shared->client_counts.seed, &address);
}

/* Not for a permit that comes back unused. */
static enum breaker_verdict judge_failure(struct exchange *exchange, enum breaker_verdict verdict)
{
	/* A request that was under way at an endpoint when it was ejected says nothing about the service as a whole; neither
	 * does a request whose client does not send it completely. */
	if (verdict == BREAKER_FAILURE && (exchange->attempt.is_endpoint_out || exchange->attempt.is_client_late))
		verdict = BREAKER_NEITHER;
	/* Nobody is at fault, but each client may give back only one of a half-open breaker's few probes. */
	if (verdict == BREAKER_NEITHER && breaker_permit_is_probe(&exchange->admission.permit) &&
	    (exchange->attempt.is_client_late || outcome_table[exchange->outcome].fault == FAULT_CLIENT ||
	     exchange->outcome == OUTCOME_SHED))
		doubt_note(&exchange_upstream(exchange)->upstream->doubt, settle_client_hash(exchange));
	if (verdict == BREAKER_FAILURE)
		call_events_tell(exchange, BREAKER_EVENT_ERROR);
	else if (exchange->timeline.attempt_us != 0)
		call_events_tell(exchange, BREAKER_EVENT_IGNORED_ERROR);
	return verdict;
}

void settle_permit(struct exchange *exchange, enum breaker_verdict verdict)
{
	const struct upstream_settings *settings;
	struct worker *worker = exchange->worker;
	uint64_t took_ms = 0;

	if (!exchange->admission.holds_permit)
		return;
	exchange->admission.holds_permit = false;
	settings = exchange_upstream(exchange);
	if (settings->breaker.slow_call_ms != 0) {
		took_ms = call_events_took_ms(exchange);
		if (verdict == BREAKER_SUCCESS && took_ms > settings->breaker.slow_call_ms)
			call_events_tell(exchange, BREAKER_EVENT_SLOW);
	}
	if (verdict != BREAKER_SUCCESS)
		verdict = judge_failure(exchange, verdict);
	breaker_settle(settings->upstream->breaker, &settings->breaker, worker_now_ms(worker),
	               worker_jitter(worker), &exchange->admission.permit, verdict, took_ms);
}
