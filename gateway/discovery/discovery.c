#include "gateway/discovery/discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/discovery/checks.h"
#include "gateway/net/fetch.h"
#include "gateway/discovery/service.h"

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
	discovery->is_preparing = false;
	event_del(&discovery->patience);
	discovery->events->on_prepared(discovery->context);
}

static bool is_wanted(const struct service *service)
{
	return service->is_current || service->is_prepared;
}

/* A worker that can't connect may ask for the next question now. */
void discovery_name_answered(struct discovery *discovery, struct name *name)
{
	for (size_t i = 0; i < discovery->service_count; i++) {
		struct service *service = discovery->services[i];

		if (service == NULL || service->name != name || !is_wanted(service))
			continue;
		atomic_store(&service->upstream->refresh_wanted, 0);
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
	if (service->name != NULL && is_wanted(service))
		name_ask(service->name);
	else
		atomic_store(&service->upstream->refresh_wanted, 0);
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

/* Names that no configuration has are asked no more. */
static void rest_unnamed(struct discovery *discovery)
{
	for (struct name *name = discovery->names; name != NULL; name = name->next) {
		bool has_user = false;

		for (size_t i = 0; i < discovery->service_count && !has_user; i++)
			has_user = discovery->services[i] != NULL && discovery->services[i]->name == name &&
			           is_wanted(discovery->services[i]);
		if (!has_user)
			name_forget(name);
	}
	name_forget_unused(discovery);
}

static void forget_prepared(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->service_count; i++)
		if (discovery->services[i] != NULL) {
			discovery->services[i]->is_prepared = false;
			discovery->services[i]->prepared_settings = NULL;
			service_forget_predecessor(discovery->services[i]);
		}
	rest_unnamed(discovery);
}

/* One that would ask as the old one does is not needed: questions under way go on, however often is reloaded. */
static bool renew_resolver(struct discovery *discovery, const struct config *config, char *error, size_t size)
{
	struct resolver_settings settings = {
		.servers = config->dns_servers,
		.server_count = config->dns_server_count,
		.timeout_ms = config->dns_timeout_ms,
	};
	struct resolver *resolver = resolver_new(discovery->base, &settings, error, size), *old = discovery->resolver;

	if (resolver == NULL)
		return false;
	if (old != NULL && resolver_equals(old, resolver)) {
		resolver_free(resolver);
		return true;
	}
	discovery->resolver = resolver;
	for (struct name *name = discovery->names; name != NULL; name = name->next) {
		if (name->query == NULL && (name->guard == NULL || name->guard->asking == 0))
			continue;
		name_rest(name);
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
		discovery->fetcher = fetcher_new(discovery->base, error, size);
	return !is_needed || discovery->fetcher != NULL;
}

/* An hour's refresh that is a second's now must not last the hour. */
static void set_manners(struct discovery *discovery, const struct config *config)
{
	bool is_another_pace = discovery->refresh_ms != config->dns_refresh_ms;

	discovery->refresh_ms = config->dns_refresh_ms;
	discovery->timeout_ms = config->dns_timeout_ms;
	discovery->tries = config->dns_tries;
	discovery->verifies_service = config->dns_verify_service;
	for (struct name *name = discovery->names; name != NULL; name = name->next) {
		name_set_guard(name);
		if (is_another_pace && event_pending(&name->timer, EV_TIMEOUT, NULL))
			name_ask(name);
	}
}

bool discovery_prepare(struct discovery *discovery, struct config *config, char *error, size_t size)
{
	uint32_t patience_ms = config->dns_timeout_ms;

	if (!make_fetcher(discovery, config, error, size) || !renew_resolver(discovery, config, error, size))
		return false;
	set_manners(discovery, config);
	for (size_t i = 0; i < config->upstream_count; i++) {
		struct upstream_settings *settings = &config->upstreams[i];
		struct service *old, *service = find_fitting(discovery, settings, &old);

		if (service == NULL)
			service = service_new(discovery, settings, old);
		if (service == NULL) {
			snprintf(error, size, "memory is short");
			forget_prepared(discovery);
			return false;
		}
		service->is_prepared = true;
		service->prepared_settings = settings;
		settings->upstream = upstream_reference(service->upstream);
		if (service->name == NULL && service->set == NULL)
			service_take_addresses(service, &settings->address, 1);
		else if (service->name != NULL)
			service_follow_name(service);
	}
	discovery->is_preparing = true;
	event_add(&discovery->patience, &(struct timeval){ .tv_sec = patience_ms / 1000,
	                                                     .tv_usec = (suseconds_t)(patience_ms % 1000) * 1000 });
	finish_preparing_if_known(discovery);
	return true;
}

/* Addresses whose names are not known yet are taken as they are. */
static void on_patience_over(evutil_socket_t fd, short what, void *context)
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

/* Its connections go with it: nobody would look after them any more. */
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
	/* Before the old ones' checks stop: with them goes what they found. */
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
		checks_follow(service);
	}
	free_unused_fetcher(discovery);
	rest_unnamed(discovery);
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
	discovery->base = base;
	discovery->events = events;
	discovery->context = context;
	random_seed(&discovery->random);
	evtimer_assign(&discovery->patience, base, on_patience_over, discovery);
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
	for (size_t i = 0; i < discovery->endpoint_count; i++)
		endpoint_release(discovery->endpoints[i]);
	names_free(discovery);
	if (discovery->resolver != NULL)
		resolver_free(discovery->resolver);
	if (discovery->fetcher != NULL)
		fetcher_free(discovery->fetcher);
	event_del(&discovery->patience);
	free(discovery->services);
	free(discovery->endpoints);
	free(discovery);
}
