#include "deploy/autoscaler/scaler.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

enum { TRIES = 3, SWEEP_LEAST_MS = 1000, SWEEP_MOST_MS = 10000 };

const char *const scaler_count_names[SCALER_COUNTS] = {
	[SCALER_SCALED_UP] = "scaled_up", [SCALER_SCALED_DOWN] = "scaled_down", [SCALER_AT_BOUND] = "at_bound",
	[SCALER_RESOLVED] = "resolved", [SCALER_COOLDOWN] = "cooldown", [SCALER_ROLLOUT] = "rollout", [SCALER_NO_MAX] = "no_max",
	[SCALER_BAD_LABEL] = "bad_label", [SCALER_NOT_REPLICATED] = "not_replicated",
	[SCALER_UNKNOWN_SERVICE] = "unknown_service", [SCALER_ENGINE_FAILED] = "engine_failed",
	[SCALER_CONFLICTS] = "conflicts", [SCALER_DROPPED] = "dropped",
};
_Static_assert((int)SCALER_NOT_REPLICATED - (int)SCALER_AT_BOUND == (int)VERDICT_NOT_REPLICATED - (int)VERDICT_AT_BOUND,
               "the counts of verdicts that change nothing are in the order of enum verdict");

/* The memory of a service: under the name that alerts give it, and under the engine's id once that is known. */
struct known {
	char name[SERVICE_NAME_MAX + 1], id[SERVICE_ID_MAX + 1];
	struct past past; /* the alerts in it: under the mutex */
	struct wish wish; /* its turn is to come */
	bool is_waiting;
	bool is_found; /* the engine knew it when it was last asked: under the mutex */
	const char *last_result; /* of the newest event: repeated alerts are no news */
	uint64_t last_to;
	bool has_down; /* it had autoscale.down when it was last seen */
};

struct scaler {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t news;
	bool is_ending, is_dry_run, has_failed_sweep;
	struct docker docker; /* the thread's alone */
	uint64_t sweep_due_ms;
	struct known known[SCALER_SERVICES_MAX]; /* added to, and wished for, under the mutex; the rest of each is the thread's alone */
	size_t known_count, next; /* whose turn it is */
	size_t sweep_next, sweep_end; /* of the sweep under way; equal: there is none */
	struct known *current; /* the thread works on it: under the mutex */
	struct scaler_event events[SCALER_EVENTS];
	size_t event_total;
	uint64_t counts[SCALER_COUNTS];
};

/* ---- what others may look at: under the mutex ------------------------------------------------------------------- */

static void count(struct scaler *scaler, enum scaler_count what)
{
	pthread_mutex_lock(&scaler->mutex);
	scaler->counts[what]++;
	pthread_mutex_unlock(&scaler->mutex);
}

static void note(struct scaler *scaler, struct known *known, const char *result, uint64_t from, uint64_t to, const char *why)
{
	struct scaler_event *event;

	if (known->last_result != NULL && strcmp(known->last_result, result) == 0 && from == to && known->last_to == to)
		return;
	known->last_result = result;
	known->last_to = to;
	if (from == to)
		log_info("service %s: left alone, %s: %s", known->name, result, why);
	else
		log_info("service %s: %s from %llu to %llu: %s", known->name, scaler->is_dry_run ? "would scale" : "scaled",
		         (unsigned long long)from, (unsigned long long)to, why);
	pthread_mutex_lock(&scaler->mutex);
	event = &scaler->events[scaler->event_total++ % SCALER_EVENTS];
	*event = (struct scaler_event){ .wall_ms = clock_wall_ms(), .result = result, .from = from, .to = to };
	strcpy(event->service, known->name);
	strncpy(event->why, why, WHY_MAX);
	pthread_mutex_unlock(&scaler->mutex);
}

