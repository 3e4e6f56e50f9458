#include "gateway/worker/active.h"

#include "gateway/downstream/h1_client.h"
#include "gateway/exchange/state.h"

void active_publish(struct worker *worker)
{
	struct worker_counters *counters = &worker->counters;
	uint64_t now_us = io_now_us(&worker->io), count = 0, sum_us = 0, longest_us = 0;

	for (const struct ring *entry = worker->serving.next; entry != &worker->serving; entry = entry->next) {
		const struct exchange *exchange = client_of_ring((struct ring *)entry)->downstream.exchange;
		uint64_t age_us = exchange == NULL ||
		                  exchange->timeline.began_us > now_us ? 0 : now_us - exchange->timeline.began_us;

		count += exchange != NULL;
		sum_us += age_us;
		longest_us = age_us > longest_us ? age_us : longest_us;
	}
	atomic_store_explicit(&counters->active, count, memory_order_relaxed);
	atomic_store_explicit(&counters->active_sum_us, sum_us, memory_order_relaxed);
	atomic_store_explicit(&counters->active_longest_us, longest_us, memory_order_relaxed);
}
