#include "gateway/discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/net/resolver.h"
#include "gateway/worker.h"

enum { NO_NAME_LIMIT = 2 };

/* One upstream and what is known of its endpoints. It is the context of its breaker's transitions, so it stays until nobody
 * else has a reference to the upstream. */
struct service {
	struct discovery *discovery;
	struct upstream *upstream;
	struct breaker_settings born_with;
	struct endpoint_set *set;
	struct resolver_query *query;
	struct event timer;      /* next question */
	uint64_t asked_ms;
	uint64_t last_answer_ms;
	unsigned no_name_count;  /* in a row */
	const char *error;
	uint32_t refresh_ms;
	bool is_literal;
	bool is_current;  /* named by the configuration in use */
	bool is_prepared; /* named by the one that is being prepared */
};

struct discovery {
	struct event_base *base;
	struct inbox *inbox;
	const struct discovery_events *events;
	void *context;
	struct resolver *resolver;
	struct service **services; /* by upstream->index; NULL: free */
	size_t service_count;
	struct endpoint **endpoints; /* by index, a reference each; NULL: free */
	size_t endpoint_count;
	struct event patience; /* how long on_prepared waits for names */
	bool is_preparing;
};

/* ---- breakers tell ------------------------------------------------------------------------------------------------------- */

/* Any thread. A report that finds no memory is lost to the log; the breaker itself has changed all the same. */
static void on_transition(void *context, const struct breaker_transition *transition)
{
	struct service *service = context;
	struct breaker_transition *copy = malloc(sizeof *copy);

	if (copy == NULL)
		return;
	*copy = *transition;
	if (!inbox_send(service->discovery->inbox, CONTROL_TRANSITION, upstream_reference(service->upstream), copy)) {
		upstream_release(service->upstream);
		free(copy);
	}
}

/* ---- endpoints ----------------------------------------------------------------------------------------------------------- */

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

static struct endpoint *make_endpoint(struct discovery *discovery, const struct address *address, const char *discovered_by)
{
	size_t index = free_endpoint_index(discovery);

	if (index == SIZE_MAX)
		return NULL;
	discovery->endpoints[index] = endpoint_new(address, (unsigned)index, clock_now_ms(), discovered_by);
	return discovery->endpoints[index];
}

static struct endpoint *find_endpoint(const struct endpoint_set *set, const struct address *address)
{
	for (size_t i = 0; set != NULL && i < set->count; i++)
		if (address_equal(&set->endpoints[i]->address, address))
			return set->endpoints[i];
	return NULL;
}

