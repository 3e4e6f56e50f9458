/*
 * Another try: whether, and when.
 *
 * What was not sent goes elsewhere at once, whatever the method. What may have been acted upon is sent again only if doing it
 * twice is doing it once, within the budget of its upstream, and after a pause by chance: when many fail together a second
 * wave at the same moment is the last thing the service needs. A try that could not even begin before timeouts.total is over
 * is not made. The answer that is given up for another try is dropped; that of the last try reaches the client as it is.
 */
#include "gateway/exchange.h"

/* Before what may have been acted upon is sent again; doubled each time. */
enum { PAUSE_MS = 25, PAUSE_MOST_MS = 250 };

static bool is_tried(const struct balance_avoid *avoid, const struct endpoint *endpoint)
{
	for (unsigned i = 0; i < avoid->count; i++)
		if (avoid->tried[i] == endpoint)
			return true;
	return false;
}

/* It has answered since, or nobody waits for it in vain. */
static bool is_promising(const struct endpoint *endpoint, uint64_t since_ms)
{
	return atomic_load_explicit(&endpoint->heard_ms, memory_order_relaxed) >= since_ms ||
	       (atomic_load_explicit(&endpoint->in_flight, memory_order_relaxed) == 0 &&
	        atomic_load_explicit(&endpoint->ejection.failures, memory_order_relaxed) == 0);
}

/* What was tried may have left the set since. `must_promise`: after a timeout the client has no time to lose on another
 * endpoint that is just as slow. */
static bool has_untried_endpoint(const struct exchange *exchange, bool must_promise)
{
	const struct endpoint_set *set = worker_local(exchange->worker, exchange_upstream(exchange)->upstream)->set;

	for (size_t i = 0; set != NULL && exchange->avoid.count < BALANCE_AVOID_MAX && i < set->count; i++)
		if (!is_tried(&exchange->avoid, set->endpoints[i]) &&
		    (!must_promise || is_promising(set->endpoints[i], exchange->attempt_us / 1000)))
			return true;
	return false;
}

static bool is_replayable(const struct exchange *exchange)
{
	return !exchange->has_lost_body && exchange_may_replay(exchange, 0);
}

/* Full jitter: what failed together does not come back together. */
static uint32_t choose_pause_ms(struct exchange *exchange)
{
	uint32_t most_ms = PAUSE_MS << exchange->retries;

	if (most_ms > PAUSE_MOST_MS)
		most_ms = PAUSE_MOST_MS;
	return (uint32_t)((random_next(&exchange->worker->random) >> 32) * (most_ms + 1) >> 32);
}

static bool is_breaker_open(const struct exchange *exchange)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	enum breaker_state state = breaker_state_now(settings->upstream->breaker, &settings->breaker);

	return !settings->breaker.observe && (state == BREAKER_OPEN || state == BREAKER_FORCED_OPEN);
}

/* It may have been acted upon. */
static bool may_repeat_sent(struct exchange *exchange, enum retry retry)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint32_t pause_ms = choose_pause_ms(exchange);
	uint64_t now_ms = worker_now_ms(exchange->worker);

	if (exchange->retries >= settings->retry_attempts || !is_replayable(exchange) ||
	    breaker_permit_is_probe(&exchange->permit) || is_breaker_open(exchange) ||
	    now_ms + pause_ms >= exchange_total_due_ms(exchange) ||
	    (retry == RETRY_IDEMPOTENT_LATE && !has_untried_endpoint(exchange, true)) ||
	    !retry_budget_take(&settings->upstream->retry_budget, settings->retry_budget_percent, now_ms))
		return false;
	exchange->retries++;
	exchange->pause_ms = pause_ms;
	return true;
}

bool attempt_may_repeat(struct exchange *exchange, enum outcome outcome)
{
	enum retry retry = outcome_table[outcome].retry;
	const struct upstream_settings *settings;

	if (retry == RETRY_NEVER)
		return false;
	settings = exchange_upstream(exchange);
	exchange->pause_ms = 0;
	if ((settings->retry_attempts == 0 && retry != RETRY_STALE) ||
	    worker_now_ms(exchange->worker) >= exchange_total_due_ms(exchange))
		return false;
	switch (retry) {
	case RETRY_UNSENT:
		return has_untried_endpoint(exchange, false);
	case RETRY_UNSENT_LATE:
		if (exchange->retries >= settings->retry_attempts || !has_untried_endpoint(exchange, false))
			return false;
		exchange->retries++;
		return true;
	case RETRY_STALE:
		exchange->must_connect = true;
		exchange->avoid.count = 0;
		return exchange->sent_us == 0 || is_replayable(exchange);
	case RETRY_IDEMPOTENT:
	case RETRY_IDEMPOTENT_LATE:
		return may_repeat_sent(exchange, retry);
	case RETRY_NEVER:
		break;
	}
	return false;
}

static void on_pause_over(struct deadline *deadline)
{
	attempt_begin((struct exchange *)((char *)deadline - offsetof(struct exchange, patience)));
}

void attempt_repeat(struct exchange *exchange)
{
	struct worker *worker = exchange->worker;

	if (exchange->pause_ms == 0) {
		attempt_begin(exchange);
		return;
	}
	exchange_enter(exchange, EXCHANGE_WAITING);
	deadline_init(&exchange->patience, on_pause_over);
	deadline_set(&worker->io.deadlines, &exchange->patience, worker_now_ms(worker) + exchange->pause_ms);
	exchange_resume_client(exchange);
	exchange_watch_client(exchange);
}
