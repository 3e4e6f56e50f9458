/*
 * Spring takes the first route that matches, in the order of the file and of `order`; here a route with a host wins, then the
 * longest path, then a text before a "*", whatever the order. If the two disagree on some request, a comment says so at the
 * route that Spring would have passed over, or that answers 405 where Spring would go on. Two routes for exactly the same
 * requests can't both exist: the second, which Spring never reaches, is left out.
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

/* Which of two routes the gateway asks for a request whose host and path suit both. It looks at methods only then. */
enum asked { ASKED_NEITHER, ASKED_FIRST, ASKED_LATER, ASKED_BOTH };

/* `*rule`: why the later one is asked. */
static enum asked ask(struct import *import, const struct place *first, const struct place *later, const char **rule)
{
	const struct draft_route *a = first->route, *b = later->route;
	enum relation relation = relate(first, later);

	if (relation == APART || (a->host != NULL && b->host != NULL && !same_host(a, b)))
		return ASKED_NEITHER;
	*rule = !same_host(a, b)                ? "a route with a host wins"
	        : relation == LATER_IS_LONGER ? "the longest path wins"
	        : relation == LATER_IS_TEXT   ? "a literal segment wins over a \"*\""
	                                      : "the path alone wins";
	if (!same_host(a, b))
		return a->host != NULL ? ASKED_FIRST : ASKED_LATER;
	if (relation != SAME_PATH)
		return relation == FIRST_WINS ? ASKED_FIRST : ASKED_LATER;
	if (a->is_exact == b->is_exact || !shape_is_known(import, SHAPE_EXACT))
		return ASKED_BOTH;
	return a->is_exact ? ASKED_FIRST : ASKED_LATER;
}

static void compare(struct import *import, const struct place *first, const struct place *later, bool *is_said)
{
	struct draft_route *winner = first->route, *loser = later->route;
	const char *who = draft_name(winner), *rule;
	enum asked asked = ask(import, first, later, &rule);

	if (asked == ASKED_NEITHER || asked == ASKED_FIRST || !share_methods(winner, loser))
		return;
	if (asked == ASKED_BOTH) {
		if (winner->methods != NULL && !same_methods(winner, loser))
			return; /* the order of the file decides here, too */
		loser->why_refused = winner->is_exact && !loser->is_exact
		                         ? LINE("%s (line %zu) has the same path, and the gateway does not tell the path alone "
		                                "from what is below it",
		                                who, winner->origin->line)
		                         : LINE("%s (line %zu) takes all of its requests before it", who, winner->origin->line);
		verdict_refused(import->arena, loser->origin, "%s", loser->why_refused);
		return;
	}
	if (*is_said)
		return;
	*is_said = true;
	draft_remark(import, &loser->remarks,
	             LINE("the order decides in Spring: there %s (line %zu) comes first and gets these "
	                  "requests",
	                  who, winner->origin->line));
	verdict_different(import->arena, loser->origin,
	                  "%s (line %zu) comes first and gets these requests in Spring; here %s, so this route does", who,
	                  winner->origin->line, rule);
}

/* ---- methods that nobody takes ------------------------------------------------------------------------------ */

/* The routes that the gateway asks together with this one, itself among them. 0: one before it stands for them all, or they
 * take every method. */
static size_t ask_together(const struct place *places, size_t count, size_t at, const struct draft_route **together)
{
	const struct draft_route *route = places[at].route;
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		const struct draft_route *other = places[i].route;

		if (other->why_refused != NULL || !same_host(route, other) || route->is_exact != other->is_exact ||
		    strcmp(route->path, other->path) != 0)
			continue;
		if (i < at || other->methods == NULL)
			return 0;
		together[found++] = other;
	}
	return found;
}

static bool takes_method(const struct draft_route *route, const char *method, size_t length)
{
	const char *at = route->methods;

	while (*at != '\0' && (strcspn(at, ",") != length || memcmp(at, method, length) != 0)) {
		at += strcspn(at, ",");
		at += strspn(at, ", ");
	}
	return *at != '\0';
}

/* Does the other route take a method that none of these takes? */
static bool takes_more(const struct draft_route *other, const struct draft_route *const *together, size_t count)
{
	if (other->methods == NULL)
		return true;
	for (const char *at = other->methods; *at != '\0'; at += strspn(at, ", ")) {
		size_t length = strcspn(at, ","), i = 0;

		while (i < count && !takes_method(together[i], at, length))
			i++;
		if (i == count)
			return true;
		at += length;
	}
	return false;
}

/* Spring goes on to the next route where a method does not suit; here the path is chosen first, and then it is too late. */
static void check_methods(struct import *import, const struct place *places, size_t at, const struct draft_route **together)
{
	struct draft_route *route = places[at].route;
	size_t count = import->route_count, found = ask_together(places, count, at, together);

	for (size_t i = 0; i < count && found > 0; i++) {
		struct draft_route *other = places[i].route;
		const char *rule;
		enum asked asked;

		if (i == at || other->why_refused != NULL)
			continue;
		asked = i < at ? ask(import, &places[i], &places[at], &rule) : ask(import, &places[at], &places[i], &rule);
		if (asked != (i < at ? ASKED_LATER : ASKED_FIRST) || !takes_more(other, together, found))
			continue;
		draft_remark(import, &route->remarks,
		             LINE("other methods get 405 here; in Spring %s (line %zu) takes them, also on this path", draft_name(other),
		                  other->origin->line));
		verdict_different(import->arena, route->origin,
		                  "the path is chosen before the method here: other methods get 405, where Spring goes on to %s "
		                  "(line %zu)",
		                  draft_name(other), other->origin->line);
		return;
	}
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
	const struct draft_route **together =
		property_allocate(import->arena, (import->route_count + 1) * sizeof(const struct draft_route *));

	sort(import, places);
	for (size_t later = 1; later < import->route_count; later++) {
		bool is_said = false;

		for (size_t first = 0; first < later && places[later].route->why_refused == NULL; first++)
			if (places[first].route->why_refused == NULL)
				compare(import, &places[first], &places[later], &is_said);
	}
	for (size_t i = 0; i < import->route_count; i++)
		if (places[i].route->why_refused == NULL && places[i].route->methods != NULL)
			check_methods(import, places, i, together);
}
