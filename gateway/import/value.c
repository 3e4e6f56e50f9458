/* Numbers and units never overflow: what does not fit is none. */
#include "gateway/import/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST UINT64_C(1000000000000)
#define DURATION_MOST UINT64_C(10000000000) /* of any unit: in milliseconds it still fits */

/* Digits with up to three decimals, in thousandths. Returns what follows; NULL: no number, or too large a one. */
static const char *thousandths(const char *text, uint64_t *value)
{
	uint64_t number = 0, part = 100;

	if (!isdigit((unsigned char)*text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++) {
		number = number * 10 + (uint64_t)(*text - '0');
		if (number > MOST)
			return NULL;
	}
	number *= 1000;
	if (*text == '.' && isdigit((unsigned char)text[1]))
		for (text++; isdigit((unsigned char)*text); text++, part /= 10)
			number += part * (uint64_t)(*text - '0');
	*value = number;
	return text;
}

/* Blanks at the end, which .properties keep, don't count. */
static bool is_rest(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncasecmp(text, word, length) == 0 && text[length + strspn(text + length, " \t")] == '\0';
}

const char *value_trimmed(struct arena *arena, const char *text)
{
	size_t length = strlen(text);

	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	return property_copy(arena, text, length);
}

bool value_count(const char *text, uint64_t *count)
{
	uint64_t value;
	const char *end = text != NULL ? thousandths(text, &value) : NULL;

	if (end == NULL || !is_rest(end, "") || value % 1000 != 0)
		return false;
	*count = value / 1000;
	return true;
}

bool value_share(const char *text, uint32_t *bp)
{
	uint64_t value;
	const char *end = text != NULL ? thousandths(text, &value) : NULL;

	if (end == NULL || (!is_rest(end, "") && !is_rest(end, "%")) || value > 100000)
		return false;
	*bp = (uint32_t)(value / 10);
	return true;
}

bool value_is_true(const char *text)
{
	return text != NULL &&
	       (is_rest(text, "true") || is_rest(text, "on") || is_rest(text, "yes") || is_rest(text, "1"));
}

bool value_is_false(const char *text)
{
	return text != NULL &&
	       (is_rest(text, "false") || is_rest(text, "off") || is_rest(text, "no") || is_rest(text, "0"));
}

/* ---- durations ---------------------------------------------------------------------------------------------- */

/* PnDTnHnMn.nS */
static bool iso_duration(const char *text, int64_t *ms)
{
	bool is_time = false;
	uint64_t sum = 0, value;

	for (text++; !is_rest(text, ""); text++) {
		uint64_t factor = 0;

		if ((*text == 'T' || *text == 't') && !is_time) {
			is_time = true;
			continue;
		}
		text = thousandths(text, &value);
		if (text == NULL)
			return false;
		switch (toupper((unsigned char)*text)) {
		case 'D':
			factor = is_time ? 0 : 86400;
			break;
		case 'H':
			factor = is_time ? 3600 : 0;
			break;
		case 'M':
			factor = is_time ? 60 : 0;
			break;
		case 'S':
			factor = is_time ? 1 : 0;
			break;
		default:
			break;
		}
		if (factor == 0 || value > MOST)
			return false;
		sum += value * factor;
	}
	*ms = (int64_t)sum;
	return sum <= MOST;
}

bool value_duration(const char *text, int64_t unit_ms, int64_t *ms)
{
	static const struct {
		const char *name;
		uint64_t per_ms, ms;
	} UNITS[] = { { "ns", 1000000, 0 }, { "us", 1000, 0 },   { "ms", 0, 1 },      { "s", 0, 1000 },
		          { "m", 0, 60000 },    { "h", 0, 3600000 }, { "d", 0, 86400000 } };
	uint64_t value;
	int64_t ignored;
	const char *end;

	if (text == NULL)
		return false;
	if (*text == '-') {
		*ms = -1;
		ms = &ignored;
		text += strspn(text, "-");
	}
	if (toupper((unsigned char)*text) == 'P')
		return iso_duration(text, ms);
	end = thousandths(text, &value);
	if (end == NULL || value % 1000 != 0 || (value /= 1000) > DURATION_MOST)
		return false;
	end += strspn(end, " ");
	if (is_rest(end, "")) {
		*ms = (int64_t)value * unit_ms;
		return true;
	}
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++)
		if (is_rest(end, UNITS[i].name)) {
			*ms = (int64_t)(UNITS[i].ms > 0 ? value * UNITS[i].ms : value / UNITS[i].per_ms);
			return true;
		}
	return false;
}

