/*
 * The configurations that a worker knows: the one it serves, and older ones that exchanges still use; and for each
 * upstream in one of them its endpoints and pools.
 */
#include "gateway/worker/snapshot.h"

#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/upstream/h1.h"
#include "gateway/upstream/pool.h"
#include "gateway/worker/issuers.h"

struct snapshot *snapshot_use(struct worker *worker)
{
	worker->snapshot->uses++;
	return worker->snapshot;
}

/* Both sets are sorted by address, so one walk is enough, also for thousands. */
static void drop_pools(struct worker *worker, const struct endpoint_set *set, const struct endpoint_set *except)
{
	size_t kept = 0;

	for (size_t i = 0; set != NULL && i < set->count; i++) {
		struct endpoint *endpoint = set->endpoints[i];

		while (except != NULL && kept < except->count &&
		       address_compare(&except->endpoints[kept]->address, &endpoint->address) < 0)
			kept++;
		if ((except != NULL && kept < except->count && except->endpoints[kept] == endpoint) ||
		    endpoint->index >= worker->pool_count || worker->pools[endpoint->index] == NULL)
			continue;
		pool_withdraw(worker->pools[endpoint->index]);
		worker->pools[endpoint->index] = NULL;
	}
}

static void drop_local(struct worker *worker, struct local_upstream *local)
{
	worker->upcalls->forget_upstream(worker, local);
	drop_pools(worker, local->set, NULL);
	endpoint_set_release(local->set);
	upstream_release(local->upstream);
	*local = (struct local_upstream){ .upstream = NULL };
	ring_init(&local->queue); /* exchange_run_queues() looks again after the last exchange of a replaced upstream has ended */
}

void snapshot_forget_all(struct worker *worker)
{
	for (size_t i = 0; i < worker->local_count; i++)
		if (worker->locals[i].upstream != NULL)
			drop_local(worker, &worker->locals[i]);
	issuers_destroy(&worker->issuers);
}

/* Out of line: each request gives back a use, and few are the last. */
static __attribute__((noinline)) void end_snapshot(struct worker *worker, struct snapshot *snapshot)
{
	struct config *config = snapshot->config;

	if (snapshot != worker->snapshot && --worker->earlier_snapshots == 0)
		issuers_drop_left(&worker->issuers);
	for (size_t i = 0; i < config->upstream_count; i++) {
		struct local_upstream *local = worker_local(worker, config->upstreams[i].upstream);

		if (--local->snapshots == 0)
			drop_local(worker, local);
	}
	config_release(config);
	free(snapshot);
}

void snapshot_release(struct worker *worker, struct snapshot *snapshot)
{
	if (--snapshot->uses == 0)
		end_snapshot(worker, snapshot);
}

static bool grow(void **array, size_t *count, size_t index, size_t size)
{
	size_t wanted = index + 16;
	char *grown;

	if (index < *count)
		return true;
	grown = realloc(*array, wanted * size);
	if (grown == NULL)
		return false;
	memset(grown + *count * size, 0, (wanted - *count) * size);
	*array = grown;
	*count = wanted;
	return true;
}

/* The slot for this upstream; NULL: memory is short. */
static struct local_upstream *make_local(struct worker *worker, struct upstream *upstream)
{
	uintptr_t was = (uintptr_t)worker->locals;
	struct local_upstream *local;

	if (!grow((void **)&worker->locals, &worker->local_count, upstream->index, sizeof *worker->locals))
		return NULL;
	for (size_t i = 0; was != 0 && was != (uintptr_t)worker->locals && i < worker->local_count; i++)
		if (worker->locals[i].upstream != NULL)
			ring_moved(&worker->locals[i].queue,
			           was + i * sizeof *worker->locals + offsetof(struct local_upstream, queue));
	local = worker_local(worker, upstream);
	if (local->upstream == NULL) {
		local->upstream = upstream_reference(upstream);
		local->protocol = &upstream_h1;
		ring_init(&local->queue);
	}
	return local;
}

static bool make_pools(struct worker *worker, const struct endpoint_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct endpoint *endpoint = set->endpoints[i];

		if (!grow((void **)&worker->pools, &worker->pool_count, endpoint->index, sizeof *worker->pools))
			return false;
		if (worker->pools[endpoint->index] == NULL)
			worker->pools[endpoint->index] = pool_new(&worker->io, endpoint);
		if (worker->pools[endpoint->index] == NULL)
			return false;
	}
	return true;
}

/* The last worker that takes the new endpoints tells the breaker: from now on no probe can go to an endpoint that
 * failed. */
static void let_breaker_probe(struct worker *worker, struct upstream *upstream, struct endpoint_set *set)
{
	if (atomic_load(&set->untold) != 0 && atomic_fetch_sub(&set->untold, 1) == 1)
		breaker_probe_now(upstream->breaker, worker_now_ms(worker));
}

void snapshot_take_endpoints(struct worker *worker, struct upstream *upstream, struct endpoint_set *set)
{
	struct local_upstream *local = make_local(worker, upstream);

	if (local == NULL || !make_pools(worker, set)) {
		log_error("worker %u: out of memory: it keeps the old endpoints of %s", worker->index, upstream->name);
		if (local != NULL)
			drop_pools(worker, set, local->set);
		atomic_store(&set->must_renew, true);
		endpoint_set_release(set);
	} else {
		drop_pools(worker, local->set, set);
		endpoint_set_release(local->set);
		local->set = set;
		let_breaker_probe(worker, upstream, set);
	}
	upstream_release(upstream);
}

/* Room for the largest head that this configuration allows, and for two readings of a path in it. */
static bool reserve_scratch(struct worker *worker, const struct limits *limits)
{
	size_t fields = limits->request_fields;
	size_t head = (size_t)2 * limits->request_head_bytes, bytes = head > WORKER_HEAD_LEAST ? head : WORKER_HEAD_LEAST;
	void *grown;

	if (fields > worker->field_count) {
		grown = realloc(worker->fields, fields * sizeof *worker->fields);
		if (grown == NULL)
			return false;
		worker->fields = grown;
		worker->field_count = fields;
	}
	if (bytes > worker->head_size) {
		grown = realloc(worker->head, bytes);
		if (grown == NULL)
			return false;
		worker->head = grown;
		worker->head_size = bytes;
	}
	return true;
}

bool snapshot_take_config(struct worker *worker, struct config *config)
{
	struct snapshot *snapshot = malloc(sizeof *snapshot), *old = worker->snapshot;

	if (snapshot == NULL || !reserve_scratch(worker, &config->limits)) {
		free(snapshot);
		return false;
	}
	for (size_t i = 0; i < config->upstream_count; i++) {
		struct local_upstream *local = make_local(worker, config->upstreams[i].upstream);

		if (local == NULL) {
			while (i-- > 0)
				worker_local(worker, config->upstreams[i].upstream)->snapshots--;
			free(snapshot);
			return false;
		}
		local->snapshots++;
	}
	for (size_t i = 0; i < config->upstream_count; i++)
		worker->upcalls->take_limits(worker, &config->upstreams[i]);
	*snapshot = (struct snapshot){ .config = config, .uses = 1 };
	worker->snapshot = snapshot;
	if (old != NULL) {
		worker->earlier_snapshots++;
		issuers_take_config(&worker->issuers, config);
		snapshot_release(worker, old);
	}
	return true;
}
