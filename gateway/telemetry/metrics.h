/*
 * Counters: one shard per worker and route, one writer each, summed when somebody asks.
 *
 * A series is one combination of method, status and outcome; it is made when first seen, up to METRICS_SERIES_MAX per shard,
 * then what is new is counted under method OTHER and status 0, so a hostile client can't fill memory with labels.
 */
#ifndef GATEWAY_TELEMETRY_METRICS_H
#define GATEWAY_TELEMETRY_METRICS_H

#include <stdatomic.h>

#include "gateway/http/request.h"
#include "gateway/outcome.h"

enum { METRICS_SERIES_MAX = 96, METRICS_BUCKETS = 14 };

/* Upper bounds in microseconds; what is above the last counts only into the sum and the count. */
extern const uint32_t metrics_bucket_us[METRICS_BUCKETS];

/* With OUTCOME_REPLACED: what the fallback took the place of, and so what the breaker heard. */
enum replaced { REPLACED_UNKNOWN, REPLACED_SUCCESS, REPLACED_BAD_REQUEST, REPLACED_FAILURE };

/* What stands above the status that the client got, in one word, so that it costs no other request a comparison: `enum replaced`,
 * and whether the request took more than one try. */
enum { METRICS_STATUS_MASK = 0xffff, METRICS_REPLACED_SHIFT = 16, METRICS_REPLACED_MASK = 3, METRICS_RETRIED = 1 << 18 };

struct series {
	enum method method;
	unsigned status; /* and what stands above it */
	enum outcome outcome;
	_Atomic uint64_t count, sum_us, max_us;
	_Atomic uint64_t buckets[METRICS_BUCKETS]; /* not cumulative */
};

struct metrics_shard {
	_Atomic(struct series *) series[METRICS_SERIES_MAX]; /* filled from the front by the writer */
	unsigned count;                                      /* the writer's */
	_Atomic uint64_t lost;                               /* requests whose series could not be made: memory was short */
};

struct route_metrics {
	unsigned shard_count;
	struct metrics_shard shards[];
};

/* NULL: memory is short. */
struct route_metrics *metrics_new(unsigned shard_count);
void metrics_free(struct route_metrics *metrics);
/* The thread that owns `shard`. `status`: and what stands above it. */
void metrics_count(struct route_metrics *metrics, unsigned shard, enum method method, unsigned status, enum outcome outcome,
                   uint64_t duration_us);

/* Why a client's connection was closed that had done nothing wrong. */
enum shed_reason {
	SHED_OLDEST_IDLE,  /* to make room for another */
	SHED_SLOW,         /* its request held a place in a full bulkhead */
	SHED_CLIENT_LIMIT, /* limits.connections_per_client */
	SHED_FULL,         /* limits.connections, and none had to be closed for it */
	SHED_NO_MEMORY,    /* limits.memory, or there is none at all */
	SHED_REASONS,
};

/* As the metric has it; as the log has it. */
extern const char *const shed_reason_name[SHED_REASONS], *const shed_reason_words[SHED_REASONS];

/* What one worker counts besides requests; one writer each. */
struct worker_counters {
	_Atomic uint64_t connections_accepted, connections_open, accept_rests;
	_Atomic uint64_t shed[SHED_REASONS];
	_Atomic uint64_t tunnels_open;
	_Atomic uint64_t requests_received, retries, upstream_connects, upstream_reuses;
	_Atomic uint64_t bytes_in, bytes_out;
	_Atomic uint64_t log_lines_lost;
	_Atomic uint64_t turns; /* of the loop: /livez watches it */
};

/* A counter with a single writer needs no locked instruction. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t amount)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount, memory_order_relaxed);
}

static inline uint64_t counter_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit((_Atomic uint64_t *)counter, memory_order_relaxed);
}

#endif
