/* A circular list through its own head: an entry can leave without knowing which list it is in. One thread. */
#ifndef GATEWAY_BASE_RING_H
#define GATEWAY_BASE_RING_H

#include <stdbool.h>
#include <stdint.h>

struct ring {
	struct ring *previous, *next;
};

static inline void ring_init(struct ring *head)
{
	head->previous = head->next = head;
}

static inline bool ring_is_empty(const struct ring *head)
{
	return head->next == head;
}

/* The head was copied here from `was`. */
static inline void ring_moved(struct ring *head, uintptr_t was)
{
	if ((uintptr_t)head->next == was)
		ring_init(head);
	else
		head->next->previous = head->previous->next = head;
}

/* After all entries. */
static inline void ring_append(struct ring *head, struct ring *entry)
{
	entry->previous = head->previous;
	entry->next = head;
	head->previous->next = entry;
	head->previous = entry;
}

/* Before all entries. */
static inline void ring_prepend(struct ring *head, struct ring *entry)
{
	ring_append(head->next, entry);
}

/* Moves all entries of `from`, which is empty then, to `to`. */
static inline void ring_move(struct ring *from, struct ring *to)
{
	ring_init(to);
	if (ring_is_empty(from))
		return;
	*to = *from;
	to->next->previous = to->previous->next = to;
	ring_init(from);
}

static inline void ring_remove(struct ring *entry)
{
	entry->previous->next = entry->next;
	entry->next->previous = entry->previous;
}

/* Also if it is in no list. */
static inline void ring_leave(struct ring *entry)
{
	ring_remove(entry);
	ring_init(entry);
}

#endif
