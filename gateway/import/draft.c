/* Lines, and values that have a key of their own; the table of keys.h bounds them. */
#include "gateway/import/draft.h"

#include <inttypes.h>
#include <string.h>

#include "routes/config/complaints.h"
#include "routes/config/config.h"

/* ---- lines -------------------------------------------------------------------------------------------------- */

static struct line *add(struct import *import, struct lines *lines, struct property *origin, const char *text)
{
	struct line *line = property_allocate(import->arena, sizeof(*line));

	*line = (struct line){ .text = text, .origin = origin };
	if (lines->last != NULL)
		lines->last->next = line;
	else
		lines->first = line;
	lines->last = line;
	return line;
}

void draft_line(struct import *import, struct lines *lines, struct property *origin, const char *text)
{
	add(import, lines, origin, text);
}

void draft_remark(struct import *import, struct lines *lines, const char *text)
{
	for (const struct line *line = lines->first; line != NULL; line = line->next)
		if (line->is_comment && strcmp(line->text, text) == 0)
			return;
	add(import, lines, NULL, text)->is_comment = true;
}

const char *draft_name(const struct draft_route *route)
{
	return route->name != NULL ? route->name : *route->path != '\0' ? route->path : "/";
}

bool draft_has(const struct lines *lines, const char *start)
{
	for (const struct line *line = lines->first; line != NULL; line = line->next)
		if (!line->is_comment && strncmp(line->text, start, strlen(start)) == 0)
			return true;
	return false;
}

void draft_make_unique(const struct import *import, char *name, size_t length,
                       bool (*is_taken)(const struct import *import, const char *name))
{
	/* Not each number is tried where a thousand want the same name: there are no more names than routes. */
	for (unsigned number = 2; is_taken(import, name); number += number < 64 ? 1 : (unsigned)import->route_count + 1)
		snprintf(name + length, DRAFT_NUMBER_MAX, "-%u", number);
}

/* ---- what the gateway knows ---------------------------------------------------------------------------------- */

/* A route for each, with an upstream `a`. What config_parse() takes is printed alive from then on. */
static const struct {
	const char *url, *route;
} SHAPE_TABLE[SHAPES] = {
	[SHAPE_EXACT] = { "http://a:1", "path: /a, exact: on" },
	[SHAPE_REGEX] = { "http://a:1", "path: /a, rewrite: { regex: \"^/a$\", replacement: /b }" },
	[SHAPE_SEGMENT] = { "http://a:1", "path: \"/a/*/b\"" },
	[SHAPE_HTTPS] = { "https://a.example:443", "path: /a" },
};

bool shape_is_known(struct import *import, enum shape shape)
{
	struct complaints complaints;
	struct config *config;
	const char *text;

	if (import->shapes[shape] == 0) {
		text = LINE("upstreams: { a: { url: \"%s\" } }\nroutes: [ { upstream: a, %s } ]\n", SHAPE_TABLE[shape].url,
		            SHAPE_TABLE[shape].route);
		config = config_parse("shape", text, strlen(text), &complaints);
		import->shapes[shape] = config != NULL ? 1 : -1;
		config_release(config);
		complaints_free(&complaints);
	}
	return import->shapes[shape] > 0;
}

/* ---- values ------------------------------------------------------------------------------------------------- */

void draft_use(struct import *import, const struct draft_route *by, struct property *of)
{
	struct use *use;

	if (by == NULL || of == NULL)
		return;
	use = property_allocate(import->arena, sizeof(*use));
	*use = (struct use){ of, by, import->uses };
	import->uses = use;
}

const char *draft_text(struct import *import, struct property *from)
{
	return from != NULL ? value_fixed(&import->values, from, from->value) : NULL;
}

struct property *draft_gateway(struct import *import, const char *path)
{
	struct property *found = property_find(import->gateway, path);

	return found != NULL ? found : property_find(import->old_gateway, path);
}

/* Within the key's limits, with the verdict for that; NULL: there is no such key. */
static const struct key *fit(struct import *import, enum key_scope scope, const char *name, struct property *from,
                             uint64_t *value)
{
	const struct key *key = keys_find(scope, name);
	char text[KEY_VALUE_TEXT_MAX];

	if (key == NULL)
		return NULL;
	if (*value < key->least)
		verdict_different(import->arena, from, "%s is at least %s here", name, key_format(key, key->least, text));
	else if (*value > key->most)
		verdict_different(import->arena, from, "%s is at most %s here", name, key_format(key, key->most, text));
	else
		verdict_exact(import->arena, from);
	*value = *value < key->least ? key->least : *value > key->most ? key->most : *value;
	return key;
}

static bool put(struct import *import, struct lines *lines, const char *name, struct property *from, const char *value,
                const struct key *key)
{
	add(import, lines, from, LINE("%s: %s", name, value))->is_comment = key == NULL;
	if (key == NULL)
		verdict_refused(import->arena, from, "the gateway has no %s", name);
	return key != NULL;
}

bool draft_ms(struct import *import, struct lines *lines, enum key_scope scope, const char *key, struct property *from,
              int64_t ms)
{
	uint64_t value = ms < 0 ? 0 : (uint64_t)ms;
	const struct key *found = fit(import, scope, key, from, &value);

	return put(import, lines, key, from, value_ms(import->arena, value), found);
}

bool draft_duration(struct import *import, struct lines *lines, enum key_scope scope, const char *key,
                    struct property *from)
{
	const char *text = draft_text(import, from);
	int64_t ms;

	if (from == NULL)
		return false;
	if (!value_duration(text, 1, &ms) || ms < 0) {
		verdict_refused(import->arena, from, "not a duration");
		return false;
	}
	return draft_ms(import, lines, scope, key, from, ms);
}

bool draft_limit(struct import *import, struct lines *lines, enum key_scope scope, const char *key, struct property *from)
{
	const struct key *known = keys_find(scope, key);
	char text[KEY_VALUE_TEXT_MAX];
	int64_t ms;

	if (known == NULL || !value_duration(draft_text(import, from), 1, &ms) || ms != 0)
		return draft_duration(import, lines, scope, key, from);
	verdict_different(import->arena, from, "0 is no limit in Spring; %s is at most %s here", key,
	                  key_format(known, known->most, text));
	return draft_ms(import, lines, scope, key, from, (int64_t)known->most);
}

int64_t draft_time_limit(struct import *import, struct property *limit, struct property *breaker_at, const char *remark)
{
	int64_t limit_ms;

	if (limit != NULL && value_duration(draft_text(import, limit), 1, &limit_ms) && limit_ms > 0) {
		uint64_t fitting = (uint64_t)limit_ms;

		fit(import, SCOPE_TIMEOUTS, "response", limit, &fitting);
		return (int64_t)fitting;
	}
	if (limit != NULL)
		verdict_refused(import->arena, limit, "not a duration");
	verdict_different(import->arena, breaker_at, "%s", remark);
	return 1000;
}

bool draft_count(struct import *import, struct lines *lines, enum key_scope scope, const char *key,
                 struct property *from)
{
	const char *text = draft_text(import, from);
	uint64_t value;
	const struct key *found;

	if (from == NULL)
		return false;
	if (!value_count(text, &value)) {
		verdict_refused(import->arena, from, "not a number");
		return false;
	}
	found = fit(import, scope, key, from, &value);
	return put(import, lines, key, from, LINE("%" PRIu64, value), found);
}
