/*
 * Lines that no other file of this folder has read. A name that is nearly one of Spring's is a mistake that Spring ignores in
 * silence; a known name without a counterpart gets its reason; the rest of an application's file does not concern the
 * gateway. Then lists that lack an item, which Spring refuses.
 */
#include <string.h>

#include "gateway/import/leftovers.h"
#include "routes/config/complaints.h"

static const char no_spans[] = "trace context passes, but the gateway reports no spans",
				  on_command_line[] = "the importer does not read the files that it names: give them on the command line",
				  always_there[] = "the admin listener always has health, metrics, breakers and routes";

static const struct {
	const char *path; /* of the line or of a section above it; "~" = the section of either prefix */
	enum verdict verdict;
	const char *why;
} KNOWN[] = {
	{ "~.enabled", VERDICT_DIFFERENT, "it always routes" },
	{ "~.httpclient.ssl", VERDICT_REFUSED, "the gateway speaks no TLS to upstreams" },
	{ "~.httpclient.proxy", VERDICT_REFUSED, "upstreams are reached without a proxy" },
	{ "~.httpclient.pool", VERDICT_REFUSED, "pool.max_idle bounds idle connections, bulkhead.max_in_flight requests" },
	{ "~.httpclient.websocket", VERDICT_DIFFERENT, "tunnels pass as they are, frames of any size" },
	{ "~.httpclient.compression", VERDICT_REFUSED, "bodies pass as they are" },
	{ "~.httpclient.wiretap", VERDICT_REFUSED, "the access log and log_level: debug tell, but not the bytes" },
	{ "~.httpserver.wiretap", VERDICT_REFUSED, "the access log and log_level: debug tell, but not the bytes" },
	{ "~.x-forwarded", VERDICT_DIFFERENT, "X-Forwarded-* are always set, and continued for trusted_proxies" },
	{ "~.forwarded", VERDICT_DIFFERENT, "Forwarded is always set, and continued for trusted_proxies" },
	{ "~.trusted-proxies", VERDICT_REFUSED, "trusted_proxies takes networks, as in [10.0.0.0/8], not an expression" },
	{ "~.loadbalancer", VERDICT_DIFFERENT, "without a replica the answer is the fallback" },
	{ "~.metrics", VERDICT_EXACT, NULL },
	{ "~.observability", VERDICT_DIFFERENT, "trace context passes, but the gateway reports no spans" },
	{ "~.streaming-media-types", VERDICT_EXACT, NULL },
	{ "~.fail-on-route-definition-error", VERDICT_EXACT, NULL },
	{ "~.redis-rate-limiter", VERDICT_REFUSED, "write rate_limit into the routes, or into route_defaults" },
	{ "~.filter.remove-hop-by-hop", VERDICT_DIFFERENT, "fields of one connection are always removed" },
	{ "~.filter.secure-headers", VERDICT_REFUSED, "edit response_headers of the routes instead" },
	{ "~.default-filters", VERDICT_REFUSED, "no route asked for it" },
	{ "~.globalcors", VERDICT_REFUSED, "no counterpart in cors" },
	{ "~.routes", VERDICT_REFUSED, "no counterpart" },
	{ "~", VERDICT_REFUSED, "no counterpart" },
	{ "resilience4j.circuitbreaker", VERDICT_REFUSED, "no CircuitBreaker filter asks for it" },
	{ "resilience4j.timelimiter", VERDICT_REFUSED, "no CircuitBreaker filter asks for it" },
	{ "resilience4j.bulkhead", VERDICT_REFUSED, "no CircuitBreaker filter asks for it" },
	{ "resilience4j.thread-pool-bulkhead", VERDICT_REFUSED, "there are no pools of threads: bulkhead.max_in_flight" },
	{ "resilience4j.retry", VERDICT_REFUSED, "the gateway of Spring never used it: see the Retry filter" },
	{ "resilience4j.ratelimiter", VERDICT_REFUSED, "the gateway of Spring never used it" },
	{ "hystrix.command", VERDICT_REFUSED, "no Hystrix filter asks for it" },
	{ "hystrix.threadpool", VERDICT_REFUSED, "there are no pools of threads: bulkhead.max_in_flight" },
	{ "hystrix", VERDICT_REFUSED, "no counterpart" },
	{ "ribbon", VERDICT_REFUSED, "timeouts and balance of the upstream say that" },
	{ "spring.config.import", VERDICT_REFUSED, on_command_line },
	{ "spring.config.location", VERDICT_REFUSED, on_command_line },
	{ "spring.config", VERDICT_EXACT, NULL },
	{ "spring.profiles", VERDICT_EXACT, NULL },
	{ "spring.application", VERDICT_DIFFERENT, "metrics.tags: { application: NAME } puts it on every series" },
	{ "spring.main", VERDICT_EXACT, NULL },
	{ "spring.webflux.base-path", VERDICT_REFUSED, "put it in front of each route's path" },
	{ "spring.security.oauth2.resourceserver.jwt", VERDICT_REFUSED, "no counterpart in auth.jwt" },
	{ "spring.security.user", VERDICT_REFUSED,
	  "auth.basic checks names and passwords, from a file of htpasswd: until you have decided, the gateway listens on loopback" },
	{ "spring.security", VERDICT_REFUSED,
	  "auth.basic, auth.jwt or auth.forward can check clients: until you have decided, the gateway listens on loopback" },
	{ "spring.cloud.circuitbreaker", VERDICT_REFUSED, "no counterpart" },
	{ "spring.cloud", VERDICT_REFUSED, "swarm's DNS is the registry, gateway.yml the configuration" },
	{ "eureka", VERDICT_REFUSED, "swarm's DNS is the registry" },
	{ "spring.redis", VERDICT_REFUSED, "only rate_limit.store asks Redis, by its host, port and password" },
	{ "spring.data.redis", VERDICT_REFUSED, "only rate_limit.store asks Redis, by its host, port and password" },
	{ "server.http2", VERDICT_REFUSED, "HTTP/2 belongs to a proxy in front of the gateway" },
	{ "server.forward-headers-strategy", VERDICT_DIFFERENT, "trusted_proxies says whose X-Forwarded-* are believed" },
	{ "server.compression", VERDICT_REFUSED, "bodies pass as they are" },
	{ "server", VERDICT_REFUSED, "no counterpart" },
	{ "management.tracing", VERDICT_REFUSED, no_spans },
	{ "management.zipkin", VERDICT_REFUSED, no_spans },
	{ "management.otlp.tracing", VERDICT_REFUSED, no_spans },
	{ "management.opentelemetry", VERDICT_REFUSED, no_spans },
	{ "spring.sleuth", VERDICT_REFUSED, no_spans },
	{ "spring.zipkin", VERDICT_REFUSED, no_spans },
	{ "management.endpoints.web.path-mapping", VERDICT_REFUSED, "the paths below /actuator have fixed names" },
	{ "management.endpoints.web.cors", VERDICT_REFUSED, "the admin listener answers no other origin's pages" },
	{ "management.endpoints.jmx", VERDICT_REFUSED, "there is no JMX here" },
	{ "management.endpoints", VERDICT_DIFFERENT, always_there },
	{ "management.endpoint", VERDICT_DIFFERENT, always_there },
	{ "management.health", VERDICT_DIFFERENT, always_there },
	{ "management.prometheus", VERDICT_DIFFERENT, "/actuator/prometheus always has the metrics" },
	{ "management.metrics.export.prometheus", VERDICT_DIFFERENT, "/actuator/prometheus always has the metrics" },
	{ "management.server.ssl", VERDICT_REFUSED, "TLS belongs to a proxy in front of the admin listener" },
	{ "management.server.address", VERDICT_REFUSED, "admin listens on loopback until you write another address there" },
	{ "management", VERDICT_REFUSED, "no counterpart" },
	{ "logging", VERDICT_REFUSED, "log_level holds for all of the gateway" },
};

