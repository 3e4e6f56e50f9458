/*
 * A swarm service as the Docker Engine tells of it, and what is to be done with it. Pure: no socket, no clock.
 *
 * The bounds stand on the service itself, as labels:
 *   autoscale.max       required: without it the service is left alone
 *   autoscale.min       1       never fewer
 *   autoscale.step      1       so many more (or fewer) at a time
 *   autoscale.cooldown  30s     between two changes that this program made
 *   autoscale.down      off     one step down after so long without a firing alert
 */
#ifndef AUTOSCALER_SERVICE_H
#define AUTOSCALER_SERVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "deploy/autoscaler/alerts.h"

enum { SERVICE_ID_MAX = 63, SERVICE_STATE_MAX = 31, WHY_MAX = 255, FIRES_REMEMBERED = 16 };

struct service {
	json_t *spec; /* all of it, also what this program does not know: an update has to send it back */
	uint64_t version;
	char id[SERVICE_ID_MAX + 1], name[SERVICE_NAME_MAX + 1];
	char update_state[SERVICE_STATE_MAX + 1]; /* empty: no update was ever made */
	bool is_replicated;
	uint64_t replicas;
	bool has_max;
	uint64_t max, min, step, cooldown_ms, down_ms; /* down_ms 0: off */
	char complaint[WHY_MAX + 1];                   /* a label that can't be read; empty: all is well */
};

/* From the engine's answer to GET /services/NAME, or one entry of GET /services. False: it is no service. */
bool service_read(const json_t *answer, struct service *service);
void service_finish(struct service *service);
/* Puts the number into the Spec and returns the Spec as JSON text, to be freed. NULL: out of memory. */
char *service_spec_with(struct service *service, uint64_t replicas);
/* Does an alert's name for a service mean this one? By the engine's id; as long as the engine was not asked for that name (`id` is
 * empty), it may also mean the service of a stack. */
bool service_may_be(const struct service *service, const char *id, const char *name);

/* One alert. It ends at ends_ms, which may lie ahead. */
struct fire {
	uint64_t alert, ends_ms;
};

/* This program's memory of a service. Times are monotonic milliseconds; 0: never. */
struct past {
	uint64_t fired_ms;  /* when this program first saw it, or when the last alert ends that found no place in `fires` */
	uint64_t scaled_ms; /* when this program last changed it */
	struct fire fires[FIRES_REMEMBERED]; /* ends_ms 0: a free place */
};

/* This program sees the service first. */
struct past past_begin(uint64_t now_ms);
/* The service was removed and made anew. What was with the old one says nothing about it, but its alerts still fire. */
void past_renew(struct past *past, uint64_t now_ms);
/* An alert for it came. It is the last word about that alert, and none about the others. Where there are more than
 * FIRES_REMEMBERED, the one that ends first is forgotten, but not its end: no message can make that sooner any more. */
void past_note(struct past *past, const struct told *told, uint64_t now_ms);
/* When the last alert for it ends, which may lie ahead; at least the moment at which this program first saw it. */
uint64_t past_fired_ms(const struct past *past);
/* `past` is a copy, to decide by: both are of one service, under two names. An alert is ended under the name that it has. */
void past_share(struct past *past, const struct past *other);

enum verdict {
	VERDICT_SCALE,
	VERDICT_AT_BOUND,   /* nothing to do: it has as many as it may have */
	VERDICT_RESOLVED,   /* nothing fires */
	VERDICT_COOLDOWN,
	VERDICT_ROLLOUT,    /* an update is under way */
	VERDICT_NO_MAX,
	VERDICT_BAD_LABEL,
	VERDICT_NOT_REPLICATED,
	VERDICT_COUNT
};

struct decision {
	enum verdict verdict;
	uint64_t replicas; /* VERDICT_SCALE: how many it gets */
	char why[WHY_MAX + 1];
};

/* For an alert. */
struct decision service_decide(const struct service *service, const struct wish *wish, const struct past *past, uint64_t now_ms);
/* Has it labels by which it may lose replicas at all? */
bool service_may_shrink(const struct service *service);
/* When nothing has fired for a while. */
struct decision service_decide_down(const struct service *service, const struct past *past, uint64_t now_ms);
const char *service_verdict_name(enum verdict verdict);
/* 250ms, 30s, 5m, 1h, 1h30m. False: it is none, or more than a year. */
bool service_parse_duration(const char *text, uint64_t *ms);

#endif
