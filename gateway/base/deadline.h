/*
 * Many deadlines, one clock: a timing wheel for one thread.
 *
 * A deadline that moves later, as nearly all do (every request pushes its connection's idle time ahead), costs one
 * store: it stays in its slot and is moved on when that slot comes due. Only one that moves earlier is relinked.
 * Resolution is DEADLINE_TICK_MS; a deadline is never early and at most two ticks late while the loop turns.
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
/* It won't come due; stays linked, so its memory must stay until deadline_remove(). */
static inline void deadline_clear(struct deadline *deadline)
{
	deadline->at_ms = 0;
}
/* Before its memory goes. */
void deadline_remove(struct deadlines *deadlines, struct deadline *deadline);

#endif
