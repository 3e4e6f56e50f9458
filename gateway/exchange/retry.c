/*
 * Another try: whether, and when.
 *
 * A request that was not sent goes elsewhere at once, whatever the method. A request that an upstream may have acted on is
 * sent again only if doing it twice equals doing it once, within the budget of its upstream, and after a random pause: when
 * many requests fail together, a second wave at the same moment is the last thing that the service needs. The gateway makes
 * no try that could not even begin before timeouts.total is over. If it tries again it drops the first answer; the client
 * gets the last answer unchanged.
 */
#include "gateway/exchange/retry.h"

#include "gateway/exchange/attempt.h"
#include "gateway/exchange/reading.h"
#include "gateway/exchange/timeouts.h"
#include "gateway/worker/upstreams.h"

/* The pause before repeating a request that an upstream may have acted on; doubled each time. */
enum { PAUSE_MS = 25, PAUSE_MOST_MS = 250 };

/* It has answered since, or no request waits for it in vain. */
static bool is_promising(const struct endpoint *endpoint, uint64_t since_ms)
{
	return atomic_load_explicit(&endpoint->heard_ms, memory_order_relaxed) >= since_ms ||
	       (atomic_load_explicit(&endpoint->in_flight, memory_order_relaxed) == 0 &&
	        atomic_load_explicit(&endpoint->ejection.failures, memory_order_relaxed) == 0);
}

static const struct endpoint_set *set_of(const struct exchange *exchange)
{
	return worker_local(exchange->worker, exchange_upstream(exchange)->upstream)->set;
}

/* A tried endpoint may have left the set since. */
static bool has_untried_endpoint(const struct exchange *exchange)
{
	return balance_has_untried(set_of(exchange), &exchange->avoid);
}

/* After a timeout the client has no time to lose on another endpoint that is just as slow. */
static bool has_promising_endpoint(const struct exchange *exchange)
{
	const struct endpoint_set *set = set_of(exchange);

	for (size_t i = 0; set != NULL && exchange->avoid.count < BALANCE_AVOID_MAX && i < set->count; i++)
		if (!balance_was_tried(&exchange->avoid, set->endpoints[i]) &&
		    is_promising(set->endpoints[i], exchange->timeline.attempt_us / 1000))
			return true;
	return false;
}

static bool is_replayable(const struct exchange *exchange)
{
	return !exchange->upload.is_lost && attempt_may_replay(exchange, 0);
}

/* Full jitter: requests that failed together must not come back together. */
static uint32_t choose_pause_ms(struct exchange *exchange)
{
	uint32_t most_ms = PAUSE_MS << exchange->attempt.retries;

	if (most_ms > PAUSE_MOST_MS)
		most_ms = PAUSE_MOST_MS;
	return (uint32_t)((random_next(&exchange->worker->random) >> 32) * (most_ms + 1) >> 32);
}

/* An upstream may have acted on it. */
static bool may_repeat_sent(struct exchange *exchange, enum retry retry)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint32_t pause_ms = choose_pause_ms(exchange);
	uint64_t now_ms = worker_now_ms(exchange->worker);

	if (exchange->attempt.retries >= settings->retry_attempts || !is_replayable(exchange) ||
	    now_ms + pause_ms >= timeouts_total_due_ms(exchange) ||
	    (retry == RETRY_IDEMPOTENT_LATE && !has_promising_endpoint(exchange)) ||
	    !upstreams_may_repeat(settings, &exchange->admission.permit, now_ms))
		return false;
	exchange->attempt.retries++;
	exchange->attempt.pause_ms = pause_ms;
	return true;
}

bool retry_may_after(struct exchange *exchange, enum retry retry)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);

	exchange->attempt.pause_ms = 0;
	if ((settings->retry_attempts == 0 && retry != RETRY_STALE) ||
	    worker_now_ms(exchange->worker) >= timeouts_total_due_ms(exchange))
		return false;
	switch (retry) {
	case RETRY_UNSENT:
		return has_untried_endpoint(exchange);
	case RETRY_UNSENT_LATE:
		if (exchange->attempt.retries >= settings->retry_attempts || !has_untried_endpoint(exchange))
			return false;
		exchange->attempt.retries++;
		return true;
	case RETRY_STALE:
		exchange->attempt.must_connect = true;
		exchange->avoid.count = 0;
		return exchange->timeline.sent_us == 0 || is_replayable(exchange);
	case RETRY_IDEMPOTENT:
	case RETRY_IDEMPOTENT_LATE:
		return may_repeat_sent(exchange, retry);
	case RETRY_NEVER:
		break;
	}
	return false;
}

struct step retry_begin(struct exchange *exchange)
{
	struct worker *worker = exchange->worker;

	if (exchange->attempt.pause_ms == 0)
		return step(STEP_NEXT);
	exchange_enter(exchange, EXCHANGE_WAITING);
	deadline_init(&exchange->waiting.deadline, exchange->upcalls->on_wait_due);
	deadline_set(&worker->io.deadlines, &exchange->waiting.deadline,
	             worker_now_ms(worker) + exchange->attempt.pause_ms);
	reading_resume(exchange);
	timeouts_watch_client(exchange);
	return step(STEP_WAIT);
}
