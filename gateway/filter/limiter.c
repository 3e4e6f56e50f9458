#include "gateway/filter/limiter.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/filter/store.h"
#include "gateway/telemetry/metrics_shape.h"

/* Used when configurations come and go, and when somebody asks for the metrics. */
static struct {
	pthread_mutex_t mutex;
	struct limiter *limiters;
	struct limiter_counted *counted;
} all = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static bool is_like(const struct limiter *limiter, const struct route *route, const struct store *store)
{
	const struct rate_limit_settings *a = &limiter->settings, *b = &route->rate_limit;

	return strcmp(limiter->counted->id, route->id) == 0 && limiter->store == store && a->calls == b->calls &&
	       a->period_ms == b->period_ms &&
	       rate_limit_burst(a) == rate_limit_burst(b) && a->key == b->key && a->name_length == b->name_length &&
	       (a->name_length == 0 || memcmp(a->name, b->name, a->name_length) == 0);
}

static struct limiter_counted *counted_of(const char *id)
{
	struct limiter_counted *counted = all.counted;

	while (counted != NULL && strcmp(counted->id, id) != 0)
		counted = counted->next;
	if (counted != NULL)
		return counted;
	counted = aligned_alloc(_Alignof(struct limiter_counted), sizeof *counted);
	if (counted == NULL)
		return NULL;
	memset(counted, 0, sizeof *counted);
	counted->id = strdup(id);
	if (counted->id == NULL) {
		free(counted);
		return NULL;
	}
	counted->next = all.counted;
	all.counted = counted;
	return counted;
}

static void free_limiter(struct limiter *limiter)
{
	rate_table_free(limiter->table);
	if (limiter->store != NULL)
		store_release(limiter->store);
	free(limiter->name);
	free(limiter);
}

/* In seconds, rounded up (draft-ietf-httpapi-ratelimit-headers-10, section 3). */
static void write_policy(struct limiter *limiter)
{
	snprintf(limiter->policy, sizeof limiter->policy, "\"default\";q=%" PRIu32 ";w=%" PRIu64, rate_limit_burst(&limiter->settings),
	         (limiter->rate.window_ns + 999999999) / 1000000000);
}

/* Keys are clients' addresses or their secrets, so the store gets hashes of them. */
static void name_in_store(struct limiter *limiter, const char *id)
{
	for (uint64_t i = 0; i < 2; i++) {
		const struct siphash_seed fixed[2] = { { { i, 0 } }, { { i, 1 } } };

		for (size_t half = 0; half < 2; half++)
			limiter->shared_seeds[i].halves[half] = siphash(&fixed[half], id, strlen(id));
	}
	snprintf(limiter->prefix, sizeof limiter->prefix, "gateway:%.*s:", LIMITER_PREFIX_MAX - 16, id);
}

static struct limiter *make(const struct route *route, struct store *store)
{
	struct limiter_counted *counted = counted_of(route->id);
	struct limiter *limiter = counted == NULL ? NULL : calloc(1, sizeof *limiter);

	if (limiter == NULL)
		return NULL;
	limiter->users = 1;
	limiter->settings = route->rate_limit;
	limiter->name = route->rate_limit.name == NULL ? NULL : strdup(route->rate_limit.name);
	limiter->settings.name = limiter->name;
	limiter->rate = rate_limit_rate(&route->rate_limit);
	limiter->table = rate_table_new(route->rate_limit.key == RATE_LIMIT_ROUTE ? 1 : LIMITER_KEYS);
	limiter->store = store;
	if (store != NULL)
		store_hold(store);
	limiter->seed = siphash_seed_new();
	limiter->counted = counted;
	if (limiter->table == NULL || (route->rate_limit.name != NULL && limiter->name == NULL)) {
		free_limiter(limiter);
		return NULL;
	}
	write_policy(limiter);
	name_in_store(limiter, route->id);
	limiter->next = all.limiters;
	all.limiters = limiter;
	return limiter;
}

struct limiter *limiter_use(const struct route *route)
{
	const struct store_settings *settings = route->rate_limit.store;
	char error[200] = "";
	struct store *store = settings == NULL ? NULL : store_use(settings, error, sizeof error);
	struct limiter *limiter;

	if (settings != NULL && store == NULL) {
		log_error("route %s: rate_limit.store %s: %s", route->id, settings->name, error);
		return NULL;
	}
	pthread_mutex_lock(&all.mutex);
	limiter = all.limiters;
	while (limiter != NULL && !is_like(limiter, route, store))
		limiter = limiter->next;
	if (limiter != NULL)
		limiter->users++;
	else
		limiter = make(route, store);
	pthread_mutex_unlock(&all.mutex);
	return limiter;
}

void limiter_release(struct limiter *limiter)
{
	struct limiter **link = &all.limiters;

	pthread_mutex_lock(&all.mutex);
	if (--limiter->users == 0) {
		while (*link != limiter)
			link = &(*link)->next;
		*link = limiter->next;
		free_limiter(limiter);
	}
	pthread_mutex_unlock(&all.mutex);
}

/* ---- metrics ------------------------------------------------------------------------------------------------- */

static uint64_t sum(const struct limiter_counted *counted, size_t offset)
{
	uint64_t total = 0;

	for (size_t i = 0; i < LIMITER_SHARDS; i++)
		total += atomic_load_explicit((const _Atomic uint64_t *)((const char *)&counted->shards[i] + offset),
		                              memory_order_relaxed);
	return total;
}

static void write_line(FILE *to, const char *name, const struct limiter_counted *counted, const char *decision, size_t offset)
{
	fprintf(to, "%s{", name);
	metrics_label(to, "route", counted->id);
	if (decision != NULL)
		fprintf(to, ",result=\"%s\"", decision);
	fprintf(to, "} %" PRIu64 "\n", sum(counted, offset));
}

void limiters_write_metrics(FILE *to)
{
	static const char calls[] = "gateway_rate_limit_requests_total", evicted[] = "gateway_rate_limit_evicted_keys_total";

	pthread_mutex_lock(&all.mutex);
	if (all.counted != NULL)
		metrics_head(to, calls, "counter", "requests that met a rate limit; dry_run: would have been refused");
	for (const struct limiter_counted *counted = all.counted; counted != NULL; counted = counted->next) {
		write_line(to, calls, counted, "allowed", offsetof(struct limiter_counts, allowed));
		write_line(to, calls, counted, "refused", offsetof(struct limiter_counts, refused));
		write_line(to, calls, counted, "dry_run", offsetof(struct limiter_counts, dry_run));
	}
	if (all.counted != NULL)
		metrics_head(to, evicted, "counter", "keys that were forgotten while they still counted: there were too many at once");
	for (const struct limiter_counted *counted = all.counted; counted != NULL; counted = counted->next)
		write_line(to, evicted, counted, NULL, offsetof(struct limiter_counts, evicted));
	pthread_mutex_unlock(&all.mutex);
}
