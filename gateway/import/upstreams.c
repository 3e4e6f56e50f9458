/*
 * From a route's uri to an upstream. Spring has a breaker by name and one client for all; here an upstream is an address with
 * its breaker and its limits. So routes share an upstream if all of that is the same, and get their own if it is not.
 */
#include <string.h>
#include <strings.h>

#include "gateway/import/upstreams.h"
#include "gateway/import/hystrix.h"
#include "gateway/import/resilience4j.h"
#include "routes/address.h"

enum { PORT_GUESSED = 8080 };

struct target {
	const char *host, *url; /* url: alive */
	const char *authority;  /* host, and port where it is not the scheme's own */
	bool is_balanced, is_tls, is_guessed;
};

static bool takes(const char **text, const char *start)
{
	size_t length = strlen(start);

	if (strncasecmp(*text, start, length) != 0)
		return false;
	*text += length;
	return true;
}

static const char *lower(struct import *import, const char *text, size_t length)
{
	char *copy = property_allocate(import->arena, length + 1);

	for (size_t i = 0; i < length; i++)
		copy[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
	return copy;
}

/* Names that must come from the environment get something that no DNS knows, so that the file can be checked without
 * them. */
static const char *with_stand_ins(struct import *import, const char *live)
{
	const char *done = "", *hole, *begin;

	while ((hole = strstr(live, ":-}")) != NULL) {
		for (begin = hole; begin > live && *begin != '$'; begin--)
			;
		done = LINE("%s%.*s:-%s}", done, (int)(hole - live), live,
		            begin == live && *done == '\0'     ? "http://unset.invalid:80"
		            : begin > live && begin[-1] == ':' ? "80"
		                                               : "unset.invalid");
		live = hole + 3;
	}
	return LINE("%s%s", done, live);
}

/* Without what stands behind host and port, as Spring passes over it. A "/" inside of ${...} is none of that. */
static const char *without_path(struct import *import, const char *live)
{
	const char *at = strstr(live, "://");
	unsigned open = 0;

	at = at != NULL && memchr(live, '$', (size_t)(at - live)) == NULL ? at + 3 : live;
	for (; *at != '\0'; at++) {
		open += at[0] == '$' && at[1] == '{' ? 1u : *at == '}' && open > 0 ? -1u : 0u;
		if (open == 0 && strchr("/?#", *at) != NULL)
			return property_copy(import->arena, live, (size_t)(at - live));
	}
	return live;
}

static bool refuse(struct import *import, struct draft_route *route, struct property *uri, const char *why)
{
	verdict_refused(import->arena, uri, "%s", why);
	if (route->why_refused == NULL)
		route->why_refused = why;
	return false;
}

static bool read_authority(struct import *import, struct draft_route *route, struct property *uri, const char *text,
                           struct target *target)
{
	size_t length = strcspn(text, "/?#"), host = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":/?#");

	host = host > length ? length : host;
	if (length == 0 || memchr(text, '@', length) != NULL)
		return refuse(import, route, uri, length == 0 ? "it has no host" : "an url has no user here");
	target->host = lower(import, text, host);
	target->authority = lower(import, text, length);
	if (strcmp(target->authority + host, target->is_tls ? ":443" : ":80") == 0)
		target->authority = target->host;
	if (target->is_balanced && host == length) {
		target->is_guessed = true;
		target->url = LINE("http://tasks.%s:%d", target->host, PORT_GUESSED);
	} else {
		target->url = LINE("%s://%.*s%s", target->is_tls ? "https" : "http", (int)length, text,
		                   target->is_tls && host == length ? ":443" : "");
	}
	if (text[length] != '\0' && strcmp(text + length, "/") != 0)
		verdict_different(import->arena, uri, "Spring passes over the path of an uri, too: see PrefixPath");
	return true;
}

