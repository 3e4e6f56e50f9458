/*
 * Rate limits over many keys, exact over all threads, in memory that never grows.
 *
 * This is the generic cell rate algorithm. All that it keeps of a key is its theoretical arrival time: the moment at which
 * all admitted calls would have come if they had come evenly spaced. A call moves that time on by one interval; the limit
 * refuses a call that would move it further ahead of now than the burst allows. So a key needs one number, which threads
 * exchange by compare-and-swap, and a key whose time lies in the past holds no state at all: another key can take its slot
 * without anybody noticing.
 *
 * Any thread; time is a parameter. Keys are numbers from a hash that nobody outside can predict.
 */
#ifndef BREAKER_RATE_LIMIT_H
#define BREAKER_RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest time in which a burst may come back: with it no sum overflows. */
#define RATE_WINDOW_MAX_NS (UINT64_C(7) * 24 * 3600 * 1000000000)

struct rate {
	uint64_t interval_ns; /* between two calls, at the rate; at least 1 */
	uint64_t window_ns;   /* burst intervals: how far ahead of now the arrival time may be */
};

/* `calls` in `period_ms`, and `burst` of them at once. */
struct rate rate_of(uint32_t calls, uint64_t period_ms, uint32_t burst);
/* The share of one of `count` gateways: each lets through a part of the burst, at least one call. */
struct rate rate_share(const struct rate *rate, uint32_t count);

struct rate_table;

/* For about so many keys. NULL: out of memory. */
struct rate_table *rate_table_new(size_t keys);
void rate_table_free(struct rate_table *table);
size_t rate_table_bytes(const struct rate_table *table);

struct rate_verdict {
	bool is_allowed;
	bool has_evicted;  /* the table forgot the key that would have been free first: all still counted */
	uint64_t wait_ns;  /* refused: after this time the next call passes, if no other call of this key comes before */
	uint64_t ahead_ns; /* how far the arrival time is ahead of now: after this time the whole burst is available again */
};

/* One call. */
struct rate_verdict rate_table_take(struct rate_table *table, const struct rate *rate, uint64_t key, uint64_t now_us);
/* How many more calls would pass now. */
static inline uint64_t rate_remaining(const struct rate *rate, const struct rate_verdict *verdict)
{
	return verdict->ahead_ns >= rate->window_ns ? 0 : (rate->window_ns - verdict->ahead_ns) / rate->interval_ns;
}

#endif
