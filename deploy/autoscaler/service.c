#include "deploy/autoscaler/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- labels --------------------------------------------------------------------------------------------------- */

static bool parse_count(const char *text, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9' || strlen(text) > 7)
		return false;
	*value = strtoul(text, &end, 10);
	return *end == '\0' && *value <= REPLICAS_MAX;
}

bool service_parse_duration(const char *text, uint64_t *ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	const uint64_t year_ms = UINT64_C(365) * 24 * 3600000;

	*ms = 0;
	if (*text == '\0')
		return false;
	while (*text != '\0') {
		uint64_t number, unit = 0;
		char *end;

		if (*text < '0' || *text > '9' || strspn(text, "0123456789") > 9)
			return false;
		number = strtoul(text, &end, 10);
		for (size_t i = 0; i < sizeof units / sizeof units[0] && unit == 0; i++) {
			size_t length = strlen(units[i].name);

			if (strncmp(end, units[i].name, length) == 0 && (end[length] == '\0' || (end[length] >= '0' && end[length] <= '9'))) {
				unit = units[i].ms;
				text = end + length;
			}
		}
		if (unit == 0)
			return false;
		*ms += number * unit;
		if (*ms > year_ms)
			return false;
	}
	return true;
}

static bool parse_down(const char *text, uint64_t *ms)
{
	*ms = 0;
	return strcmp(text, "off") == 0 || (service_parse_duration(text, ms) && *ms > 0);
}

/* False after a complaint, or when there is no such label. */
static bool read_label(struct service *service, const json_t *labels, const char *name, bool (*parse)(const char *, uint64_t *),
                       uint64_t *value)
{
	const char *text = json_string_value(json_object_get(labels, name));
	uint64_t read;

	if (text == NULL)
		return false;
	if (!parse(text, &read)) {
		snprintf(service->complaint, sizeof service->complaint, "its label %s is \"%.40s\", which can't be read", name, text);
		return false;
	}
	*value = read;
	return true;
}

static void read_labels(struct service *service)
{
	const json_t *labels = json_object_get(service->spec, "Labels");

	service->min = service->step = 1;
	service->cooldown_ms = 30000;
	service->has_max = read_label(service, labels, "autoscale.max", parse_count, &service->max);
	read_label(service, labels, "autoscale.min", parse_count, &service->min);
	read_label(service, labels, "autoscale.step", parse_count, &service->step);
	read_label(service, labels, "autoscale.cooldown", service_parse_duration, &service->cooldown_ms);
	read_label(service, labels, "autoscale.down", parse_down, &service->down_ms);
	if (service->complaint[0] != '\0')
		return;
	if (service->has_max && service->min > service->max)
		snprintf(service->complaint, sizeof service->complaint, "autoscale.min is larger than autoscale.max");
	else if (service->step == 0)
		snprintf(service->complaint, sizeof service->complaint, "autoscale.step is 0");
}

/* ---- the engine's words ------------------------------------------------------------------------------------------ */

static bool copy_text(char *to, size_t size, const json_t *value)
{
	const char *text = json_string_value(value);

	if (text == NULL || json_string_length(value) >= size || strlen(text) != json_string_length(value))
		return false;
	strcpy(to, text);
	return true;
}

bool service_read(const json_t *answer, struct service *service)
{
	json_t *spec = json_object_get(answer, "Spec");
	const json_t *version = json_object_get(json_object_get(answer, "Version"), "Index");
	const json_t *replicated = json_object_get(json_object_get(spec, "Mode"), "Replicated");
	const json_t *replicas = json_object_get(replicated, "Replicas");

	*service = (struct service){ .spec = NULL };
	if (!json_is_object(spec) || !json_is_integer(version) || json_integer_value(version) < 0 ||
	    !copy_text(service->id, sizeof service->id, json_object_get(answer, "ID")) ||
	    !copy_text(service->name, sizeof service->name, json_object_get(spec, "Name")) ||
	    !alerts_is_service_name(service->id, strlen(service->id)))
		return false;
	/* Where no update was made there is no state, or an object without one. */
	if (!copy_text(service->update_state, sizeof service->update_state,
	               json_object_get(json_object_get(answer, "UpdateStatus"), "State")))
		service->update_state[0] = '\0';
	service->version = (uint64_t)json_integer_value(version);
	service->is_replicated = json_is_object(replicated) && json_is_integer(replicas) && json_integer_value(replicas) >= 0;
	service->replicas = service->is_replicated ? (uint64_t)json_integer_value(replicas) : 0;
	service->spec = json_incref(spec);
	read_labels(service);
	return true;
}

