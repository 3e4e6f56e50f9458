#include "gateway/worker/upstreams.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "breaker/look.h"
#include "routes/balance.h"

struct lease *upstreams_connect(struct worker *worker, const struct upstream *upstream, const struct endpoint *endpoint,
                                int *error)
{
	const struct upstream_protocol *protocol = worker_local(worker, upstream)->protocol;
	struct pool *pool = worker->pools[endpoint->index];
	struct lease *lease;

	counter_add(&worker->counters.upstream_connects, 1);
	lease = protocol->connect(pool, error);
	if (lease == NULL && *error == EMFILE && worker->upcalls->free_descriptor(worker))
		lease = protocol->connect(pool, error);
	return lease;
}

bool upstreams_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

bool upstreams_is_without_port(int error, const struct endpoint *endpoint)
{
	/* For IPv6 this error may also mean that the host has no IPv6, and then the endpoint is of no use. */
	return error == EADDRNOTAVAIL && endpoint->address.family == 4;
}

/* The control thread logs it, and keeps it for the timeline. */
static void tell_of_ejection(struct worker *worker, const struct upstream_settings *settings, const struct endpoint *endpoint,
                             const char *reason)
{
	const struct endpoint_set *set = worker_local(worker, settings->upstream)->set;
	bool is_out = balance_is_passed_over(set, &settings->ejection, worker_now_ms(worker), endpoint);
	char *text;

	if (asprintf(&text, "endpoint %s is ejected after consecutive failures, the last: %s%s", endpoint->text, reason,
	             is_out ? "" : "; it stays in use: too many endpoints are ejected") < 0)
		return;
	if (inbox_send(&worker->shared->control, CONTROL_EJECTION, upstream_reference(settings->upstream), text))
		return;
	upstream_release(settings->upstream);
	free(text);
}

void upstreams_blame(struct worker *worker, const struct upstream_settings *settings, struct endpoint *endpoint, const char *reason,
                     bool is_lost)
{
	const struct endpoint_set *set = worker_local(worker, settings->upstream)->set;
	uint64_t now_ms = worker_now_ms(worker);

	atomic_fetch_add_explicit(&endpoint->failures_total, 1, memory_order_relaxed);
	atomic_store_explicit(&endpoint->last_error, reason, memory_order_relaxed);
	atomic_store_explicit(&endpoint->failed_ms, now_ms, memory_order_relaxed);
	if (is_lost)
		atomic_store_explicit(&endpoint->lost_ms, now_ms, memory_order_relaxed);
	if (settings->ejection.enabled &&
	    ejection_failure(&endpoint->ejection, &settings->ejection, now_ms, (uint32_t)random_next(&worker->random), is_lost,
	                     set != NULL && set->count == 1)) {
		if (atomic_load_explicit(&endpoint->ejection.times, memory_order_relaxed) == 1)
			atomic_store_explicit(&endpoint->ejected_ms, now_ms, memory_order_relaxed);
		tell_of_ejection(worker, settings, endpoint, reason);
	}
	if (is_lost)
		upstreams_resolve(worker, settings->upstream);
}

void upstreams_resolve(struct worker *worker, struct upstream *upstream)
{
	if (atomic_exchange(&upstream->refresh_wanted, 1) == 0 &&
	    !inbox_send(&worker->shared->control, CONTROL_RESOLVE, upstream_reference(upstream), NULL))
		upstream_release(upstream);
}

bool upstreams_may_repeat(const struct upstream_settings *settings, const struct breaker_permit *permit, uint64_t now_ms)
{
	enum breaker_state state = breaker_state_now(settings->upstream->breaker, &settings->breaker);
	bool is_open = !settings->breaker.observe && (state == BREAKER_OPEN || state == BREAKER_FORCED_OPEN);

	return !breaker_permit_is_probe(permit) && !is_open &&
	       retry_budget_take(&settings->upstream->retry_budget, settings->retry_budget_bp, now_ms);
}

void upstreams_leave(struct worker *worker, struct upstream *upstream)
{
	if (bulkhead_leave(&upstream->bulkhead)) /* waiting requests look at the end of the loop iteration */
		worker_local(worker, upstream)->is_woken = worker->has_woken = true;
}
