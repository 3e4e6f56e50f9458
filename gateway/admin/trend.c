#include "gateway/admin/trend.h"

static uint32_t risen(uint64_t from, uint64_t to)
{
	return to <= from ? 0 : to - from > UINT32_MAX ? UINT32_MAX : (uint32_t)(to - from);
}

/* Requests that the upstream was asked for. */
static uint64_t calls_of(const struct admin_counts *counts)
{
	return counts->successes + counts->bad_requests + counts->failures + counts->timeouts + counts->cancelled;
}

/* Endpoints that come and go make a sum that jumps; a fall counts as nothing. */
static void sum_tries(const struct endpoint_set *set, uint64_t *tries, uint64_t *failed)
{
	*tries = *failed = 0;
	for (size_t i = 0; set != NULL && i < set->count; i++) {
		*tries += atomic_load((_Atomic uint64_t *)&set->endpoints[i]->requests_total);
		*failed += atomic_load((_Atomic uint64_t *)&set->endpoints[i]->failures_total);
	}
}

void trend_begin(struct trend *trend, const struct admin_counts *counts, const struct endpoint_set *set)
{
	trend->counts = *counts;
	sum_tries(set, &trend->tries, &trend->tries_failed);
}

void trend_turn(struct trend *trend, const struct admin_counts *counts, const struct endpoint_set *set)
{
	const struct admin_counts *before = &trend->counts;
	uint64_t tries, failed;

	sum_tries(set, &tries, &failed);
	trend->seconds++;
	trend->ring[trend->seconds % TREND_SECONDS] = (struct trend_sample){
		.requests = risen(before->requests, counts->requests),
		.failed = risen(before->failures + before->timeouts, counts->failures + counts->timeouts),
		.refused = risen(before->requests - calls_of(before), counts->requests - calls_of(counts)),
		.fallbacks = risen(before->fallbacks, counts->fallbacks),
		.errors = risen(before->thrown, counts->thrown),
		.tries = risen(trend->tries, tries),
		.tries_failed = risen(trend->tries_failed, failed),
	};
	trend->counts = *counts;
	trend->tries = tries;
	trend->tries_failed = failed;
}

struct trend_sample trend_at(const struct trend *trend, size_t seconds_ago)
{
	if (seconds_ago >= TREND_SECONDS || seconds_ago >= trend->seconds)
		return (struct trend_sample){ 0 };
	return trend->ring[(trend->seconds - seconds_ago) % TREND_SECONDS];
}

struct trend_sample trend_recent(const struct trend *trend)
{
	struct trend_sample all = { 0 };

	for (size_t i = 0; i < TREND_RECENT_SECONDS; i++) {
		struct trend_sample one = trend_at(trend, i);

		all.requests += one.requests;
		all.failed += one.failed;
		all.refused += one.refused;
		all.fallbacks += one.fallbacks;
		all.errors += one.errors;
		all.tries += one.tries;
		all.tries_failed += one.tries_failed;
	}
	return all;
}