/* Alerts may name what is no service: such a name gives way when there are too many. With the mutex held. */
static struct known *find_room(struct scaler *scaler)
{
	if (scaler->known_count < SCALER_SERVICES_MAX)
		return &scaler->known[scaler->known_count++];
	for (size_t i = 0; i < SCALER_SERVICES_MAX; i++) {
		struct known *known = &scaler->known[i];

		if (!known->is_found && !known->is_waiting && known != scaler->current)
			return known;
	}
	return NULL;
}

/* The place for a service, under the name that an alert gives. NULL: there are too many. With the mutex held. */
static struct known *know(struct scaler *scaler, const char *name)
{
	struct known *known;

	for (size_t i = 0; i < scaler->known_count; i++)
		if (strcmp(scaler->known[i].name, name) == 0)
			return &scaler->known[i];
	known = find_room(scaler);
	if (known == NULL)
		return NULL;
	*known = (struct known){ .past = past_begin(clock_now_ms()) };
	strcpy(known->name, name);
	return known;
}

/* The last word counts, but two that fire ask for the most that one of them asks, and one that is resolved takes nothing from
 * another that fires. With the mutex held. */
static void await_turn(struct known *known, const struct wish *wish)
{
	const uint64_t now_ms = clock_now_ms();

	for (const struct told *told = wish->told; told != NULL; told = told->next)
		past_note(&known->past, told, now_ms);
	if (known->is_waiting && wish->is_firing)
		alerts_merge(&known->wish, wish);
	else if (!known->is_waiting || past_fired_ms(&known->past) <= now_ms)
		known->wish = *wish;
	known->wish.told = known->wish.last_told = NULL;
	known->is_waiting = true;
}

void scaler_wish(struct scaler *scaler, const struct wishes *wishes)
{
	pthread_mutex_lock(&scaler->mutex);
	for (size_t i = 0; i < wishes->count; i++) {
		const struct wish *wish = &wishes->list[i];
		struct known *known = know(scaler, wish->service);

		if (known == NULL)
			scaler->counts[SCALER_DROPPED]++;
		else
			await_turn(known, wish);
	}
	pthread_cond_signal(&scaler->news);
	pthread_mutex_unlock(&scaler->mutex);
}

size_t scaler_events(struct scaler *scaler, struct scaler_event list[SCALER_EVENTS])
{
	size_t count;

	pthread_mutex_lock(&scaler->mutex);
	count = scaler->event_total < SCALER_EVENTS ? scaler->event_total : SCALER_EVENTS;
	for (size_t i = 0; i < count; i++)
		list[i] = scaler->events[(scaler->event_total - 1 - i) % SCALER_EVENTS];
	pthread_mutex_unlock(&scaler->mutex);
	return count;
}

void scaler_counts(struct scaler *scaler, uint64_t counts[SCALER_COUNTS])
{
	pthread_mutex_lock(&scaler->mutex);
	memcpy(counts, scaler->counts, sizeof scaler->counts);
	pthread_mutex_unlock(&scaler->mutex);
}

/* ---- the thread --------------------------------------------------------------------------------------------------- */

/* The engine knows it. With the mutex held. */
static void recognise(struct known *known, const struct service *service)
{
	known->is_found = true;
	if (strcmp(known->id, service->id) == 0)
		return;
	if (known->id[0] != '\0')
		past_renew(&known->past, clock_now_ms());
	strcpy(known->id, service->id);
}

/* Does an alert that fires for it wait its turn, under this name or another? It came after the sweep had begun to ask. */
static bool is_wished(struct scaler *scaler, const struct service *service)
{
	bool is_found = false;

	pthread_mutex_lock(&scaler->mutex);
	for (size_t i = 0; i < scaler->known_count && !is_found; i++) {
		const struct known *known = &scaler->known[i];

		is_found = known->is_waiting && known->wish.is_firing && service_may_be(service, known->id, known->name);
	}
	pthread_mutex_unlock(&scaler->mutex);
	return is_found;
}

/* What is remembered of the service, under all of its names (with and without its stack's). */
static struct past meet(struct scaler *scaler, struct known *known, const struct service *service)
{
	struct past past;

