#include "gateway/discovery/discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/random.h"
#include "gateway/discovery/service.h"
#include "gateway/net/fetch.h"
#include "gateway/net/timer.h"

/* ---- names --------------------------------------------------------------------------------------------------- */

static bool is_awaited(const struct service *service)
{
	return service->is_prepared && service->set == NULL && (service->name == NULL || service->name->error == NULL);
}

static void finish_preparing_if_known(struct discovery *discovery)
{
	if (!discovery->is_preparing)
		return;
	for (size_t i = 0; i < discovery->service_count; i++)
		if (discovery->services[i] != NULL && is_awaited(discovery->services[i]))
			return;
	for (size_t i = 0; i < discovery->store_count; i++)
		if (!discovery->stores[i]->is_known && discovery->stores[i]->error == NULL)
			return;
	discovery->is_preparing = false;
	event_del(&discovery->prepare_timer);
	discovery->events->on_prepared(discovery->context);
}

static void tell_peers(struct discovery *discovery)
{
	const struct address *addresses;
	size_t count;

	if (name_look(discovery->peers, &addresses, &count))
		discovery->events->on_peers(discovery->context, addresses, count, discovery->peers->error);
	else if (discovery->peers->error != NULL)
		discovery->events->on_peers(discovery->context, NULL, 0, discovery->peers->error);
}

static void tell_store(struct discovery *discovery, const struct name *name)
{
	const struct address *addresses;
	size_t count;

	if (name_look(name, &addresses, &count))
		discovery->events->on_store(discovery->context, name->host, addresses, count);
}

/* A worker that can't connect may ask for the next question from now on. */
static void on_answered(void *context, struct name *name)
{
	struct discovery *discovery = context;

	if (name == discovery->peers)
		tell_peers(discovery);
	for (size_t i = 0; i < discovery->store_count; i++)
		if (discovery->stores[i] == name)
			tell_store(discovery, name);
	for (size_t i = 0; i < discovery->service_count; i++) {
		struct service *service = discovery->services[i];

		if (service == NULL || service->name != name || !service_is_wanted(service))
			continue;
		atomic_store(&service->upstream->refresh_wanted, 0);
		service_doubt_lost(service);
		service_follow_name(service);
	}
	finish_preparing_if_known(discovery);
}

static struct service *find(const struct discovery *discovery, const struct upstream *upstream)
{
	struct service *service = upstream->index < discovery->service_count ? discovery->services[upstream->index] : NULL;

	return service != NULL && service->upstream == upstream ? service : NULL;
}

void discovery_refresh(struct discovery *discovery, const struct upstream *upstream)
{
	struct service *service = find(discovery, upstream);

	if (service == NULL)
		return;
	if (service->name == NULL || !service_is_wanted(service)) {
		atomic_store(&service->upstream->refresh_wanted, 0);
		return;
	}
	name_ask(service->name);
	service_doubt_lost(service);
	if (!service->name->has_missing)
		return;
	atomic_store(&service->upstream->refresh_wanted, 0); /* first, so that failures are logged again from now on */
	service_follow_name(service);
}

/* ---- configurations ------------------------------------------------------------------------------------------ */

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

/* Stops asking for names that no configuration has. */
static void stop_asking_unnamed(struct discovery *discovery)
{
	for (struct name *name = discovery->naming.names; name != NULL; name = name->next) {
		bool has_user = name == discovery->peers;

		for (size_t i = 0; i < discovery->store_count && !has_user; i++)
			has_user = discovery->stores[i] == name;
		for (size_t i = 0; i < discovery->service_count && !has_user; i++)
			has_user = discovery->services[i] != NULL && discovery->services[i]->name == name &&
			           service_is_wanted(discovery->services[i]);
		if (!has_user)
			name_forget(name);
	}
	name_forget_unused(&discovery->naming);
}

static void forget_prepared(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->service_count; i++)
		if (discovery->services[i] != NULL) {
			discovery->services[i]->is_prepared = false;
			discovery->services[i]->prepared_settings = NULL;
			service_forget_predecessor(discovery->services[i]);
		}
	stop_asking_unnamed(discovery);
}

/* A new resolver is not needed if it would ask as the old one does: questions under way continue, however often the
 * file is reloaded. */
