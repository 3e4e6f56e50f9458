/*
 * Alerts as Prometheus and Alertmanager send them, turned into wishes: one for each service that an alert names by its label
 * `scale`. Pure: bytes in, structs out.
 *
 * Two forms are read:
 *   Prometheus' API, v1 and v2:  [{"labels": {...}, "annotations": {...}, "startsAt": TIME, "endsAt": TIME, ...}, ...]
 *                                firing means that endsAt lies in the future; the form has no status
 *   Alertmanager's webhook, 4:   {"version": "4", "alerts": [{"status": "firing", "labels": {...}, ...}, ...]}
 *                                endsAt is the year 1 while it fires; it fires until it is resolved, and Alertmanager says so
 *                                again only every repeat_interval, by default after four hours
 */
#ifndef AUTOSCALER_ALERTS_H
#define AUTOSCALER_ALERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ALERTS_BODY_MAX = 1 << 20, /* Prometheus sends 256 alerts at most, some hundred bytes each */
	ALERTS_MAX = 4096,
	/* An alert has three objects (itself, its labels, its annotations), and the webhook has five around them. The rest is for
	 * texts with a brace in them. */
	ALERTS_OPENINGS_MAX = 4 * ALERTS_MAX + 8,
	SERVICE_NAME_MAX = 255,
	ALERT_NAME_MAX = 127,
	REPLICAS_MAX = 1000000,
	FIRES_MOST_MS = 24 * 3600000, /* without another message, whatever endsAt says: its end may be lost */
};

/* What a message tells of one alert. */
struct told {
	uint64_t alert;    /* a hash of its labels, which are what tells it from others */
	uint64_t fires_ms; /* so much longer, unless it is resolved before; 0: it is resolved */
	struct told *next; /* of the same service, in the order of the message */
};

struct wish {
	char service[SERVICE_NAME_MAX + 1]; /* as the label `scale` has it */
	char alert[ALERT_NAME_MAX + 1];     /* the label `alertname`; of several that fire the one that asks for most, or the first */
	bool is_firing;
	uint64_t replicas; /* the annotation `replicas`; the highest of several; 0: none has it */
	bool wants_step;   /* one that fires has no such number, and asks for a step more than there are */
	struct told *told, *last_told; /* each alert of the service, also a resolved one; they end with alerts_free() */
};

struct wishes {
	struct wish *list; /* one for each service: an alert that fires wins over one that is resolved */
	struct told *told;
	size_t count, told_count;
	size_t alerts;   /* in all */
	size_t unnamed;  /* without the label `scale` */
	size_t misnamed; /* with one that can't be a service's name */
};

/* `now_s`: wall time, in seconds since 1970. False: it is no such message, `error` says why; nothing is to be freed. */
bool alerts_read(const char *bytes, size_t length, double now_s, struct wishes *wishes, char *error, size_t error_size);
void alerts_free(struct wishes *wishes);

/* `more` fires for the same service: `wish` asks for what either asks for. */
void alerts_merge(struct wish *wish, const struct wish *more);
/* RFC 3339, as in 2026-03-01T12:00:00.123+01:00. False: it is none. */
bool alerts_parse_time(const char *text, double *seconds);
/* Is this a name that swarm would take? */
bool alerts_is_service_name(const char *text, size_t length);

#endif