static bool is_same_set(const struct endpoint_set *set, const struct address *addresses, size_t count)
{
	if (set == NULL || set->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (find_endpoint(set, &addresses[i]) == NULL)
			return false;
	return true;
}

static void log_endpoints(const struct service *service, const struct endpoint_set *set)
{
	char list[400];
	size_t used = 0;

	list[0] = '\0';
	for (size_t i = 0; i < set->count && used + ADDRESS_TEXT_MAX + 8 < sizeof list; i++)
		used += (size_t)snprintf(list + used, sizeof list - used, " %s", set->endpoints[i]->text);
	log_info("upstream %s: %zu endpoint%s%s%s", service->upstream->name, set->count, set->count == 1 ? "" : "s",
	         set->count == 0 ? "" : ":", list);
}

/* Addresses without ports. On shortage the old set stays and the next answer tries again. */
static void take_addresses(struct service *service, const struct address *addresses, size_t count)
{
	struct discovery *discovery = service->discovery;
	struct endpoint **list = calloc(count + 1, sizeof *list);
	struct endpoint_set *set = NULL;
	size_t made = 0;

	while (list != NULL && made < count) {
		struct address address = addresses[made];

		address.port = service->upstream->port;
		list[made] = find_endpoint(service->set, &address);
		if (list[made] == NULL)
			list[made] = make_endpoint(discovery, &address, service->is_literal ? "address" : "dns");
		if (list[made] == NULL)
			break;
		made++;
	}
	if (list != NULL && made == count)
		set = endpoint_set_new(list, count);
	free(list);
	if (set == NULL) {
		log_error("upstream %s: memory is short, its endpoints stay as they were", service->upstream->name);
		return;
	}
	endpoint_set_release(service->set);
	service->set = set;
	log_endpoints(service, set);
	discovery->events->on_endpoints(discovery->context, service->upstream, set);
}

/* ---- names --------------------------------------------------------------------------------------------------------------- */

static void ask(struct service *service);

static void ask_in(struct service *service, uint32_t wait_ms)
{
	event_add(&service->timer, &(struct timeval){ .tv_sec = wait_ms / 1000, .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000 });
}

static void finish_preparing_if_known(struct discovery *discovery)
{
	if (!discovery->is_preparing)
		return;
	for (size_t i = 0; i < discovery->service_count; i++) {
		const struct service *service = discovery->services[i];

		if (service != NULL && service->is_prepared && service->set == NULL && service->error == NULL)
			return;
	}
	discovery->is_preparing = false;
	event_del(&discovery->patience);
	discovery->events->on_prepared(discovery->context);
}

static void note_error(struct service *service, const char *error)
{
	if (service->error == NULL || strcmp(service->error, error) != 0)
		log_warn("upstream %s: looking up %s: %s; %zu endpoints stay", service->upstream->name, service->upstream->host, error,
		         service->set == NULL ? 0 : service->set->count);
	service->error = error;
}

static void on_answer(void *context, const struct resolver_answer *answer)
{
	struct service *service = context;

	service->query = NULL;
	ask_in(service, service->refresh_ms);
	switch (answer->verdict) {
	case RESOLVER_ANSWER:
		service->last_answer_ms = clock_now_ms();
		service->no_name_count = 0;
		service->error = NULL;
		if (!is_same_set(service->set, answer->addresses, answer->count))
			take_addresses(service, answer->addresses, answer->count);
		break;
	case RESOLVER_NO_NAME:
		service->last_answer_ms = clock_now_ms();
		if (++service->no_name_count < NO_NAME_LIMIT)
			ask_in(service, service->refresh_ms < DISCOVERY_REST_MS ? service->refresh_ms : DISCOVERY_REST_MS);
		else if (service->set == NULL || service->set->count > 0)
			take_addresses(service, NULL, 0);
		service->error = answer->error;
		break;
	case RESOLVER_FAILURE:
		note_error(service, answer->error);
		break;
	}
	finish_preparing_if_known(service->discovery);
}

static void ask(struct service *service)
{
	if (service->query != NULL || service->is_literal)
		return;
	service->asked_ms = clock_now_ms();
	atomic_store(&service->upstream->refresh_wanted, 0);
	service->query = resolver_ask(service->discovery->resolver, service->upstream->host, on_answer, service);
	if (service->query == NULL)
		ask_in(service, service->refresh_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	ask(context);
}

static struct service *find(const struct discovery *discovery, const struct upstream *upstream)
{
	struct service *service = upstream->index < discovery->service_count ? discovery->services[upstream->index] : NULL;

	return service != NULL && service->upstream == upstream ? service : NULL;
}

void discovery_refresh(struct discovery *discovery, const struct upstream *upstream)
{
	struct service *service = find(discovery, upstream);
	uint64_t now_ms = clock_now_ms();

	if (service == NULL || service->is_literal || service->query != NULL || !(service->is_current || service->is_prepared)) {
		if (service != NULL)
			atomic_store(&service->upstream->refresh_wanted, 0);
		return;
	}
	if (now_ms - service->asked_ms < DISCOVERY_REST_MS)
		ask_in(service, (uint32_t)(DISCOVERY_REST_MS - (now_ms - service->asked_ms)));
	else
		ask(service);
}

/* ---- services ------------------------------------------------------------------------------------------------------------ */

static void free_service(struct service *service)
{
	if (service->query != NULL)
		resolver_cancel(service->query);
	event_del(&service->timer);
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
			free_service(discovery->services[index]);
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

/* `old`: the service of this name whose breaker is taken over, or NULL. */
static struct service *make_service(struct discovery *discovery, const struct upstream_settings *settings, struct service *old)
{
	size_t index = free_service_index(discovery);
	struct service *service = index == SIZE_MAX ? NULL : calloc(1, sizeof *service);

	if (service == NULL)
		return NULL;
	service->discovery = discovery;
	service->born_with = settings->breaker;
	service->is_literal = settings->address.family != 0;
	service->upstream = upstream_new(settings, (unsigned)index, old == NULL ? NULL : old->upstream, clock_now_ms(),
	                                 on_transition, service);
	if (service->upstream == NULL) {
		free(service);
		return NULL;
	}
	evtimer_assign(&service->timer, discovery->base, on_timer, service);
	discovery->services[index] = service;
	return service;
}

static struct service *find_fitting(struct discovery *discovery, const struct upstream_settings *settings, struct service **old)
{
	*old = NULL;
	for (size_t i = 0; i < discovery->service_count; i++) {
		struct service *service = discovery->services[i];

		if (service == NULL || !service->is_current || strcmp(service->upstream->name, settings->name) != 0)
			continue;
		if (upstream_fits(service->upstream, settings, &service->born_with))
			return service;
		*old = service;
	}
	return NULL;
}

/* Names that no configuration has are asked no more. */
static void rest_unnamed(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->service_count; i++) {
		struct service *service = discovery->services[i];

		if (service == NULL || service->is_current || service->is_prepared)
			continue;
		event_del(&service->timer);
		if (service->query != NULL)
			resolver_cancel(service->query);
		service->query = NULL;
	}
}

static void forget_prepared(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->service_count; i++)
		if (discovery->services[i] != NULL)
			discovery->services[i]->is_prepared = false;
	rest_unnamed(discovery);
}

static bool renew_resolver(struct discovery *discovery, const struct config *config, char *error, size_t size)
{
	struct resolver_settings settings = {
		.servers = config->dns_servers,
		.server_count = config->dns_server_count,
		.timeout_ms = config->dns_timeout_ms,
		.tries = config->dns_tries,
	};
	struct resolver *resolver = resolver_new(discovery->base, &settings, error, size);

	if (resolver == NULL)
		return false;
	for (size_t i = 0; i < discovery->service_count; i++) {
		struct service *service = discovery->services[i];

		if (service == NULL || service->query == NULL)
			continue;
		resolver_cancel(service->query);
		service->query = NULL;
		ask_in(service, 0);
	}
	if (discovery->resolver != NULL)
		resolver_free(discovery->resolver);
	discovery->resolver = resolver;
	return true;
}

bool discovery_prepare(struct discovery *discovery, struct config *config, char *error, size_t size)
{
	uint32_t patience_ms = config->dns_timeout_ms;

	if (!renew_resolver(discovery, config, error, size))
		return false;
	for (size_t i = 0; i < config->upstream_count; i++) {
		struct upstream_settings *settings = &config->upstreams[i];
		struct service *old, *service = find_fitting(discovery, settings, &old);

		if (service == NULL)
			service = make_service(discovery, settings, old);
		if (service == NULL) {
			snprintf(error, size, "memory is short");
			forget_prepared(discovery);
			return false;
		}
		service->is_prepared = true;
		service->refresh_ms = config->dns_refresh_ms;
		settings->upstream = upstream_reference(service->upstream);
		if (service->is_literal && service->set == NULL)
			take_addresses(service, &settings->address, 1);
		else if (service->set == NULL)
			ask(service);
	}
	discovery->is_preparing = true;
	event_add(&discovery->patience, &(struct timeval){ .tv_sec = patience_ms / 1000,
	                                                     .tv_usec = (suseconds_t)(patience_ms % 1000) * 1000 });
	finish_preparing_if_known(discovery);
	return true;
}

static void on_patience_over(evutil_socket_t fd, short what, void *context)
{
	struct discovery *discovery = context;

	(void)fd, (void)what;
	if (!discovery->is_preparing)
		return;
	discovery->is_preparing = false;
	discovery->events->on_prepared(discovery->context);
}

void discovery_commit(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->service_count; i++) {
		struct service *service = discovery->services[i];

		if (service == NULL)
			continue;
		service->is_current = service->is_prepared;
		service->is_prepared = false;
	}
	rest_unnamed(discovery);
}

