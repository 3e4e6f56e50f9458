/* A route's rate_limit: how many calls in which time, and what counts as one caller. */
#include "routes/config/rate_limit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "routes/config/keys.h"
#include "routes/config/value.h"

enum { CALLS_MAX = 1000000, NAME_MAX_BYTES = 128 };

static const struct period {
	const char *text;
	uint64_t ms;
} PERIODS[] = {{"s", SECOND}, {"m", MINUTE}, {"h", HOUR}, {"d", 24 * HOUR}};

static const struct period *period_of(const char *text)
{
	for (size_t i = 0; i < sizeof(PERIODS) / sizeof(PERIODS[0]); i++)
		if (strcmp(PERIODS[i].text, text) == 0)
			return &PERIODS[i];
	return NULL;
}

/* 10/s, 600/m, 5000/h, 1/d */
void read_rate(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct rate_limit_settings *settings = &((struct route *)into)->rate_limit;
	const char *text = reader_text(reader, node, key->name);
	const struct period *period;
	size_t digits;
	uint64_t calls;

	if (text == NULL)
		return;
	digits = strspn(text, "0123456789");
	period = text[digits] == '/' ? period_of(text + digits + 1) : NULL;
	calls = digits > 0 && digits < 10 ? strtoul(text, NULL, 10) : 0;
	if (digits == 0 || period == NULL)
		reader_error(reader, node, "rate takes calls in a time, as in 10/s, 600/m, 5000/h or 100/d, not \"%.40s\"", text);
	else if (calls < 1 || calls > CALLS_MAX)
		reader_error(reader, node, "rate must be between 1 and %d calls, not \"%.40s\"", CALLS_MAX, text);
	else
		settings->calls = (uint32_t)calls;
	settings->period_ms = period == NULL ? SECOND : period->ms;
}

static bool is_claim(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		if (*at < '!' || *at > '~' || *at == '"' || *at == '\\')
			return false;
	return text[0] != '\0';
}

/* client, route, header:NAME, jwt:CLAIM */
void read_limit_key(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct rate_limit_settings *settings = &((struct route *)into)->rate_limit;
	const char *text = reader_text(reader, node, key->name), *name = NULL;
	bool is_right = true;

	if (text == NULL)
		return;
	if (strcmp(text, "client") == 0) {
		settings->key = RATE_LIMIT_CLIENT;
	} else if (strcmp(text, "route") == 0) {
		settings->key = RATE_LIMIT_ROUTE;
	} else if (strncmp(text, "header:", 7) == 0) {
		settings->key = RATE_LIMIT_HEADER;
		name = text + 7;
		is_right = value_is_token(name);
	} else if (strncmp(text, "jwt:", 4) == 0) {
		settings->key = RATE_LIMIT_JWT;
		name = text + 4;
		is_right = is_claim(name);
	} else {
		is_right = false;
	}
	if (!is_right || (name != NULL && strlen(name) > NAME_MAX_BYTES)) {
		reader_error(reader, node, "key is client, route, header:NAME or jwt:CLAIM, not \"%.60s\"", text);
		return;
	}
	settings->name_length = name == NULL ? 0 : strlen(name);
	settings->name = name == NULL ? NULL : reader_copy(reader, name, settings->name_length);
}

void rate_limit_format(const struct key *key, const struct rate_limit_settings *settings, char text[RATE_LIMIT_TEXT_MAX])
{
	static const char *const KEYS[] = {
		[RATE_LIMIT_CLIENT] = "client",
		[RATE_LIMIT_HEADER] = "header:",
		[RATE_LIMIT_JWT] = "jwt:",
		[RATE_LIMIT_ROUTE] = "route",
	};
	const char *unit = "s";

	for (size_t i = 0; i < sizeof(PERIODS) / sizeof(PERIODS[0]); i++)
		if (PERIODS[i].ms == settings->period_ms)
			unit = PERIODS[i].text;
	if (key->kind == KIND_RATE)
		snprintf(text, RATE_LIMIT_TEXT_MAX, "%" PRIu32 "/%s", settings->calls, unit);
	else
		snprintf(text, RATE_LIMIT_TEXT_MAX, "%s%s", KEYS[settings->key], settings->name == NULL ? "" : settings->name);
}

void rate_limit_check(struct reader *reader, const struct yaml_node *node, const struct route *route)
{
	const struct rate_limit_settings *settings = &route->rate_limit;
	const struct yaml_node *burst = yaml_find(node, "burst");
	struct rate rate;

	if (!settings->enabled) {
		if (node != NULL && reader_is_empty(node)) /* what stands below it may be comments */
			reader_error(reader, node, "rate_limit has no value; it takes off or a mapping");
		return;
	}
	if (settings->key == RATE_LIMIT_JWT && route->jwt == NULL)
		reader_error(reader, yaml_find(node, "key"), "key jwt:%s needs auth.jwt, which the route does not have", settings->name);
	if (settings->calls == 0) {
		if (yaml_find(node, "rate") == NULL)
			reader_error(reader, node, "rate_limit has no rate, as in { rate: 10/s }");
		return;
	}
	rate = rate_limit_rate(settings);
	if (rate.window_ns > RATE_WINDOW_MAX_NS)
		reader_error(reader, burst != NULL ? burst : node,
		             "at that rate a burst of %" PRIu32 " takes longer than seven days to come back",
		             rate_limit_burst(settings));
}