/* Names that are often meant, by the section that they belong to. */
static const struct {
	const char *section, *names;
} NAMES[] = {
	{ "spring", "cloud" },
	{ "spring.cloud", "gateway circuitbreaker" },
	{ "spring.cloud.gateway", "server.webflux routes default-filters globalcors httpclient discovery metrics enabled "
	                          "x-forwarded "
	                          "forwarded loadbalancer filter" },
	{ "spring.cloud.gateway.server", "webflux webmvc" },
	{ "spring.cloud.gateway.server.webflux", "routes default-filters globalcors httpclient discovery metrics enabled "
	                                         "x-forwarded "
	                                         "forwarded loadbalancer filter" },
	{ "resilience4j", "circuitbreaker timelimiter bulkhead thread-pool-bulkhead retry ratelimiter" },
	{ "resilience4j.circuitbreaker", "instances configs" },
	{ "resilience4j.timelimiter", "instances configs" },
};

static bool is_within(const char *path, const char *section, const char **left)
{
	const char *at = path;

	while (*section != '\0') {
		size_t length = strcspn(section, "."), own = strcspn(at, ".[");
		char name[96], wanted[96];

		if (own >= sizeof name || length >= sizeof wanted)
			return false;
		memcpy(name, at, own);
		name[own] = '\0';
		memcpy(wanted, section, length);
		wanted[length] = '\0';
		if (!property_is_named(name, wanted))
			return false;
		section += length + (section[length] == '.');
		at += own;
		if (*section != '\0' && *at != '.')
			return false;
		at += *at == '.';
	}
	*left = at;
	return true;
}

