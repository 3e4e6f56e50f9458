/*
 * The way: from files to one tree (documents.c), from the tree to a draft (routes.c and its helpers), from the draft to text
 * (write.c), and the text through the reader of gateway.yml. A line that the reader refuses becomes a comment with the
 * reader's reason as its verdict, and the text is written again, until the reader refuses nothing. So the result passes
 * --check whatever was in the files.
 */
#include "gateway/import/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/import/cors.h"
#include "gateway/import/documents.h"
#include "gateway/import/draft.h"
#include "gateway/import/leftovers.h"
#include "gateway/import/order.h"
#include "gateway/import/routes.h"
#include "gateway/import/security.h"
#include "gateway/import/settings.h"
#include "gateway/import/write.h"
#include "routes/config/complaints.h"
#include "routes/config/config.h"
#include "routes/config/yaml.h"

enum { ROUNDS_MAX = 200 };

/* ---- what the reader refuses -------------------------------------------------------------------------------- */

static bool drop_line(struct import *import, struct lines *lines, const struct complaint *complaint)
{
	for (struct line *line = lines->first; line != NULL; line = line->next)
		if (!line->is_comment && line->number == complaint->line) {
			line->is_comment = true;
			verdict_refused(import->arena, line->origin, "%s", complaint->text);
			return true;
		}
	return false;
}

static bool drop_of_route(struct import *import, struct draft_route *route, const struct complaint *complaint)
{
	if (route->why_refused != NULL || complaint->line < route->from || complaint->line > route->to)
		return false;
	for (size_t i = 0; i < 2; i++)
		if (drop_line(import, &route->set[i], complaint) || drop_line(import, &route->add[i], complaint) ||
		    drop_line(import, &route->remove[i], complaint))
			return true;
	if (drop_line(import, &route->lines, complaint))
		return true;
	route->why_refused = LINE("%s", complaint->text);
	verdict_refused(import->arena, route->origin, "%s", complaint->text);
	return true;
}

/* False: nothing is there that could be left out. */
static bool drop(struct import *import, const struct complaint *complaint)
{
	if (drop_line(import, &import->top, complaint) || drop_line(import, &import->defaults, complaint) ||
	    drop_line(import, &import->route_defaults, complaint))
		return true;
	for (struct draft_upstream *upstream = import->upstreams; upstream != NULL; upstream = upstream->next) {
		if (upstream->why_refused != NULL || complaint->line < upstream->from || complaint->line > upstream->to)
			continue;
		if (!drop_line(import, &upstream->lines, complaint)) {
			upstream->why_refused = LINE("%s", complaint->text);
			verdict_refused(import->arena, upstream->origin, "%s", complaint->text);
		}
		return true;
	}
	for (struct draft_route *route = import->routes; route != NULL; route = route->next)
		if (drop_of_route(import, route, complaint))
			return true;
	return false;
}

static void refuse_origins(struct import *import, struct lines *lines, const struct complaint *complaint)
{
	for (const struct line *line = lines->first; line != NULL; line = line->next)
		verdict_refused(import->arena, line->origin, "%s", complaint->text);
	*lines = (struct lines){ 0 };
}

/* A complaint of the file as a whole, or one that nothing can be left out for: no route is left then, and the file
 * is complete with the one that stands in. */
static void drop_all(struct import *import, const struct complaint *complaint)
{
	for (struct draft_route *route = import->routes; route != NULL; route = route->next)
		if (route->why_refused == NULL) {
			route->why_refused = LINE("%s", complaint->text);
			verdict_refused(import->arena, route->origin, "%s", complaint->text);
		}
	import->is_bare = import->is_dropped; /* the comments alone are too large to read */
	import->is_dropped = true;
	refuse_origins(import, &import->top, complaint);
	refuse_origins(import, &import->defaults, complaint);
	refuse_origins(import, &import->route_defaults, complaint);
}

static char *write_checked(struct import *import, size_t *length)
{
	for (unsigned round = 0;; round++) {
		struct complaints complaints;
		const struct complaint *first = NULL;
		char *text = NULL;
		FILE *to = open_memstream(&text, length);
		bool is_dropped = false;

		if (to == NULL)
			return NULL;
		draft_write(import, to);
		if (fclose(to) != 0)
			return NULL;
		config_release(config_parse("gateway.yml", text, *length, &complaints));
		for (size_t i = 0; i < complaints.count; i++)
			if (!complaints.list[i].is_warning) {
				first = first != NULL ? first : &complaints.list[i];
				is_dropped = drop(import, &complaints.list[i]) || is_dropped;
			}
		if (first != NULL && (!is_dropped || round == ROUNDS_MAX))
			drop_all(import, first);
		complaints_free(&complaints);
		if (first == NULL || round > ROUNDS_MAX)
			return text;
		free(text);
	}
}

