/*
 * `until_ms` is the word that decides: the thread that swaps it has ejected the endpoint. Until the ejection ends only that
 * thread touches `times`, because nobody can eject an ejected endpoint. If that thread is delayed for longer than the
 * ejection, the next one uses the previous number and is shorter, which harms nobody.
 *
 *      in rotation                          ejected                      in rotation
 *      |-- failures in a row reach limit --|-- for_ms * times, jitter --|--------------------
 *                                          until_ms = end               `times` decays from here
 *
 * Failures during the ejection come from calls that were under way when it began. They don't count, or its past would eject
 * the endpoint again.
 */
#include "breaker/ejection.h"

#include "breaker/jitter.h"

static uint64_t ejection_ms(uint32_t times, const struct ejection_settings *settings, uint32_t random)
{
	uint64_t time_ms = (uint64_t)settings->for_ms * times;
	uint64_t limit_ms = settings->for_max_ms > settings->for_ms ? settings->for_max_ms : settings->for_ms;

	/* Endpoints that were ejected together need not come back together. */
	return jitter_fifth(time_ms < limit_ms ? time_ms : limit_ms, random);
}

static uint32_t times_left(uint32_t times, uint64_t quiet_ms, const struct ejection_settings *settings)
{
	uint64_t forgiven = settings->for_max_ms > 0 ? quiet_ms / settings->for_max_ms : 0;

	return forgiven < times ? times - (uint32_t)forgiven : 0;
}

bool ejection_failure(struct ejection *ejection, const struct ejection_settings *settings, uint64_t now_ms,
                      uint32_t random, bool is_connection_failure, bool is_last)
{
	uint32_t weight = is_connection_failure ? 2 : 1;
	uint64_t until_ms = atomic_load(&ejection->until_ms);
	uint32_t times;

	if (!settings->enabled || now_ms < until_ms)
		return false;
	if (atomic_fetch_add(&ejection->failures, weight) + weight < settings->consecutive_failures || is_last)
		return false;
	times = times_left(atomic_load(&ejection->times), now_ms - until_ms, settings);
	if (times < UINT32_MAX)
		times++;
	/* Of all threads that cross the limit together, one swaps; for the others the endpoint is ejected already. */
	if (!atomic_compare_exchange_strong(&ejection->until_ms, &until_ms, now_ms + ejection_ms(times, settings, random)))
		return false;
	atomic_store(&ejection->times, times);
	atomic_store(&ejection->failures, 0);
	atomic_fetch_add_explicit(&ejection->ejections_total, 1, memory_order_relaxed);
	return true;
}

void ejection_success(struct ejection *ejection)
{
	/* Nearly always 0 already: reading it leaves the line in every core's cache. */
	if (atomic_load_explicit(&ejection->failures, memory_order_relaxed) != 0)
		atomic_store_explicit(&ejection->failures, 0, memory_order_relaxed);
}

bool ejection_is_ejected(const struct ejection *ejection, uint64_t now_ms)
{
	return now_ms < atomic_load_explicit(&ejection->until_ms, memory_order_relaxed);
}
