/* The wheel: slot = tick modulo DEADLINE_SLOTS. A deadline beyond one revolution of the wheel waits in the last slot of this
 * one, and moves on from there. */
#include "gateway/base/deadline.h"

#include <stddef.h>
#include <string.h>

void deadlines_init(struct deadlines *deadlines, uint64_t now_ms)
{
	memset(deadlines, 0, sizeof *deadlines);
	deadlines->tick = now_ms / DEADLINE_TICK_MS;
	deadlines->earliest_tick = UINT64_MAX;
}

void deadline_init(struct deadline *deadline, void (*on_due)(struct deadline *deadline))
{
	memset(deadline, 0, sizeof *deadline);
	deadline->on_due = on_due;
}

static void unlink_from_slot(struct deadlines *deadlines, struct deadline *deadline)
{
	size_t slot = deadline->slot_tick % DEADLINE_SLOTS;

	*deadline->link = deadline->next;
	if (deadline->next != NULL)
		deadline->next->link = deadline->link;
	deadline->link = NULL;
	if (deadlines->slots[slot] == NULL)
		deadlines->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
}

static void link_to_slot(struct deadlines *deadlines, struct deadline *deadline)
{
	uint64_t tick = (deadline->at_ms + DEADLINE_TICK_MS - 1) / DEADLINE_TICK_MS;
	size_t slot;

	if (tick <= deadlines->tick)
		tick = deadlines->tick + 1;
	if (tick >= deadlines->tick + DEADLINE_SLOTS)
		tick = deadlines->tick + DEADLINE_SLOTS - 1;
	deadline->slot_tick = tick;
	slot = tick % DEADLINE_SLOTS;
	deadline->next = deadlines->slots[slot];
	if (deadline->next != NULL)
		deadline->next->link = &deadline->next;
	deadline->link = &deadlines->slots[slot];
	deadlines->slots[slot] = deadline;
	deadlines->occupied[slot / 64] |= UINT64_C(1) << slot % 64;
	if (tick < deadlines->earliest_tick)
		deadlines->earliest_tick = tick;
}

void deadline_set(struct deadlines *deadlines, struct deadline *deadline, uint64_t at_ms)
{
	deadline->at_ms = at_ms == 0 ? 1 : at_ms;
	if (deadline->link != NULL) {
		if (deadline->slot_tick * DEADLINE_TICK_MS <= at_ms)
			return;
		unlink_from_slot(deadlines, deadline);
	}
	link_to_slot(deadlines, deadline);
}

void deadline_remove(struct deadlines *deadlines, struct deadline *deadline)
{
	deadline->at_ms = 0;
	if (deadline->link != NULL)
		unlink_from_slot(deadlines, deadline);
}

/* The first occupied slot's tick after `tick`. It searches all slots, because a deadline that was set after a long sleep may
 * be in any. */
static uint64_t next_occupied(const struct deadlines *deadlines, uint64_t tick)
{
	for (uint64_t at = tick + 1; at <= tick + DEADLINE_SLOTS;) {
		size_t slot = at % DEADLINE_SLOTS;
		uint64_t word = deadlines->occupied[slot / 64] >> slot % 64;

		if (word != 0) {
			at += (unsigned)__builtin_ctzll(word);
			return at <= tick + DEADLINE_SLOTS ? at : UINT64_MAX;
		}
		at += 64 - slot % 64;
	}
	return UINT64_MAX;
}

static void run_slot(struct deadlines *deadlines, size_t slot, uint64_t now_ms)
{
	/* The slot is emptied as a whole, because a callback may add to it. `due` is the head of the list, so callbacks may
	 * remove from it. */
	struct deadline *due = deadlines->slots[slot];

	if (due == NULL)
		return;
	deadlines->slots[slot] = NULL;
	deadlines->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	due->link = &due;
	while (due != NULL) {
		struct deadline *deadline = due;

		due = deadline->next;
		if (due != NULL)
			due->link = &due;
		deadline->link = NULL;
		if (deadline->at_ms == 0)
			continue;
		if (deadline->at_ms > now_ms) {
			link_to_slot(deadlines, deadline);
			continue;
		}
		deadline->at_ms = 0;
		deadline->on_due(deadline);
	}
}

void deadlines_run(struct deadlines *deadlines, uint64_t now_ms)
{
	uint64_t now_tick = now_ms / DEADLINE_TICK_MS;

	if (now_tick > deadlines->tick + DEADLINE_SLOTS)
		deadlines->tick = now_tick - DEADLINE_SLOTS; /* asleep for more than a revolution: each slot once */
	while (deadlines->tick < now_tick) {
		uint64_t tick = next_occupied(deadlines, deadlines->tick);

		if (tick > now_tick) {
			deadlines->tick = now_tick;
			break;
		}
		deadlines->tick = tick;
		run_slot(deadlines, tick % DEADLINE_SLOTS, now_ms);
	}
	deadlines->earliest_tick = next_occupied(deadlines, deadlines->tick);
}

uint64_t deadlines_next_ms(const struct deadlines *deadlines)
{
	return deadlines->earliest_tick == UINT64_MAX ? UINT64_MAX : deadlines->earliest_tick * DEADLINE_TICK_MS;
}
