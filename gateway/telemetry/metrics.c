#include "gateway/telemetry/metrics.h"

#include <stdlib.h>

const uint32_t metrics_bucket_us[METRICS_BUCKETS] = { 500,    1000,   2500,   5000,    10000,   25000,   50000,
	                                              100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000 };

const char *const shed_reason_name[SHED_REASONS] = {
	[SHED_OLDEST_IDLE] = "oldest_idle",
	[SHED_SLOW] = "slow",
	[SHED_CLIENT_LIMIT] = "client_limit",
	[SHED_FULL] = "full",
	[SHED_NO_MEMORY] = "no_memory",
	[SHED_OUT_OF_MEMORY] = "out_of_memory",
};

const char *const shed_reason_texts[SHED_REASONS] = {
	[SHED_OLDEST_IDLE] = "no room for new clients or streams: closing the longest idle ones",
	[SHED_SLOW] = "requests wait for an upstream: closing the slowest clients that occupy it",
	[SHED_CLIENT_LIMIT] = "a client has reached limits.connections_per_client",
	[SHED_FULL] = "limits.connections is reached",
	[SHED_NO_MEMORY] = "limits.memory is reached: closing slow clients that hold buffered data",
	[SHED_OUT_OF_MEMORY] = "the system has no memory for another connection",
};

struct route_metrics *metrics_new(unsigned shard_count)
{
	struct route_metrics *metrics = calloc(1, sizeof *metrics + shard_count * sizeof metrics->shards[0]);

	if (metrics != NULL)
		metrics->shard_count = shard_count;
	return metrics;
}

void metrics_free(struct route_metrics *metrics)
{
	for (unsigned i = 0; metrics != NULL && i < metrics->shard_count; i++)
		for (unsigned j = 0; j < metrics->shards[i].count; j++)
			free(atomic_load(&metrics->shards[i].series[j]));
	free(metrics);
}

static struct series *find(const struct metrics_shard *shard, enum method method, unsigned status, enum outcome outcome)
{
	for (unsigned i = 0; i < shard->count; i++) {
		struct series *series = atomic_load_explicit((_Atomic(struct series *) *)&shard->series[i], memory_order_relaxed);

		if (series->status == status && series->method == method && series->outcome == outcome)
			return series;
	}
	return NULL;
}

/* Calls itself once at most. NOLINTNEXTLINE(misc-no-recursion) */
static struct series *find_or_make(struct metrics_shard *shard, enum method method, unsigned status, enum outcome outcome)
{
	struct series *series = find(shard, method, status, outcome);

	if (series != NULL)
		return series;
	/* The last places are reserved for requests after labels have run out: one series for each outcome. */
	if (shard->count >= METRICS_SERIES_MAX - OUTCOME_COUNT && (status != 0 || method != METHOD_OTHER))
		return find_or_make(shard, METHOD_OTHER, 0, outcome);
	series = calloc(1, sizeof *series);
	if (series == NULL)
		return NULL;
	series->method = method;
	series->status = status;
	series->outcome = outcome;
	series->is_call = metrics_is_call(status, outcome);
	atomic_store_explicit(&shard->series[shard->count++], series, memory_order_release);
	return series;
}

void metrics_count(struct route_metrics *metrics, unsigned shard_index, enum method method, unsigned status,
                   enum outcome outcome, uint64_t duration_us)
{
	struct metrics_shard *shard = &metrics->shards[shard_index];
	struct series *series = find_or_make(shard, method, status, outcome);

	if (series == NULL) {
		counter_add(&shard->lost, 1);
		return;
	}
	counter_add(&series->count, 1);
	counter_add(&series->sum_us, duration_us);
	if (duration_us > counter_read(&series->max_us))
		atomic_store_explicit(&series->max_us, duration_us, memory_order_relaxed);
	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		if (duration_us <= metrics_bucket_us[i]) {
			counter_add(&series->buckets[i], 1);
			break;
		}
	}
	if (series->is_call) {
		_Atomic uint32_t *place = &shard->latencies[latency_place(duration_us)];

		atomic_store_explicit(place, atomic_load_explicit(place, memory_order_relaxed) + 1, memory_order_relaxed);
	}
}

struct series *metrics_series_at(const struct metrics_shard *shard, size_t index)
{
	return index >= METRICS_SERIES_MAX
	               ? NULL
	               : atomic_load_explicit((_Atomic(struct series *) *)&shard->series[index], memory_order_acquire);
}

uint64_t metrics_sum_outcome(const struct route_metrics *metrics, enum outcome outcome)
{
	const struct series *series;
	uint64_t count = 0;

	for (unsigned i = 0; i < metrics->shard_count; i++)
		for (size_t j = 0; (series = metrics_series_at(&metrics->shards[i], j)) != NULL; j++)
			count += series->outcome == outcome ? counter_read(&series->count) : 0;
	return count;
}

/* The writer compares and stores without a lock, so that a request pays nothing for the turns. If the exchange comes between the
 * two, the writer stores what it has just measured: that belongs to the new turn. */
static void turn_series(struct series *series)
{
	for (size_t i = METRICS_TURNS_KEPT; --i > 0;)
		series->max_before_us[i] = series->max_before_us[i - 1];
	series->max_before_us[0] = atomic_exchange_explicit(&series->max_us, 0, memory_order_relaxed);
}

void metrics_turn(struct route_metrics *metrics)
{
	struct series *series;

	for (unsigned i = 0; i < metrics->shard_count; i++)
		for (size_t j = 0; (series = metrics_series_at(&metrics->shards[i], j)) != NULL; j++)
			turn_series(series);
}
