#include "deploy/autoscaler/alerts.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/json_bound.h"
#include "gateway/base/siphash.h"

bool alerts_is_service_name(const char *text, size_t length)
{
	if (length == 0 || length > SERVICE_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		bool is_inside = c == '_' || c == '.' || c == '-';

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && !(is_inside && i > 0))
			return false;
	}
	return true;
}

static bool take_digits(const char **at, int count, int *value)
{
	*value = 0;
	for (int i = 0; i < count; i++) {
		if (**at < '0' || **at > '9')
			return false;
		*value = *value * 10 + (*(*at)++ - '0');
	}
	return true;
}

static bool take_char(const char **at, const char *allowed)
{
	return **at != '\0' && strchr(allowed, *(*at)++) != NULL;
}

static bool take_zone(const char **at, int *minutes)
{
	int hours, rest, sign;

	*minutes = 0;
	if (**at == 'Z' || **at == 'z') {
		(*at)++;
		return true;
	}
	sign = **at == '-' ? -1 : 1;
	if (!take_char(at, "+-") || !take_digits(at, 2, &hours) || !take_char(at, ":") || !take_digits(at, 2, &rest))
		return false;
	*minutes = sign * (hours * 60 + rest);
	return hours < 24 && rest < 60;
}

/* The first nine digits after the dot: nanoseconds are as fine as Go writes. */
static double take_fraction(const char **at)
{
	uint64_t digits = 0, unit = 1;

	for ((*at)++; **at >= '0' && **at <= '9'; (*at)++) {
		if (unit == 1000000000)
			continue;
		digits = digits * 10 + (uint64_t)(**at - '0');
		unit *= 10;
	}
	return (double)digits / (double)unit;
}

