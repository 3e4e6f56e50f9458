#include "gateway/discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/service.h"

enum { NO_NAME_LIMIT = 2 };

/* ---- names --------------------------------------------------------------------------------------------------- */

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
		if (!service_has_addresses(service, answer->addresses, answer->count))
			service_take_addresses(service, answer->addresses, answer->count);
		break;
	case RESOLVER_NO_NAME:
		service->last_answer_ms = clock_now_ms();
		if (++service->no_name_count < NO_NAME_LIMIT)
			ask_in(service, service->refresh_ms < DISCOVERY_REST_MS ? service->refresh_ms : DISCOVERY_REST_MS);
		else if (service->set == NULL || service->set->count > 0)
			service_take_addresses(service, NULL, 0);
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

void service_on_timer(evutil_socket_t fd, short what, void *context)
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
			service = service_new(discovery, settings, old);
		if (service == NULL) {
			snprintf(error, size, "memory is short");
			forget_prepared(discovery);
			return false;
		}
		service->is_prepared = true;
		service->refresh_ms = config->dns_refresh_ms;
		settings->upstream = upstream_reference(service->upstream);
		if (service->is_literal && service->set == NULL)
			service_take_addresses(service, &settings->address, 1);
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

/* ---- birth and death ----------------------------------------------------------------------------------------- */

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
			service_free(discovery->services[i]);
	for (size_t i = 0; i < discovery->endpoint_count; i++)
		endpoint_release(discovery->endpoints[i]);
	if (discovery->resolver != NULL)
		resolver_free(discovery->resolver);
	event_del(&discovery->patience);
	free(discovery->services);
	free(discovery->endpoints);
	free(discovery);
}
