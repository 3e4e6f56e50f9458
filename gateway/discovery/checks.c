#include "gateway/discovery/checks.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/net/fetch.h"
#include "gateway/discovery/service.h"

enum { URL_MAX = 8192 };

struct check {
	struct service *service;
	struct endpoint *endpoint; /* a reference */
	struct event timer;
	struct fetch *fetch; /* NULL: none under way */
	uint64_t began_ms;
	uint32_t interval_ms; /* that its timer was set with */
};

static void run_in(struct check *check, uint64_t wait_ms)
{
	event_add(&check->timer, &(struct timeval){ .tv_sec = (time_t)(wait_ms / 1000),
	                                            .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000 });
}

/* From the beginning of the last one. */
static void run_after_interval(struct check *check)
{
	uint32_t interval_ms = check->service->settings->health_interval_ms;
	uint64_t passed_ms = clock_now_ms() - check->began_ms;

	interval_ms -= (uint32_t)(random_next(&check->service->discovery->random) % (interval_ms / 10 + 1));
	run_in(check, interval_ms > passed_ms ? interval_ms - passed_ms : 0);
}

static void log_change(const struct check *check, enum health_state from, uint64_t since_ms)
{
	const struct health *health = &check->endpoint->health;
	char why[64] = "", lasted[48] = "";

	if (health->last.error == NULL)
		snprintf(why, sizeof why, "answered %u", health->last.status);
	if (since_ms != 0)
		snprintf(lasted, sizeof lasted, ", after %.1f s", (double)(health->since_ms - since_ms) / 1e3);
	log_info("upstream %s: %s: %s -> %s: %s in %u ms%s", check->service->upstream->name, check->endpoint->text,
	         health_state_name(from), health_state_name(health->state), health->last.error == NULL ? why : health->last.error,
	         health->last.took_ms, lasted);
}

static void take(struct check *check, const struct fetch_result *fetched)
{
	struct health *health = &check->endpoint->health;
	enum health_state before = health->state;
	uint64_t now_ms = clock_now_ms(), since_ms = health->since_ms;
	struct health_result result = { .status = fetched->status, .error = fetched->error,
		                        .took_ms = (uint32_t)(now_ms - check->began_ms) };

	check->fetch = NULL;
	run_after_interval(check);
	if (!health_take(health, &check->service->settings->health, &result, now_ms))
		return;
	log_change(check, before, since_ms);
	service_health_changed(check->service);
}

static void on_end(void *context, const struct fetch_result *fetched)
{
	take(context, fetched);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct check *check = context;
	const struct upstream_settings *settings = check->service->settings;
	char url[URL_MAX];

	(void)fd, (void)what;
	snprintf(url, sizeof url, "http://%s%s", check->endpoint->text, settings->health_path);
	check->began_ms = clock_now_ms();
	check->fetch = fetch_start(check->service->discovery->fetcher, url, settings->url + strlen("http://"),
	                           settings->health_timeout_ms, on_end, check);
	if (check->fetch == NULL)
		run_after_interval(check);
}

static void end(struct check *check)
{
	if (check->fetch != NULL)
		fetch_cancel(check->fetch);
	event_del(&check->timer);
	endpoint_release(check->endpoint);
	free(check);
}

/* NULL: memory is short, so nobody looks after this endpoint until the set changes again. */
static struct check *begin(struct service *service, struct endpoint *endpoint)
{
	struct check *check = calloc(1, sizeof *check);

	if (check == NULL) {
		log_error("upstream %s: memory is short: %s is not checked", service->upstream->name, endpoint->text);
		return NULL;
	}
	check->service = service;
	check->endpoint = endpoint_reference(endpoint);
	check->interval_ms = service->settings->health_interval_ms;
	evtimer_assign(&check->timer, service->discovery->base, on_timer, check);
	run_in(check, random_next(&service->discovery->random) % service->settings->health_interval_ms);
	return check;
}

/* An hour's interval that is a second's now must not last the hour. */
static struct check *keep(struct check *check)
{
	uint32_t interval_ms = check->service->settings->health_interval_ms;

	if (check->interval_ms != interval_ms && check->fetch == NULL)
		run_in(check, random_next(&check->service->discovery->random) % interval_ms);
	check->interval_ms = interval_ms;
	return check;
}

/* Both are in the order of addresses. */
static void pair_up(struct service *service, struct check **checks)
{
	size_t old = 0, made = 0;

	for (size_t i = 0; i < service->known->count; i++) {
		struct endpoint *endpoint = service->known->endpoints[i];

		while (old < service->check_count && address_compare(&service->checks[old]->endpoint->address, &endpoint->address) < 0)
			end(service->checks[old++]);
		if (old < service->check_count && service->checks[old]->endpoint == endpoint)
			checks[made] = keep(service->checks[old++]);
		else
			checks[made] = begin(service, endpoint);
		made += checks[made] != NULL;
	}
	while (old < service->check_count)
		end(service->checks[old++]);
	free(service->checks);
	service->checks = checks;
	service->check_count = made;
}

void checks_follow(struct service *service)
{
	struct check **checks;

	if (service->settings == NULL || !service->settings->health.enabled) {
		if (service->checks == NULL)
			return;
		checks_stop(service);
		service_health_changed(service);
		return;
	}
	if (service->known == NULL)
		return;
	checks = calloc(service->known->count + 1, sizeof(struct check *));
	if (checks == NULL)
		log_error("upstream %s: memory is short: its new endpoints are not checked", service->upstream->name);
	else
		pair_up(service, checks);
}

void checks_stop(struct service *service)
{
	if (service->checks == NULL)
		return;
	for (size_t i = 0; i < service->check_count; i++) {
		service->checks[i]->endpoint->health = (struct health){ .state = HEALTH_UNCHECKED };
		end(service->checks[i]);
	}
	free(service->checks);
	service->checks = NULL;
	service->check_count = 0;
}
