/*
 * Many deadlines, one clock: a timing wheel for one thread.
 *
 * Nearly all deadlines move later (every request moves its connection's idle time ahead), which costs one store: the deadline
 * stays in its slot and moves on when that slot comes due. Only a deadline that moves earlier changes its slot at once. The
 * resolution is DEADLINE_TICK_MS; a deadline is never early, and at most two ticks late while the loop runs.
 */
#ifndef GATEWAY_BASE_DEADLINE_H
#define GATEWAY_BASE_DEADLINE_H

#include <stdint.h>

enum { DEADLINE_TICK_MS = 4, DEADLINE_SLOTS = 1024 };

struct deadline {
	struct deadline *next, **link; /* link NULL: in no slot */
	uint64_t at_ms;                /* 0: never */
	uint64_t slot_tick;
	void (*on_due)(struct deadline *deadline);
};

struct deadlines {
	uint64_t tick; /* everything up to and including it has been run */
	uint64_t earliest_tick; /* no occupied slot before it; UINT64_MAX when all are empty */
	uint64_t occupied[DEADLINE_SLOTS / 64];
	struct deadline *slots[DEADLINE_SLOTS];
};

void deadlines_init(struct deadlines *deadlines, uint64_t now_ms);
/* Runs what is due. A callback may set, clear or remove any deadline, its own included. */
void deadlines_run(struct deadlines *deadlines, uint64_t now_ms);
/* When deadlines_run() should be called next; UINT64_MAX when nothing waits. May be early, never late. */
uint64_t deadlines_next_ms(const struct deadlines *deadlines);

void deadline_init(struct deadline *deadline, void (*on_due)(struct deadline *deadline));
void deadline_set(struct deadlines *deadlines, struct deadline *deadline, uint64_t at_ms);
/* It won't come due, but stays linked, so its memory must stay until deadline_remove(). */
static inline void deadline_clear(struct deadline *deadline)
{
	deadline->at_ms = 0;
}
/* Call before its memory is freed. */
void deadline_remove(struct deadlines *deadlines, struct deadline *deadline);

#endif