bool value_size(const char *text, uint64_t *bytes)
{
	static const struct {
		const char *name;
		unsigned shift;
	} UNITS[] = { { "", 0 }, { "B", 0 }, { "KB", 10 }, { "MB", 20 }, { "GB", 30 } };
	uint64_t value;
	const char *end = text != NULL ? thousandths(text, &value) : NULL;

	if (end == NULL || value % 1000 != 0)
		return false;
	end += strspn(end, " ");
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++)
		if (is_rest(end, UNITS[i].name) && value / 1000 <= UINT64_MAX >> 31 >> UNITS[i].shift) {
			*bytes = value / 1000 << UNITS[i].shift;
			return true;
		}
	return false;
}

/* ---- as gateway.yml has it ---------------------------------------------------------------------------------- */

const char *value_ms(struct arena *arena, uint64_t ms)
{
	if (ms > 0 && ms % 3600000 == 0)
		return property_format(arena, "%" PRIu64 "h", ms / 3600000);
	if (ms > 60000 && ms % 60000 == 0)
		return property_format(arena, "%" PRIu64 "m", ms / 60000);
	if (ms % 1000 == 0)
		return property_format(arena, "%" PRIu64 "s", ms / 1000);
	return property_format(arena, "%" PRIu64 "ms", ms);
}

const char *value_bytes(struct arena *arena, uint64_t bytes)
{
	static const char *const UNITS[] = { "B", "KiB", "MiB", "GiB" };
	size_t unit = 0;

	for (; unit < 3 && bytes > 0 && bytes % 1024 == 0; unit++)
		bytes /= 1024;
	return property_format(arena, "%" PRIu64 "%s", bytes, UNITS[unit]);
}

static uint32_t point_at(const char *text, size_t *length)
{
	unsigned char first = (unsigned char)text[0];
	uint32_t point = first < 0x80 ? first : first >= 0xf0 ? first & 7u : first >= 0xe0 ? first & 15u : first & 31u;

	*length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
	for (size_t i = 1; i < *length; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80) {
			*length = i;
			return 0xfffd;
		}
		point = point << 6 | ((unsigned char)text[i] & 63u);
	}
	return point;
}

/* Texts that YAML reads unquoted, in one line, and that no terminal takes for a command. */
static bool is_plain(uint32_t point)
{
	return (point >= 0x20 && point < 0x7f) ||
	       (point >= 0xa0 && point <= 0xd7ff && point != 0x2028 && point != 0x2029) ||
	       (point >= 0xe000 && point < 0xfffd && point != 0xfeff) || (point >= 0x10000 && point <= 0x10ffff);
}

const char *value_safe(struct arena *arena, const char *text)
{
	char *safe = property_allocate(arena, strlen(text) + 1), *to = safe;
	size_t length;

	for (; *text != '\0'; text += length) {
		uint32_t point = point_at(text, &length);

		if (is_plain(point))
			to = (char *)memcpy(to, text, length) + length;
		else
			*to++ = point < 0x20 ? ' ' : '?';
	}
	return safe;
}

const char *value_quoted(struct arena *arena, const char *text)
{
	char *quoted = property_allocate(arena, strlen(text) * 10 + 3), *to = quoted;
	size_t length;

	*to++ = '"';
	for (; *text != '\0'; text += length) {
		uint32_t point = point_at(text, &length);

		if (point == '"' || point == '\\')
			to += sprintf(to, "\\%c", (char)point);
		else if (point == '\n')
			to += sprintf(to, "\\n");
		else if (is_plain(point))
			to = (char *)memcpy(to, text, length) + length;
		else
			to += sprintf(to, "\\U%08" PRIX32, point);
	}
	*to++ = '"';
	return quoted;
}

const char *value_plain(struct arena *arena, const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.-");
	bool is_word = isalpha((unsigned char)text[0]) || (text[0] == '/' && text[1] != '\0');

	return is_word && text[length] == '\0' ? text : value_quoted(arena, text);
}
