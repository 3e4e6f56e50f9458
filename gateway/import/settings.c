/* The settings besides the routes that have a key here: ports, the client's timeouts, draining, the log's level, tags of
 * metrics. */
#include <inttypes.h>
#include <string.h>

#include "gateway/import/settings.h"
#include "routes/address.h"

static struct property *server(struct import *import, const char *path)
{
	return property_find(import->root, path);
}

/* ---- listening ---------------------------------------------------------------------------------------------- */

/* Of server.address, as it stands before a port; NULL: all of them. */
static const char *own_address(struct import *import)
{
	struct property *from = server(import, "server.address");
	const char *text = draft_text(import, from);
	struct address address;

	if (text == NULL)
		return NULL;
	text = value_trimmed(import->arena, text);
	if (strcmp(text, "localhost") == 0)
		text = "127.0.0.1";
	if (!address_parse_ip(&address, text)) {
		verdict_refused(import->arena, from, "not an IP address: the gateway listens on all of its own");
		return NULL;
	}
	verdict_exact(import->arena, from);
	return address.family == 6 ? LINE("[%s]", text) : text;
}

/* Clients that took the port for an encrypted one would send their passwords in clear text. */
static bool spoke_tls(struct import *import)
{
	struct property *ssl = server(import, "server.ssl"), *enabled = property_find(ssl, "enabled");
	bool is_on = ssl != NULL && !value_is_false(draft_text(import, enabled));

	if (!is_on)
		verdict_below(import->arena, ssl, VERDICT_EXACT, NULL);
	verdict_below(import->arena, property_find(ssl, "client-auth"), VERDICT_REFUSED,
	              "the proxy with TLS in front of the gateway has to ask clients for certificates");
	verdict_below(import->arena, ssl, VERDICT_REFUSED,
	              "TLS belongs to a proxy in front of the gateway: until there is one, the gateway listens on loopback");
	return is_on;
}

static void listen_on(struct import *import)
{
	struct property *port = server(import, "server.port");
	const char *fixed = draft_text(import, port), *text = "8080", *address = own_address(import);
	bool is_open = false, has_lost_tls = spoke_tls(import);
	uint64_t number;

	if (port == NULL)
		draft_remark(import, &import->top, "Spring's port unless server.port says otherwise; in a swarm it is 80 here");
	else if (!value_count(fixed, &number) || number == 0 || number > 65535)
		verdict_refused(import->arena, port, "not a port: 8080 stands in its place");
	else
		text = value_trimmed(import->arena, value_live(&import->values, port->value, &is_open));
	if (port != NULL && port->verdict == VERDICT_NONE) {
		port->warning = NULL; /* the environment is still asked */
		verdict_exact(import->arena, port);
	}
	if (address != NULL && (import->unguarded != NULL || has_lost_tls))
		verdict_different(import->arena, server(import, "server.address"), "until you have decided, it is 127.0.0.1");
	if (import->unguarded != NULL || has_lost_tls)
		address = "127.0.0.1";
	if (has_lost_tls) {
		draft_remark(import, &import->top,
		             "this port spoke TLS in Spring (server.ssl) and speaks clear text here: it is on loopback until you "
		             "put a proxy with TLS in front of it");
		verdict_different(import->arena, port, "it speaks clear text here, on loopback: see server.ssl");
	}
	if (address != NULL)
		text = LINE("%s:%s", address, text);
	draft_line(
		import, &import->top, port,
		LINE("listen: %s", strspn(text, "0123456789") == strlen(text) ? text : value_quoted(import->arena, text)));
}

/* Spring's names for what the admin listener has. */
static void admin_paths(struct import *import)
{
	struct property *base = server(import, "management.endpoints.web.base-path");
	const char *text = draft_text(import, base);

	if (text == NULL)
		return;
	text = value_trimmed(import->arena, text);
	if (strcmp(text, "/actuator") == 0) {
		verdict_exact(import->arena, base);
		return;
	}
	draft_remark(import, &import->top,
	             LINE("admin paths begin with /actuator here, with %s in Spring: change the scraper and the probes", text));
	verdict_refused(import->arena, base, "admin paths begin with /actuator here: change the scraper and the probes");
}