bool alerts_parse_time(const char *text, double *seconds)
{
	const char *at = text;
	int year, month, day, hour, minute, second, zone_minutes;
	double fraction = 0;
	struct tm tm;

	if (!take_digits(&at, 4, &year) || !take_char(&at, "-") || !take_digits(&at, 2, &month) || !take_char(&at, "-") ||
	    !take_digits(&at, 2, &day) || !take_char(&at, "Tt ") || !take_digits(&at, 2, &hour) || !take_char(&at, ":") ||
	    !take_digits(&at, 2, &minute) || !take_char(&at, ":") || !take_digits(&at, 2, &second))
		return false;
	if (*at == '.')
		fraction = take_fraction(&at);
	if (!take_zone(&at, &zone_minutes) || *at != '\0' || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	tm = (struct tm){ .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute,
		          .tm_sec = second };
	*seconds = (double)timegm(&tm) - zone_minutes * 60.0 + fraction;
	return true;
}

/* NULL: there is none, or it is no text. A text with a NUL in it is none of ours. */
static const char *text_at(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);

	return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

/* How long it still fires; 0: it does not. Go writes the year 1 for a time that is not set. */
static uint64_t fires_ms(const json_t *alert, double now_s)
{
	const char *status = text_at(alert, "status"); /* only Alertmanager's webhook has one */
	const char *text = text_at(alert, "endsAt");
	double ends_s, rest_ms;

	if (status != NULL)
		return strcmp(status, "firing") == 0 ? FIRES_MOST_MS : 0;
	if (text == NULL || !alerts_parse_time(text, &ends_s) || ends_s < 0)
		return FIRES_MOST_MS;
	rest_ms = ceil((ends_s - now_s) * 1000);
	return rest_ms <= 0 ? 0 : rest_ms < FIRES_MOST_MS ? (uint64_t)rest_ms : FIRES_MOST_MS;
}

/* The number of the annotation `replicas`, rounded up as the rule that computed it would want. 0: it is no number, or the rule's
 * expression came to nothing (NaN, -1). */
static uint64_t wanted_replicas(const json_t *alert)
{
	const char *text = text_at(json_object_get(alert, "annotations"), "replicas");
	char *end;
	double number;

	if (text == NULL || *text == '\0' || strspn(text, "0123456789.+eE-") != strlen(text))
		return 0;
	number = strtod(text, &end);
	if (*end != '\0' || !isfinite(number) || number <= 0)
		return 0;
	number = ceil(number);
	return number > REPLICAS_MAX ? REPLICAS_MAX : (uint64_t)number;
}

static struct wish *wish_for(struct wishes *wishes, const char *service)
{
	struct wish *wish;

	for (size_t i = 0; i < wishes->count; i++)
		if (strcmp(wishes->list[i].service, service) == 0)
			return &wishes->list[i];
	wish = &wishes->list[wishes->count++];
	*wish = (struct wish){ .is_firing = false };
	strcpy(wish->service, service);
	return wish;
}

/* Everyone who may send alerts may scale, so nobody gains by labels that collide with another alert's, and the hash needs no
 * secret seed. */
static uint64_t hash_of(const json_t *labels)
{
	static const struct siphash_seed seed = { .halves = { 0, 0 } };
	char *text = json_dumps(labels, JSON_COMPACT | JSON_SORT_KEYS);
	uint64_t hash = text == NULL ? 0 : siphash(&seed, text, strlen(text));

	free(text);
	return hash;
}

static void tell(struct wishes *wishes, struct wish *wish, const json_t *labels, uint64_t more_ms)
{
	struct told *told = &wishes->told[wishes->told_count++];

	*told = (struct told){ .alert = hash_of(labels), .fires_ms = more_ms };
	if (wish->told == NULL)
		wish->told = told;
	else
		wish->last_told->next = told;
	wish->last_told = told;
}

void alerts_merge(struct wish *wish, const struct wish *more)
{
	if (!wish->is_firing || more->replicas > wish->replicas)
		strcpy(wish->alert, more->alert);
	wish->is_firing = true;
	wish->wants_step = wish->wants_step || more->wants_step;
	wish->replicas = more->replicas > wish->replicas ? more->replicas : wish->replicas;
}

static void take_alert(struct wishes *wishes, const json_t *alert, double now_s)
{
	const json_t *labels = json_object_get(alert, "labels"), *scale = json_object_get(labels, "scale");
	const char *service = text_at(labels, "scale"), *name = text_at(labels, "alertname");
	struct wish *wish, one = { .replicas = wanted_replicas(alert) };
	uint64_t more_ms = fires_ms(alert, now_s);

	if (scale == NULL) {
		wishes->unnamed++;
		return;
	}
	if (service == NULL || !alerts_is_service_name(service, strlen(service))) {
		wishes->misnamed++;
		return;
	}
	snprintf(one.alert, sizeof one.alert, "%s", name == NULL ? "" : name);
	one.wants_step = one.replicas == 0;
	wish = wish_for(wishes, service);
	tell(wishes, wish, labels, more_ms);
	if (more_ms > 0)
		alerts_merge(wish, &one);
	else if (wish->alert[0] == '\0')
		strcpy(wish->alert, one.alert);
}

/* The list of alerts in either form. NULL: it is neither. */
static const json_t *find_alerts(const json_t *message)
{
	const json_t *alerts = json_is_object(message) ? json_object_get(message, "alerts") : message;

	return json_is_array(alerts) ? alerts : NULL;
}

static bool refuse(char *error, size_t size, json_t *message, const char *why)
{
	snprintf(error, size, "%s", why);
	json_decref(message);
	return false;
}

bool alerts_read(const char *bytes, size_t length, double now_s, struct wishes *wishes, char *error, size_t error_size)
{
	json_error_t where;
	json_t *message;
	const json_t *alerts;
	size_t count;

	*wishes = (struct wishes){ .list = NULL };
	if (length > ALERTS_BODY_MAX)
		return refuse(error, error_size, NULL, "the body is larger than 1 MiB");
	if (!json_is_bounded(bytes, length, ALERTS_OPENINGS_MAX))
		return refuse(error, error_size, NULL, "more objects and lists than 4096 alerts have");
	message = json_loadb(bytes, length, JSON_ALLOW_NUL, &where);
	if (message == NULL) {
		snprintf(error, error_size, "not JSON: line %d, column %d", where.line, where.column);
		return false;
	}
	alerts = find_alerts(message);
	if (alerts == NULL)
		return refuse(error, error_size, message, "neither a list of alerts nor an object with such a list in \"alerts\"");
	count = json_array_size(alerts);
	if (count > ALERTS_MAX)
		return refuse(error, error_size, message, "more than 4096 alerts");
	for (size_t i = 0; i < count; i++)
		if (!json_is_object(json_array_get(alerts, i)))
			return refuse(error, error_size, message, "an alert is no object");
	wishes->list = calloc(count + 1, sizeof *wishes->list);
	wishes->told = calloc(count + 1, sizeof *wishes->told);
	if (wishes->list == NULL || wishes->told == NULL) {
		alerts_free(wishes);
		return refuse(error, error_size, message, "out of memory");
	}
	wishes->alerts = count;
	for (size_t i = 0; i < count; i++)
		take_alert(wishes, json_array_get(alerts, i), now_s);
	json_decref(message);
	return true;
}

void alerts_free(struct wishes *wishes)
{
	free(wishes->list);
	free(wishes->told);
	*wishes = (struct wishes){ .list = NULL };
}
