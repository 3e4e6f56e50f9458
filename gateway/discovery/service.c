#include "gateway/discovery/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/discovery/checks.h"

static void on_transition(void *context, const struct breaker_transition *transition)
{
	struct service *service = context;
	const struct discovery *discovery = service->discovery;

	discovery->events->on_transition(discovery->context, service->upstream, transition);
}

/* ---- endpoints ----------------------------------------------------------------------------------------------- */

static void *grown(void *array, size_t *count, size_t size)
{
	size_t wanted = *count == 0 ? 16 : *count * 2;
	char *larger = realloc(array, wanted * size);

	if (larger == NULL)
		return NULL;
	memset(larger + *count * size, 0, (wanted - *count) * size);
	*count = wanted;
	return larger;
}

/* A place whose endpoint only we still know of is free again. SIZE_MAX: memory is short. */
static size_t free_endpoint_index(struct discovery *discovery)
{
	struct endpoint **larger;
	size_t index;

	for (index = 0; index < discovery->endpoint_count; index++) {
		struct endpoint *endpoint = discovery->endpoints[index];

		if (endpoint != NULL && atomic_load(&endpoint->references) == 1) {
			endpoint_release(endpoint);
			discovery->endpoints[index] = NULL;
		}
		if (discovery->endpoints[index] == NULL)
			return index;
	}
	larger = grown(discovery->endpoints, &discovery->endpoint_count, sizeof *larger);
	if (larger == NULL)
		return SIZE_MAX;
	discovery->endpoints = larger;
	return index;
}

/* A reference for the caller, another for the register. */
static struct endpoint *make_endpoint(struct discovery *discovery, const struct address *address, const char *discovered_by)
{
	size_t index = free_endpoint_index(discovery);

	if (index == SIZE_MAX)
		return NULL;
	discovery->endpoints[index] = endpoint_new(address, (unsigned)index, clock_now_ms(), discovered_by);
	return discovery->endpoints[index] == NULL ? NULL : endpoint_reference(discovery->endpoints[index]);
}

/* Sets are sorted, so that sets of a thousand cost little to compare. */
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

/* The one that is there already, or a new one; a reference either way. */
static struct endpoint *keep_or_make(struct service *service, const struct address *address)
{
	struct endpoint *known = find_endpoint(service->known, address);
	struct address wanted = *address;

	if (known != NULL)
		return endpoint_reference(known);
	wanted.port = service->upstream->port;
	return make_endpoint(service->discovery, &wanted, service->name == NULL ? "address" : "dns");
}

static struct endpoint_set *make_set(struct service *service, const struct address *addresses, size_t count)
{
	struct endpoint **list = calloc(count + 1, sizeof *list);
	struct endpoint_set *set = NULL;
	size_t made = 0;

	while (list != NULL && made < count && (list[made] = keep_or_make(service, &addresses[made])) != NULL)
		made++;
	if (list != NULL && made == count)
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

/* Those that are well; all, when none is: an ill replica may answer, nobody can't. NULL: memory is short. */
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
		log_warn("upstream %s: all %zu endpoints are unhealthy: all serve", service->upstream->name, known->count);
	set = count == 0 || count == known->count ? endpoint_set_reference(service->known) : endpoint_set_new(well, count);
	free(well);
	return set;
}

/* Whoever comes to others that serve already begins slowly, also one that was ill. */
static void join(const struct service *service, const struct endpoint_set *set)
{
	if (service->set == NULL || service->set->count == 0)
		return;
	for (size_t i = 0; i < set->count; i++)
		if (find_endpoint(service->set, &set->endpoints[i]->address) == NULL)
			atomic_store_explicit(&set->endpoints[i]->joined_ms, clock_now_ms(), memory_order_relaxed);
}

static void publish(struct service *service)
{
	struct discovery *discovery = service->discovery;
	struct endpoint_set *set = choose_serving(service);

	service->is_unpublished = set == NULL;
	if (set == NULL) {
		log_error("upstream %s: memory is short, its endpoints stay as they were", service->upstream->name);
		return;
	}
	join(service, set);
	endpoint_set_release(service->set);
	service->set = set;
	discovery->events->on_endpoints(discovery->context, service->upstream, set);
}

void service_take_addresses(struct service *service, const struct address *addresses, size_t count)
{
	struct endpoint_set *known;

	if (has_addresses(service->known, addresses, count)) {
		if (service->is_unpublished)
			publish(service);
		return;
	}
	known = make_set(service, addresses, count);
	if (known == NULL) {
		log_error("upstream %s: memory is short, its endpoints stay as they were", service->upstream->name);
		return;
	}
	endpoint_set_release(service->known);
	service->known = known;
	log_endpoints(service, known);
	publish(service);
	checks_follow(service);
}

void service_health_changed(struct service *service)
{
	publish(service);
}

void service_follow_name(struct service *service)
{
	const struct address *addresses;
	size_t count;

	if (name_look(service->name, &addresses, &count))
		service_take_addresses(service, addresses, count);
	if (service->name->query == NULL && !event_pending(&service->name->timer, EV_TIMEOUT, NULL))
		name_ask(service->name);
}

/* ---- services ------------------------------------------------------------------------------------------------ */

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
	for (size_t i = 0; service->known != NULL && i < service->known->count; i++) {
		struct endpoint *endpoint = service->known->endpoints[i], *was = find_endpoint(old->known, &endpoint->address);

		if (was != NULL && was->address.port == endpoint->address.port) /* on another port it is another process */
			endpoint_take_over(endpoint, was, service->prepared_settings->health.enabled);
	}
	if (service->known != NULL)
		publish(service);
	service_forget_predecessor(service);
}

void service_free(struct service *service)
{
	service_forget_predecessor(service);
	if (service->name != NULL)
		name_release(service->name);
	checks_stop(service);
	endpoint_set_release(service->known);
	endpoint_set_release(service->set);
	upstream_release(service->upstream);
	free(service);
}

static bool is_unused(const struct service *service)
{
	return !service->is_current && !service->is_prepared && atomic_load(&service->upstream->references) == 1;
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
	larger = grown(discovery->services, &discovery->service_count, sizeof *larger);
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
	if (settings->address.family == 0)
		service->name = name_use(discovery, settings->host);
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
