/*
 * Birth, sharing and end of upstreams and endpoints.
 *
 *     configuration ──> upstream        the control thread, and every exchange under way, hold references
 *     worker ──> endpoint_set ──> endpoint <── exchange, pool
 *
 * A set never changes: when DNS answers differently the control thread makes a new one from the endpoints that stay
 * (with their ejection and counters) and new ones, and workers swap pointers. What a worker still uses of the old set
 * lives until it lets go.
 *
 * Taking a reference needs no order, since whoever takes one holds one already; giving one back needs both: what was
 * written through any reference must be visible to the one who frees.
 */
#include "routes/upstream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* For so long the gateway trusts the shortest life of an idle connection, unless it sees it again. */
enum { IDLE_BELIEVED_MS = 60 * 1000 };

static void take(_Atomic unsigned *references)
{
	unsigned before = atomic_fetch_add_explicit(references, 1, memory_order_relaxed);

	assert(before > 0);
	(void)before;
}

/* True: that was the last one. */
static bool give_back(_Atomic unsigned *references)
{
	unsigned before = atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel);

	assert(before > 0);
	return before == 1;
}

/* ---- endpoints ------------------------------------------------------------------------------------------------ */

struct endpoint *endpoint_new(const struct address *address, unsigned index, uint64_t now_ms, const char *discovered_by)
{
	/* Its in-flight count has a cache line of its own, which malloc() does not align. */
	struct endpoint *endpoint = aligned_alloc(_Alignof(struct endpoint), sizeof(*endpoint));

	if (endpoint == NULL)
		return NULL;
	memset(endpoint, 0, sizeof(*endpoint));
	atomic_init(&endpoint->references, 1);
	endpoint->index = index;
	endpoint->address = *address;
	endpoint->text_length = address_format(address, endpoint->text);
	endpoint->born_ms = now_ms;
	endpoint->discovered_by = discovered_by;
	atomic_init(&endpoint->last_error, NULL);
	return endpoint;
}

struct endpoint *endpoint_reference(struct endpoint *endpoint)
{
	take(&endpoint->references);
	return endpoint;
}

void endpoint_release(struct endpoint *endpoint)
{
	if (endpoint != NULL && give_back(&endpoint->references))
		free(endpoint);
}

void endpoint_take_over(struct endpoint *endpoint, struct endpoint *old, bool with_health)
{
	uint64_t requests = atomic_load(&old->requests_total);

	if (with_health)
		endpoint->health = old->health;
	atomic_init(&endpoint->ejection.failures, atomic_load(&old->ejection.failures));
	atomic_init(&endpoint->ejection.times, atomic_load(&old->ejection.times));
	atomic_init(&endpoint->ejection.until_ms, atomic_load(&old->ejection.until_ms));
	atomic_init(&endpoint->ejection.ejections_total, atomic_load(&old->ejection.ejections_total));
	atomic_init(&endpoint->ejected_ms, atomic_load(&old->ejected_ms));
	atomic_init(&endpoint->joined_ms, atomic_load(&old->joined_ms));
	atomic_init(&endpoint->requests_total, requests);
	atomic_init(&endpoint->answered, requests); /* those under way belong to the old one: none of these is unanswered */
	atomic_init(&endpoint->heard_ms, atomic_load(&old->heard_ms));
	atomic_init(&endpoint->failures_total, atomic_load(&old->failures_total));
	atomic_init(&endpoint->failed_ms, atomic_load(&old->failed_ms));
	atomic_init(&endpoint->lost_ms, atomic_load(&old->lost_ms));
	atomic_init(&endpoint->last_error, atomic_load(&old->last_error));
	atomic_init(&endpoint->idle_ms, atomic_load(&old->idle_ms));
	atomic_init(&endpoint->idle_seen_ms, atomic_load(&old->idle_seen_ms));
}

void endpoint_note_idle(struct endpoint *endpoint, uint64_t idle_ms, bool is_closed_by_it, uint64_t now_ms)
{
	uint32_t seen = idle_ms == 0 ? 1 : idle_ms < UINT32_MAX ? (uint32_t)idle_ms : UINT32_MAX;
	uint32_t known = atomic_load_explicit(&endpoint->idle_ms, memory_order_relaxed);
	bool is_news = is_closed_by_it && (known == 0 || seen < known);
	bool is_old = known != 0 && (is_closed_by_it || seen > known) &&
	              now_ms - atomic_load_explicit(&endpoint->idle_seen_ms, memory_order_relaxed) > IDLE_BELIEVED_MS;

	if (!is_news && !is_old && !(is_closed_by_it && seen / 2 <= known))
		return;
	if (is_news || is_old)
		atomic_store_explicit(&endpoint->idle_ms, seen, memory_order_relaxed);
	atomic_store_explicit(&endpoint->idle_seen_ms, now_ms, memory_order_relaxed);
}

