/*
 * Filters, one after the other. If the gateway can't express a filter that changes the service's request, the whole route is
 * refused. The route can do without other filters: then only their line is refused. A user's own filter whose name suggests
 * access control may be all that guards a service: then the whole gateway listens on loopback until a person has decided.
 */
#include <string.h>
#include <strings.h>

#include "gateway/import/filters.h"
#include "gateway/import/breaker.h"
#include "gateway/import/headers.h"
#include "gateway/import/limits.h"
#include "gateway/import/rewrite.h"

enum loss { LOSS_LINE, LOSS_ROUTE, LOSS_GUARD, LOSS_NONE };

static const struct {
	const char *name;
	enum loss loss;
	const char *why;
} TABLE[] = {
	{ "PreserveHostHeader", LOSS_NONE, "" },
	{ "RemoveNonProxyHeaders", LOSS_NONE, "" },
	{ "RemoveHopByHopHeaders", LOSS_NONE, "" },
	{ "FallbackHeaders", LOSS_LINE, "fallbacks carry their reason in Proxy-Status" },
	{ "TokenRelay", LOSS_LINE, "the login that it relays lives in Java: services get the client's own Authorization" },
	{ "SaveSession", LOSS_LINE, "there are no sessions here" },
	{ "CacheRequestBody", LOSS_LINE, "it serves filters in Java" },
	{ "ModifyRequestBody", LOSS_ROUTE, "bodies are changed in Java" },
	{ "ModifyResponseBody", LOSS_ROUTE, "bodies are changed in Java" },
	{ "JsonToGrpc", LOSS_ROUTE, "messages are translated in Java" },
	{ "JSONToGRPC", LOSS_ROUTE, "messages are translated in Java" },
	{ "RedirectTo", LOSS_ROUTE, "a route leads to a service: there is no redirect without one" },
	{ "SetStatus", LOSS_ROUTE, "the status is the service's" },
	{ "AddRequestParameter", LOSS_ROUTE, "queries go on untouched" },
	{ "RemoveRequestParameter", LOSS_ROUTE, "queries go on untouched" },
	{ "RewriteRequestParameter", LOSS_ROUTE, "queries go on untouched" },
	{ "RequestHeaderToRequestUri", LOSS_ROUTE, "a route has one upstream" },
	{ "SetRequestUri", LOSS_ROUTE, "a route has one upstream" },
	{ "MapRequestHeader", LOSS_LINE, "values are not taken from other fields" },
	{ "AddRequestHeadersIfNotPresent", LOSS_LINE, "fields are set or added whether there are some or not" },
	{ "RewriteResponseHeader", LOSS_LINE, "values of fields are not rewritten" },
	{ "RewriteLocationResponseHeader", LOSS_LINE, "values of fields are not rewritten" },
	{ "RemoveJsonAttributesResponseBody", LOSS_ROUTE, "bodies are changed in Java" },
	{ "RequestHeaderSize", LOSS_LINE, "limits.request_head holds for all routes" },
	{ "LocalResponseCache", LOSS_LINE, "nothing is cached" },
};

static bool speaks_of_access(const char *name)
{
	static const char *const WORDS[] = { "auth",    "jwt",   "token",  "secur",   "login",  "oauth",   "permission",
		                                 "role",    "sign",  "apikey", "session", "access", "acl",     "guard",
		                                 "protect", "verif", "sso",    "script",  "groovy", "keycloak" };

	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
		if (strcasestr(name, WORDS[i]) != NULL)
			return true;
	return false;
}

static void lose(struct import *import, struct draft_route *route, const struct definition *filter)
{
	enum loss loss = speaks_of_access(filter->origin->value) ? LOSS_GUARD : LOSS_LINE;
	const char *why = "a filter of your own lives in Java";

	for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++)
		if (property_is_named(filter->name, TABLE[i].name)) {
			loss = TABLE[i].loss;
			why = TABLE[i].why;
		}
	if (loss == LOSS_NONE) {
		route->keeps_host = route->keeps_host || property_is_named(filter->name, "PreserveHostHeader");
		verdict_exact(import->arena, filter->origin);
		verdict_below(import->arena, filter->args, VERDICT_EXACT, NULL);
		return;
	}
	if (loss == LOSS_ROUTE && route->why_refused == NULL)
		route->why_refused = LINE("%s: %s", filter->name, why);
	if (loss == LOSS_GUARD) {
		why = LINE("%s, and its name speaks of access: until you have decided, the gateway listens on loopback", why);
		import->unguarded = filter->name;
	}
	verdict_refused(import->arena, filter->origin, "%s", why);
	verdict_below(import->arena, filter->args, VERDICT_REFUSED, why);
	if (loss != LOSS_ROUTE)
		draft_remark(import, &route->remarks, LINE("without the filter %s: %s", filter->name, why));
}

