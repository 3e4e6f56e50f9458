/*
 * Spring takes the first route that matches, in the order of the file and of `order`; here a route with a host wins, then the
 * longest path, then a text before a "*", whatever the order. If the two disagree on some request, a comment says so at the
 * route that Spring would have passed over. Two routes for exactly the same requests can't both exist: the second, which
 * Spring never reaches, is left out.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/import/order.h"

struct place {
	struct draft_route *route;
	size_t index;
	size_t segments;
};

static int by_order(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->route->order != b->route->order)
		return a->route->order < b->route->order ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

enum relation {
	APART, /* no request suits both */
	FIRST_WINS, /* here, too */
	SAME_PATH,
	LATER_IS_LONGER,
	LATER_IS_TEXT, /* where the first has a "*" */
};

/* Of two paths, segment by segment. */
static enum relation relate(const struct place *first, const struct place *later)
{
	const char *a = first->route->path, *b = later->route->path;
	enum relation relation = SAME_PATH;

	while (*a == '/' && *b == '/') {
		size_t length = strcspn(++a, "/"), theirs = strcspn(++b, "/");
		bool is_star = length == 1 && *a == '*', is_theirs = theirs == 1 && *b == '*';
		bool is_same = length == theirs && memcmp(a, b, length) == 0;

		if (!is_same && !is_star && !is_theirs)
			return APART;
		if (!is_same && relation == SAME_PATH)
			relation = is_star ? LATER_IS_TEXT : FIRST_WINS;
		a += length;
		b += theirs;
	}
	if (first->segments < later->segments)
		return first->route->is_exact ? APART : LATER_IS_LONGER;
	if (first->segments > later->segments)
		return later->route->is_exact ? APART : FIRST_WINS;
	return relation;
}

static bool same_host(const struct draft_route *a, const struct draft_route *b)
{
	return a->host == b->host || (a->host != NULL && b->host != NULL && strcmp(a->host, b->host) == 0);
}

static bool same_methods(const struct draft_route *a, const struct draft_route *b)
{
	return a->methods == b->methods ||
	       (a->methods != NULL && b->methods != NULL && strcmp(a->methods, b->methods) == 0);
}

/* Does any request for one of these methods suit both? Words are compared, not lists. */
static bool share_methods(const struct draft_route *a, const struct draft_route *b)
{
	size_t length;

	if (a->methods == NULL || b->methods == NULL)
		return true;
	for (const char *at = a->methods; *at != '\0'; at += strspn(at, ", ")) {
		const char *found;

		length = strcspn(at, ",");
		for (found = b->methods; *found != '\0'; found += strspn(found, ", ")) {
			if (strcspn(found, ",") == length && memcmp(found, at, length) == 0)
				return true;
			found += strcspn(found, ",");
		}
		at += length;
	}
	return false;
}

static void compare(struct import *import, const struct place *first, const struct place *later, bool *is_said)
{
	struct draft_route *winner = first->route, *loser = later->route;
	const char *who = winner->name != NULL ? winner->name : *winner->path != '\0' ? winner->path : "/";
	bool tells_exact = shape_is_known(import, SHAPE_EXACT) && winner->is_exact != loser->is_exact;
	bool host_wins = winner->host == NULL && loser->host != NULL;
	enum relation relation = relate(first, later);

	if (relation == APART || !share_methods(winner, loser) || (winner->host != NULL && !same_host(winner, loser)))
		return;
	if (relation == SAME_PATH && same_host(winner, loser) && !tells_exact &&
	    (winner->methods == NULL || same_methods(winner, loser))) {
		loser->why_refused = winner->is_exact && !loser->is_exact
		                         ? LINE("%s (line %zu) has the same path, and this build does not tell the path alone "
		                                "from what is below it",
		                                who, winner->origin->line)
		                         : LINE("%s (line %zu) takes all of its requests before it", who, winner->origin->line);
		verdict_refused(import->arena, loser->origin, "%s", loser->why_refused);
		return;
	}
	if (*is_said || (!host_wins && (relation == FIRST_WINS || (relation == SAME_PATH && tells_exact && winner->is_exact))))
		return;
	*is_said = true;
	draft_remark(import, &loser->remarks,
	             LINE("the order decides in Spring: there %s (line %zu) comes first and gets these "
	                  "requests",
	                  who, winner->origin->line));
	verdict_different(import->arena, loser->origin,
	                  "%s (line %zu) comes first and gets these requests in Spring; here %s, so this route does", who,
	                  winner->origin->line,
	                  host_wins                     ? "a route with a host wins"
	                  : relation == LATER_IS_LONGER ? "the longest path wins"
	                  : relation == LATER_IS_TEXT   ? "a text wins over a \"*\""
	                  : tells_exact                 ? "the path alone wins"
	                                                : "a route for this method wins");
}

/* The file has the order that Spring has. */
static void sort(struct import *import, struct place *places)
{
	struct draft_route **next = &import->routes;
	size_t count = 0;

	for (struct draft_route *route = import->routes; route != NULL; route = route->next) {
		places[count] = (struct place){ .route = route, .index = count };
		for (const char *at = route->path; *at != '\0'; at++)
			places[count].segments += *at == '/';
		count++;
	}
	qsort(places, count, sizeof(*places), by_order);
	for (size_t i = 0; i < count; i++) {
		*next = import->last_route = places[i].route;
		next = &places[i].route->next;
	}
	*next = NULL;
}

void order_check(struct import *import)
{
	struct place *places = property_allocate(import->arena, (import->route_count + 1) * sizeof(*places));

	sort(import, places);
	for (size_t later = 1; later < import->route_count; later++) {
		bool is_said = false;

		for (size_t first = 0; first < later && places[later].route->why_refused == NULL; first++)
			if (places[first].route->why_refused == NULL)
				compare(import, &places[first], &places[later], &is_said);
	}
}
