/*
 * Why no request keeps waiting beside a free place
 *
 * A worker that frees a place while requests wait (bulkhead_must_wake()) finds the oldest of them and wakes its worker, which
 * takes the place if it is still free. Nobody hands a place over: a wake-up is a hint, and the woken worker decides by the
 * bulkhead's word. Three races could lose a wake-up:
 *
 *  - A request begins to wait while another gives its place back. Its worker shows its ticket before it counts the request as
 *    waiting. A place given back later finds both; one given back earlier is free in the word, and the new request sees that.
 *  - The request that was to be let in has given up. Its worker shows the next ticket (or none) before it counts the request
 *    out, and then looks at the word: if the place is still free, it wakes the worker of the next request.
 *  - A worker is woken while it is about to look. It clears is_woken before it reads the word. A worker that found is_woken
 *    set, and so sent nothing, had changed the word before.
 *
 * This needs one order of all these loads and stores: C11's default. A wake-up that is lost because memory was short costs only a
 * longer wait, which max_wait ends.
 */
#include "breaker/queue.h"

uint64_t queue_ticket(struct queue *queue)
{
	return atomic_fetch_add(&queue->tickets, 1) + 1;
}

void queue_show(struct queue *queue, unsigned line, uint64_t first)
{
	uint32_t used = atomic_load(&queue->lines_used);

	while (used <= line && !atomic_compare_exchange_weak(&queue->lines_used, &used, line + 1))
		continue;
	atomic_store(&queue->lines[line].first, first);
}

unsigned queue_next(const struct queue *queue)
{
	uint32_t used = atomic_load(&queue->lines_used);
	uint64_t oldest = UINT64_MAX;
	unsigned next = QUEUE_LINES;

	for (unsigned line = 0; line < used; line++) {
		uint64_t first = atomic_load(&queue->lines[line].first);

		if (first != 0 && first < oldest) {
			oldest = first;
			next = line;
		}
	}
	return next;
}

bool queue_wake(struct queue *queue, unsigned line)
{
	return !atomic_exchange(&queue->lines[line].is_woken, true);
}

void queue_woken(struct queue *queue, unsigned line)
{
	atomic_store(&queue->lines[line].is_woken, false);
}
