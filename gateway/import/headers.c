/*
 * Filters that edit header fields, of requests and of responses. Spring applies those of requests one after the other, and those
 * of responses in the reverse order, as each of them acts when the filters behind it have done their work. gateway.yml has no
 * order: it first removes, then sets, then adds. So an edit that another one undoes in Spring is left out.
 */
#include <string.h>
#include <strings.h>

#include "gateway/import/headers.h"

enum edit { EDIT_SET, EDIT_ADD, EDIT_REMOVE };

static const struct {
	const char *name;
	enum edit edit;
	bool is_response;
} FILTERS[] = {
	{ "AddRequestHeader", EDIT_ADD, false },       { "SetRequestHeader", EDIT_SET, false },
	{ "RemoveRequestHeader", EDIT_REMOVE, false }, { "AddResponseHeader", EDIT_ADD, true },
	{ "SetResponseHeader", EDIT_SET, true },       { "RemoveResponseHeader", EDIT_REMOVE, true },
	{ "SetRequestHostHeader", EDIT_SET, false },
};

/* The fields that Spring's SecureHeaders sets, unless spring.cloud.gateway.filter.secure-headers says otherwise. */
static const char *const SECURE[][2] = {
	{ "X-XSS-Protection", "1 ; mode=block" },
	{ "Strict-Transport-Security", "max-age=631138519" },
	{ "X-Frame-Options", "DENY" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Content-Security-Policy", "default-src 'self' https:; font-src 'self' https: data:; img-src 'self' https: "
	                             "data:; "
	                             "object-src 'none'; script-src https:; style-src 'self' https: 'unsafe-inline'" },
	{ "X-Download-Options", "noopen" },
	{ "X-Permitted-Cross-Domain-Policies", "none" },
};

static bool is_for(const struct line *line, const char *quoted)
{
	const char *text = line->text + (strncmp(line->text, "- ", 2) == 0 ? 2 : 0);
	size_t length = strlen(quoted);

	return strncasecmp(text, quoted, length) == 0 && (text[length] == ':' || text[length] == '\0');
}

static struct line *find(const struct lines *lines, const char *quoted)
{
	struct line *line = lines->first;

	while (line != NULL && !is_for(line, quoted))
		line = line->next;
	return line;
}

static void forget(struct lines *lines, const char *quoted)
{
	struct line **at = &lines->first;

	lines->last = NULL;
	while (*at != NULL) {
		if (is_for(*at, quoted)) {
			*at = (*at)->next;
			continue;
		}
		lines->last = *at;
		at = &(*at)->next;
	}
}

/* False: another edit undoes this one. */
static bool counts(struct draft_route *route, const char *quoted, enum edit edit, bool is_response)
{
	if (is_response)
		return find(&route->set[1], quoted) == NULL && find(&route->remove[1], quoted) == NULL;
	if (edit != EDIT_ADD) {
		forget(&route->remove[0], quoted);
		forget(&route->set[0], quoted);
		forget(&route->add[0], quoted);
	}
	return true;
}

void headers_finish(struct import *import, struct draft_route *route)
{
	for (size_t i = 0; route->secure_headers != NULL && i < sizeof(SECURE) / sizeof(SECURE[0]); i++) {
		const char *quoted = value_quoted(import->arena, SECURE[i][0]);

		if (find(&route->set[1], quoted) == NULL && find(&route->add[1], quoted) == NULL && find(&route->remove[1], quoted) == NULL)
			draft_line(import, &route->set[1], route->secure_headers,
			           LINE("%s: %s", quoted, value_quoted(import->arena, SECURE[i][1])));
	}
}

static void secure(struct import *import, struct draft_route *route, const struct definition *filter)
{
	route->secure_headers = filter->origin;
	verdict_different(import->arena, filter->origin,
	                  "Spring's defaults, and they replace what the service says of its own");
	verdict_below(import->arena, filter->args, VERDICT_REFUSED, "the defaults are imported; edit them there");
}

/* Two values to add need two lines, which a mapping can't hold. */
static void add(struct import *import, struct draft_route *route, const struct definition *filter, const char *text,
                const char *quoted, bool is_response)
{
	struct line *line = find(&route->add[is_response], quoted);
	struct property *at;
	const char *override = is_response ? definition_argument(import, filter, 2, "override", &at) : NULL;

	if (override != NULL && !value_is_true(override))
		verdict_different(import->arena, filter->origin,
		                  "it is added to what the service says of its own; in Spring only where that says nothing");
	if (line == NULL) {
		draft_line(import, &route->add[is_response], filter->origin, text);
		return;
	}
	line->text = text;
	verdict_different(import->arena, filter->origin, "of several values for one name the last is added");
}

static void edit(struct import *import, struct draft_route *route, const struct definition *filter, enum edit edit,
                 bool is_response)
{
	bool is_host = property_is_named(filter->name, "SetRequestHostHeader"), is_open = false;
	struct property *at;
	const char *name = is_host ? "Host" : definition_argument(import, filter, 0, "name", &at);
	const char *value =
		is_host ? definition_raw(import, filter, 0, "host", &at) : definition_raw(import, filter, 1, "value", &at);
	const char *quoted, *text;

	verdict_exact(import->arena, filter->origin);
	verdict_below(import->arena, filter->args, VERDICT_EXACT, NULL);
	if (name == NULL || (value == NULL && edit != EDIT_REMOVE)) {
		verdict_refused(import->arena, filter->origin, "it takes a name%s", edit == EDIT_REMOVE ? "" : " and a value");
		return;
	}
	quoted = value_quoted(import->arena, name);
	if (!counts(route, quoted, edit, is_response))
		return;
	if (edit == EDIT_REMOVE) {
		draft_line(import, &route->remove[is_response], filter->origin, LINE("- %s", quoted));
		return;
	}
	value = value_live(&import->values, value, &is_open);
	if (is_open)
		verdict_different(import->arena, filter->origin,
		                  "the files don't know all of \"%s\": the environment of the gateway "
		                  "has to",
		                  value);
	if (strchr(value, '{') != NULL && strstr(value, "${") == NULL)
		verdict_different(import->arena, filter->origin,
		                  "variables of the path are not put in: the value goes as it stands");
	text = LINE("%s: %s", quoted, value_quoted(import->arena, value));
	if (edit == EDIT_ADD)
		add(import, route, filter, text, quoted, is_response);
	else
		draft_line(import, &route->set[is_response], filter->origin, text);
}

bool headers_apply(struct import *import, struct draft_route *route, const struct definition *filter)
{
	if (property_is_named(filter->name, "SecureHeaders")) {
		secure(import, route, filter);
		return true;
	}
	for (size_t i = 0; i < sizeof(FILTERS) / sizeof(FILTERS[0]); i++)
		if (property_is_named(filter->name, FILTERS[i].name)) {
			edit(import, route, filter, FILTERS[i].edit, FILTERS[i].is_response);
			return true;
		}
	return false;
}
