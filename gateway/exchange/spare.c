/* Exchanges and their three buffers. The next request uses them again, unless they grew large. */
#include "gateway/exchange/spare.h"

#include <stdlib.h>

#include "gateway/base/container.h"
#include "gateway/exchange/intake.h"
#include "gateway/worker/snapshot.h"

enum { BUFFER_KEPT_MOST = 8192, SPARE_MOST = 256 };

static void recycle(struct buffer *buffer)
{
	if (buffer->size > BUFFER_KEPT_MOST)
		buffer_free(buffer);
	else
		buffer_clear(buffer);
}

static void spare_free(struct exchange *exchange)
{
	buffer_free(&exchange->raw);
	buffer_free(&exchange->head);
	buffer_free(&exchange->kept);
	free(exchange);
}

void spare_free_all(struct worker *worker)
{
	struct exchange *spare;

	while ((spare = worker->spare) != NULL) {
		worker->spare = spare->next_spare;
		spare_free(spare);
	}
	filter_free_spares(worker);
}

/* Resets the fields that don't stay; `upload` begins with the request. One by one, because the compiler turns more than that
 * into a loop over bytes. */
static void clear(struct exchange *exchange)
{
	exchange->state = EXCHANGE_GATHERING;
	exchange->outcome = OUTCOME_ANSWERED;
	exchange->route = NULL;
	exchange->filters = NULL;
	exchange->saved = NULL;
	exchange->why = NULL;
	exchange->request = (struct exchange_request){ .method = METHOD_OTHER };
	exchange->admission = (struct exchange_admission){ .ticket = 0 };
	exchange->attempt = (struct exchange_attempt){ .count = 0 };
	exchange->download = (struct exchange_download){ .status = 0 };
	exchange->timeline = (struct exchange_timeline){ .began_us = 0 };
	exchange->avoid.count = 0;
}

struct exchange *spare_open(struct downstream *downstream, const struct exchange_upcalls *upcalls, uint64_t began_us)
{
	struct worker *worker = downstream->worker;
	struct exchange *exchange = worker->spare;

	if (exchange != NULL) {
		worker->spare = exchange->next_spare;
		worker->spare_count--;
		clear(exchange);
	} else if ((exchange = calloc(1, sizeof *exchange)) == NULL) {
		downstream->operations->reset(downstream);
		worker_count_shed(worker, SHED_OUT_OF_MEMORY);
		return NULL;
	}
	exchange->upcalls = upcalls;
	exchange->worker = worker;
	exchange->downstream = downstream;
	exchange->snapshot = snapshot_use(worker);
	exchange->timeline.began_us = began_us;
	downstream->exchange = exchange;
	counter_add(&worker->counters.requests_received, 1);
	return exchange;
}

static void free_it(struct deferred_free *deferred)
{
	struct exchange *exchange = container_of(deferred, struct exchange, deferred_free);
	struct worker *worker = exchange->worker;

	if (worker->spare_count >= SPARE_MOST) {
		spare_free(exchange);
		return;
	}
	recycle(&exchange->raw);
	recycle(&exchange->head);
	recycle(&exchange->kept);
	exchange->next_spare = worker->spare;
	worker->spare = exchange;
	worker->spare_count++;
}

void spare_close(struct exchange *exchange)
{
	if (exchange->saved != NULL)
		intake_forget(exchange);
	snapshot_release(exchange->worker, exchange->snapshot);
	io_free_later(&exchange->worker->io, &exchange->deferred_free, free_it);
}
