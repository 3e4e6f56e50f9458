#include "gateway/worker/worker.h"

#include "gateway/base/log.h"
#include "gateway/base/text.h"

enum { SHED_LOG_MS = 1000 };

void worker_choose_name(struct shared *shared)
{
	struct random random;

	random_seed(&random);
	text_put_hex16(text_put_literal(shared->name, "gateway-"), random_next(&random));
}

void worker_count_shed(struct worker *worker, enum shed_reason reason)
{
	uint64_t now_ms = worker_now_ms(worker);

	counter_add(&worker->counters.shed[reason], 1);
	if (worker->shed_logged_ms[reason] + SHED_LOG_MS > now_ms)
		return;
	worker->shed_logged_ms[reason] = now_ms;
	log_warn("worker %u sheds connections: %s (%llu so far)", worker->index, shed_reason_texts[reason],
	         (unsigned long long)counter_read(&worker->counters.shed[reason]));
}