/* ---- verdicts ----------------------------------------------------------------------------------------------- */

struct said {
	const struct property **list; /* NULL: only counts */
	size_t count, counts[4];
};

/* NOLINTNEXTLINE(misc-no-recursion) */
static void collect(struct said *said, struct property *property)
{
	if (property->verdict != VERDICT_NONE) {
		if (said->list != NULL)
			said->list[said->count] = property;
		property->number = said->count++;
	}
	for (struct property *child = property->first; child != NULL; child = child->next)
		collect(said, child);
}

/* The gateway takes nothing from the lines of a route that is left out, nor from those that only such a route reads. `cause`:
 * why the route is left out. NOLINTNEXTLINE(misc-no-recursion) */
static void refuse_below(struct import *import, struct property *property, const char *start, const char *cause)
{
	const char *why = property->why;

	if (property->verdict != VERDICT_NONE && (why == NULL || strstr(why, "left out") == NULL)) {
		property->verdict = VERDICT_REFUSED;
		property->why = why == NULL ? start : LINE("%s%s %s", start, strstr(cause, why) != NULL ? ":" : ";", why);
	}
	for (struct property *child = property->first; child != NULL; child = child->next)
		refuse_below(import, child, start, cause);
}

static void refuse_unused(struct import *import)
{
	for (const struct use *use = import->uses; use != NULL; use = use->next)
		use->of->is_unused = true;
	for (const struct use *use = import->uses; use != NULL; use = use->next)
		if (use->by->why_refused == NULL)
			use->of->is_unused = false;
	for (const struct use *use = import->uses; use != NULL; use = use->next)
		if (use->of->is_unused)
			refuse_below(import, use->of, "each route that it is for is left out", use->by->why_refused);
}

static void refuse_with_routes(struct import *import)
{
	for (struct draft_route *route = import->routes; route != NULL; route = route->next) {
		const struct draft_route *other = import->routes;

		while (other != NULL && (other->origin != route->origin || other->why_refused != NULL))
			other = other->next;
		if (other == NULL && route->origin != NULL)
			refuse_below(import, route->origin, "its route is left out", route->why_refused);
	}
}

static int by_place(const void *left, const void *right)
{
	const struct property *a = *(const struct property *const *)left, *b = *(const struct property *const *)right;
	int order = a->file == b->file ? 0 : strcmp(a->file, b->file);

	return order != 0 ? order : a->line < b->line ? -1 : a->line > b->line ? 1 : a->number < b->number ? -1 : 1;
}

static void tell(struct import *import, struct said *said, const struct property *property, FILE *to)
{
	static const char *const NAMES[] = { "", "exact", "different", "refused" };
	enum verdict verdict = property->verdict;

	if (verdict == VERDICT_EXACT && property->warning != NULL)
		verdict = VERDICT_DIFFERENT;
	said->counts[verdict]++;
	fprintf(to, "%s:%zu: %s: ", value_safe(import->arena, property->file), property->line, NAMES[verdict]);
	fputs(value_safe(import->arena, property->title != NULL ? property->title : property_path(import->arena, property)),
	      to);
	if (property->why != NULL || (property->warning != NULL && verdict == VERDICT_DIFFERENT)) {
		fputs(": ", to);
		fputs(value_safe(import->arena, property->why != NULL ? property->why : property->warning), to);
	}
	if (property->why != NULL && property->warning != NULL && verdict == VERDICT_DIFFERENT) {
		fputs("; ", to);
		fputs(value_safe(import->arena, property->warning), to);
	}
	fputc('\n', to);
}

static bool has_route(const struct import *import)
{
	for (const struct draft_route *route = import->routes; route != NULL; route = route->next)
		if (route->why_refused == NULL)
			return true;
	return false;
}