static bool renew_resolver(struct discovery *discovery, const struct config *config, char *error, size_t size)
{
	struct resolver_settings settings = {
		.servers = config->dns_servers,
		.server_count = config->dns_server_count,
		.timeout_ms = config->dns_timeout_ms,
	};
	struct resolver *resolver = resolver_new(discovery->naming.base, &settings, error, size), *old = discovery->naming.resolver;

	if (resolver == NULL)
		return false;
	if (old != NULL && resolver_equals(old, resolver)) {
		resolver_free(resolver);
		return true;
	}
	discovery->naming.resolver = resolver;
	for (struct name *name = discovery->naming.names; name != NULL; name = name->next) {
		if (name->query == NULL && (name->guard == NULL || name->guard->asking == 0))
			continue;
		name_stop_asking(name);
		name_ask(name);
	}
	if (old != NULL)
		resolver_free(old);
	return true;
}

static bool make_fetcher(struct discovery *discovery, const struct config *config, char *error, size_t size)
{
	bool is_needed = false;

	for (size_t i = 0; i < config->upstream_count; i++)
		is_needed = is_needed || config->upstreams[i].health.enabled;
	if (is_needed && discovery->fetcher == NULL)
		discovery->fetcher = fetcher_new(discovery->naming.base, error, size);
	return !is_needed || discovery->fetcher != NULL;
}

/* If a refresh of an hour becomes one of a second, the name must not wait for the rest of the hour. */
static void set_manners(struct discovery *discovery, const struct config *config)
{
	bool is_another_pace = discovery->naming.refresh_ms != config->dns_refresh_ms;

	discovery->naming.refresh_ms = config->dns_refresh_ms;
	discovery->naming.timeout_ms = config->dns_timeout_ms;
	discovery->naming.tries = config->dns_tries;
	discovery->naming.grace_ms = config->dns_grace_ms;
	discovery->naming.verifies_service = config->dns_verify_service;
	for (struct name *name = discovery->naming.names; name != NULL; name = name->next) {
		name_set_guard(name);
		if (is_another_pace && event_pending(&name->timer, EV_TIMEOUT, NULL))
			name_ask(name);
	}
}

/* Begins now, not only when the configuration comes into use: a gateway that starts asks its peers before it serves.
 * Without memory it has no peers. */
static void follow_peers(struct discovery *discovery, const struct peers_settings *peers)
{
	const char *host = peers->written == NULL || peers->address.family != 0 ? NULL : peers->host;
	struct name *old = discovery->peers;

	if (old != NULL && host != NULL && strcmp(old->host, host) == 0)
		return;
	discovery->peers = host == NULL ? NULL : name_use(&discovery->naming, host);
	if (discovery->peers != NULL)
		name_ask(discovery->peers);
	if (old != NULL)
		name_release(old);
}

static void release_stores(struct name **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		name_release(names[i]);
	free(names);
}

/* As with peers. */
static void follow_stores(struct discovery *discovery, const struct config *config)
{
	struct name **names = calloc(config->route_count + 1, sizeof *names), **old = discovery->stores, *name;
	size_t count = 0, old_count = discovery->store_count, at;

	for (size_t i = 0; names != NULL && i < config->route_count; i++) {
		const struct store_settings *store = config->routes[i].rate_limit.store;

		if (!config->routes[i].rate_limit.enabled || store == NULL || store->address.family != 0)
			continue;
		for (at = 0; at < count && strcmp(names[at]->host, store->host) != 0;)
			at++;
		if (at < count || (name = name_use(&discovery->naming, store->host)) == NULL)
			continue;
		names[count++] = name;
		name_ask(name);
		tell_store(discovery, name);
	}
	discovery->stores = names;
	discovery->store_count = count;
	release_stores(old, old_count);
}

bool discovery_prepare(struct discovery *discovery, struct config *config, char *error, size_t size)
{
	uint32_t prepare_timeout_ms = config->dns_timeout_ms;

	if (!make_fetcher(discovery, config, error, size) || !renew_resolver(discovery, config, error, size))
		return false;
	set_manners(discovery, config);
	follow_peers(discovery, &config->peers);
	follow_stores(discovery, config);
	for (size_t i = 0; i < config->upstream_count; i++) {
		struct upstream_settings *settings = &config->upstreams[i];
		struct service *old, *service = find_fitting(discovery, settings, &old);

		if (service == NULL)
			service = service_new(discovery, settings, old);
		if (service == NULL) {
			snprintf(error, size, "out of memory");
			forget_prepared(discovery);
			return false;
		}
		service->is_prepared = true;
		service->prepared_settings = settings;
		settings->upstream = upstream_reference(service->upstream);
		if (service->name == NULL)
			service_take_addresses(service, &settings->address, 1);
		else
			service_follow_name(service);
	}
	discovery->is_preparing = true;
	timer_set(&discovery->prepare_timer, prepare_timeout_ms);
	finish_preparing_if_known(discovery);
	return true;
}