struct discovery_view discovery_look(const struct discovery *discovery, const struct upstream *upstream)
{
	const struct service *service = find(discovery, upstream);

	if (service == NULL)
		return (struct discovery_view){ .set = NULL };
	return (struct discovery_view){ .set = service->set, .error = service->error, .last_answer_ms = service->last_answer_ms };
}

/* ---- birth and death ------------------------------------------------------------------------------------------------------ */

struct discovery *discovery_new(struct event_base *base, struct inbox *inbox, const struct discovery_events *events,
                                void *context)
{
	struct discovery *discovery = calloc(1, sizeof *discovery);

	if (discovery == NULL)
		return NULL;
	discovery->base = base;
	discovery->inbox = inbox;
	discovery->events = events;
	discovery->context = context;
	evtimer_assign(&discovery->patience, base, on_patience_over, discovery);
	return discovery;
}

void discovery_free(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->service_count; i++)
		if (discovery->services[i] != NULL)
			free_service(discovery->services[i]);
	for (size_t i = 0; i < discovery->endpoint_count; i++)
		endpoint_release(discovery->endpoints[i]);
	if (discovery->resolver != NULL)
		resolver_free(discovery->resolver);
	event_del(&discovery->patience);
	free(discovery->services);
	free(discovery->endpoints);
	free(discovery);
}
