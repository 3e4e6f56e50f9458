/*
 * spring.security.oauth2.resourceserver.jwt becomes auth.jwt of every route. A SecurityWebFilterChain, which is Java, says
 * which paths need no token, and what scopes and roles may do. So the gateway listens on loopback until a person has decided.
 */
#include "gateway/import/security.h"

#include <string.h>

#include "routes/config/complaints.h"
#include "routes/config/config.h"

static const char java[] = "every route asks for a token; your Java code says which paths need none, and what scopes and roles "
                           "may do: until you have decided, the gateway listens on loopback";

struct guard {
	struct property *issuer, *keys, *algorithms, *audiences;
	struct lines lines;
};

static struct property *find(struct import *import, const char *name)
{
	return property_find(import->root, LINE("spring.security.oauth2.resourceserver.jwt.%s", name));
}

/* "[a, b]" of a list, or of one text with commas; NULL: there is none. */
static const char *list_of(struct import *import, struct property *from)
{
	const char *all = "", *text = draft_text(import, from);
	struct property *item = from != NULL ? from->first : NULL;

	while (item != NULL || (text != NULL && *text != '\0')) {
		const char *one = item != NULL ? draft_text(import, item) : property_copy(import->arena, text, strcspn(text, ","));

		if (item == NULL)
			text += strlen(one) + (text[strlen(one)] == ',');
		else
			item = item->next;
		one = one == NULL ? "" : one + strspn(one, " ");
		if (*one != '\0')
			all = LINE("%s%s%s", all, *all == '\0' ? "" : ", ", value_quoted(import->arena, one));
	}
	return *all == '\0' ? NULL : LINE("[%s]", all);
}

/* The place where issuers publish their keys, as far as it follows from their names. */
static const char *guess_keys(struct import *import, const char *issuer)
{
	size_t length = strlen(issuer);

	while (length > 0 && issuer[length - 1] == '/')
		length--;
	if (strstr(issuer, "/realms/") != NULL)
		return LINE("%.*s/protocol/openid-connect/certs", (int)length, issuer);
	return LINE("%.*s/.well-known/jwks.json", (int)length, issuer);
}

static void put(struct import *import, struct guard *guard, struct property *origin, const char *text)
{
	draft_line(import, &guard->lines, origin, LINE("    %s", text));
}

static void write(struct import *import, struct guard *guard)
{
	const char *issuer = draft_text(import, guard->issuer), *keys = draft_text(import, guard->keys);
	const char *algorithms = list_of(import, guard->algorithms), *audiences = list_of(import, guard->audiences);

	draft_line(import, &guard->lines, NULL, "auth:");
	draft_line(import, &guard->lines, NULL, "  jwt:");
	if (issuer != NULL)
		put(import, guard, guard->issuer, LINE("issuer: %s", value_quoted(import->arena, issuer)));
	if (audiences != NULL)
		put(import, guard, guard->audiences, LINE("audiences: %s", audiences));
	if (keys != NULL)
		put(import, guard, guard->keys, LINE("jwks: %s", value_quoted(import->arena, keys)));
	else if (issuer != NULL)
		put(import, guard, guard->issuer, LINE("jwks: %s", value_quoted(import->arena, guess_keys(import, issuer))));
	put(import, guard, guard->algorithms, LINE("algorithms: %s", algorithms != NULL ? algorithms : "[RS256]"));
}

/* Does the reader of gateway.yml take it? A line of it that was left out later would leave the routes open. */
static const char *dislike(struct import *import, const struct guard *guard)
{
	const char *text = "upstreams: { a: { url: \"http://a.b:1\" } }\nroutes:\n  - path: /\n    upstream: a\n", *why = NULL;
	struct complaints complaints;
	struct config *config;

	for (const struct line *line = guard->lines.first; line != NULL; line = line->next)
		text = LINE("%s    %s\n", text, value_safe(import->arena, line->text));
	config = config_parse("auth", text, strlen(text), &complaints);
	for (size_t i = 0; i < complaints.count && config == NULL && why == NULL; i++)
		if (!complaints.list[i].is_warning)
			why = LINE("%s", complaints.list[i].text);
	config_release(config);
	complaints_free(&complaints);
	return why;
}

static void judge(struct import *import, struct guard *guard)
{
	if (guard->keys != NULL)
		verdict_different(import->arena, guard->keys, "%s", java);
	if (guard->issuer != NULL && guard->keys != NULL)
		verdict_exact(import->arena, guard->issuer);
	else if (guard->issuer != NULL)
		verdict_different(import->arena, guard->issuer,
		                  "jwks is a guess: jwks_uri in the issuer's /.well-known/openid-configuration tells; %s", java);
	verdict_below(import->arena, guard->algorithms, VERDICT_EXACT, NULL);
	verdict_below(import->arena, guard->audiences, VERDICT_EXACT, NULL);
}

/* Whether tokens are asked for now. */
static bool take_tokens(struct import *import)
{
	struct guard guard = { find(import, "issuer-uri"), find(import, "jwk-set-uri"), find(import, "jws-algorithms"),
		                   find(import, "audiences"), { 0 } };
	struct property *pem = find(import, "public-key-location");
	const char *why;

	if (draft_text(import, guard.issuer) == NULL && draft_text(import, guard.keys) == NULL) {
		if (pem != NULL)
			verdict_refused(import->arena, pem, "jwks takes a file with a JSON Web Key Set, not a key in PEM");
		return false;
	}
	write(import, &guard);
	why = dislike(import, &guard);
	if (why != NULL) {
		verdict_refused(import->arena, guard.keys != NULL ? guard.keys : guard.issuer, "%s", why);
		return false;
	}
	for (struct line *line = guard.lines.first; line != NULL; line = line->next)
		draft_line(import, &import->route_defaults, line->origin, line->text);
	judge(import, &guard);
	return true;
}

void security_import(struct import *import)
{
	if (property_find(import->root, "spring.security") == NULL)
		return;
	if (take_tokens(import) && import->unguarded == NULL)
		import->unguarded = "Spring Security's chain in Java";
	else if (import->unguarded == NULL)
		import->unguarded = "Spring Security";
}