	known->has_down = service->down_ms != 0;
	pthread_mutex_lock(&scaler->mutex);
	recognise(known, service);
	past = known->past;
	for (size_t i = 0; i < scaler->known_count; i++) {
		struct known *other = &scaler->known[i];

		if (other != known && service_may_be(service, other->id, other->name))
			past_share(&past, &other->past);
	}
	pthread_mutex_unlock(&scaler->mutex);
	return past;
}

/* If it may shrink, the next sweep begins after its autoscale.down, or sooner. */
static void hasten_sweep(struct scaler *scaler, const struct service *service)
{
	uint64_t due_ms = clock_now_ms() + (service->down_ms > SWEEP_LEAST_MS ? service->down_ms : SWEEP_LEAST_MS);

	if (service_may_shrink(service) && due_ms < scaler->sweep_due_ms)
		scaler->sweep_due_ms = due_ms;
}

/* Decides anew from what the engine says now, each time that somebody else was faster. `wish` NULL: may it shrink? */
static void settle(struct scaler *scaler, struct known *known, const struct wish *wish)
{
	for (int try = 1; try <= TRIES; try++) {
		enum docker_result result;
		struct decision decision;
		struct service service;
		struct past past;
		uint64_t now_ms;

		result = docker_find(&scaler->docker, known->name, &service);
		if (result != DOCKER_FINE) {
			bool is_unknown = result == DOCKER_NOT_FOUND;

			pthread_mutex_lock(&scaler->mutex);
			known->is_found = known->is_found && !is_unknown;
			pthread_mutex_unlock(&scaler->mutex);
			count(scaler, is_unknown ? SCALER_UNKNOWN_SERVICE : SCALER_ENGINE_FAILED);
			note(scaler, known, is_unknown ? "unknown_service" : "engine_failed", 0, 0, scaler->docker.error);
			return;
		}
		past = meet(scaler, known, &service);
		hasten_sweep(scaler, &service);
		now_ms = clock_now_ms();
		decision = wish != NULL ? service_decide(&service, wish, &past, now_ms)
		                        : service_decide_down(&service, &past, now_ms);
		if (decision.verdict != VERDICT_SCALE || (wish == NULL && is_wished(scaler, &service))) {
			if (wish != NULL) {
				count(scaler, SCALER_AT_BOUND + (decision.verdict - VERDICT_AT_BOUND));
				note(scaler, known, service_verdict_name(decision.verdict), service.replicas, service.replicas, decision.why);
			}
			service_finish(&service);
			return;
		}
		result = scaler->is_dry_run ? DOCKER_FINE : docker_scale(&scaler->docker, &service, decision.replicas);
		service_finish(&service);
		if (result == DOCKER_FINE) {
			known->past.scaled_ms = now_ms;
			count(scaler, decision.replicas > service.replicas ? SCALER_SCALED_UP : SCALER_SCALED_DOWN);
			note(scaler, known, scaler->is_dry_run ? "would_scale" : "scaled", service.replicas, decision.replicas, decision.why);
			return;
		}
		if (result == DOCKER_UNSURE) /* if the change was made, a second one would be a step too much */
			known->past.scaled_ms = now_ms;
		count(scaler, result == DOCKER_CONFLICT ? SCALER_CONFLICTS : SCALER_ENGINE_FAILED);
		if (result != DOCKER_CONFLICT || try == TRIES) {
			note(scaler, known, "engine_failed", service.replicas, service.replicas, scaler->docker.error);
			return;
		}
	}
}

