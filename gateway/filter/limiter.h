/*
 * The part of a route's rate limit that all workers share: the table of its keys, and its counts.
 *
 * A limiter outlives a reload that keeps the route's name and the limit's rate, burst and key. The counts of a route's name
 * outlive everything, because counters must never fall.
 */
#ifndef GATEWAY_FILTER_LIMITER_H
#define GATEWAY_FILTER_LIMITER_H

#include <stdatomic.h>
#include <stdio.h>

#include "gateway/base/siphash.h"
#include "routes/config/config.h"

struct store;

/* The most keys that a table keeps while they count: 4 MiB if all of it is needed. */
enum { LIMITER_KEYS = 1 << 18, LIMITER_SHARDS = 8, LIMITER_POLICY_MAX = 64, LIMITER_PREFIX_MAX = 128 };

/* The counts of some of the workers. */
struct limiter_counts {
	_Alignas(64) _Atomic uint64_t allowed, refused, dry_run, evicted;
};

struct limiter_counted {
	struct limiter_counted *next;
	char *id; /* the route's */
	_Atomic uint64_t dry_run_logged_ms, evicted_logged_ms;
	struct limiter_counts shards[LIMITER_SHARDS];
};

struct limiter {
	struct limiter *next;
	unsigned users;
	struct rate_limit_settings settings; /* the settings that the keys' state depends on */
	char *name;                          /* settings.name */
	struct rate rate;
	struct rate_table *table;
	struct store *store; /* NULL: this gateway counts by itself */
	struct siphash_seed seed;
	struct limiter_counted *counted;
	char policy[LIMITER_POLICY_MAX]; /* RateLimit-Policy */
	/* The name of a key in the store: its hash after the route's name. All gateways have the same seeds. */
	char prefix[LIMITER_PREFIX_MAX];
	struct siphash_seed shared_seeds[2];
};

/* The limiter of this route, or a new one; the caller holds it until limiter_release(). NULL: out of memory, or the store
 * can't be used, which is logged. For the control thread. */
struct limiter *limiter_use(const struct route *route);
/* Any thread. */
void limiter_release(struct limiter *limiter);

static inline struct limiter_counts *limiter_counts(const struct limiter *limiter, unsigned worker)
{
	return &limiter->counted->shards[worker % LIMITER_SHARDS];
}

/* In Prometheus' form. For the control thread. */
void limiters_write_metrics(FILE *to);

#endif