static void admin(struct import *import)
{
	struct property *port = server(import, "management.server.port");
	const char *text = draft_text(import, port);
	uint64_t number;

	if (port == NULL)
		return;
	if (!value_count(text, &number) || number == 0 || number > 65535) {
		verdict_refused(import->arena, port, "not a port");
		return;
	}
	draft_remark(import, &import->top,
	             LINE("0.0.0.0:%" PRIu64 " for clients on other hosts: it shows everything, and changes "
	                  "nothing without a token",
	                  number));
	draft_line(import, &import->top, port, LINE("admin: \"127.0.0.1:%" PRIu64 "\"", number));
	verdict_different(import->arena, port, "on loopback until you say otherwise; Spring's is on all addresses");
}

/* ---- sections of the file ----------------------------------------------------------------------------------- */

static void add_section(struct import *import, const char *name, const struct lines *lines)
{
	if (lines->first == NULL)
		return;
	draft_line(import, &import->top, NULL, LINE("%s:", name));
	for (const struct line *line = lines->first; line != NULL; line = line->next) {
		draft_line(import, &import->top, line->origin, LINE("  %s", line->text));
		import->top.last->is_comment = line->is_comment;
	}
}

static void limits(struct import *import)
{
	static const char *const HEADS[] = { "server.max-http-request-header-size", "server.max-http-header-size",
		                                 "server.netty.max-initial-line-length" };
	struct property *head = server(import, HEADS[0]), *idle = server(import, "server.netty.idle-timeout");
	struct lines lines = { 0 };
	uint64_t bytes;

	if (head == NULL)
		head = server(import, HEADS[1]);
	if (head != NULL && value_size(draft_text(import, head), &bytes) && bytes >= 1024 && bytes <= 1 << 20) {
		draft_line(import, &lines, head, LINE("request_head: %s", value_bytes(import->arena, bytes)));
		verdict_exact(import->arena, head);
	} else {
		verdict_below(import->arena, head, VERDICT_REFUSED, "request_head takes 1KiB to 1MiB");
	}
	if (idle != NULL)
		draft_limit(import, &lines, SCOPE_LIMITS, "idle_timeout", idle);
	add_section(import, "limits", &lines);
}

static void drain(struct import *import)
{
	struct property *how = server(import, "server.shutdown"), *phase = server(import, "spring.lifecycle.timeout-per-"
	                                                                                  "shutdown-phase");
	const char *text = draft_text(import, how);
	struct lines lines = { 0 };

	if (text != NULL && property_is_named(text, "graceful"))
		verdict_exact(import->arena, how);
	else
		verdict_different(import->arena, how, "requests under way are always waited for: drain");
	if (phase != NULL && draft_duration(import, &lines, SCOPE_DRAIN, "timeout", phase))
		verdict_different(import->arena, phase, "with drain.delay it should stay below stop_grace_period (swarm: 10s)");
	add_section(import, "drain", &lines);
}

static void tags(struct import *import)
{
	struct property *from = server(import, "management.metrics.tags"), *newer = server(import, "management."
	                                                                                           "observations.key-"
	                                                                                           "values");
	struct lines lines = { 0 };

	from = from != NULL ? from : newer;
	for (struct property *tag = from != NULL ? from->first : NULL; tag != NULL; tag = tag->next) {
		const char *text = draft_text(import, tag);

		if (text == NULL)
			continue;
		draft_line(import, &lines, tag,
		           LINE("    %s: %s", value_plain(import->arena, tag->name), value_quoted(import->arena, text)));
		verdict_exact(import->arena, tag);
	}
	if (lines.first == NULL)
		return;
	draft_line(import, &import->top, NULL, "metrics:");
	draft_line(import, &import->top, NULL, "  tags:");
	import->top.last->next = lines.first;
	import->top.last = lines.last;
}

