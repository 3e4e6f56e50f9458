/*
 * Scales one service after the other, on a thread of its own: the engine may take its time, alerts don't wait.
 *
 * Wishes for one service that come while it waits its turn become one. Any thread may call these functions.
 */
#ifndef AUTOSCALER_SCALER_H
#define AUTOSCALER_SCALER_H

#include "deploy/autoscaler/docker.h"

enum { SCALER_SERVICES_MAX = 1024, SCALER_EVENTS = 100 };

/* The decisions and their reasons: each decision that differs from the service's last one. */
struct scaler_event {
	uint64_t wall_ms;
	char service[SERVICE_NAME_MAX + 1];
	const char *result; /* service_verdict_name(), or unknown_service, engine_failed, would_scale */
	uint64_t from, to;  /* from == to: it was left alone */
	char why[WHY_MAX + 1];
};

/* Counted since the start. */
enum scaler_count {
	SCALER_SCALED_UP, SCALER_SCALED_DOWN, SCALER_AT_BOUND, SCALER_RESOLVED, SCALER_COOLDOWN, SCALER_ROLLOUT, SCALER_NO_MAX,
	SCALER_BAD_LABEL, SCALER_NOT_REPLICATED, SCALER_UNKNOWN_SERVICE, SCALER_ENGINE_FAILED, SCALER_CONFLICTS, SCALER_DROPPED,
	SCALER_COUNTS
};
extern const char *const scaler_count_names[SCALER_COUNTS];

struct scaler;

/* `docker_url` as docker_init() takes it. NULL: it can't be had; errno says nothing. */
struct scaler *scaler_new(const char *docker_url, bool is_dry_run);
/* Waits until the thread is done with the service at hand: for an engine that hangs DOCKER_TIMEOUT_MS, for one that answers each of
 * a few requests slowly a multiple of that. The wishes that wait are forgotten. */
void scaler_free(struct scaler *scaler);
void scaler_wish(struct scaler *scaler, const struct wishes *wishes);
/* The newest first; returns how many. */
size_t scaler_events(struct scaler *scaler, struct scaler_event list[SCALER_EVENTS]);
void scaler_counts(struct scaler *scaler, uint64_t counts[SCALER_COUNTS]);

#endif
