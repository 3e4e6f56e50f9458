#include "gateway/discovery/service.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/net/timer.h"

enum {
	CLOCKS_DIFFER_MS = 100, /* a worker reads its clock once per loop iteration */
	PUBLICATION_MS = 20,    /* results of health checks are collected for so long */
};

static void on_transition(void *context, const struct breaker_transition *transition)
{
	struct service *service = context;
	const struct discovery *discovery = service->discovery;

	if (transition->from == BREAKER_CLOSED && transition->to == BREAKER_OPEN) {
		atomic_store(&service->has_opened_slow, transition->reason == BREAKER_REASON_SLOW_RATE);
		atomic_store(&service->opened_ms, transition->at_ms);
	}
	discovery->events->on_transition(discovery->context, service->upstream, transition);
}

/* ---- endpoints ----------------------------------------------------------------------------------------------- */

/* Sets are sorted, so that comparing sets of a thousand is cheap. */
static struct endpoint *find_endpoint(const struct endpoint_set *set, const struct address *address)
{
	size_t low = 0, high = set == NULL ? 0 : set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = address_compare(&set->endpoints[middle]->address, address);

		if (order == 0)
			return set->endpoints[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool has_addresses(const struct endpoint_set *set, const struct address *addresses, size_t count)
{
	if (set == NULL || set->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (address_compare(&set->endpoints[i]->address, &addresses[i]) != 0)
			return false;
	return true;
}

static void log_endpoints(const struct service *service, const struct endpoint_set *set)
{
	const char *why = service->name == NULL ? NULL : service->name->error;
	char list[400];
	size_t used = 0;

	list[0] = '\0';
	for (size_t i = 0; i < set->count && used + ADDRESS_TEXT_MAX + 8 < sizeof list; i++)
		used += (size_t)snprintf(list + used, sizeof list - used, " %s", set->endpoints[i]->text);
	if (set->count > 0)
		log_info("upstream %s: %zu endpoint%s:%s", service->upstream->name, set->count, set->count == 1 ? "" : "s", list);
	else
		log_warn("upstream %s: 0 endpoints%s%s", service->upstream->name, why == NULL ? "" : ": ", why == NULL ? "" : why);
}

/* The existing endpoint, or a new one; a reference either way. */
static struct endpoint *keep_or_make(struct service *service, const struct address *address)
{
	struct endpoint *known = find_endpoint(service->known, address);
	struct address wanted = *address;

	if (known != NULL)
		return endpoint_reference(known);
	wanted.port = service->upstream->port;
	return register_endpoint(&service->discovery->endpoints, &wanted, service->name == NULL ? "address" : "dns");
}

static struct endpoint_set *make_set(struct service *service, const struct address *addresses, size_t count)
{
	struct endpoint **list = calloc(count + 1, sizeof *list);
	struct endpoint_set *set = NULL;
	size_t made = 0;

	if (list == NULL)
		return NULL;
	while (made < count && (list[made] = keep_or_make(service, &addresses[made])) != NULL)
		made++;
	if (made == count)
		set = endpoint_set_new(list, count);
	for (size_t i = 0; i < made; i++)
		endpoint_release(list[i]);
	free(list);
	return set;
}

static bool is_well(const struct endpoint *endpoint)
{
	return endpoint->health.state != HEALTH_UNHEALTHY;
}

/* The healthy endpoints; all of them if none is healthy, because an unhealthy replica may answer and an empty set
 * can't. NULL: out of memory. */
static struct endpoint_set *choose_serving(const struct service *service)
{
	const struct endpoint_set *known = service->known;
	struct endpoint **well = calloc(known->count + 1, sizeof(struct endpoint *));
	struct endpoint_set *set;
	size_t count = 0;

	if (well == NULL)
		return NULL;
	for (size_t i = 0; i < known->count; i++)
		if (is_well(known->endpoints[i]))
			well[count++] = known->endpoints[i];
	if (count == 0 && known->count > 0)
		log_warn("upstream %s: all %zu endpoints are unhealthy, so the gateway uses them all",
		         service->upstream->name, known->count);
	set = count == 0 ? endpoint_set_new(known->endpoints, known->count) : endpoint_set_new(well, count);
	free(well);
	return set;
}

/* An endpoint that joins serving ones begins slowly, also one that was unhealthy. */
static void join(const struct service *service, const struct endpoint_set *set)
{
	if (service->set == NULL || service->set->count == 0)
		return;
	for (size_t i = 0; i < set->count; i++)
		if (find_endpoint(service->set, &set->endpoints[i]->address) == NULL)
			atomic_store_explicit(&set->endpoints[i]->joined_ms, clock_now_ms(), memory_order_relaxed);
}

/* Had it a part in opening the breaker? */
static bool has_failed(const struct service *service, const struct endpoint *endpoint)
{
	const struct breaker_settings *settings = &service->born_with;
	uint64_t failed_ms = atomic_load(&endpoint->failed_ms), opened_ms = atomic_load(&service->opened_ms);

	if (atomic_load(&service->has_opened_slow) && endpoint->born_ms <= opened_ms)
		return true;
	return failed_ms != 0 && (settings->window != BREAKER_WINDOW_TIME || failed_ms + settings->window_size >= opened_ms);
}

static bool has_none_failed(const struct service *service, const struct endpoint_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (has_failed(service, set->endpoints[i]))
			return false;
	return set->count > 0;
}

static void publish(struct service *service)
{
	struct discovery *discovery = service->discovery;
	struct endpoint_set *set = choose_serving(service);

	if (set == NULL) {
		log_error("upstream %s: out of memory: the gateway keeps its old endpoints", service->upstream->name);
		if (service->set != NULL)
			atomic_store(&service->set->must_renew, true);
		return;
	}
	join(service, set);
	endpoint_set_release(service->set);
	service->set = set;
	/* Until the upstream takes over what the old one knows of its endpoints, none has failed and none is known to be well. */
	discovery->events->on_endpoints(discovery->context, service->upstream, set,
	                                service->predecessor == NULL && has_none_failed(service, set));
}

void service_take_addresses(struct service *service, const struct address *addresses, size_t count)
{
	struct endpoint_set *known;

	if (has_addresses(service->known, addresses, count)) {
		if (service->set == NULL || atomic_load(&service->set->must_renew))
			publish(service);
		return;
	}
	known = make_set(service, addresses, count);
	if (known == NULL) {
		log_error("upstream %s: out of memory: the gateway keeps its old endpoints", service->upstream->name);
		return;
	}
	endpoint_set_release(service->known);
	service->known = known;
	log_endpoints(service, known);
	publish(service);
	checks_follow(&service->checks, service->settings, known);
}

/* The checks of a service that no configuration names end with a last change, and workers have let it go by then. */
static void on_publication(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	if (service_is_wanted(context))
		publish(context);
}

/* A thousand endpoints that become unhealthy together are one change. */
static void on_health_changed(void *context)
{
	struct service *service = context;

	if (!event_pending(&service->publication, EV_TIMEOUT, NULL))
		timer_set(&service->publication, PUBLICATION_MS);
}

void service_doubt_lost(struct service *service)
{
	struct guard *guard = service->name == NULL ? NULL : service->name->guard;
	uint64_t since_ms = service->doubted_ms;

	if (guard == NULL || service->known == NULL)
		return;
	service->doubted_ms = clock_now_ms();
	for (size_t i = 0; i < service->known->count; i++) {
		uint64_t lost_ms = atomic_load(&service->known->endpoints[i]->lost_ms);

		if (lost_ms != 0 && lost_ms + CLOCKS_DIFFER_MS >= since_ms)
			guard_doubt(guard, &service->known->endpoints[i]->address, lost_ms);
	}
}

/* The present endpoints: of this upstream, or of the one that it replaces, unless other processes listen there. */
static const struct endpoint_set *served_so_far(const struct service *service)
{
	const struct service *old = service->predecessor;

	if (service->known != NULL || old == NULL)
		return service->known;
	return old->upstream->port == service->upstream->port ? old->known : NULL;
}

/* A missing endpoint stays in use if it has answered before, until a connection to it is lost. */
static bool may_serve(const struct service *service, const struct address *address)
{
	uint64_t missing_ms = addresses_missing_since(&service->name->known, address);
	const struct endpoint *endpoint = missing_ms == 0 ? NULL : find_endpoint(served_so_far(service), address);

	return missing_ms == 0 || (endpoint != NULL && !endpoint_is_lost(endpoint, missing_ms));
}

static void take_those_that_answer(struct service *service, const struct address *addresses, size_t count)
{
	struct address *serving = malloc((count + 1) * sizeof *serving);
	size_t kept = 0;

	if (serving == NULL) {
		log_error("upstream %s: out of memory: the gateway keeps its old endpoints", service->upstream->name);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (may_serve(service, &addresses[i]))
			serving[kept++] = addresses[i];
	service_take_addresses(service, serving, kept);
	free(serving);
}

void service_follow_name(struct service *service)
{
	const struct address *addresses;
	size_t count;

	if (name_look(service->name, &addresses, &count)) {
		if (service->name->has_missing)
			take_those_that_answer(service, addresses, count);
		else
			service_take_addresses(service, addresses, count);
	}
	if (service->name->query == NULL && !event_pending(&service->name->timer, EV_TIMEOUT, NULL))
		name_ask(service->name);
}

/* ---- services ------------------------------------------------------------------------------------------------ */

bool service_is_wanted(const struct service *service)
{
	return service->is_current || service->is_prepared;
}

void service_forget_predecessor(struct service *service)
{
	if (service->predecessor != NULL)
		upstream_release(service->predecessor->upstream);
	service->predecessor = NULL;
}

void service_take_over(struct service *service)
{
	const struct service *old = service->predecessor;

	if (old == NULL)
		return;
	upstream_take_over(service->upstream, old->upstream);
	atomic_store(&service->opened_ms, atomic_load(&old->opened_ms));
	atomic_store(&service->has_opened_slow, atomic_load(&old->has_opened_slow));
	for (size_t i = 0; service->known != NULL && i < service->known->count; i++) {
		struct endpoint *endpoint = service->known->endpoints[i], *was = find_endpoint(old->known, &endpoint->address);

		if (was != NULL && was->address.port == endpoint->address.port) /* on another port it is another process */
			endpoint_take_over(endpoint, was, service->prepared_settings->health.enabled);
	}
	service_forget_predecessor(service);
	if (service->known != NULL)
		publish(service);
}

void service_free(struct service *service)
{
	service_forget_predecessor(service);
	if (service->name != NULL)
		name_release(service->name);
	checks_stop(&service->checks);
	event_del(&service->publication);
	endpoint_set_release(service->known);
	endpoint_set_release(service->set);
	upstream_release(service->upstream);
	free(service);
}

static bool is_unused(const struct service *service)
{
	return !service_is_wanted(service) && atomic_load(&service->upstream->references) == 1;
}

static size_t free_service_index(struct discovery *discovery)
{
	struct service **larger;
	size_t index;

	for (index = 0; index < discovery->service_count; index++) {
		if (discovery->services[index] != NULL && is_unused(discovery->services[index])) {
			service_free(discovery->services[index]);
			discovery->services[index] = NULL;
		}
		if (discovery->services[index] == NULL)
			return index;
	}
	larger = register_grow(discovery->services, &discovery->service_count, sizeof *larger);
	if (larger == NULL)
		return SIZE_MAX;
	discovery->services = larger;
	return index;
}

struct service *service_new(struct discovery *discovery, const struct upstream_settings *settings, struct service *old)
{
	size_t index = free_service_index(discovery);
	struct service *service = index == SIZE_MAX ? NULL : calloc(1, sizeof *service);

	if (service == NULL)
		return NULL;
	service->discovery = discovery;
	service->born_with = settings->breaker;
	checks_init(&service->checks, discovery->naming.base, &discovery->fetcher, &discovery->naming.random, on_health_changed,
	            service);
	evtimer_assign(&service->publication, discovery->naming.base, on_publication, service);
	if (settings->address.family == 0)
		service->name = name_use(&discovery->naming, settings->host);
	if (settings->address.family != 0 || service->name != NULL)
		service->upstream = upstream_new(settings, (unsigned)index, clock_now_ms(), on_transition, service);
	if (service->upstream == NULL) {
		if (service->name != NULL)
			name_release(service->name);
		free(service);
		return NULL;
	}
	if (old != NULL) {
		upstream_reference(old->upstream);
		service->predecessor = old;
	}
	discovery->services[index] = service;
	return service;
}
