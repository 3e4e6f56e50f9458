#include "gateway/discovery/checks.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/container.h"
#include "gateway/base/log.h"
#include "gateway/base/random.h"
#include "gateway/net/fetch.h"
#include "gateway/net/timer.h"

enum { URL_MAX = 8192 };

struct check {
	struct checks *checks;
	struct endpoint *endpoint; /* a reference */
	struct event timer;
	struct ring place;   /* among those that wait */
	struct fetch *fetch; /* NULL: none under way */
	uint64_t began_ms;
	uint32_t interval_ms; /* the interval that its timer was set with */
};

/* From the beginning of the last check. */
static void run_after_interval(struct check *check)
{
	uint64_t interval_ms = random_shorten(check->checks->random, check->checks->settings->health_interval_ms);
	uint64_t passed_ms = clock_now_ms() - check->began_ms;

	timer_set(&check->timer, interval_ms > passed_ms ? interval_ms - passed_ms : 0);
}

static void log_change(const struct check *check, enum health_state from, uint64_t since_ms)
{
	const struct health *health = &check->endpoint->health;
	char why[64] = "", lasted[48] = "";

	if (health->last.error == NULL)
		snprintf(why, sizeof why, "answered %u", health->last.status);
	if (since_ms != 0)
		snprintf(lasted, sizeof lasted, ", after %.1f s", (double)(health->since_ms - since_ms) / 1e3);
	log_info("upstream %s: %s: %s -> %s: %s in %u ms%s", check->checks->settings->name, check->endpoint->text,
	         health_state_name(from), health_state_name(health->state), health->last.error == NULL ? why : health->last.error,
	         health->last.took_ms, lasted);
}

/* Frees its place among the checks in flight. */
static void leave(struct check *check)
{
	check->fetch = NULL;
	check->checks->in_flight--;
}

static void take(struct check *check, const struct fetch_result *fetched)
{
	struct health *health = &check->endpoint->health;
	enum health_state before = health->state;
	uint64_t now_ms = clock_now_ms(), since_ms = health->since_ms;
	struct health_result result = { .status = fetched->status, .error = fetched->error,
		                        .took_ms = (uint32_t)(now_ms - check->began_ms) };

	leave(check);
	run_after_interval(check);
	if (!health_take(health, &check->checks->settings->health, &result, now_ms))
		return;
	log_change(check, before, since_ms);
	check->checks->on_changed(check->checks->context);
}

static void on_end(void *context, const struct fetch_result *fetched);

static void run(struct check *check)
{
	const struct upstream_settings *settings = check->checks->settings;
	char url[URL_MAX];

	snprintf(url, sizeof url, "http://%s%s", check->endpoint->text, settings->health_path);
	check->began_ms = clock_now_ms();
	check->fetch = fetch_start(*check->checks->fetcher,
	                           &(struct fetch_order){ .url = url, .host = settings->url + strlen("http://"),
	                                                  .timeout_ms = settings->health_timeout_ms },
	                           on_end, check);
	if (check->fetch == NULL)
		run_after_interval(check);
	else
		check->checks->in_flight++;
}

/* The oldest waiting checks take the free places. */
static void run_waiting(struct checks *checks)
{
	while (checks->in_flight < CHECKS_IN_FLIGHT && !ring_is_empty(&checks->waiting)) {
		struct check *check = container_of(checks->waiting.next, struct check, place);

		ring_leave(&check->place);
		run(check);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct check *check = context;

	(void)fd, (void)what;
	ring_leave(&check->place);
	ring_append(&check->checks->waiting, &check->place);
	run_waiting(check->checks);
}

/* The service may free this check when it hears of the result, but not the list of checks. */
static void on_end(void *context, const struct fetch_result *fetched)
{
	struct checks *checks = ((struct check *)context)->checks;

	take(context, fetched);
	run_waiting(checks);
}

static void end(struct check *check)
{
	if (check->fetch != NULL) {
		fetch_cancel(check->fetch);
		leave(check);
	}
	ring_leave(&check->place);
	event_del(&check->timer);
	endpoint_release(check->endpoint);
	free(check);
}

/* NULL: out of memory; then this endpoint is not checked until the set changes again. */
static struct check *begin(struct checks *checks, struct endpoint *endpoint)
{
	struct check *check = calloc(1, sizeof *check);

	if (check == NULL) {
		log_error("upstream %s: out of memory: the gateway does not check %s", checks->settings->name,
		          endpoint->text);
		return NULL;
	}
	check->checks = checks;
	check->endpoint = endpoint_reference(endpoint);
	check->interval_ms = checks->settings->health_interval_ms;
	ring_init(&check->place);
	evtimer_assign(&check->timer, checks->base, on_timer, check);
	timer_set(&check->timer, random_next(checks->random) % checks->settings->health_interval_ms);
	return check;
}

/* If an interval of an hour becomes one of a second, the check must not wait for the rest of the hour. */
static struct check *keep(struct check *check)
{
	uint32_t interval_ms = check->checks->settings->health_interval_ms;

	if (check->interval_ms != interval_ms && check->fetch == NULL && ring_is_empty(&check->place))
		timer_set(&check->timer, random_next(check->checks->random) % interval_ms);
	check->interval_ms = interval_ms;
	return check;
}

/* Both are in the order of addresses. */
static void pair_up(struct checks *checks, const struct endpoint_set *known, struct check **list)
{
	size_t old = 0, made = 0;

	for (size_t i = 0; i < known->count; i++) {
		struct endpoint *endpoint = known->endpoints[i];

		while (old < checks->count && address_compare(&checks->list[old]->endpoint->address, &endpoint->address) < 0)
			end(checks->list[old++]);
		if (old < checks->count && checks->list[old]->endpoint == endpoint)
			list[made] = keep(checks->list[old++]);
		else
			list[made] = begin(checks, endpoint);
		made += list[made] != NULL;
	}
	while (old < checks->count)
		end(checks->list[old++]);
	free(checks->list);
	checks->list = list;
	checks->count = made;
	run_waiting(checks);
}

void checks_init(struct checks *checks, struct event_base *base, struct fetcher **fetcher, struct random *random,
                 void (*on_changed)(void *context), void *context)
{
	*checks = (struct checks){ .base = base, .fetcher = fetcher, .random = random, .on_changed = on_changed, .context = context };
	ring_init(&checks->waiting);
}

void checks_follow(struct checks *checks, const struct upstream_settings *settings, const struct endpoint_set *known)
{
	struct check **list;

	checks->settings = settings;
	if (settings == NULL || !settings->health.enabled) {
		if (checks->list == NULL)
			return;
		checks_stop(checks);
		checks->on_changed(checks->context);
		return;
	}
	if (known == NULL)
		return;
	list = calloc(known->count + 1, sizeof(struct check *));
	if (list == NULL)
		log_error("upstream %s: out of memory: the gateway does not check its new endpoints", settings->name);
	else
		pair_up(checks, known, list);
}

void checks_stop(struct checks *checks)
{
	if (checks->list == NULL)
		return;
	for (size_t i = 0; i < checks->count; i++) {
		checks->list[i]->endpoint->health = (struct health){ .state = HEALTH_UNCHECKED };
		end(checks->list[i]);
	}
	free(checks->list);
	checks->list = NULL;
	checks->count = 0;
}