static bool is_cors_field(const char *name)
{
	return strncasecmp(name, "Access-Control-", 15) == 0;
}

/* Nearly always a mend for Access-Control-* that the service and the gateway both add. */
static void dedupe(struct import *import, const struct definition *filter)
{
	struct property *at;
	const char *names = definition_argument(import, filter, 0, "name", &at);
	bool is_cors = names != NULL;

	for (const char *name = names; name != NULL && *name != '\0'; name += strspn(name, " ")) {
		size_t length = strcspn(name, " ");

		is_cors =
			is_cors && (is_cors_field(name) || strncasecmp(name, "Vary ", 5) == 0 || strcasecmp(name, "Vary") == 0);
		name += length;
	}
	if (is_cors)
		verdict_different(import->arena, at, "where cors is on, it replaces the service's own Access-Control-*");
	else
		verdict_refused(import->arena, at,
		                "doubled fields are passed on as they are; response_headers can set or remove them");
	verdict_exact(import->arena, filter->origin);
	verdict_below(import->arena, filter->args, VERDICT_EXACT, NULL);
}

static bool is_breaker(const char *name)
{
	return property_is_named(name, "CircuitBreaker") || property_is_named(name, "Hystrix") ||
	       property_is_named(name, "SpringCloudCircuitBreaker");
}

static void apply(struct import *import, struct draft_route *route, const struct definition *filter,
                  struct policy *policy)
{
	if (rewrite_knows(filter->name)) {
		rewrite_apply(import, route, filter);
	} else if (is_breaker(filter->name)) {
		breaker_apply(import, route, filter, policy);
	} else if (property_is_named(filter->name, "Retry") || property_is_named(filter->name, "RequestSize") ||
	           property_is_named(filter->name, "RequestRateLimiter")) {
		limits_apply(import, route, filter, policy);
	} else if (property_is_named(filter->name, "DedupeResponseHeader")) {
		dedupe(import, filter);
	} else if (!headers_apply(import, route, filter)) {
		lose(import, route, filter);
	}
}

static void apply_one(struct import *import, struct draft_route *route, struct property *item, struct policy *policy)
{
	struct definition filter;

	if (item != NULL && definition_read(import, item, &filter))
		apply(import, route, &filter, policy);
	else if (item != NULL)
		verdict_refused(import->arena, item, "a filter without a name");
}

/* The list itself where one filter stands in its place. NULL: there is none. */
static struct property *first_of(struct import *import, struct draft_route *route, struct property *filters)
{
	if (filters == NULL || filters->first != NULL)
		return filters != NULL ? filters->first : NULL;
	if (filters->value == NULL || *filters->value == '\0')
		return NULL;
	if (strchr(filters->value, ',') == NULL)
		return filters;
	/* A list in one scalar: Spring splits it at commas, as the importer can't know which of them divide filters. */
	verdict_refused(import->arena, filters, "write the filters as a list");
	route->why_refused = "its filters are not a list";
	return NULL;
}

static struct property *next_of(const struct property *filters, struct property *item)
{
	return item == NULL || item == filters ? NULL : item->next;
}

/* Spring numbers each of the two lists from 1 and sorts by number, so the lists interleave. */
void filters_apply(struct import *import, struct draft_route *route, struct property *defaults, struct property *own,
                   struct policy *policy)
{
	struct property *of_all = first_of(import, route, defaults), *of_route = first_of(import, route, own);

	while (of_all != NULL || of_route != NULL) {
		draft_use(import, route, of_all);
		apply_one(import, route, of_all, policy);
		apply_one(import, route, of_route, policy);
		of_all = next_of(defaults, of_all);
		of_route = next_of(own, of_route);
	}
	headers_finish(import, route);
}
