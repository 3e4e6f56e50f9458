/* Nothing is copied or allocated: a log has millions of lines. Every step looks at the end of the line first. */
#include "gateway/replay/log_line.h"

#include <string.h>

struct cursor {
	const char *at, *end;
};

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* ---- times -------------------------------------------------------------------------------------------------- */

/* Howard Hinnant's days_from_civil(). */
static int64_t days_since_1970(int64_t year, unsigned month, unsigned day)
{
	int64_t era;
	unsigned of_era, of_year;

	year -= month <= 2;
	era = year / 400;
	of_era = (unsigned)(year - era * 400);
	of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

/* `count` digits; -1: they are none. */
static int digits(const char *at, unsigned count)
{
	int value = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!is_digit(at[i]))
			return -1;
		value = value * 10 + (at[i] - '0');
	}
	return value;
}

static bool make_time(int year, int month, int day, const char *clock, int64_t *ms)
{
	int hour = digits(clock, 2), minute = digits(clock + 3, 2), second = digits(clock + 6, 2);

	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || minute < 0 || second < 0)
		return false;
	*ms = days_since_1970(year, (unsigned)month, (unsigned)day) * 86400;
	*ms = (*ms + hour * INT64_C(3600) + minute * INT64_C(60) + second) * 1000;
	return true;
}

/* "+0100", "+01:00" or "Z", to be taken off. */
static int64_t zone_ms(const char *at, const char *end)
{
	int hours, minutes;

	if (end - at < 5 || (*at != '+' && *at != '-'))
		return 0;
	hours = digits(at + 1, 2);
	minutes = at[3] == ':' ? (end - at >= 6 ? digits(at + 4, 2) : 0) : digits(at + 3, 2);
	return hours < 0 || minutes < 0 ? 0 : (hours * 60 + minutes) * (*at == '-' ? -60000 : 60000);
}

/* 2026-11-29T20:42:13.123Z */
static bool iso_time(struct log_text text, int64_t *ms)
{
	const char *at = text.data, *end = text.data + text.length;
	int64_t part = 100;

	if (text.length < 19 || !make_time(digits(at, 4), digits(at + 5, 2), digits(at + 8, 2), at + 11, ms))
		return false;
	at += 19;
	if (at < end && *at == '.')
		for (at++; at < end && is_digit(*at); at++, part /= 10)
			*ms += part * (*at - '0');
	*ms -= zone_ms(at, end);
	return true;
}

/* 29/Nov/2026:20:42:13 +0000 */
static bool clf_time(const char *at, const char *end, int64_t *ms)
{
	static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	if (end - at < 20)
		return false;
	for (int month = 0; month < 12; month++)
		if (memcmp(MONTHS + (size_t)3 * (size_t)month, at + 3, 3) == 0) {
			if (!make_time(digits(at + 7, 4), month + 1, digits(at, 2), at + 12, ms))
				return false;
			*ms -= end - at > 21 ? zone_ms(at + 21, end) : 0;
			return true;
		}
	return false;
}

