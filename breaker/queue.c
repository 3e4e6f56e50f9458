/*
 * Why nobody waits beside a free place
 *
 * A worker that frees a place while others wait (bulkhead_must_wake) looks for the oldest and
 * calls its thread, which takes the place if it still can. A place is never in transit: a call is a hint, and the one
 * who is called decides by the bulkhead's word. That leaves three ways to sleep on, and what is done about them:
 *
 *  - A call comes to wait while another leaves. It shows its ticket before it counts itself as waiting in the word: who
 *    leaves after that sees both; who left before has left a place in the word, which the one that comes then sees.
 *  - The one that was called has given up. It shows the next ticket (or none) before it counts itself out, and then looks
 *    at the word like everybody else: if the place is free still, it calls the next.
 *  - A thread is called while it is about to look. It takes its mark away before it reads the word: who found the mark
 *    set, and did not call again, had changed the word before.
 *
 * All of it rests on one order of all these loads and stores, which is what C11 gives when nothing else is asked for. A
 * call that is lost because memory was short costs no more than the wait, which has its own end.
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
