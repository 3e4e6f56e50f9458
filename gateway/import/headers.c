/* Filters that edit header fields, of requests and of responses. */
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

/* A later filter sets over an earlier one; two values to add need two lines, which a mapping can't hold. */
static bool put(struct import *import, struct lines *lines, struct property *origin, const char *name,
                const char *value)
{
	const char *start = LINE("%s: ", value_quoted(import->arena, name));

	for (struct line *line = lines->first; line != NULL; line = line->next)
		if (strncasecmp(line->text, start, strlen(start)) == 0) {
			line->text = LINE("%s%s", start, value_quoted(import->arena, value));
			return false;
		}
	draft_line(import, lines, origin, LINE("%s%s", start, value_quoted(import->arena, value)));
	return true;
}

static void secure(struct import *import, struct draft_route *route, const struct definition *filter)
{
	for (size_t i = 0; i < sizeof(SECURE) / sizeof(SECURE[0]); i++)
		put(import, &route->set[1], filter->origin, SECURE[i][0], SECURE[i][1]);
	verdict_different(import->arena, filter->origin,
	                  "Spring's defaults, and they replace what the service says of its own");
	verdict_below(import->arena, filter->args, VERDICT_REFUSED, "the defaults are imported; edit them there");
}

static void edit(struct import *import, struct draft_route *route, const struct definition *filter, enum edit edit,
                 bool is_response)
{
	bool is_host = property_is_named(filter->name, "SetRequestHostHeader"), is_open = false;
	struct property *at;
	const char *name = is_host ? "Host" : definition_argument(import, filter, 0, "name", &at);
	const char *value =
		is_host ? definition_raw(import, filter, 0, "host", &at) : definition_raw(import, filter, 1, "value", &at);

	verdict_exact(import->arena, filter->origin);
	verdict_below(import->arena, filter->args, VERDICT_EXACT, NULL);
	if (name == NULL || (value == NULL && edit != EDIT_REMOVE)) {
		verdict_refused(import->arena, filter->origin, "it takes a name%s", edit == EDIT_REMOVE ? "" : " and a value");
		return;
	}
	if (edit == EDIT_REMOVE) {
		draft_line(import, &route->remove[is_response], filter->origin,
		           LINE("- %s", value_quoted(import->arena, name)));
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
	if (!put(import, edit == EDIT_SET ? &route->set[is_response] : &route->add[is_response], filter->origin, name,
	         value) &&
	    edit == EDIT_ADD)
		verdict_different(import->arena, filter->origin, "of several values for one name the last is added");
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