/* Addresses whose names are not known yet are accepted. */
static void on_prepare_timeout(evutil_socket_t fd, short what, void *context)
{
	struct discovery *discovery = context;

	(void)fd, (void)what;
	if (!discovery->is_preparing)
		return;
	for (size_t i = 0; i < discovery->service_count; i++) {
		struct service *service = discovery->services[i];

		if (service == NULL || !service->is_prepared || service->name == NULL || service->name->guard == NULL)
			continue;
		guard_hurry(service->name->guard);
		service_follow_name(service);
	}
	discovery->is_preparing = false;
	discovery->events->on_prepared(discovery->context);
}

/* Closes its connections, too: nobody would watch them any more. */
static void free_unused_fetcher(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->service_count; i++)
		if (discovery->services[i] != NULL && discovery->services[i]->settings != NULL &&
		    discovery->services[i]->settings->health.enabled) /* its endpoints may come later */
			return;
	if (discovery->fetcher != NULL)
		fetcher_free(discovery->fetcher);
	discovery->fetcher = NULL;
}

void discovery_commit(struct discovery *discovery)
{
	/* Before the old services' checks stop, because their results end with them. */
	for (size_t i = 0; i < discovery->service_count; i++)
		if (discovery->services[i] != NULL && discovery->services[i]->is_prepared)
			service_take_over(discovery->services[i]);
	for (size_t i = 0; i < discovery->service_count; i++) {
		struct service *service = discovery->services[i];

		if (service == NULL)
			continue;
		service->is_current = service->is_prepared;
		service->is_prepared = false;
		service->settings = service->prepared_settings;
		service->prepared_settings = NULL;
		checks_follow(&service->checks, service->settings, service->known);
	}
	free_unused_fetcher(discovery);
	stop_asking_unnamed(discovery);
}

struct discovery_view discovery_look(const struct discovery *discovery, const struct upstream *upstream)
{
	const struct service *service = find(discovery, upstream);

	if (service == NULL)
		return (struct discovery_view){ .set = NULL };
	return (struct discovery_view){ .known = service->known, .set = service->set, .name = service->name };
}

bool discovery_quarantined(const struct discovery_view *view, size_t index, char address[ADDRESS_TEXT_MAX], const char **why)
{
	const struct guard *guard = view->name == NULL ? NULL : view->name->guard;

	for (size_t i = 0; guard != NULL && i < guard->count; i++) {
		if (guard->guests[i]->state != GUEST_QUARANTINED || index-- > 0)
			continue;
		address_format_ip(&guard->guests[i]->address, address);
		*why = guard->guests[i]->says;
		return true;
	}
	return false;
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct discovery *discovery_new(struct event_base *base, const struct discovery_events *events, void *context)
{
	struct discovery *discovery = calloc(1, sizeof *discovery);

	if (discovery == NULL)
		return NULL;
	discovery->naming = (struct naming){ .base = base, .on_answered = on_answered, .context = discovery };
	discovery->events = events;
	discovery->context = context;
	random_seed(&discovery->naming.random);
	evtimer_assign(&discovery->prepare_timer, base, on_prepare_timeout, discovery);
	return discovery;
}

void discovery_free(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->service_count; i++)
		if (discovery->services[i] != NULL)
			service_forget_predecessor(discovery->services[i]);
	for (size_t i = 0; i < discovery->service_count; i++)
		if (discovery->services[i] != NULL)
			service_free(discovery->services[i]);
	register_destroy(&discovery->endpoints);
	names_free(&discovery->naming);
	if (discovery->naming.resolver != NULL)
		resolver_free(discovery->naming.resolver);
	if (discovery->fetcher != NULL)
		fetcher_free(discovery->fetcher);
	event_del(&discovery->prepare_timer);
	free(discovery->stores);
	free(discovery->services);
	free(discovery);
}
