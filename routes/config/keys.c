/* The table of keys.h, laid out, and what can be said of a key without a file at hand. */
#include "routes/config/keys.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "routes/config/complaints.h"
#include "routes/config/reader.h"

#define FIELD(structure, member) offsetof(struct structure, member), sizeof(((struct structure *)NULL)->member)
#define NO_FIELD 0, 0
#define AS_KEY(...) KEY_ROW(__VA_ARGS__)
#define KEY_ROW(scope, name, kind, offset, size, words, text, least, most, help) \
	{name, SCOPE_##scope, SCOPE_NONE, KIND_##kind, offset, size, words, text, least, most, help},
#define AS_GROUP(...) GROUP_ROW(__VA_ARGS__)
#define GROUP_ROW(scope, name, kind, child, offset, size, help) \
	{name, SCOPE_##scope, SCOPE_##child, KIND_##kind, offset, size, "", "", 0, 0, help},

static const struct key KEYS[] = {CONFIG_KEYS(AS_KEY, AS_GROUP)};

static const struct {
	const char *text;
	uint64_t factor;
} DURATIONS[] = {{"h", HOUR}, {"m", MINUTE}, {"s", SECOND}, {"ms", 1}},
  SIZES[] = {{"GiB", GIB}, {"MiB", MIB}, {"KiB", KIB}, {"B", 1}};

const struct key *keys_all(size_t *count)
{
	*count = sizeof(KEYS) / sizeof(KEYS[0]);
	return KEYS;
}

/* In the table, and so in the file: what stands above says which requests a route takes, and where they go. */
static bool is_below_rewrite(const struct key *key)
{
	while (key > KEYS && key[-1].kind != KIND_LATER)
		if ((--key)->scope == SCOPE_ROUTE && key->child == SCOPE_REWRITE)
			return true;
	return false;
}

/* `defaults` takes what an upstream takes, but a url there would make every service the same one. */
static bool is_in_scope(const struct key *key, enum key_scope scope)
{
	if (scope == SCOPE_DEFAULTS)
		return key->scope == SCOPE_UPSTREAM && key->kind != KIND_URL;
	if (scope == SCOPE_ROUTE_DEFAULTS)
		return key->scope == SCOPE_ROUTE && is_below_rewrite(key);
	return key->scope == scope;
}

const struct key *keys_find(enum key_scope scope, const char *name)
{
	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++)
		if (is_in_scope(&KEYS[i], scope) && strcmp(KEYS[i].name, name) == 0)
			return &KEYS[i];
	return NULL;
}

bool keys_is_switch(enum key_scope scope)
{
	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++)
		if (KEYS[i].child == scope && (KEYS[i].kind == KIND_SWITCH || KEYS[i].kind == KIND_OPTION))
			return true;
	return false;
}

/* What users of Spring write. Spring takes "failure-rate-threshold" for "failureRateThreshold". */
static const struct {
	enum key_scope scope;
	const char *springs, *name;
} SPRINGS[] = {
	{SCOPE_ADMIN, "port", "listen"},
	{SCOPE_BREAKER, "failureRateThreshold", "failure_rate"},
	{SCOPE_BREAKER, "slowCallRateThreshold", "slow_rate"},
	{SCOPE_BREAKER, "slowCallDurationThreshold", "slow_call"},
	{SCOPE_BREAKER, "slidingWindowSize", "window"},
	{SCOPE_BREAKER, "minimumNumberOfCalls", "minimum_calls"},
	{SCOPE_BREAKER, "waitDurationInOpenState", "open_for"},
	{SCOPE_BREAKER, "permittedNumberOfCallsInHalfOpenState", "half_open_calls"},
	{SCOPE_BULKHEAD, "maxConcurrentCalls", "max_in_flight"},
	{SCOPE_BULKHEAD, "maxWaitDuration", "max_wait"},
	{SCOPE_ROUTE, "id", "name"},
	{SCOPE_ROUTE, "uri", "upstream"},
	{SCOPE_CORS, "allowedOrigins", "origins"},
	{SCOPE_CORS, "allowedOriginPatterns", "origin_patterns"},
	{SCOPE_CORS, "allowedMethods", "methods"},
	{SCOPE_CORS, "allowedHeaders", "headers"},
	{SCOPE_CORS, "exposedHeaders", "expose"},
	{SCOPE_CORS, "allowCredentials", "credentials"},
};

static bool is_springs(const char *name, const char *springs)
{
	for (; *name != '\0' && *springs != '\0'; name++)
		if (*name != '-' && *name != '_' && tolower((unsigned char)*name) != tolower((unsigned char)*springs++))
			return false;
	return *name == *springs;
}

const char *keys_suggest(enum key_scope scope, const char *name)
{
	struct suggestion suggestion = suggestion_begin(name);

	for (size_t i = 0; i < sizeof(SPRINGS) / sizeof(SPRINGS[0]); i++)
		if (SPRINGS[i].scope == scope && is_springs(name, SPRINGS[i].springs))
			return SPRINGS[i].name;
	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++)
		if (is_in_scope(&KEYS[i], scope))
			suggestion_offer(&suggestion, KEYS[i].name);
	return suggestion.best;
}

/* A value for keys that have no default, or one that shows nothing. */
static const char *const EXAMPLES[KINDS] = {
	[KIND_DNS_SERVERS] = "[10.0.0.2]",
	[KIND_PEERS] = "tasks.gateway:8081",
	[KIND_URL] = "\"http://tasks.patient:8080\"",
	[KIND_STRIP_PREFIX] = "/patient",
	[KIND_HEADER_VALUES] = "{ X-Name: value }",
	[KIND_RATE] = "10/s",
	[KIND_HTPASSWD] = "users.htpasswd",
	[KIND_UPSTREAM_NAME] = "patient",
};