/* A number with decimals, in thousandths of its unit; false: none. `*had_point`: as it says. */
static bool thousandths(const char *at, const char *end, uint64_t *value, bool *had_point)
{
	uint64_t number = 0, part = 100;

	if (at == end || !is_digit(*at))
		return false;
	for (; at < end && is_digit(*at); at++)
		number = number < UINT64_MAX / 100000 ? number * 10 + (uint64_t)(*at - '0') : number;
	number *= 1000;
	*had_point = at < end && *at == '.';
	if (*had_point)
		for (at++; at < end && is_digit(*at); at++, part /= 10)
			number += part * (uint64_t)(*at - '0');
	*value = number;
	return at == end;
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

static void skip_blanks(struct cursor *cursor)
{
	while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t' || *cursor->at == '\r'))
		cursor->at++;
}

/* From the byte after the opening quote to the byte after the closing one. */
static bool take_string(struct cursor *cursor, struct log_text *text)
{
	text->data = cursor->at;
	for (const char *at = cursor->at; at < cursor->end; at++) {
		const char *quote = memchr(at, '"', (size_t)(cursor->end - at)), *slash = quote;

		if (quote == NULL)
			return false;
		while (slash > text->data && slash[-1] == '\\')
			slash--;
		if ((quote - slash) % 2 == 0) {
			text->length = (size_t)(quote - text->data);
			cursor->at = quote + 1;
			return true;
		}
		at = quote;
	}
	return false;
}

/* Inner values are of no interest. */
static bool skip_nested(struct cursor *cursor)
{
	struct log_text text;
	unsigned depth = 0;

	while (cursor->at < cursor->end) {
		char byte = *cursor->at++;

		if (byte == '"' && !take_string(cursor, &text))
			return false;
		depth += byte == '{' || byte == '[';
		if ((byte == '}' || byte == ']') && --depth == 0)
			return true;
	}
	return false;
}

static bool take_value(struct cursor *cursor, struct log_text *text)
{
	*text = (struct log_text){ 0 };
	if (cursor->at == cursor->end)
		return false;
	if (*cursor->at == '"') {
		cursor->at++;
		return take_string(cursor, text);
	}
	if (*cursor->at == '{' || *cursor->at == '[')
		return skip_nested(cursor);
	text->data = cursor->at;
	while (cursor->at < cursor->end && *cursor->at != ',' && *cursor->at != '}' && *cursor->at != ' ')
		cursor->at++;
	text->length = (size_t)(cursor->at - text->data);
	if (text->length == 4 && memcmp(text->data, "null", 4) == 0)
		*text = (struct log_text){ 0 };
	return true;
}

#define IS(text, name) ((text).length == sizeof(name) - 1 && memcmp((text).data, name, sizeof(name) - 1) == 0)

/* False: the value is none of its kind. */
static bool keep(struct log_line *read, struct log_text key, struct log_text value, bool *has_time)
{
	bool had_point;
	uint64_t number;

	switch (key.length) {
	case 4:
		if (IS(key, "time"))
			return *has_time = value.data != NULL && iso_time(value, &read->end_ms);
		if (IS(key, "path"))
			read->path = value;
		if (IS(key, "host"))
			read->host = value;
		break;
	case 6:
		if (IS(key, "method"))
			read->method = value;
		if (!IS(key, "status") || value.data == NULL)
			break;
		if (!thousandths(value.data, value.data + value.length, &number, &had_point) || number > 999000)
			return false;
		read->status = (unsigned)(number / 1000);
		break;
	case 7:
		if (IS(key, "outcome"))
			read->outcome = value;
		break;
	case 8:
		if (IS(key, "upstream"))
			read->upstream = value;
		if (IS(key, "endpoint"))
			read->endpoint = value;
		if (!IS(key, "attempts") || value.data == NULL)
			break;
		if (!thousandths(value.data, value.data + value.length, &number, &had_point))
			return false;
		read->attempts = number / 1000;
		break;
	case 11:
		if (IS(key, "duration_ms") && value.data != NULL)
			return read->has_duration =
			           thousandths(value.data, value.data + value.length, &read->duration_us, &had_point);
		if (IS(key, "response_ms") && value.data != NULL)
			return read->has_response =
			           thousandths(value.data, value.data + value.length, &read->response_us, &had_point);
		break;
	case 15:
		if (IS(key, "failed_upstream"))
			read->failed_upstream = value;
		break;
	default:
		break;
	}
	return true;
}

static bool read_json(struct cursor cursor, struct log_line *read)
{
	struct log_text key, value;
	bool has_time = false;

	for (cursor.at++;; cursor.at++) {
		skip_blanks(&cursor);
		if (cursor.at == cursor.end || *cursor.at++ != '"' || !take_string(&cursor, &key))
			return false;
		skip_blanks(&cursor);
		if (cursor.at == cursor.end || *cursor.at++ != ':')
			return false;
		skip_blanks(&cursor);
		if (!take_value(&cursor, &value) || !keep(read, key, value, &has_time))
			return false;
		skip_blanks(&cursor);
		if (cursor.at == cursor.end)
			return false;
		if (*cursor.at == '}')
			return has_time;
		if (*cursor.at != ',')
			return false;
	}
}

/* ---- combined ----------------------------------------------------------------------------------------------- */

/* The end of the line: "0.123" in seconds (nginx), "rt=0.123" likewise, "123" after a quoted agent in microseconds (Apache's
 * %D), "123 ms" and "123" right after the size in milliseconds (Netty). */
static void read_time_taken(const char *at, const char *end, struct log_line *read)
{
	bool is_ms = end - at > 2 && memcmp(end - 2, "ms", 2) == 0, is_quoted = memchr(at, '"', (size_t)(end - at)) != NULL;
	const char *begin;
	bool had_point, ends_quoted;

	if (is_ms)
		end -= 2;
	while (end > at && (end[-1] == ' ' || end[-1] == '\r'))
		end--;
	ends_quoted = end > at && end[-1] == '"';
	end -= ends_quoted;
	for (begin = end; begin > at && (is_digit(begin[-1]) || begin[-1] == '.'); begin--)
		;
	/* The last word of a quoted agent ("Safari 5.0") is no time. */
	if (begin == at || !strchr(ends_quoted ? "=\"" : " =", begin[-1]) ||
	    !thousandths(begin, end, &read->duration_us, &had_point))
		return;
	read->has_duration = true;
	if (!is_ms && had_point)
		read->duration_us *= 1000;
	else if (!is_ms && is_quoted)
		read->duration_us /= 1000;
}

static bool read_combined(struct cursor cursor, struct log_line *read)
{
	const char *bracket = memchr(cursor.at, '[', (size_t)(cursor.end - cursor.at)), *close, *quote, *space;
	int status;

	if (bracket == NULL || !clf_time(bracket + 1, cursor.end, &read->end_ms))
		return false;
	close = memchr(bracket, ']', (size_t)(cursor.end - bracket));
	quote = close != NULL ? memchr(close, '"', (size_t)(cursor.end - close)) : NULL;
	if (quote == NULL)
		return false;
	cursor.at = quote + 1;
	if (!take_string(&cursor, &read->method))
		return false;
	space = memchr(read->method.data, ' ', read->method.length);
	if (space != NULL) {
		const char *end = read->method.data + read->method.length, *last;

		last = memchr(space + 1, ' ', (size_t)(end - space - 1));
		read->path = (struct log_text){ space + 1, (size_t)((last != NULL ? last : end) - space - 1) };
		read->method.length = (size_t)(space - read->method.data);
	}
	if (cursor.end - cursor.at < 4 || *cursor.at != ' ')
		return false;
	status = digits(cursor.at + 1, 3);
	read->status = status < 100 ? 0 : (unsigned)status;
	/* Behind the status stands the size; what the request took stands behind that. */
	cursor.at += 4;
	skip_blanks(&cursor);
	while (cursor.at < cursor.end && *cursor.at != ' ')
		cursor.at++;
	read_time_taken(cursor.at, cursor.end, read);
	return read->status != 0;
}

bool log_line_read(const char *line, size_t length, struct log_line *read)
{
	const char *brace = length > 0 && *line == '{' ? line : NULL;

	*read = (struct log_line){ 0 };
	if (brace == NULL && length > 2)
		brace = memmem(line, length, "{\"", 2);
	if (brace != NULL && read_json((struct cursor){ brace, line + length }, read))
		return true;
	*read = (struct log_line){ 0 };
	return read_combined((struct cursor){ line, line + length }, read);
}