static void tell_all(struct import *import, FILE *to)
{
	struct said said = { 0 };

	refuse_with_routes(import);
	refuse_unused(import);
	collect(&said, import->root);
	collect(&said, import->replaced);
	said.list = property_allocate(import->arena, (said.count + 1) * sizeof(*said.list));
	said.count = 0;
	collect(&said, import->root);
	collect(&said, import->replaced);
	qsort(said.list, said.count, sizeof(*said.list), by_place);
	for (size_t i = 0; i < said.count; i++)
		tell(import, &said, said.list[i], to);
	fprintf(to, "gateway: %zu lines exact, %zu different, %zu refused\n", said.counts[VERDICT_EXACT],
	        said.counts[VERDICT_DIFFERENT], said.counts[VERDICT_REFUSED]);
	if (!has_route(import))
		fputs("gateway: no route could be imported: /replace-me only makes the file complete\n", to);
}

/* ---- all of it ---------------------------------------------------------------------------------------------- */

static bool make(struct import *import, FILE *to, FILE *verdicts)
{
	size_t length;
	char *text;

	import->values = (struct values){ .arena = import->arena, .root = import->root };
	import->old_gateway = property_find(import->root, "spring.cloud.gateway");
	import->gateway = property_find(import->old_gateway, "server.webflux");
	if (import->gateway == NULL) /* the gateway on servlets, which takes the same names */
		import->gateway = property_find(import->old_gateway, "server.webmvc");
	if (import->gateway == NULL)
		import->gateway = property_find(import->old_gateway, "mvc");
	routes_import(import);
	order_check(import);
	cors_import(import);
	security_import(import);
	settings_read(import);
	leftovers_judge(import);
	text = write_checked(import, &length);
	if (text == NULL) {
		fputs("gateway: out of memory\n", verdicts);
		return false;
	}
	fwrite(text, 1, length, to);
	free(text);
	tell_all(import, verdicts);
	return true;
}

bool import_spring(const struct import_file *files, size_t count, const char *profiles, FILE *to, FILE *verdicts)
{
	struct import import = { .arena = arena_new() };
	bool is_fine;

	if (import.arena == NULL) {
		fputs("gateway: out of memory\n", verdicts);
		return false;
	}
	import.root = property_allocate(import.arena, sizeof(*import.root));
	import.replaced = property_allocate(import.arena, sizeof(*import.replaced));
	import.root->name = import.root->file = import.replaced->name = import.replaced->file = "";
	is_fine = documents_read(import.arena, files, count, profiles, import.root, import.replaced, verdicts);
	if (is_fine && import.root->first == NULL && import.replaced->first == NULL) {
		fputs("gateway: there is no property in the files: --import takes Spring's application.yml or .properties\n", verdicts);
		is_fine = false;
	}
	is_fine = is_fine && make(&import, to, verdicts);
	arena_free(import.arena);
	return is_fine;
}

/* ---- the command line --------------------------------------------------------------------------------------- */

/* NULL after a message. */
static char *load(const char *name, size_t *length)
{
	FILE *from = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	char *text = from != NULL ? malloc(YAML_TEXT_MAX + 1) : NULL;

	if (text != NULL)
		*length = fread(text, 1, YAML_TEXT_MAX + 1, from);
	if (text == NULL || ferror(from)) {
		fprintf(stderr, "gateway: %s: %s\n", name, strerror(errno));
		free(text);
		text = NULL;
	}
	if (from != NULL && from != stdin)
		fclose(from);
	return text; /* only stdin stays open: NOLINT(clang-analyzer-unix.Stream) */
}

int import_run(char *const *names, size_t count)
{
	struct import_file files[IMPORT_FILES_MAX];
	bool is_fine = true;
	size_t read = 0;

	if (count == 0 || count > IMPORT_FILES_MAX) {
		fprintf(stderr,
		        "gateway: --import takes 1 to %d files, as in: gateway --import application.yml > gateway.yml\n",
		        IMPORT_FILES_MAX);
		return 2;
	}
	for (; read < count && is_fine; read++) {
		files[read] = (struct import_file){ .name = names[read] };
		files[read].text = load(names[read], &files[read].length);
		is_fine = files[read].text != NULL;
	}
	if (is_fine)
		is_fine = import_spring(files, count, getenv("SPRING_PROFILES_ACTIVE"), stdout, stderr);
	for (size_t i = 0; i < read; i++)
		free((char *)files[i].text);
	if (is_fine && (fflush(stdout) != 0 || ferror(stdout))) {
		perror("gateway: stdout");
		return 1;
	}
	return is_fine ? 0 : 2;
}
