/*
 * Counters: one shard per worker and route, one writer each, summed when somebody asks.
 *
 * A series is one combination of method, status and outcome. It is made when it is first seen, up to METRICS_SERIES_MAX per
 * shard. Further combinations count under method OTHER and status 0, so a hostile client can't fill memory with labels.
 */
#ifndef GATEWAY_TELEMETRY_METRICS_H
#define GATEWAY_TELEMETRY_METRICS_H

#include <stdatomic.h>

#include "gateway/base/latency.h"
#include "gateway/http/request.h"
#include "gateway/telemetry/metrics_events.h"

enum { METRICS_SERIES_MAX = 96, METRICS_BUCKETS = 14 };

/* A maximum is that of the last minutes, as Micrometer's for Prometheus: of the turn under way and the two before it. */
enum { METRICS_TURN_MS = 60 * 1000, METRICS_TURNS_KEPT = 2 };

/* Upper bounds in microseconds; a value above the last counts only into the sum and the count. */
extern const uint32_t metrics_bucket_us[METRICS_BUCKETS];

struct series {
	enum method method;
	unsigned status; /* and what stands above it */
	enum outcome outcome;
	bool is_call; /* it got to the upstream, or should have */
	_Atomic uint64_t count, sum_us;
	_Atomic uint64_t max_us;                   /* in this turn; beside the writer, metrics_turn() writes it */
	_Atomic uint64_t buckets[METRICS_BUCKETS]; /* not cumulative */
	uint64_t max_before_us[METRICS_TURNS_KEPT]; /* the control thread's: in the turns before, the latest first */
};

struct metrics_shard {
	_Atomic(struct series *) series[METRICS_SERIES_MAX]; /* filled from the front by the writer */
	unsigned count;                                      /* the writer's */
	_Atomic uint64_t lost;                               /* requests whose series could not be made: memory was short */
	_Atomic uint32_t latencies[LATENCY_PLACES];          /* of calls */
};

struct route_metrics {
	unsigned shard_count;
	struct metrics_shard shards[];
};

/* NULL: out of memory. */
struct route_metrics *metrics_new(unsigned shard_count);
void metrics_free(struct route_metrics *metrics);
/* The thread that owns `shard`. `status`: and what stands above it. */
void metrics_count(struct route_metrics *metrics, unsigned shard, enum method method, unsigned status, enum outcome outcome,
                   uint64_t duration_us);
/* Any thread. NULL: there are not so many. */
struct series *metrics_series_at(const struct metrics_shard *shard, size_t index);
/* How many requests ended so. Any thread. */
uint64_t metrics_sum_outcome(const struct route_metrics *metrics, enum outcome outcome);
/* Begins another turn: every METRICS_TURN_MS, on the control thread, which alone reads the maxima. */
void metrics_turn(struct route_metrics *metrics);

/* Why the gateway closed the connection of a client that had done nothing wrong. */
enum shed_reason {
	SHED_OLDEST_IDLE,  /* to make room for another */
	SHED_SLOW,         /* its request held a place in a full bulkhead */
	SHED_CLIENT_LIMIT, /* limits.connections_per_client */
	SHED_FULL,         /* limits.connections, and none had to be closed for it */
	SHED_NO_MEMORY,    /* limits.memory */
	SHED_OUT_OF_MEMORY, /* malloc() failed */
	SHED_REASONS,
};

/* As the metric has it; as the log has it. */
extern const char *const shed_reason_name[SHED_REASONS], *const shed_reason_texts[SHED_REASONS];

/* The counters of one worker besides requests; one writer each. */
struct worker_counters {
	_Atomic uint64_t connections_accepted, connections_open, accept_pauses;
	_Atomic uint64_t shed[SHED_REASONS];
	_Atomic uint64_t tunnels_open;
	_Atomic uint64_t requests_received, retries, upstream_connects, upstream_reuses;
	_Atomic uint64_t bytes_in, bytes_out;
	_Atomic uint64_t log_lines_lost;
	_Atomic uint64_t active, active_sum_us, active_longest_us; /* requests under way when the metrics were last asked for */
	_Atomic uint64_t iterations; /* of the loop: /livez watches it */
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