/* A sweep begins. Services that may shrink are looked for: after a restart nobody would name them again. */
static void learn(struct scaler *scaler)
{
	json_t *list;

	scaler->sweep_due_ms = clock_now_ms() + SWEEP_MOST_MS;
	if (docker_list(&scaler->docker, &list) != DOCKER_FINE) {
		if (!scaler->has_failed_sweep)
			log_warn("the services can't be listed, so the autoscaler shrinks none: %s", scaler->docker.error);
		scaler->has_failed_sweep = true;
		return;
	}
	scaler->has_failed_sweep = false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct service service;
		struct known *known;

		if (!service_read(json_array_get(list, i), &service))
			continue;
		hasten_sweep(scaler, &service);
		if (service_may_shrink(&service)) {
			pthread_mutex_lock(&scaler->mutex);
			known = know(scaler, service.name);
			if (known != NULL) {
				known->has_down = true;
				recognise(known, &service);
			}
			pthread_mutex_unlock(&scaler->mutex);
		}
		service_finish(&service);
	}
	json_decref(list);
	pthread_mutex_lock(&scaler->mutex);
	scaler->sweep_next = 0;
	scaler->sweep_end = scaler->known_count;
	pthread_mutex_unlock(&scaler->mutex);
}

/* The next of the sweep under way that may shrink; NULL: none is left. With the mutex held. */
static struct known *take_sweeps_next(struct scaler *scaler)
{
	while (scaler->sweep_next < scaler->sweep_end) {
		struct known *known = &scaler->known[scaler->sweep_next++];

		if (known->has_down)
			return known;
	}
	return NULL;
}

/* The next whose turn it is, round and round, so that no service starves; NULL: none waits. With the mutex held. */
static struct known *take_turn(struct scaler *scaler, struct wish *wish)
{
	for (size_t i = 0; i < scaler->known_count; i++) {
		struct known *known = &scaler->known[(scaler->next + i) % scaler->known_count];

		if (!known->is_waiting)
			continue;
		scaler->next = (size_t)(known - scaler->known) + 1;
		known->is_waiting = false;
		*wish = known->wish;
		return known;
	}
	return NULL;
}

/* Alerts go before the sweep, also before its next service: an engine that hangs makes a sweep long. */
static void *run(void *context)
{
	struct scaler *scaler = context;
	struct wish wish;

	pthread_mutex_lock(&scaler->mutex);
	while (!scaler->is_ending) {
		struct known *wished = take_turn(scaler, &wish), *known = wished != NULL ? wished : take_sweeps_next(scaler);

		if (known == NULL && clock_now_ms() < scaler->sweep_due_ms) {
			const uint64_t ms = scaler->sweep_due_ms;
			struct timespec due = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

			pthread_cond_timedwait(&scaler->news, &scaler->mutex, &due);
			continue;
		}
		scaler->current = known;
		pthread_mutex_unlock(&scaler->mutex);
		if (known != NULL)
			settle(scaler, known, wished != NULL ? &wish : NULL);
		else
			learn(scaler);
		pthread_mutex_lock(&scaler->mutex);
		scaler->current = NULL;
	}
	pthread_mutex_unlock(&scaler->mutex);
	return NULL;
}

struct scaler *scaler_new(const char *docker_url, bool is_dry_run)
{
	struct scaler *scaler = calloc(1, sizeof *scaler);
	pthread_condattr_t attributes;

	if (scaler == NULL)
		return NULL;
	scaler->is_dry_run = is_dry_run;
	scaler->sweep_due_ms = clock_now_ms() + SWEEP_MOST_MS;
	pthread_mutex_init(&scaler->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&scaler->news, &attributes);
	pthread_condattr_destroy(&attributes);
	if (!docker_init(&scaler->docker, docker_url) || pthread_create(&scaler->thread, NULL, run, scaler) != 0) {
		docker_finish(&scaler->docker);
		free(scaler);
		return NULL;
	}
	return scaler;
}

void scaler_free(struct scaler *scaler)
{
	pthread_mutex_lock(&scaler->mutex);
	scaler->is_ending = true;
	pthread_cond_signal(&scaler->news);
	pthread_mutex_unlock(&scaler->mutex);
	pthread_join(scaler->thread, NULL);
	docker_finish(&scaler->docker);
	pthread_cond_destroy(&scaler->news);
	pthread_mutex_destroy(&scaler->mutex);
	free(scaler);
}