void service_finish(struct service *service)
{
	json_decref(service->spec);
	service->spec = NULL;
}

char *service_spec_with(struct service *service, uint64_t replicas)
{
	json_t *replicated = json_object_get(json_object_get(service->spec, "Mode"), "Replicated");

	if (json_object_set_new(replicated, "Replicas", json_integer((json_int_t)replicas)) != 0)
		return NULL;
	return json_dumps(service->spec, JSON_COMPACT);
}

bool service_may_be(const struct service *service, const char *id, const char *name)
{
	size_t length = strlen(name), whole = strlen(service->name);

	if (id[0] != '\0')
		return strcmp(id, service->id) == 0;
	return length <= whole && strcmp(service->name + whole - length, name) == 0 &&
	       (length == whole || service->name[whole - length - 1] == '_');
}

/* ---- memory ------------------------------------------------------------------------------------------------------- */

struct past past_begin(uint64_t now_ms)
{
	return (struct past){ .fired_ms = now_ms };
}

static uint64_t later(uint64_t one_ms, uint64_t other_ms)
{
	return one_ms > other_ms ? one_ms : other_ms;
}

void past_renew(struct past *past, uint64_t now_ms)
{
	past->scaled_ms = 0;
	past->fired_ms = later(past->fired_ms, now_ms);
}

void past_note(struct past *past, const struct told *told, uint64_t now_ms)
{
	struct fire fire = { .alert = told->alert, .ends_ms = now_ms + told->fires_ms }, *first = &past->fires[0];

	for (struct fire *other = past->fires; other < past->fires + FIRES_REMEMBERED; other++) {
		if (other->ends_ms != 0 && other->alert == told->alert) {
			if (told->fires_ms != 0 || other->ends_ms > now_ms) /* one that is resolved once more ended before */
				*other = fire;
			return;
		}
		if (other->ends_ms < first->ends_ms)
			first = other;
	}
	if (told->fires_ms == 0)
		return;
	if (first->ends_ms < fire.ends_ms) {
		const struct fire forgotten = *first;

		*first = fire;
		fire = forgotten;
	}
	past->fired_ms = later(past->fired_ms, fire.ends_ms);
}

uint64_t past_fired_ms(const struct past *past)
{
	uint64_t fired_ms = past->fired_ms;

	for (size_t i = 0; i < FIRES_REMEMBERED; i++)
		fired_ms = later(fired_ms, past->fires[i].ends_ms);
	return fired_ms;
}

void past_share(struct past *past, const struct past *other)
{
	past->scaled_ms = later(past->scaled_ms, other->scaled_ms);
	past->fired_ms = later(past->fired_ms, past_fired_ms(other));
}

/* ---- decisions --------------------------------------------------------------------------------------------------- */

static struct decision leave(enum verdict verdict, const char *why)
{
	struct decision decision = { .verdict = verdict };

	snprintf(decision.why, sizeof decision.why, "%s", why);
	return decision;
}

/* An update in the middle of another would make a later rollback return to what is being rolled out. */
static bool is_rolling_out(const struct service *service)
{
	static const char *const states[] = { "updating", "paused", "rollback_started", "rollback_paused" };

	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strcmp(service->update_state, states[i]) == 0)
			return true;
	return false;
}

/* May the service be changed at all, and now? VERDICT_SCALE: it may. */
static struct decision may_change(const struct service *service, const struct past *past, uint64_t now_ms)
{
	struct decision decision = { .verdict = VERDICT_SCALE };