/* Is the next step after a section nearly one of its names? NULL: no, or it is one. */
static const char *meant(struct import *import, const char *path)
{
	const char *left, *found = NULL;

	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		struct suggestion suggestion;
		const char *step;
		bool is_name = false;

		if (!is_within(path, NAMES[i].section, &left) || *left == '\0' || *left == '[')
			continue;
		step = property_copy(import->arena, left, strcspn(left, ".["));
		suggestion = suggestion_begin(step);
		for (const char *at = NAMES[i].names; *at != '\0'; at += strspn(at, " ")) {
			const char *name = property_copy(import->arena, at, strcspn(at, " "));

			is_name = is_name || property_is_named(step, name) || strcmp(step, "server") == 0;
			suggestion_offer(&suggestion, name);
			at += strlen(name);
		}
		if (strcmp(step, "webflux") == 0 && strcmp(NAMES[i].section, "spring.cloud.gateway") == 0)
			suggestion.best = "server.webflux";
		if (!is_name && suggestion.best != NULL)
			found = LINE("%s.%s", NAMES[i].section, suggestion.best);
	}
	return found;
}

static void judge(struct import *import, struct property *property)
{
	static const char *const PREFIXES[] = { "spring.cloud.gateway", "spring.cloud.gateway.server.webflux",
		                                    "spring.cloud.gateway.server.webmvc", "spring.cloud.gateway.mvc" };
	const char *path = property_path(import->arena, property), *left, *guess = meant(import, path);

	if (guess != NULL) {
		verdict_refused(import->arena, property, "did you mean %s? Spring passes over this name", guess);
		return;
	}
	for (size_t i = 0; i < sizeof(KNOWN) / sizeof(KNOWN[0]); i++) {
		bool is_here = is_within(path, KNOWN[i].path, &left);

		for (size_t j = 0; KNOWN[i].path[0] == '~' && !is_here && j < sizeof(PREFIXES) / sizeof(PREFIXES[0]); j++)
			is_here = is_within(path, LINE("%s%s", PREFIXES[j], KNOWN[i].path + 1), &left);
		if (is_here) {
			verdict_below(import->arena, property, KNOWN[i].verdict, KNOWN[i].why);
			return;
		}
	}
	verdict_refused(import->arena, property, "not the gateway's: nothing here reads it");
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void visit(struct import *import, struct property *property)
{
	if (property->value != NULL && property->verdict == VERDICT_NONE)
		judge(import, property);
	for (struct property *child = property->first; child != NULL; child = child->next)
		visit(import, child);
}

/* The importer takes the items behind a gap; Spring's binder finds them left over and does not start. Elsewhere numbers may be the
 * keys of a map.
 * NOLINTNEXTLINE(misc-no-recursion) */
static void judge_gaps(struct import *import, struct property *property)
{
	unsigned long long next = 0;

	for (struct property *child = property->first; child != NULL; child = child->next) {
		if (child->is_item && child->index > next)
			verdict_different(import->arena, child, "Spring refuses the list, which has no [%llu]", next);
		if (child->is_item)
			next = child->index + 1;
		judge_gaps(import, child);
	}
}

void leftovers_judge(struct import *import)
{
	visit(import, import->root);
	if (import->gateway != NULL)
		judge_gaps(import, import->gateway);
	if (import->old_gateway != NULL)
		judge_gaps(import, import->old_gateway);
}