bool endpoint_is_lost(const struct endpoint *endpoint, uint64_t since_ms)
{
	uint64_t lost_ms = atomic_load(&endpoint->lost_ms);

	return lost_ms != 0 && (lost_ms >= since_ms || lost_ms >= atomic_load(&endpoint->heard_ms));
}

/* ---- sets of them --------------------------------------------------------------------------------------------- */

struct endpoint_set *endpoint_set_new(struct endpoint *const *endpoints, size_t count)
{
	struct endpoint_set *set;

	if (count > (SIZE_MAX - sizeof(*set)) / sizeof(set->endpoints[0]))
		return NULL;
	set = malloc(sizeof(*set) + count * sizeof(set->endpoints[0]));
	if (set == NULL)
		return NULL;
	atomic_init(&set->references, 1);
	atomic_init(&set->untold, 0);
	atomic_init(&set->must_renew, false);
	set->count = count;
	for (size_t i = 0; i < count; i++)
		set->endpoints[i] = endpoint_reference(endpoints[i]);
	return set;
}

struct endpoint_set *endpoint_set_reference(struct endpoint_set *set)
{
	take(&set->references);
	return set;
}

void endpoint_set_release(struct endpoint_set *set)
{
	if (set == NULL || !give_back(&set->references))
		return;
	for (size_t i = 0; i < set->count; i++)
		endpoint_release(set->endpoints[i]);
	free(set);
}

/* ---- upstreams ------------------------------------------------------------------------------------------------ */

static void upstream_free(struct upstream *upstream)
{
	if (upstream->breaker != NULL)
		breaker_free(upstream->breaker);
	free(upstream->name);
	free(upstream->host);
	free(upstream);
}

struct upstream *upstream_new(const struct upstream_settings *settings, unsigned index, uint64_t now_ms,
                              breaker_on_transition *on_transition, void *context)
{
	struct upstream *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return NULL;
	atomic_init(&upstream->references, 1);
	upstream->index = index;
	upstream->port = settings->port;
	upstream->changed_ms = upstream->empty_ms = now_ms;
	upstream->name = strdup(settings->name);
	upstream->host = strdup(settings->host);
	upstream->breaker = breaker_new(&settings->breaker, now_ms, on_transition, context);
	if (upstream->name == NULL || upstream->host == NULL || upstream->breaker == NULL) {
		upstream_free(upstream);
		return NULL;
	}
	return upstream;
}

/* Calls under way settle with the old one, so in-flight counts and the budget's slices begin at 0; totals since birth
 * continue, because graphs would fall otherwise. */
void upstream_take_over(struct upstream *upstream, struct upstream *old)
{
	breaker_take_over(upstream->breaker, old->breaker);
	upstream->changed_ms = old->changed_ms;
	upstream->refuses_ms = old->refuses_ms;
	if (old->empty_ms != 0) /* the new one may have no endpoint, although the old one has */
		upstream->empty_ms = old->empty_ms;
	upstream->override_stamp = old->override_stamp;
	atomic_init(&upstream->bulkhead.rejected_total, atomic_load(&old->bulkhead.rejected_total));
	atomic_init(&upstream->streams.rejected_total, atomic_load(&old->streams.rejected_total));
	atomic_init(&upstream->queue.waited_total, atomic_load(&old->queue.waited_total));
	atomic_init(&upstream->retry_budget.refused_total, atomic_load(&old->retry_budget.refused_total));
}

bool upstream_fits(const struct upstream *upstream, const struct upstream_settings *settings,
                   const struct breaker_settings *born_with)
{
	return strcmp(upstream->name, settings->name) == 0 && strcmp(upstream->host, settings->host) == 0 &&
	       upstream->port == settings->port && born_with->window == settings->breaker.window &&
	       born_with->window_size == settings->breaker.window_size;
}

struct upstream *upstream_reference(struct upstream *upstream)
{
	take(&upstream->references);
	return upstream;
}

void upstream_release(struct upstream *upstream)
{
	if (upstream != NULL && give_back(&upstream->references))
		upstream_free(upstream);
}
