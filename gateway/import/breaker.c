/*
 * The CircuitBreaker (or Hystrix) filter: its name, its fallback, and which answers count as failures. The settings of
 * the breaker itself are read in resilience4j.c and hystrix.c.
 */
#include <ctype.h>
#include <string.h>

#include "gateway/import/breaker.h"

static const struct {
	const char *name;
	unsigned status;
} STATUSES[] = { { "BAD_REQUEST", 400 },     { "UNAUTHORIZED", 401 },       { "FORBIDDEN", 403 },
	             { "NOT_FOUND", 404 },       { "METHOD_NOT_ALLOWED", 405 }, { "REQUEST_TIMEOUT", 408 },
	             { "CONFLICT", 409 },        { "TOO_MANY_REQUESTS", 429 },  { "INTERNAL_SERVER_ERROR", 500 },
	             { "NOT_IMPLEMENTED", 501 }, { "BAD_GATEWAY", 502 },        { "SERVICE_UNAVAILABLE", 503 },
	             { "GATEWAY_TIMEOUT", 504 } };

static unsigned status_of(const char *text)
{
	uint64_t number;

	for (size_t i = 0; i < sizeof(STATUSES) / sizeof(STATUSES[0]); i++)
		if (property_is_named(text, STATUSES[i].name))
			return STATUSES[i].status;
	return value_count(text, &number) && number >= 300 && number <= 599 ? (unsigned)number : 0;
}

static const char *statuses_of(struct import *import, const struct definition *filter)
{
	struct property *list = property_find(filter->args, "status-codes");
	const char *texts[DEFINITION_LIST_MAX], *joined = NULL;
	bool seen[600] = { false };
	size_t count = list != NULL ? definition_list(import, filter, 0, "status-codes", texts, DEFINITION_LIST_MAX) : 0;

	if (count > DEFINITION_LIST_MAX) {
		verdict_below(import->arena, list, VERDICT_REFUSED, "more statuses than the importer takes");
		return NULL;
	}
	verdict_below(import->arena, list, VERDICT_EXACT, NULL);
	for (size_t i = 0; i < count; i++) {
		unsigned status = status_of(texts[i]);

		if (status == 0)
			verdict_refused(import->arena, list->value != NULL ? list : filter->origin,
			                "failure_statuses takes 300 to 599, not %s", texts[i]);
		else if (!seen[status])
			joined = joined != NULL ? LINE("%s, %u", joined, status) : LINE("%u", status);
		seen[status] = true;
	}
	return joined;
}

/* Which route answers a forward: inside of the gateway? NULL: a controller in Java does. */
static struct property *route_for(struct import *import, const char *path)
{
	struct property *routes = draft_gateway(import, "routes");

	for (struct property *route = routes != NULL ? routes->first : NULL; route != NULL; route = route->next) {
		struct property *predicates = property_find(route, "predicates");

		for (struct property *item = predicates != NULL ? predicates->first : NULL; item != NULL; item = item->next)
			if (item->value != NULL && strncmp(item->value, "Path=", 5) == 0 &&
			    strncmp(item->value + 5, path, strlen(path)) == 0)
				return route;
	}
	return NULL;
}

static void fallback(struct import *import, struct draft_route *route, const struct definition *filter,
                     const struct policy *policy)
{
	struct property *at, *other;
	const char *uri = definition_argument(import, filter, 1, "fallback-uri", &at), *path;

	if (uri == NULL) {
		verdict_different(import->arena, filter->origin,
		                  "without a fallbackUri the answer is the built-in text with 503, where "
		                  "Spring says 504 after a timeout");
		return;
	}
	if (strncmp(uri, "forward:", 8) != 0) {
		verdict_refused(import->arena, at, "Spring itself takes forward: only");
		return;
	}
	path = uri + 8;
	other = route_for(import, path);
	if (other != NULL && property_value(other, "uri") != NULL) {
		draft_remark(import, &route->lines,
		             LINE("fallback: { upstream: ... } with the service of the route for %s", path));
		verdict_refused(import->arena, at, "another service answers %s (line %zu), which takes fallback.upstream", path,
		                other->line);
		return;
	}
	draft_remark(import, &route->lines,
	             LINE("the text is in the controller for %s: put it here; if clients rely on its status "
	                  "200: fallback: { status: 200, body: ... }",
	                  path));
	if (policy->statuses != NULL)
		draft_line(import, &route->lines, at,
		           LINE("fallback: { status: 503, body: %s, on_statuses: [%s] }",
		                value_quoted(import->arena, "This service is currently unavailable"), policy->statuses));
	else
		draft_line(import, &route->lines, at, "fallback: This service is currently unavailable");
	verdict_different(import->arena, at,
	                  "the text of %s lives in Java: a text of ours stands in its place, with status 503", path);
}

void breaker_apply(struct import *import, struct draft_route *route, const struct definition *filter,
                   struct policy *policy)
{
	struct property *at;
	const char *name = definition_argument(import, filter, 0, "name", &at);
	struct property *resume = property_find(filter->args, "resume-without-error");

	if (policy->breaker != NULL) {
		verdict_refused(import->arena, filter->origin, "a second breaker on one route: the first guards its upstream");
		return;
	}
	policy->is_hystrix = property_is_named(filter->name, "Hystrix");
	policy->breaker = name != NULL ? name : route->id != NULL ? route->id : "default";
	policy->breaker_at = filter->origin;
	policy->statuses = statuses_of(import, filter);
	if (name != NULL)
		verdict_exact(import->arena, at);
	if (policy->statuses == NULL)
		verdict_different(import->arena, filter->origin,
		                  "a 500, 502, 503 or 504 of the service counts as a failure; in Spring only what statusCodes "
		                  "lists "
		                  "(failure_statuses: [] for that)");
	if (resume != NULL && value_is_true(resume->value))
		verdict_refused(import->arena, resume, "a failure without a fallback is never an empty 200 here");
	fallback(import, route, filter, policy);
	verdict_exact(import->arena, filter->origin);
	verdict_below(import->arena, filter->args, VERDICT_REFUSED, "no counterpart");
}
