#include "gateway/admin/overrides.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAMP_COUNT_BITS = 16 };

bool override_is_plausible(uint64_t stamp, uint64_t wall_ms)
{
	const uint64_t century_ms = UINT64_C(100) * 365 * 24 * 60 * 60 * 1000;

	return stamp >> STAMP_COUNT_BITS < wall_ms + century_ms;
}

bool override_is_before(uint64_t stamp, uint64_t wall_ms)
{
	return stamp >> STAMP_COUNT_BITS < wall_ms;
}

uint64_t overrides_next_stamp(struct overrides *overrides, uint64_t wall_ms)
{
	uint64_t now = wall_ms << STAMP_COUNT_BITS;

	if (now > OVERRIDE_STAMP_MAX)
		now = 0; /* a clock that is far beyond everything counts as none */
	overrides->stamp = now > overrides->stamp ? now : overrides->stamp + 1;
	return overrides->stamp;
}

static struct override_entry *find(const struct overrides *overrides, const char *breaker)
{
	for (size_t i = 0; i < overrides->count; i++)
		if (strcmp(overrides->list[i].breaker, breaker) == 0)
			return &overrides->list[i];
	return NULL;
}

const struct override_entry *overrides_find(const struct overrides *overrides, const char *breaker)
{
	return find(overrides, breaker);
}

static bool is_newer(const struct override_entry *entry, const struct override_entry *known)
{
	return entry->stamp > known->stamp || (entry->stamp == known->stamp && strcmp(entry->origin, known->origin) > 0);
}

enum override_taken overrides_take(struct overrides *overrides, const struct override_entry *entry, struct override_entry *before)
{
	struct override_entry *known = find(overrides, entry->breaker), *larger;

	*before = (struct override_entry){ .breaker = "" };
	if (entry->stamp > overrides->stamp)
		overrides->stamp = entry->stamp;
	if (known != NULL) {
		if (!is_newer(entry, known))
			return OVERRIDE_KNOWN;
		*before = *known;
		*known = *entry;
		return OVERRIDE_TAKEN;
	}
	if (overrides->count == OVERRIDES_MAX)
		return OVERRIDE_FULL;
	larger = realloc(overrides->list, (overrides->count + 1) * sizeof *larger);
	if (larger == NULL)
		return OVERRIDE_FULL;
	overrides->list = larger;
	overrides->list[overrides->count++] = *entry;
	return OVERRIDE_TAKEN;
}

bool overrides_make_room(struct overrides *overrides, const struct override_entry *entry,
                         bool (*is_needed)(const void *context, const char *breaker), const void *context)
{
	struct override_entry *oldest = NULL;

	for (size_t i = 0; i < overrides->count; i++) {
		struct override_entry *one = &overrides->list[i];

		if (one->until_ms == 0 && (oldest == NULL || one->stamp < oldest->stamp) && !is_needed(context, one->breaker))
			oldest = one;
	}
	if (oldest == NULL || (entry->until_ms == 0 && entry->stamp <= oldest->stamp))
		return false;
	overrides->count--;
	memmove(oldest, oldest + 1, (size_t)(overrides->list + overrides->count - oldest) * sizeof *oldest);
	return true;
}

struct override_entry *overrides_expire(struct overrides *overrides, uint64_t now_ms)
{
	for (size_t i = 0; i < overrides->count; i++) {
		struct override_entry *entry = &overrides->list[i];

		if (entry->until_ms != 0 && entry->until_ms <= now_ms) {
			entry->until_ms = 0;
			return entry;
		}
	}
	return NULL;
}

uint64_t overrides_next_end(const struct overrides *overrides)
{
	uint64_t next_ms = UINT64_MAX;

	for (size_t i = 0; i < overrides->count; i++)
		if (overrides->list[i].until_ms != 0 && overrides->list[i].until_ms < next_ms)
			next_ms = overrides->list[i].until_ms;
	return next_ms;
}

void overrides_destroy(struct overrides *overrides)
{
	free(overrides->list);
	*overrides = (struct overrides){ 0 };
}

/* ---- as text ----------------------------------------------------------------------------------------------------- */

void override_format_stamp(char text[OVERRIDE_STAMP_TEXT], uint64_t stamp)
{
	snprintf(text, OVERRIDE_STAMP_TEXT, "%016" PRIx64, stamp);
}

bool override_parse_stamp(const char *text, uint64_t *stamp)
{
	if (strlen(text) != OVERRIDE_STAMP_TEXT - 1 || text[strspn(text, "0123456789abcdef")] != '\0')
		return false;
	*stamp = strtoull(text, NULL, 16);
	return *stamp > 0 && *stamp <= OVERRIDE_STAMP_MAX;
}

static const struct {
	const char *word;
	enum breaker_state state;
} words[] = {
	{ "CLOSE", BREAKER_CLOSED },
	{ "FORCE_OPEN", BREAKER_FORCED_OPEN },
	{ "DISABLE", BREAKER_DISABLED },
	{ "METRICS_ONLY", BREAKER_METRICS_ONLY },
};

const char *override_word(enum breaker_state state)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].state == state)
			return words[i].word;
	return NULL;
}

bool override_parse_word(const char *word, enum breaker_state *state)
{
	for (size_t i = 0; word != NULL && i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(words[i].word, word) == 0) {
			*state = words[i].state;
			return true;
		}
	}
	return false;
}

bool override_parse_span(const char *text, uint64_t *span_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "s", 1000 }, { "m", UINT64_C(60) * 1000 }, { "h", UINT64_C(60) * 60 * 1000 } };
	size_t digits = strspn(text, "0123456789");
	uint64_t number;

	if (digits == 0 || digits > 6)
		return false;
	number = strtoull(text, NULL, 10);
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(text + digits, units[i].unit) == 0) {
			*span_ms = number * units[i].ms;
			return *span_ms >= 1000 && *span_ms <= OVERRIDE_MS_MAX;
		}
	return false;
}