/* False: the route is refused, and said so. */
static bool read_uri(struct import *import, struct draft_route *route, struct property *uri, struct target *target)
{
	bool is_open = false;
	const char *live, *text;

	*target = (struct target){ 0 };
	if (uri == NULL || uri->value == NULL)
		return refuse(import, route, uri != NULL ? uri : route->origin, "the route has no uri");
	live = value_live(&import->values, uri->value, &is_open);
	live = without_path(import, value_trimmed(import->arena, live));
	if (is_open) {
		live = with_stand_ins(import, live);
		target->url = takes(&live, "lb://") ? LINE("http://tasks.%s:%d", live, PORT_GUESSED) : live;
		target->host = route->id != NULL ? route->id : "service";
		target->is_balanced = true; /* nobody knows where it is */
		verdict_different(import->arena, uri, "the files don't know all of it: the environment of the gateway has to");
		return true;
	}
	text = value_trimmed(import->arena, value_fixed(&import->values, NULL, uri->value));
	target->is_balanced = takes(&text, "lb:");
	if (strncmp(text, "//", 2) == 0 || takes(&text, "http:") || takes(&text, "ws:"))
		target->is_tls = false;
	else if (takes(&text, "https:") || takes(&text, "wss:"))
		target->is_tls = true;
	else
		return refuse(import, route, uri,
		              strncmp(text, "forward:", 8) == 0 ? "its target is Java code"
		              : strncmp(text, "no:", 3) == 0    ? "it leads nowhere: its filters answer in Java"
		                                                : "an upstream is lb://, http:// or https://");
	if (!takes(&text, "//") || !read_authority(import, route, uri, text, target))
		return refuse(import, route, uri, "not an address");
	if (target->is_tls && !shape_is_known(import, SHAPE_HTTPS))
		return refuse(import, route, uri, "the gateway speaks no TLS to upstreams");
	if (strstr(live, "${") != NULL && !target->is_balanced && strpbrk(text, "/?#") == NULL && !target->is_tls)
		target->url = live;
	else if (strstr(live, "${") != NULL)
		verdict_different(import->arena, uri, "the default is fixed here");
	return true;
}

/* ---- settings ----------------------------------------------------------------------------------------------- */

static void add_section(struct import *import, struct lines *to, const char *name, const struct lines *from)
{
	if (from->first == NULL)
		return;
	draft_line(import, to, NULL, LINE("%s:", name));
	for (const struct line *line = from->first; line != NULL; line = line->next) {
		draft_line(import, to, line->origin, LINE("  %s", line->text));
		to->last->is_comment = line->is_comment;
	}
}

/* A route's own limit: 0 is off for those who write it. */
static int64_t limit_of(struct import *import, struct property *at, int64_t otherwise)
{
	int64_t ms;

	if (at == NULL)
		return otherwise;
	if (!value_duration(draft_text(import, at), 1, &ms)) {
		verdict_refused(import->arena, at, "not a duration");
		return otherwise;
	}
	if (ms == 0)
		verdict_different(import->arena, at, "0 ends each call at once in Spring; here it is taken for off");
	if (ms < 0)
		verdict_different(import->arena, at, "there is always a limit: 24h stands in its place");
	verdict_exact(import->arena, at);
	return ms > 0 ? ms : -2;
}

/* The shortest of what the client, the route and the breaker say. -1: nobody says anything, -2: none at all. */
static void add_timeouts(struct import *import, struct draft_route *route, const struct policy *policy,
                         int64_t breaker_ms, struct lines *to)
{
	struct property *metadata = property_find(route->origin, "metadata");
	struct property *connect = property_find(metadata, "connect-timeout"), *at = property_find(metadata, "response-"
	                                                                                                     "timeout");
	struct property *global = draft_gateway(import, "httpclient.response-timeout");
	int64_t global_ms = -1, response_ms = limit_of(import, at, -1);
	struct lines timeouts = { 0 };

	if (connect != NULL)
		draft_limit(import, &timeouts, SCOPE_TIMEOUTS, "connect", connect);
	if (global != NULL && value_duration(draft_text(import, global), 1, &global_ms) && global_ms <= 0)
		global_ms = -1;
	if (policy->breaker != NULL && breaker_ms > 0) {
		int64_t other_ms = response_ms > 0 ? response_ms : response_ms == -1 ? global_ms : -1;

		if (other_ms <= 0 || breaker_ms < other_ms)
			response_ms = breaker_ms;
	}
	if (response_ms == -2)
		draft_line(import, &timeouts, at, "response: 24h");
	else if (response_ms > 0)
		draft_ms(import, &timeouts, SCOPE_TIMEOUTS, "response", response_ms == breaker_ms ? NULL : at, response_ms);
	add_section(import, to, "timeouts", &timeouts);
}

static void add_settings(struct import *import, struct draft_route *route, const struct policy *policy,
                         struct lines *to)
{
	struct lines breaker = { 0 }, bulkhead = { 0 }, retry = { 0 };
	int64_t limit_ms = -1;

	if (policy->breaker != NULL && policy->is_hystrix)
		hystrix_read(import, policy, &breaker, &bulkhead, &limit_ms);
	else if (policy->breaker != NULL)
		resilience4j_read(import, policy, &breaker, &bulkhead, &limit_ms);
	if (policy->statuses != NULL)
		draft_line(import, &breaker, policy->breaker_at, LINE("failure_statuses: [%s]", policy->statuses));
	if (policy->breaker == NULL) {
		draft_remark(import, &breaker,
		             "no breaker in Spring: this one counts and reports, but rejects nothing; remove mode to "
		             "let it reject calls");
		draft_line(import, &breaker, NULL, "mode: observe");
	}
	add_timeouts(import, route, policy, limit_ms, to);
	add_section(import, to, "breaker", &breaker);
	add_section(import, to, "bulkhead", &bulkhead);
	if (policy->retry_attempts != NULL)
		draft_line(import, &retry, policy->retry, policy->retry_attempts);
	if (policy->retry_attempts != NULL && policy->breaker != NULL)
		verdict_different(import->arena, policy->retry,
		                  "in Spring it never fires below a CircuitBreaker with a fallback");
	add_section(import, to, "retry", &retry);
}