static void log_level(struct import *import)
{
	static const char *const LEVELS[][2] = { { "TRACE", "debug" }, { "DEBUG", "debug" }, { "INFO", "info" },
		                                     { "WARN", "warn" },   { "ERROR", "error" }, { "OFF", "error" } };
	struct property *level = server(import, "logging.level.root");
	const char *text = draft_text(import, level);

	for (size_t i = 0; text != NULL && i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++)
		if (property_is_named(text, LEVELS[i][0])) {
			draft_line(import, &import->top, level, LINE("log_level: %s", LEVELS[i][1]));
			verdict_exact(import->arena, level);
			if (i == 0 || i == 5)
				verdict_different(import->arena, level, "%s is as far as it goes", LEVELS[i][1]);
		}
}

/* ---- the client to the services ----------------------------------------------------------------------------- */

static void client(struct import *import)
{
	struct property *connect = draft_gateway(import, "httpclient.connect-timeout");
	struct property *response = draft_gateway(import, "httpclient.response-timeout");
	struct property *idle = draft_gateway(import, "httpclient.pool.max-idle-time");
	struct property *age = draft_gateway(import, "httpclient.pool.max-life-time");
	struct lines *to = &import->defaults, timeouts = { 0 }, pool = { 0 };
	int64_t ms;

	if (connect != NULL)
		draft_limit(import, &timeouts, SCOPE_TIMEOUTS, "connect", connect);
	if (response != NULL && value_duration(draft_text(import, response), 1, &ms) && ms > 0) {
		draft_ms(import, &timeouts, SCOPE_TIMEOUTS, "response", response, ms);
	} else {
		draft_remark(import, &timeouts,
		             "Spring waits for a response without a limit: a little above the slowest good one is right");
		draft_line(import, &timeouts, response, "response: 60s");
		verdict_different(import->arena, response, "there is always a limit: 60s stands in its place");
	}
	draft_line(import, to, NULL, "timeouts:");
	for (struct line *line = timeouts.first; line != NULL; line = line->next)
		line->text = LINE("  %s", line->text);
	to->last->next = timeouts.first;
	to->last = timeouts.last;
	if (idle != NULL)
		draft_duration(import, &pool, SCOPE_POOL, "idle_timeout", idle);
	if (age != NULL)
		draft_duration(import, &pool, SCOPE_POOL, "max_age", age);
	if (pool.first == NULL)
		return;
	draft_line(import, to, NULL, "pool:");
	for (struct line *line = pool.first; line != NULL; line = line->next)
		line->text = LINE("  %s", line->text);
	to->last->next = pool.first;
	to->last = pool.last;
}

static void locator(struct import *import)
{
	struct property *from = draft_gateway(import, "discovery.locator");
	bool is_on = value_is_true(draft_text(import, property_find(from, "enabled")));

	if (from == NULL)
		return;
	verdict_below(import->arena, from, is_on ? VERDICT_REFUSED : VERDICT_EXACT,
	              is_on ? "a registry knows the services there; here each has a route of its own" : NULL);
	if (is_on)
		draft_remark(import, &import->top,
		             "discovery.locator made a route for each service of the registry; write one for each: "
		             "path: /patient, upstream: patient, rewrite: { strip_prefix: /patient }");
}

/* A service that looks at Host sees another one than before. */
static void host(struct import *import)
{
	for (const struct draft_route *route = import->routes; route != NULL; route = route->next)
		if (route->why_refused == NULL && !route->keeps_host && !draft_has(&route->set[0], "\"Host\"")) {
			draft_remark(import, &import->top,
			             "services get the client's Host; in Spring, without PreserveHostHeader, they get their own "
			             "(request_headers: { set: { Host: ... } })");
			return;
		}
}

void settings_read(struct import *import)
{
	host(import);
	listen_on(import);
	admin_paths(import);
	admin(import);
	log_level(import);
	tags(import);
	limits(import);
	drain(import);
	client(import);
	locator(import);
}
