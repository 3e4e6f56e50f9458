/*
 * The clients that have given up a half-open breaker's probe: they left, did not send their request, or did not read the
 * response. From then on the breaker admits their requests aside (breaker_admit_aside()), so each client can waste one probe,
 * and not more.
 *
 * The table remembers the latest clients. A client that others push out may waste one more probe. If two clients share a
 * hash, the innocent one is admitted aside, which harms nobody. Any thread; zero-initialised: no client.
 */
#ifndef BREAKER_DOUBT_H
#define BREAKER_DOUBT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { DOUBT_CLIENTS = 128 };

struct doubt {
	_Atomic bool has_any; /* saves making a hash while there is none */
	_Atomic uint32_t clients[DOUBT_CLIENTS];
};

/* `client` is a hash: its low bits choose the slot, its high bits identify the client there. */
static inline uint32_t doubt_mark(uint64_t client)
{
	return (uint32_t)(client >> 32) | 1; /* 0 is nobody */
}

static inline void doubt_note(struct doubt *doubt, uint64_t client)
{
	atomic_store_explicit(&doubt->has_any, true, memory_order_relaxed);
	atomic_store_explicit(&doubt->clients[client % DOUBT_CLIENTS], doubt_mark(client), memory_order_relaxed);
}

static inline bool doubt_has_any(const struct doubt *doubt)
{
	return atomic_load_explicit(&doubt->has_any, memory_order_relaxed);
}

static inline bool doubt_has(const struct doubt *doubt, uint64_t client)
{
	return atomic_load_explicit(&doubt->clients[client % DOUBT_CLIENTS], memory_order_relaxed) == doubt_mark(client);
}

#endif