const char *keys_example(enum key_scope scope, char text[KEY_EXAMPLE_MAX])
{
	const struct key *end = KEYS + sizeof(KEYS) / sizeof(KEYS[0]), *key;
	unsigned depth = 0;

	text[0] = '\0';
	do {
		for (key = KEYS; key < end && !is_in_scope(key, scope); key++)
			;
		if (key == end)
			break;
		strcat(strcat(strcat(text, "{ "), key->name), ": ");
		scope = key->child;
		depth++;
	} while (scope != SCOPE_NONE);
	if (depth > 0 && scope == SCOPE_NONE)
		strcat(text, EXAMPLES[key->kind] != NULL ? EXAMPLES[key->kind] : key->default_text[0] != '\0' ? key->default_text : "...");
	while (depth-- > 0)
		strcat(text, " }");
	return text;
}

/* ---- fields of four widths --------------------------------------------------------------------------------------- */

void key_store(const struct key *key, void *structure, uint64_t value)
{
	char *field = (char *)structure + key->offset;

	if (key->size == sizeof(bool))
		*(bool *)field = value != 0;
	else if (key->size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)value;
	else
		*(uint64_t *)field = value;
}

uint64_t key_load(const struct key *key, const void *structure)
{
	const char *field = (const char *)structure + key->offset;

	if (key->size == sizeof(bool))
		return *(const bool *)field;
	if (key->size == sizeof(uint32_t))
		return *(const uint32_t *)field;
	return *(const uint64_t *)field;
}

/* ---- as it is written -------------------------------------------------------------------------------------------- */

static const char *format_choice(const struct key *key, uint64_t value, char text[KEY_VALUE_TEXT_MAX])
{
	const char *word = key->words;

	for (; value > 0 && strchr(word, '|') != NULL; value--)
		word = strchr(word, '|') + 1;
	snprintf(text, KEY_VALUE_TEXT_MAX, "%.*s", (int)strcspn(word, "|"), word);
	return text;
}

/* In the largest unit that leaves no rest, or in the default's own (60s, not 1m) as long as the number is handy. */
static const char *format_unit(const struct key *key, uint64_t value, char text[KEY_VALUE_TEXT_MAX], bool is_size)
{
	const char *preferred = key->default_text + strspn(key->default_text, "0123456789");
	size_t at = 0;

	if (value == 0) {
		snprintf(text, KEY_VALUE_TEXT_MAX, "%s", is_size ? "0B" : "0s");
		return text;
	}
	for (size_t i = 0; i < 4; i++) {
		const char *unit = is_size ? SIZES[i].text : DURATIONS[i].text;
		uint64_t factor = is_size ? SIZES[i].factor : DURATIONS[i].factor;

		if (value % factor == 0 && value / factor < 1000 && strcmp(unit, preferred) == 0) {
			at = i;
			break;
		}
		if (value % factor != 0)
			at = i + 1;
	}
	snprintf(text, KEY_VALUE_TEXT_MAX, "%" PRIu64 "%s", value / (is_size ? SIZES[at].factor : DURATIONS[at].factor),
	         is_size ? SIZES[at].text : DURATIONS[at].text);
	return text;
}

/* With as many decimals as it takes: 50%, 12.5%, 0.25%. */
static const char *format_percent(uint64_t value_bp, char text[KEY_VALUE_TEXT_MAX])
{
	unsigned rest = (unsigned)(value_bp % 100);

	snprintf(text, KEY_VALUE_TEXT_MAX, rest == 0 ? "%" PRIu64 "%%" : rest % 10 == 0 ? "%" PRIu64 ".%u%%" : "%" PRIu64 ".%02u%%",
	         value_bp / 100, rest % 10 == 0 ? rest / 10 : rest);
	return text;
}

const char *key_format(const struct key *key, uint64_t value, char text[KEY_VALUE_TEXT_MAX])
{
	switch (key->kind) {
	case KIND_CHOICE:
		return format_choice(key, value, text);
	case KIND_COUNT_OR_AUTO:
		if (value == 0)
			return strcpy(text, "auto");
		break;
	case KIND_COUNT_OR_NONE:
		if (value == 0)
			return strcpy(text, "none");
		break;
	case KIND_SIZE_OR_AUTO:
		if (value == 0)
			return strcpy(text, "auto");
		return format_unit(key, value, text, true);
	case KIND_DURATION_OR_OFF:
		if (value == 0)
			return strcpy(text, "off");
		return format_unit(key, value, text, false);
	case KIND_LOG_WHEN:
		if (value == 0 || value == CONFIG_WHEN_FAILURES)
			return strcpy(text, value == 0 ? "all" : "failures");
		return format_unit(key, value, text, false);
	case KIND_DURATION:
		return format_unit(key, value, text, false);
	case KIND_SIZE_OR_NONE:
		if (value == UINT64_MAX)
			return strcpy(text, "none");
		return format_unit(key, value, text, true);
	case KIND_SIZE:
		return format_unit(key, value, text, true);
	case KIND_PERCENT:
		return format_percent(value, text);
	default:
		break;
	}
	snprintf(text, KEY_VALUE_TEXT_MAX, "%" PRIu64, value);
	return text;
}
