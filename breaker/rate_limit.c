/*
 *   set:  | key time | key time | key time | key time | ... WAYS of them: two cache lines
 *
 * A key has one set, chosen by its low bits, and any place in it. Calls of a known key take no lock: they find the place, move its
 * time by compare-and-swap, and look whether the place is still theirs. Only a key that is not there locks, one stripe of the
 * sets, and there looks again, so no key ever has two places. It takes the place with the smallest time: while that lies in the
 * past, nothing is lost.
 *
 * Why a place can change hands under a call and no call is lost: the thread that gives a place away clears the key before it
 * changes the time. A call that had seen the old key either moves the time before that, or its compare-and-swap fails, or it
 * finds afterwards that the key is another and begins anew. The worst case is one call too many charged to the new key.
 */
#include "breaker/rate_limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { WAYS = 8, STRIPES = 64, CACHE_LINE = 64 };

struct place {
	_Atomic uint64_t key; /* 0: free */
	_Atomic uint64_t arrival_ns;
};

struct stripe {
	_Alignas(CACHE_LINE) pthread_mutex_t mutex;
};

struct rate_table {
	struct place *places;
	size_t set_mask;
	struct stripe stripes[STRIPES];
};

struct rate rate_of(uint32_t calls, uint64_t period_ms, uint32_t burst)
{
	uint64_t period_ns = period_ms * 1000000, interval_ns = (period_ns + calls / 2) / calls;

	if (interval_ns == 0)
		interval_ns = 1;
	return (struct rate){ .interval_ns = interval_ns, .window_ns = interval_ns * burst };
}

struct rate rate_share(const struct rate *rate, uint32_t count)
{
	uint64_t interval_ns = rate->interval_ns * count;

	/* The window stays, as a part of the burst takes as long to come back as the whole did at the whole rate. */
	return (struct rate){ .interval_ns = interval_ns,
		              .window_ns = rate->window_ns < interval_ns ? interval_ns : rate->window_ns };
}

struct rate_table *rate_table_new(size_t keys)
{
	struct rate_table *table = aligned_alloc(CACHE_LINE, sizeof *table);
	size_t sets = 1;

	if (table == NULL)
		return NULL;
	while (sets * WAYS < keys)
		sets *= 2;
	*table = (struct rate_table){ .set_mask = sets - 1 };
	table->places = calloc(sets * WAYS, sizeof *table->places); /* pages that no key has touched cost nothing */
	if (table->places == NULL) {
		free(table);
		return NULL;
	}
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_init(&table->stripes[i].mutex, NULL); /* with these attributes it can't fail */
	return table;
}

void rate_table_free(struct rate_table *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_destroy(&table->stripes[i].mutex);
	free(table->places);
	free(table);
}

size_t rate_table_bytes(const struct rate_table *table)
{
	return sizeof *table + (table->set_mask + 1) * WAYS * sizeof *table->places;
}

static struct place *find(struct place *set, uint64_t key)
{
	for (size_t i = 0; i < WAYS; i++)
		if (atomic_load_explicit(&set[i].key, memory_order_acquire) == key)
			return &set[i];
	return NULL;
}

static struct place *stalest_of(struct place *set, uint64_t *arrival_ns)
{
	struct place *stalest = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		uint64_t at_ns = atomic_load_explicit(&set[i].arrival_ns, memory_order_relaxed);

		if (stalest == NULL || at_ns < *arrival_ns) {
			stalest = &set[i];
			*arrival_ns = at_ns;
		}
	}
	return stalest;
}

static struct place *make_room(struct rate_table *table, size_t index, uint64_t key, uint64_t now_ns, bool *has_evicted)
{
	pthread_mutex_t *mutex = &table->stripes[index % STRIPES].mutex;
	struct place *set = &table->places[index * WAYS], *place;
	uint64_t arrival_ns = 0;

	pthread_mutex_lock(mutex);
	place = find(set, key);
	if (place == NULL) {
		place = stalest_of(set, &arrival_ns);
		*has_evicted = arrival_ns > now_ns;
		atomic_store_explicit(&place->key, 0, memory_order_seq_cst);
		atomic_store_explicit(&place->arrival_ns, 0, memory_order_relaxed);
		atomic_store_explicit(&place->key, key, memory_order_release);
	}
	pthread_mutex_unlock(mutex);
	return place;
}

static struct rate_verdict charge(struct place *place, const struct rate *rate, uint64_t now_ns)
{
	uint64_t arrival_ns = atomic_load_explicit(&place->arrival_ns, memory_order_relaxed), next_ns, ahead_ns;

	do {
		uint64_t from_ns = arrival_ns > now_ns ? arrival_ns : now_ns;

		next_ns = from_ns + rate->interval_ns;
		ahead_ns = next_ns - now_ns;
		if (ahead_ns > rate->window_ns)
			return (struct rate_verdict){ .wait_ns = ahead_ns - rate->window_ns, .ahead_ns = from_ns - now_ns };
	} while (!atomic_compare_exchange_weak_explicit(&place->arrival_ns, &arrival_ns, next_ns, memory_order_seq_cst,
	                                                memory_order_relaxed));
	return (struct rate_verdict){ .is_allowed = true, .ahead_ns = ahead_ns };
}

/* Out of line: most keys are there. */
static __attribute__((noinline)) struct rate_verdict take_place(struct rate_table *table, const struct rate *rate, uint64_t key,
                                                                uint64_t now_ns)
{
	size_t index = (size_t)key & table->set_mask;
	bool has_evicted = false;

	for (;;) {
		struct place *place = find(&table->places[index * WAYS], key);
		struct rate_verdict verdict;

		if (place == NULL)
			place = make_room(table, index, key, now_ns, &has_evicted);
		verdict = charge(place, rate, now_ns);
		verdict.has_evicted = has_evicted;
		if (atomic_load_explicit(&place->key, memory_order_seq_cst) == key)
			return verdict;
	}
}

struct rate_verdict rate_table_take(struct rate_table *table, const struct rate *rate, uint64_t key, uint64_t now_us)
{
	uint64_t now_ns = now_us * 1000;
	struct place *place;
	struct rate_verdict verdict;

	if (key == 0)
		key = 1;
	place = find(&table->places[((size_t)key & table->set_mask) * WAYS], key);
	if (place == NULL)
		return take_place(table, rate, key, now_ns);
	verdict = charge(place, rate, now_ns);
	if (atomic_load_explicit(&place->key, memory_order_seq_cst) != key)
		return take_place(table, rate, key, now_ns);
	return verdict;
}
