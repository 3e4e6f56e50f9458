/*
 * Which call has waited longest for a place in the bulkhead, over all threads.
 *
 * Each thread keeps its own waiting calls in a list; this struct holds only the ticket of the first in each list. Tickets are
 * numbers that grow, so the smallest is the oldest, in whatever list it waits. Any thread; atomics only.
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
		_Atomic bool is_woken;
	} lines[QUEUE_LINES];
};

uint64_t queue_ticket(struct queue *queue);
/* The first of the thread's own line has changed. Call this before a call counts as waiting, and before it stops counting. */
void queue_show(struct queue *queue, unsigned line, uint64_t first);
/* The line whose first call has waited longest; QUEUE_LINES: nobody waits. */
unsigned queue_next(const struct queue *queue);
/* The first call of that line may get a place. True: the caller must wake that line's thread; false: the thread was woken and
 * has not looked yet. */
bool queue_wake(struct queue *queue, unsigned line);
/* That thread looks now. */
void queue_woken(struct queue *queue, unsigned line);

#endif