	if (!service->is_replicated)
		return leave(VERDICT_NOT_REPLICATED, "it is no replicated service (global and job services have no number to change)");
	if (service->complaint[0] != '\0')
		return leave(VERDICT_BAD_LABEL, service->complaint);
	if (!service->has_max)
		return leave(VERDICT_NO_MAX, "it has no label autoscale.max, so nobody said how far it may grow");
	if (is_rolling_out(service)) {
		decision.verdict = VERDICT_ROLLOUT;
		snprintf(decision.why, sizeof decision.why, "an update is under way (%s)", service->update_state);
	} else if (past->scaled_ms != 0 && now_ms - past->scaled_ms < service->cooldown_ms) {
		decision.verdict = VERDICT_COOLDOWN;
		snprintf(decision.why, sizeof decision.why, "the last change was %llu s ago, autoscale.cooldown is %llu s",
		         (unsigned long long)(now_ms - past->scaled_ms) / 1000, (unsigned long long)service->cooldown_ms / 1000);
	}
	return decision;
}

struct decision service_decide(const struct service *service, const struct wish *wish, const struct past *past, uint64_t now_ms)
{
	struct decision decision;
	uint64_t wanted;

	if (!wish->is_firing)
		return leave(VERDICT_RESOLVED, "the alert is resolved");
	decision = may_change(service, past, now_ms);
	if (decision.verdict != VERDICT_SCALE)
		return decision;
	wanted = wish->wants_step ? service->replicas + service->step : 0;
	if (wanted < wish->replicas)
		wanted = wish->replicas;
	if (wanted > service->max)
		wanted = service->max;
	if (wanted < service->min)
		wanted = service->min;
	/* An alert asks for more: fewer is only ever the matter of autoscale.down. */
	if (wanted <= service->replicas) {
		decision.verdict = VERDICT_AT_BOUND;
		snprintf(decision.why, sizeof decision.why, "it has %llu, %s %llu", (unsigned long long)service->replicas,
		         service->replicas >= service->max ? "autoscale.max is" : "the alert asks for", (unsigned long long)wanted);
		return decision;
	}
	decision.replicas = wanted;
	snprintf(decision.why, sizeof decision.why, "alert %s", wish->alert[0] != '\0' ? wish->alert : "without a name");
	return decision;
}

bool service_may_shrink(const struct service *service)
{
	return service->down_ms != 0 && service->has_max;
}

struct decision service_decide_down(const struct service *service, const struct past *past, uint64_t now_ms)
{
	const uint64_t fired_ms = past_fired_ms(past);
	struct decision decision;

	if (service->down_ms == 0 || now_ms < fired_ms + service->down_ms)
		return leave(VERDICT_RESOLVED, "autoscale.down is off, or its time is not over");
	decision = may_change(service, past, now_ms);
	if (decision.verdict != VERDICT_SCALE)
		return decision;
	if (past->scaled_ms != 0 && now_ms - past->scaled_ms < service->down_ms)
		return leave(VERDICT_COOLDOWN, "autoscale.down has not passed since the last change");
	if (service->replicas <= service->min)
		return leave(VERDICT_AT_BOUND, "it has autoscale.min");
	decision.replicas = service->replicas - service->min > service->step ? service->replicas - service->step : service->min;
	snprintf(decision.why, sizeof decision.why, "no alert for %llu s", (unsigned long long)(now_ms - fired_ms) / 1000);
	return decision;
}

const char *service_verdict_name(enum verdict verdict)
{
	static const char *const names[VERDICT_COUNT] = {
		[VERDICT_SCALE] = "scaled",
		[VERDICT_AT_BOUND] = "at_bound",
		[VERDICT_RESOLVED] = "resolved",
		[VERDICT_COOLDOWN] = "cooldown",
		[VERDICT_ROLLOUT] = "rollout",
		[VERDICT_NO_MAX] = "no_max",
		[VERDICT_BAD_LABEL] = "bad_label",
		[VERDICT_NOT_REPLICATED] = "not_replicated",
	};

	return names[verdict];
}