/* ---- one upstream ------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_lines(const struct lines *a, const struct lines *b)
{
	const struct line *one = a->first, *other = b->first;

	for (; one != NULL && other != NULL; one = one->next, other = other->next)
		if (strcmp(one->text, other->text) != 0 || one->is_comment != other->is_comment)
			return false;
	return one == NULL && other == NULL;
}

static bool is_taken(const struct import *import, const char *name)
{
	for (const struct draft_upstream *other = import->upstreams; other != NULL; other = other->next)
		if (strcmp(other->name, name) == 0)
			return true;
	return false;
}

/* Letters, digits, "_", "-" and ".", and not yet taken. */
static const char *free_name(struct import *import, const char *wanted)
{
	char *name = property_allocate(import->arena, 72);
	size_t length = 0;

	for (; *wanted != '\0' && length < 56; wanted++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", *wanted) != NULL &&
		    (length > 0 || (*wanted != '.' && *wanted != '-')))
			name[length++] = *wanted;
	if (length == 0)
		length = (size_t)snprintf(name, 72, "service");
	draft_make_unique(import, name, length, is_taken);
	return name;
}

static const char *name_of(struct import *import, const struct draft_route *route, const struct target *target)
{
	struct address address;
	size_t label = strcspn(target->host, ".");
	const char *host = strncmp(target->host, "tasks.", 6) == 0 ? target->host + 6 : target->host;
	bool is_nameless =
		target->host[0] == '[' || address_parse_ip(&address, target->host) || strcmp(target->host, "localhost") == 0;

	if (is_nameless && route->id != NULL)
		return route->id;
	return is_nameless                                   ? "service"
	       : host != target->host || target->is_balanced ? host
	                                                     : LINE("%.*s", (int)label, target->host);
}

static struct draft_upstream *make(struct import *import, struct draft_route *route, struct property *uri,
                                   const struct target *target, const struct policy *policy)
{
	struct draft_upstream *upstream = property_allocate(import->arena, sizeof(*upstream));

	upstream->url = target->url;
	upstream->breaker = policy->breaker;
	upstream->origin = uri;
	if (target->is_guessed)
		upstream->remark =
			LINE("%d is a guess: write the port on which %s's containers listen", PORT_GUESSED, target->host);
	upstream->name = free_name(import, name_of(import, route, target));
	if (import->last_upstream != NULL)
		import->last_upstream->next = upstream;
	else
		import->upstreams = upstream;
	import->last_upstream = upstream;
	return upstream;
}

/* Services outside look at Host, which Spring sets to theirs; here it is the client's unless a route says otherwise. */
static void set_host(struct import *import, struct draft_route *route, struct property *uri,
                     const struct target *target)
{
	struct address address;

	if (route->keeps_host || target->is_balanced || strchr(target->host, '.') == NULL || target->host[0] == '[' ||
	    strncmp(target->host, "tasks.", 6) == 0 || address_parse_ip(&address, target->host) ||
	    draft_has(&route->set[0], "\"Host\""))
		return;
	draft_line(import, &route->set[0], uri, LINE("\"Host\": %s", value_quoted(import->arena, target->authority)));
}

void upstream_find(struct import *import, struct draft_route *route, struct property *uri, const struct policy *policy)
{
	struct draft_upstream *found = NULL;
	struct lines lines = { 0 };
	struct target target;

	if (!read_uri(import, route, uri, &target)) {
		add_settings(import, route, policy, &lines); /* for their verdicts */
		return;
	}
	verdict_exact(import->arena, uri);
	if (target.is_guessed)
		verdict_different(import->arena, uri,
		                  "swarm's DNS knows the replicas of %s as tasks.%s, but not the port: %d is a guess",
		                  target.host, target.host, PORT_GUESSED);
	add_settings(import, route, policy, &lines);
	set_host(import, route, uri, &target);
	for (struct draft_upstream *one = import->upstreams; one != NULL; one = one->next) {
		if (strcmp(one->url, target.url) == 0 && same_text(one->breaker, policy->breaker) &&
		    same_lines(&one->lines, &lines))
			found = one;
		if (policy->breaker != NULL && same_text(one->breaker, policy->breaker) && strcmp(one->url, target.url) != 0)
			verdict_different(import->arena, policy->breaker_at,
			                  "in Spring all services of this name share a breaker; here "
			                  "each upstream has its own");
	}
	if (found == NULL) {
		found = make(import, route, uri, &target, policy);
		found->lines = lines;
	}
	route->upstream = found;
}
