/* Writes the file. Every active line learns its number, so that a complaint of the reader finds its line. */
#include <string.h>

#include "gateway/import/write.h"

struct writer {
	struct arena *arena;
	FILE *to;
	size_t line;
	unsigned mark;   /* the column of "# " in a block that is only a comment */
	bool is_comment; /* inside of one */
};

/* Keeps any text in its line. */
static void put_line(struct writer *writer, unsigned indent, bool is_comment, const char *text)
{
	unsigned blanks = (unsigned)strspn(text, " "), column = indent + blanks;

	text += blanks;
	if (writer->is_comment)
		fprintf(writer->to, "%*s# %*s%s", (int)writer->mark, "", (int)(column - writer->mark), "",
		        is_comment ? "# " : "");
	else
		fprintf(writer->to, "%*s%s", (int)column, "", is_comment ? "# " : "");
	fputs(value_safe(writer->arena, text), writer->to);
	fputc('\n', writer->to);
	writer->line++;
}

/* Returns whether that was a comment already, for comment_end(). */
static bool comment_begin(struct writer *writer, unsigned mark)
{
	bool was_comment = writer->is_comment;

	if (!was_comment)
		writer->mark = mark;
	writer->is_comment = true;
	return was_comment;
}

static void put_lines(struct writer *writer, unsigned indent, const struct lines *lines)
{
	for (struct line *line = lines->first; line != NULL; line = line->next) {
		line->number = line->is_comment || writer->is_comment ? 0 : writer->line + 1;
		put_line(writer, indent, line->is_comment, line->text);
	}
}

static bool has_live(const struct lines *lines)
{
	for (const struct line *line = lines->first; line != NULL; line = line->next)
		if (!line->is_comment)
			return true;
	return false;
}

static void put_section(struct writer *writer, unsigned indent, const char *name, const struct lines *lines)
{
	bool was_comment = writer->is_comment;

	if (lines->first == NULL)
		return;
	if (!has_live(lines)) {
		comment_begin(writer, indent);
		put_line(writer, indent, false, name);
		for (const struct line *line = lines->first; line != NULL; line = line->next)
			put_line(writer, indent + 2, false, line->text);
	} else {
		put_line(writer, indent, false, name);
		put_lines(writer, indent + 2, lines);
	}
	writer->is_comment = was_comment;
}

static void put_upstream(struct import *import, struct writer *writer, struct draft_upstream *upstream)
{
	if (upstream->why_refused != NULL)
		put_line(writer, 2, true, LINE("left out: %s", upstream->why_refused));
	if (upstream->why_refused != NULL)
		comment_begin(writer, 2);
	upstream->from = writer->line + 1;
	put_line(writer, 2, false, LINE("%s:", value_plain(import->arena, upstream->name)));
	if (upstream->remark != NULL)
		put_line(writer, 4, true, upstream->remark);
	put_line(writer, 4, false, LINE("url: %s", value_quoted(import->arena, upstream->url)));
	put_lines(writer, 4, &upstream->lines);
	upstream->to = writer->line;
	writer->is_comment = false;
}

static void put_edits(struct writer *writer, struct draft_route *route, unsigned which, const char *name)
{
	bool is_alive = has_live(&route->remove[which]) || has_live(&route->set[which]) || has_live(&route->add[which]);
	bool was_comment = writer->is_comment;

	if (route->remove[which].first == NULL && route->set[which].first == NULL && route->add[which].first == NULL)
		return;
	if (!is_alive)
		comment_begin(writer, 4);
	put_line(writer, 4, false, name);
	put_section(writer, 6, "remove:", &route->remove[which]);
	put_section(writer, 6, "set:", &route->set[which]);
	put_section(writer, 6, "add:", &route->add[which]);
	writer->is_comment = was_comment;
}

/* P/rest -> C/rest: the segments that both end with stay. */
static void put_rewrite(struct import *import, struct writer *writer, const struct draft_route *route)
{
	const char *from = route->path, *to = route->target_path;
	size_t from_length = strlen(from), to_length = to != NULL ? strlen(to) : 0;

	if (to == NULL || strcmp(from, to) == 0)
		return;
	for (;;) {
		size_t at = from_length, there = to_length;

		while (at > 0 && from[at - 1] != '/')
			at--;
		while (there > 0 && to[there - 1] != '/')
			there--;
		if (at == 0 || there == 0 || from_length - at != to_length - there ||
		    memcmp(from + at, to + there, from_length - at) != 0)
			break;
		from_length = at - 1;
		to_length = there - 1;
	}
	put_line(writer, 4, false, "rewrite:");
	if (from_length > 0)
		put_line(writer, 6, false,
		         LINE("strip_prefix: %s", value_plain(import->arena, LINE("%.*s", (int)from_length, from))));
	if (to_length > 0)
		put_line(writer, 6, false,
		         LINE("add_prefix: %s", value_plain(import->arena, LINE("%.*s", (int)to_length, to))));
}

