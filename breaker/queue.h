/*
 * Which call has waited longest for a place in the bulkhead, over all threads.
 *
 * Each thread keeps its own waiting calls in a list; only the ticket of the first in each list is kept here. Tickets are
 * numbers that grow, so the smallest is the oldest, wherever it waits. Any thread; atomics only.
 */
#ifndef BREAKER_QUEUE_H
#define BREAKER_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { QUEUE_LINES = 256 }; /* one per thread */

struct queue {
	_Atomic uint64_t tickets;      /* given out */
	_Atomic uint64_t waited_total; /* calls that got a place after waiting for it */
	_Atomic uint32_t lines_used;   /* no line beyond was ever used */
	struct {
		_Atomic uint64_t first; /* ticket; 0: nobody waits in this line */
		_Atomic bool is_called;
	} lines[QUEUE_LINES];
};

uint64_t queue_ticket(struct queue *queue);
/* The first of the thread's own line has changed. To be called before a call is counted as waiting, and before it is counted as
 * gone. */
void queue_show(struct queue *queue, unsigned line, uint64_t first);
/* The line whose first has waited longest; QUEUE_LINES: nobody waits. */
unsigned queue_next(const struct queue *queue);
/* There may be a place for the first of that line. True: its thread has to be told; false: it was told and has not looked yet. */
bool queue_call(struct queue *queue, unsigned line);
/* That thread looks now. */
void queue_answer(struct queue *queue, unsigned line);

#endif