/* Of an exact path, unless another route has just that. */
static bool has_slash_form(struct import *import, const struct draft_route *route)
{
	size_t length = strlen(route->path);

	if (!route->takes_slash || length == 0 || route->path[length - 1] == '/' || !shape_is_known(import, SHAPE_EXACT))
		return false;
	for (const struct draft_route *other = import->routes; other != NULL; other = other->next)
		if (other->is_exact && strncmp(other->path, route->path, length) == 0 && strcmp(other->path + length, "/") == 0)
			return false;
	return true;
}

static void put_route(struct import *import, struct writer *writer, struct draft_route *route)
{
	const char *path = *route->path != '\0' ? route->path : "/";

	if (route->why_refused != NULL)
		put_line(writer, 2, true, LINE("left out: %s", route->why_refused));
	for (struct line *line = route->remarks.first; line != NULL; line = line->next)
		put_line(writer, 2, true, line->text);
	if (route->why_refused != NULL)
		comment_begin(writer, 2);
	route->from = writer->line + 1;
	if (has_slash_form(import, route))
		put_line(writer, 2, false,
		         LINE("- path: [%s, %s]", value_plain(import->arena, path), value_plain(import->arena, LINE("%s/", path))));
	else
		put_line(writer, 2, false, LINE("- path: %s", value_plain(import->arena, path)));
	if (route->name != NULL)
		put_line(writer, 4, false, LINE("name: %s", value_quoted(import->arena, route->name)));
	if (route->host != NULL)
		put_line(writer, 4, false, LINE("host: %s", value_quoted(import->arena, route->host)));
	if (route->methods != NULL)
		put_line(writer, 4, false, LINE("methods: [%s]", route->methods));
	put_line(writer, 4, false,
	         LINE("upstream: %s", route->upstream != NULL ? value_plain(import->arena, route->upstream->name) : "?"));
	put_rewrite(import, writer, route);
	put_edits(writer, route, 0, "request_headers:");
	put_edits(writer, route, 1, "response_headers:");
	put_lines(writer, 4, &route->lines);
	route->to = writer->line;
	writer->is_comment = false;
}

static bool is_alive(const struct draft_route *route)
{
	return route->why_refused == NULL && route->upstream != NULL && route->upstream->why_refused == NULL;
}

/* Leaves out an upstream whose routes are all left out. */
static bool is_used(const struct import *import, const struct draft_upstream *upstream)
{
	for (const struct draft_route *route = import->routes; route != NULL; route = route->next)
		if (route->upstream == upstream && route->why_refused == NULL)
			return true;
	return false;
}

void draft_write(struct import *import, FILE *to)
{
	struct writer writer = { .arena = import->arena, .to = to };
	size_t routes = 0;

	for (struct draft_upstream *upstream = import->upstreams; upstream != NULL; upstream = upstream->next)
		if (upstream->why_refused == NULL && !is_used(import, upstream))
			upstream->why_refused = "the routes that lead to it are left out";
	for (struct draft_route *route = import->routes; route != NULL; route = route->next) {
		if (route->why_refused == NULL && !is_alive(route))
			route->why_refused = "its upstream is left out";
		routes += route->why_refused == NULL;
	}
	put_line(&writer, 0, true,
	         "Imported from Spring Cloud Gateway by gateway --import, which said for each line whether it means the "
	         "same here.");
	put_line(&writer, 0, true,
	         "Comments mark what a person has to decide. Filters in Java alone (GlobalFilter) are in no file: look for "
	         "them.");
	if (import->unguarded != NULL)
		put_line(&writer, 0, true,
		         LINE("%s guarded these routes and does so no more: until you have decided who does, the gateway "
		              "listens on loopback",
		              import->unguarded));
	put_lines(&writer, 0, &import->top);
	put_section(&writer, 0, "defaults:", &import->defaults);
	put_section(&writer, 0, "route_defaults:", &import->route_defaults);
	put_line(&writer, 0, false, "upstreams:");
	for (struct draft_upstream *upstream = import->upstreams; upstream != NULL && !import->is_bare; upstream = upstream->next)
		put_upstream(import, &writer, upstream);
	/* gateway.yml needs a route and an upstream, also where nothing could be imported. */
	if (routes == 0)
		put_line(&writer, 2, false, "replace-me: { url: \"http://replace-me.invalid:80\" }");
	put_line(&writer, 0, false, "routes:");
	for (struct draft_route *route = import->routes; route != NULL && !import->is_bare; route = route->next)
		put_route(import, &writer, route);
	if (routes == 0) {
		put_line(&writer, 2, true,
		         "no route could be imported: this one only makes the file complete; write yours in its place");
		put_line(&writer, 2, false, "- { path: /replace-me, upstream: replace-me }");
	}
}
