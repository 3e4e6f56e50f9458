/*
 * Every key of gateway.yml: its name, what kind of value it takes, where that is kept, default, least, most, and one line
 * of help. Everything that needs the keys expands this table: the reader, --print-config, the "did you mean", the unit test
 * that compares gateway.yml with it. A key that is not here is unknown to the gateway.
 *
 *     KEY(scope, name, kind, field, words, default, least, most, help)
 *     GROUP(scope, name, kind, child scope, field, help)
 *
 * `field` is where the value is kept: FIELD(struct, member), or NO_FIELD where the kind's own function knows. `words`
 * are the names of a CHOICE, in the order of its enum. An empty default means there is none. `least` and `most`
 * are in the unit of the field: milliseconds, bytes, basis points, pieces.
 */
#ifndef ROUTES_CONFIG_KEYS_H
#define ROUTES_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_scope {
	SCOPE_ROOT,
	SCOPE_ADMIN,
	SCOPE_ACCESS_LOG,
	SCOPE_METRICS,
	SCOPE_CLUSTER,
	SCOPE_DNS,
	SCOPE_LIMITS,
	SCOPE_DRAIN,
	SCOPE_DEFAULTS, /* the keys of SCOPE_UPSTREAM but for `url` */
	SCOPE_UPSTREAMS, /* names, not keys */
	SCOPE_UPSTREAM,
	SCOPE_TIMEOUTS,
	SCOPE_BREAKER,
	SCOPE_EJECTION,
	SCOPE_BULKHEAD,
	SCOPE_RETRY,
	SCOPE_POOL,
	SCOPE_HEALTH_CHECK,
	SCOPE_ROUTE_DEFAULTS, /* the keys of SCOPE_ROUTE below `rewrite` */
	SCOPE_ROUTES, /* a list of SCOPE_ROUTE */
	SCOPE_ROUTE,
	SCOPE_REWRITE,
	SCOPE_HEADERS,
	SCOPE_RATE_LIMIT,
	SCOPE_AUTH,
	SCOPE_JWT,
	SCOPE_BASIC,
	SCOPE_FORWARD,
	SCOPE_CORS,
	SCOPE_FALLBACK,
	SCOPE_NONE,
};

enum key_kind {
	KIND_COUNT,           /* 5 */
	KIND_COUNT_OR_AUTO,   /* auto is 0 */
	KIND_COUNT_OR_NONE,   /* none is 0 */
	KIND_DURATION,        /* 250ms */
	KIND_DURATION_OR_OFF, /* off is 0 */
	KIND_SIZE,            /* 16KiB */
	KIND_SIZE_OR_AUTO,    /* auto is 0 */
	KIND_SIZE_OR_NONE,    /* none is UINT64_MAX */
	KIND_PERCENT,         /* 50%, 12.5%; the field is in basis points, hundredths of a percent */
	KIND_CHOICE,
	KIND_STATUSES, /* a list, kept as bits */
	KIND_TEXT,
	KIND_SECTION,
	KIND_SWITCH, /* a section, `on` or `off`; the field is the bool */
	KIND_OPTION, /* the same, but off unless it is written */
	KIND_ACCESS_LOG, /* a section, or its key `to` */
	KIND_ADMIN,      /* a section, or its key `listen` */
	KIND_LISTEN,
	KIND_ADMIN_LISTEN,
	KIND_TOKEN_FILE,
	KIND_LOG_TARGET,
	KIND_LOG_WHEN, /* all is 0, failures CONFIG_WHEN_FAILURES, else a duration */
	KIND_DNS_SERVERS,
	KIND_PREFIXES,
	KIND_TAGS,
	KIND_PEERS,
	KIND_LATER, /* read when the rest of the file has been */
	KIND_URL,
	KIND_WINDOW,
	KIND_PATH,
	KIND_STRIP_PREFIX,
	KIND_RAW_TEXT, /* the environment is not put in */
	KIND_PATHS,
	KIND_ROUTE_NAME,
	KIND_HOST,
	KIND_METHODS,
	KIND_UPSTREAM_NAME,
	KIND_UPSTREAM_OR_OFF,
	KIND_RATE,      /* 10/s */
	KIND_LIMIT_KEY, /* client, route, header:NAME, jwt:CLAIM */
	KIND_STORE,
	KIND_HTPASSWD,
	KIND_REALM,
	KIND_HEADERS,
	KIND_HEADER_VALUES,
	KIND_HEADER_NAMES,
	KIND_JWT, /* a section, or off */
	KIND_AUDIENCES,
	KIND_JWKS,
	KIND_ALGORITHMS,
	KIND_CLAIMS,
	KIND_FIELD_NAMES, /* a list of struct texts */
	KIND_CORS,        /* a section, or off */
	KIND_ORIGINS,     /* the next two, too, are a struct texts */
	KIND_CORS_METHODS,
	KIND_ORIGIN_PATTERNS,
	KIND_FALLBACK,
	KIND_REDIRECT,
	KINDS,
};

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define CONFIG_KEYS(KEY, GROUP) \
	KEY(ROOT, "listen", LISTEN, NO_FIELD, "", "80", 0, 0, "where clients connect: a port, address:port, [v6]:port or a list") \
	GROUP(ROOT, "admin", ADMIN, ADMIN, NO_FIELD, "the listener for health, metrics and breakers") \
	KEY(ADMIN, "listen", ADMIN_LISTEN, NO_FIELD, "", "127.0.0.1:8081", 0, 0, \
	    "port, address:port or [v6]:port of the admin listener; off: none") \
	KEY(ADMIN, "token_file", TOKEN_FILE, NO_FIELD, "", "off", 0, 0, \
	    "file with the token that changes need; off: they need a listener on loopback") \
	KEY(ROOT, "workers", COUNT_OR_AUTO, FIELD(config, workers), "", "auto", 1, 256, \
	    "threads that proxy; auto: as many as the container may use CPUs") \
	GROUP(ROOT, "access_log", ACCESS_LOG, ACCESS_LOG, NO_FIELD, "the log with a line for each request") \
	KEY(ACCESS_LOG, "to", LOG_TARGET, NO_FIELD, "", "stdout", 0, 0, "where the access log goes: off, stdout or a file") \
	KEY(ACCESS_LOG, "format", CHOICE, FIELD(config, access_log_format), "json|combined", "json", 0, 0, \
	    "form of the access log's lines; combined is that of web servers") \
	KEY(ACCESS_LOG, "when", LOG_WHEN, FIELD(config, access_log_when_ms), "", "all", 1, HOUR, \
	    "requests in the log: all, failures, or a duration: failures and slower ones") \
	KEY(ROOT, "log_level", CHOICE, FIELD(config, log_level), "error|warn|info|debug", "info", 0, 0, \
	    "least severe level of the diagnostics on stderr; debug: today the same as info") \
	KEY(ROOT, "sandbox", CHOICE, FIELD(config, sandbox), "off|on", "on", 0, 0, \
	    "whether the process gives up all privileges that serving does not need") \
	GROUP(ROOT, "metrics", SECTION, METRICS, NO_FIELD, "names and labels of the metrics") \
	KEY(METRICS, "names", CHOICE, FIELD(config, metrics_names), "boot3|boot2", "boot3", 0, 0, \
	    "which Spring Boot's names and labels the metrics have: 3 or 2") \
	KEY(METRICS, "tags", TAGS, NO_FIELD, "", "", 0, 0, "labels that every series gets, as in { application: gateway }") \
	GROUP(ROOT, "cluster", SECTION, CLUSTER, NO_FIELD, "the gateways that show one page and share overrides of breakers") \
	KEY(CLUSTER, "peers", PEERS, NO_FIELD, "", "off", 0, 0, \
	    "off, or name:port of the gateways' admin listeners, as in tasks.gateway:8081") \
	KEY(CLUSTER, "refresh", DURATION, FIELD(config, peers.refresh_ms), "", "1s", 250, MINUTE, "how often it asks each peer") \
	GROUP(ROOT, "dns", SECTION, DNS, NO_FIELD, "how the gateway finds the replicas behind a name") \
	KEY(DNS, "servers", DNS_SERVERS, NO_FIELD, "", "[]", 0, 0, "DNS servers as address[:port]; []: those of /etc/resolv.conf") \
	KEY(DNS, "refresh", DURATION, FIELD(config, dns_refresh_ms), "", "1s", 100, HOUR, "how often the gateway looks a name up") \
	KEY(DNS, "timeout", DURATION, FIELD(config, dns_timeout_ms), "", "500ms", 10, MINUTE, \
	    "how long the gateway waits for an answer from a DNS server") \
	KEY(DNS, "tries", COUNT, FIELD(config, dns_tries), "", "2", 1, 10, \
	    "failed lookups in a row after which the gateway asks less often") \
	KEY(DNS, "grace", DURATION, FIELD(config, dns_grace_ms), "", "10s", 0, HOUR, \
	    "how long replicas that respond stay in use after DNS denies their name") \
	KEY(DNS, "verify_service", CHOICE, FIELD(config, dns_verify_service), "off|on", "on", 0, 0, \
	    "on: addresses of tasks.NAME that belong to another service get no requests") \
	GROUP(ROOT, "limits", SECTION, LIMITS, NO_FIELD, "how much clients may use") \
	KEY(LIMITS, "connections", COUNT_OR_AUTO, FIELD(config, limits.connections), "", "auto", 1, 10000000, \
	    "client connections at once; auto: as descriptors and memory allow") \
	KEY(LIMITS, "connections_per_client", COUNT_OR_NONE, FIELD(config, limits.connections_per_client), "", "none", 1, 10000000, \
	    "connections of one IPv4 address or IPv6 /64, except for trusted_proxies") \
	KEY(LIMITS, "memory", SIZE_OR_AUTO, FIELD(config, limits.memory_bytes), "", "auto", MIB, 1024 * GIB, \
	    "bytes kept for all peers; auto: half of the container's memory, at most 256MiB") \
	KEY(LIMITS, "request_head", SIZE, FIELD(config, limits.request_head_bytes), "", "16KiB", KIB, MIB, \
	    "largest request head: request line and header fields") \
	KEY(LIMITS, "request_fields", COUNT, FIELD(config, limits.request_fields), "", "100", 1, 1000, \
	    "largest number of header fields in a request") \
	KEY(LIMITS, "request_body", SIZE_OR_NONE, FIELD(config, limits.request_body_bytes), "", "none", 0, 1024 * GIB, \
	    "largest request body; a route may have a limit of its own") \
	KEY(LIMITS, "head_timeout", DURATION, FIELD(config, limits.head_timeout_ms), "", "10s", 1, HOUR, \
	    "time for a whole request head, from its first byte") \
	KEY(LIMITS, "body_timeout", DURATION, FIELD(config, limits.body_timeout_ms), "", "30s", 1, HOUR, \
	    "longest pause between two pieces of a request body") \
	KEY(LIMITS, "idle_timeout", DURATION, FIELD(config, limits.idle_timeout_ms), "", "60s", 1, 24 * HOUR, \
	    "how long a client's connection stays open without a request") \
	KEY(LIMITS, "write_timeout", DURATION, FIELD(config, limits.write_timeout_ms), "", "30s", 1, HOUR, \
	    "how long a client may read nothing of its response") \
	GROUP(ROOT, "drain", SECTION, DRAIN, NO_FIELD, "how the gateway stops after SIGTERM") \
	KEY(DRAIN, "delay", DURATION, FIELD(config, drain_delay_ms), "", "2s", 0, HOUR, \
	    "how long /readyz fails while a stopping gateway still accepts connections") \
	KEY(DRAIN, "timeout", DURATION, FIELD(config, drain_timeout_ms), "", "7s", 0, HOUR, \
	    "how long a gateway that no longer accepts waits for requests in flight") \
	KEY(ROOT, "trusted_proxies", PREFIXES, NO_FIELD, "", "[]", 0, 0, \
	    "proxies whose X-Forwarded fields the gateway believes, as in [10.0.0.0/8]") \
	GROUP(ROOT, "defaults", LATER, DEFAULTS, NO_FIELD, "what every upstream inherits: any key of an upstream but url") \
	GROUP(ROOT, "upstreams", LATER, UPSTREAMS, NO_FIELD, "the services, by names of your choice") \
	KEY(UPSTREAM, "url", URL, NO_FIELD, "", "", 0, 0, \
	    "http://host:port, by default port 80; the host tasks.NAME: swarm's replicas") \
	KEY(UPSTREAM, "balance", CHOICE, FIELD(upstream_settings, balance), "least_request|round_robin", "least_request", 0, 0, \
	    "how the gateway chooses a replica for each request") \
	GROUP(UPSTREAM, "timeouts", SECTION, TIMEOUTS, NO_FIELD, "how long an upstream may take") \
	KEY(TIMEOUTS, "connect", DURATION, FIELD(upstream_settings, connect_timeout_ms), "", "1s", 1, 10 * MINUTE, \
	    "time to connect to a replica") \
	KEY(TIMEOUTS, "response", DURATION, FIELD(upstream_settings, response_timeout_ms), "", "5s", 1, 24 * HOUR, \
	    "time from the sent request to the response's head") \
	KEY(TIMEOUTS, "total", DURATION, FIELD(upstream_settings, total_timeout_ms), "", "15s", 1, 24 * HOUR, \
	    "time from the whole request to the response's head, over all waits and tries") \
	KEY(TIMEOUTS, "idle", DURATION, FIELD(upstream_settings, idle_timeout_ms), "", "60s", 1, 24 * HOUR, \
	    "longest pause between two pieces of a response body or a tunnel") \
	GROUP(UPSTREAM, "breaker", SWITCH, BREAKER, FIELD(upstream_settings, breaker.enabled), "the circuit breaker of the upstream") \
	KEY(BREAKER, "window", WINDOW, NO_FIELD, "", "10s", 0, 0, \
	    "time (10s) or number of calls (100 calls) on which the breaker decides") \
	KEY(BREAKER, "minimum_calls", COUNT, FIELD(upstream_settings, breaker.minimum_calls), "", "20", 1, 1000000, \
	    "with fewer calls in the window the breaker stays closed") \
	KEY(BREAKER, "failure_rate", PERCENT, FIELD(upstream_settings, breaker.failure_rate_bp), "", "50%", 1, 10000, \
	    "share of failed calls at which the breaker opens") \
	KEY(BREAKER, "slow_call", DURATION_OR_OFF, FIELD(upstream_settings, breaker.slow_call_ms), "", "off", 1, HOUR, \
	    "time to the response's head above which a call counts as slow") \
	KEY(BREAKER, "slow_rate", PERCENT, FIELD(upstream_settings, breaker.slow_rate_bp), "", "80%", 1, 10000, \
	    "share of slow calls at which the breaker opens") \
	KEY(BREAKER, "failure_statuses", STATUSES, FIELD(upstream_settings, failure_statuses), "", "[500, 502, 503, 504]", 300, 599, \
	    "statuses of answers that count as failures, from 300 to 599") \
	KEY(BREAKER, "open_for", DURATION, FIELD(upstream_settings, breaker.open_for_ms), "", "5s", 10, HOUR, \
	    "how long the breaker stays open at first; each re-opening doubles it") \
	KEY(BREAKER, "open_for_max", DURATION, FIELD(upstream_settings, breaker.open_for_max_ms), "", "60s", 10, 24 * HOUR, \
	    "longest time in open; the gateway varies each by up to 20% at random") \
	KEY(BREAKER, "half_open_calls", COUNT, FIELD(upstream_settings, breaker.half_open_calls), "", "5", 1, 100, \
	    "calls that a half-open breaker lets through to test the upstream") \
	KEY(BREAKER, "half_open_timeout", DURATION, FIELD(upstream_settings, breaker.half_open_timeout_ms), "", "30s", 100, \
	    30 * MINUTE, "how long a half-open breaker waits for a call before the others decide") \
	KEY(BREAKER, "mode", CHOICE, FIELD(upstream_settings, breaker.observe), "enforce|observe", "enforce", 0, 0, \
	    "observe: the breaker counts and reports, but never rejects") \
	GROUP(UPSTREAM, "ejection", SWITCH, EJECTION, FIELD(upstream_settings, ejection.enabled), \
	    "how the gateway takes a failing replica out of use for a while") \
	KEY(EJECTION, "consecutive_failures", COUNT, FIELD(upstream_settings, ejection.consecutive_failures), "", "5", 1, 1000000, \
	    "failures in a row after which the gateway ejects a replica") \
	KEY(EJECTION, "for", DURATION, FIELD(upstream_settings, ejection.for_ms), "", "10s", 10, HOUR, \
	    "how long a first ejection lasts; the second lasts twice as long, and so on") \
	KEY(EJECTION, "for_max", DURATION, FIELD(upstream_settings, ejection.for_max_ms), "", "300s", 10, 24 * HOUR, \
	    "longest ejection") \
	KEY(EJECTION, "max_share", PERCENT, FIELD(upstream_settings, ejection.max_share_bp), "", "50%", 0, 10000, \
	    "share of an upstream's replicas that may be ejected at once") \
	GROUP(UPSTREAM, "bulkhead", SECTION, BULKHEAD, NO_FIELD, "limits of requests in flight, exact over all workers") \
	KEY(BULKHEAD, "max_in_flight", COUNT, FIELD(upstream_settings, bulkhead_max_in_flight), "", "1024", 1, 1000000, \
	    "requests in flight to the upstream") \
	KEY(BULKHEAD, "max_waiting", COUNT, FIELD(upstream_settings, bulkhead_max_waiting), "", "256", 0, 1000000, \
	    "requests that may wait for a place in flight") \
	KEY(BULKHEAD, "max_wait", DURATION, FIELD(upstream_settings, bulkhead_max_wait_ms), "", "1s", 1, HOUR, \
	    "how long a request may wait for a place") \
	KEY(BULKHEAD, "max_streams", COUNT_OR_NONE, FIELD(upstream_settings, bulkhead_max_streams), "", "none", 1, 1000000, \
	    "tunnels and event streams; they are not in flight after their head") \
	GROUP(UPSTREAM, "retry", SECTION, RETRY, NO_FIELD, "further tries of a request") \
	KEY(RETRY, "attempts", COUNT, FIELD(upstream_settings, retry_attempts), "", "1", 0, 7, "how often it may repeat a request") \
	KEY(RETRY, "budget", PERCENT, FIELD(upstream_settings, retry_budget_bp), "", "20%", 0, 10000, \
	    "share of the requests of the last 10 s that may be retries") \
	GROUP(UPSTREAM, "pool", SECTION, POOL, NO_FIELD, "idle connections to the upstream") \
	KEY(POOL, "max_idle", COUNT, FIELD(upstream_settings, pool_max_idle), "", "64", 0, 100000, \
	    "idle connections that each worker keeps to a replica") \
	KEY(POOL, "idle_timeout", DURATION, FIELD(upstream_settings, pool_idle_timeout_ms), "", "50s", 1, 24 * HOUR, \
	    "how long a connection to the upstream may be idle") \
	KEY(POOL, "max_age", DURATION, FIELD(upstream_settings, pool_max_age_ms), "", "5m", 1, 24 * HOUR, \
	    "how old a connection to the upstream may become") \
	KEY(UPSTREAM, "slow_start", DURATION_OR_OFF, FIELD(upstream_settings, slow_start_ms), "", "10s", 1, HOUR, \
	    "how long the share of a new replica grows") \
	GROUP(UPSTREAM, "health_check", OPTION, HEALTH_CHECK, FIELD(upstream_settings, health.enabled), \
	    "regular health checks of each replica") \
	KEY(HEALTH_CHECK, "path", PATH, FIELD(upstream_settings, health_path), "", "/actuator/health", 0, 0, \
	    "path that the gateway asks a replica for; a healthy one answers 2xx") \
	KEY(HEALTH_CHECK, "interval", DURATION, FIELD(upstream_settings, health_interval_ms), "", "2s", 100, HOUR, \
	    "how often the gateway checks each replica") \
	KEY(HEALTH_CHECK, "timeout", DURATION, FIELD(upstream_settings, health_timeout_ms), "", "1s", 10, 10 * MINUTE, \
	    "time for the whole answer to a health check") \
	KEY(HEALTH_CHECK, "healthy", COUNT, FIELD(upstream_settings, health.healthy), "", "2", 1, 100, \
	    "good answers in a row after which a replica serves again") \
	KEY(HEALTH_CHECK, "unhealthy", COUNT, FIELD(upstream_settings, health.unhealthy), "", "3", 1, 100, \
	    "bad answers in a row after which a replica gets no new requests") \
	GROUP(ROOT, "route_defaults", LATER, ROUTE_DEFAULTS, NO_FIELD, "what all routes inherit: any key of a route after rewrite") \
	GROUP(ROOT, "routes", LATER, ROUTES, NO_FIELD, "which requests go to which upstream") \
	KEY(ROUTE, "name", ROUTE_NAME, FIELD(route, name), "", "", 0, 0, \
	    "name of the route in metrics, log and actuator; if not given, its path") \
	KEY(ROUTE, "path", PATHS, NO_FIELD, "", "", 0, 0, "prefix that ends on a segment border, or a list of them; * is one segment") \
	KEY(ROUTE, "exact", CHOICE, FIELD(route, exact), "off|on", "off", 0, 0, \
	    "on: the route takes its path alone, not what is below it") \
	KEY(ROUTE, "host", HOST, FIELD(route, host), "", "", 0, 0, \
	    "the one host whose requests the route takes, as a whole name; if not given, any") \
	KEY(ROUTE, "methods", METHODS, NO_FIELD, "", "", 0, 0, "methods that the route takes, as in [GET, POST]; others get 405") \
	KEY(ROUTE, "upstream", UPSTREAM_NAME, FIELD(route, upstream), "", "", 0, 0, "name of the upstream that gets the requests") \
	GROUP(ROUTE, "rewrite", SECTION, REWRITE, NO_FIELD, "how the gateway changes the path before the upstream sees it") \
	KEY(REWRITE, "strip_prefix", STRIP_PREFIX, FIELD(route, strip_prefix), "", "", 0, 0, \
	    "prefix that the gateway takes off the path; /* is any one segment") \
	KEY(REWRITE, "add_prefix", PATH, FIELD(route, add_prefix), "", "", 0, 0, \
	    "prefix that the gateway puts before the path, after strip_prefix") \
	KEY(REWRITE, "regex", TEXT, FIELD(route, regex), "", "", 0, 0, \
	    "instead of prefixes, an expression (PCRE2) whose matches are replaced") \
	KEY(REWRITE, "replacement", RAW_TEXT, FIELD(route, replacement), "", "", 0, 0, \
	    "text that replaces each match of regex; ${name} and $1 are its groups") \
	GROUP(ROUTE, "request_headers", HEADERS, HEADERS, FIELD(route, request_headers), \
	    "changes to the header fields that the upstream gets") \
	GROUP(ROUTE, "response_headers", HEADERS, HEADERS, FIELD(route, response_headers), \
	    "changes to the header fields that the client gets") \
	KEY(HEADERS, "set", HEADER_VALUES, NO_FIELD, "", "", 0, 0, \
	    "fields that replace those of the same name, as in { X-Gateway: a }") \
	KEY(HEADERS, "add", HEADER_VALUES, NO_FIELD, "", "", 0, 0, "fields to add to those of the same name, as in { X-Gateway: a }") \
	KEY(HEADERS, "remove", HEADER_NAMES, NO_FIELD, "", "", 0, 0, "names of fields to remove, as in [Server]") \
	GROUP(ROUTE, "cors", CORS, CORS, NO_FIELD, "which pages of other origins may use the route") \
	KEY(CORS, "origins", ORIGINS, FIELD(cors, origins), "", "", 0, 0, \
	    "origins whose pages may use the route, as in [https://app.example]; or *") \
	KEY(CORS, "origin_patterns", ORIGIN_PATTERNS, NO_FIELD, "", "", 0, 0, \
	    "patterns of origins that may use the route, as in [https://*.example.com]") \
	KEY(CORS, "methods", CORS_METHODS, FIELD(cors, methods), "", "[GET, HEAD]", 0, 0, \
	    "methods that pages of other origins may use; or *") \
	KEY(CORS, "headers", FIELD_NAMES, FIELD(cors, headers), "", "", 0, 0, \
	    "request headers that pages of other origins may send; or *") \
	KEY(CORS, "expose", FIELD_NAMES, FIELD(cors, expose), "", "", 0, 0, "response headers that a page's script may read; or *") \
	KEY(CORS, "credentials", CHOICE, FIELD(cors, credentials), "off|on", "off", 0, 0, \
	    "on: pages may send the user's cookies and certificates") \
	KEY(CORS, "max_age", DURATION, FIELD(cors, max_age_ms), "", "10m", 0, 24 * HOUR, \
	    "how long browsers may remember the answer to a preflight") \
	KEY(ROUTE, "request_body", SIZE_OR_NONE, FIELD(route, request_body_bytes), "", "", 0, 1024 * GIB, \
	    "largest request body; if not given, limits.request_body") \
	KEY(ROUTE, "response_body", SIZE_OR_NONE, FIELD(route, response_body_bytes), "", "none", 0, 1024 * GIB, \
	    "largest response body: above it 502, or an early end if the head is out") \
	GROUP(ROUTE, "rate_limit", OPTION, RATE_LIMIT, FIELD(route, rate_limit.enabled), \
	    "how many requests with the same key may pass in a time") \
	KEY(RATE_LIMIT, "rate", RATE, NO_FIELD, "", "", 0, 0, "requests in a time, as in 10/s, 600/m, 5000/h, 100/d") \
	KEY(RATE_LIMIT, "burst", COUNT_OR_AUTO, FIELD(route, rate_limit.burst), "", "auto", 1, 1000000, \
	    "requests that may come at once; auto: as many as rate allows in a second") \
	KEY(RATE_LIMIT, "key", LIMIT_KEY, NO_FIELD, "", "client", 0, 0, \
	    "which requests count together: client, route, header:NAME or jwt:CLAIM") \
	KEY(RATE_LIMIT, "status", COUNT, FIELD(route, rate_limit.status), "", "429", 400, 599, "status of a refusal") \
	KEY(RATE_LIMIT, "headers", CHOICE, FIELD(route, rate_limit.headers), "off|on", "off", 0, 0, \
	    "on: responses carry RateLimit and RateLimit-Policy") \
	KEY(RATE_LIMIT, "dry_run", CHOICE, FIELD(route, rate_limit.dry_run), "off|on", "off", 0, 0, \
	    "on: counts and logs what it would refuse, but refuses nothing") \
	KEY(RATE_LIMIT, "store", STORE, NO_FIELD, "", "off", 0, 0, \
	    "off, or redis://[user:password@]host[:port][/db]: one limit for all gateways") \
	GROUP(ROUTE, "auth", SECTION, AUTH, NO_FIELD, "which credentials a request needs") \
	GROUP(AUTH, "jwt", JWT, JWT, NO_FIELD, "requires a bearer token that an issuer has signed") \
	KEY(JWT, "issuer", TEXT, FIELD(jwt_settings, issuer), "", "", 0, 0, "text that the token's iss must equal; without it, any") \
	KEY(JWT, "audiences", AUDIENCES, NO_FIELD, "", "", 0, 0, \
	    "audiences of which the token's aud must contain one; if not given, any") \
	KEY(JWT, "jwks", JWKS, NO_FIELD, "", "", 0, 0, "the issuer's keys: an http or https URL, or a file") \
	KEY(JWT, "algorithms", ALGORITHMS, NO_FIELD, "", "[RS256, ES256]", 0, 0, \
	    "algorithms that may sign tokens: RS, PS or ES with 256, 384 or 512") \
	KEY(JWT, "leeway", DURATION, FIELD(jwt_settings, leeway_ms), "", "60s", 0, HOUR, \
	    "how far clocks may differ when the gateway checks exp, nbf and iat") \
	KEY(JWT, "claims_to_headers", CLAIMS, NO_FIELD, "", "", 0, 0, \
	    "header fields for the service with their claims, as in { X-User: sub }") \
	KEY(JWT, "forward_token", CHOICE, FIELD(jwt_settings, forward_token), "off|on", "on", 0, 0, \
	    "whether the service gets the token, too") \
	KEY(JWT, "refresh", DURATION, FIELD(jwt_settings, refresh_ms), "", "10m", SECOND, 24 * HOUR, \
	    "how often the gateway fetches the keys again if jwks is a URL") \
	GROUP(AUTH, "basic", OPTION, BASIC, FIELD(route, basic.enabled), "requires a name and a password, for which browsers ask") \
	KEY(BASIC, "file", HTPASSWD, FIELD(route, basic.file), "", "", 0, 0, "file with the users, as htpasswd -B writes it") \
	KEY(BASIC, "realm", REALM, FIELD(route, basic.realm), "", "gateway", 0, 0, \
	    "name that browsers show when they ask for the password") \
	GROUP(AUTH, "forward", OPTION, FORWARD, FIELD(route, forward.enabled), "asks another upstream whether a request may pass") \
	KEY(FORWARD, "upstream", UPSTREAM_NAME, FIELD(route, forward.upstream), "", "", 0, 0, \
	    "name of the upstream to ask; it keeps its own breaker and timeouts") \
	KEY(FORWARD, "path", PATH, FIELD(route, forward.path), "", "", 0, 0, \
	    "path to ask that upstream for; an answer of 2xx lets the request pass") \
	KEY(FORWARD, "request_headers", FIELD_NAMES, FIELD(route, forward.request_headers), "", "[Authorization, Cookie]", 0, 0, \
	    "fields of the request that the asked upstream gets") \
	KEY(FORWARD, "response_headers", FIELD_NAMES, FIELD(route, forward.response_headers), "", "", 0, 0, \
	    "fields of the answer that the route's upstream gets, never from the client") \
	GROUP(ROUTE, "fallback", FALLBACK, FALLBACK, NO_FIELD, "the answer when the upstream gives none") \
	KEY(FALLBACK, "status", COUNT, FIELD(fallback_parts, status), "", "503", 200, 599, "status of the fallback") \
	KEY(FALLBACK, "content_type", TEXT, FIELD(fallback_parts, content_type), "", "", 0, 0, "Content-Type of the fallback") \
	KEY(FALLBACK, "body", TEXT, FIELD(fallback_parts, body), "", "", 0, 0, "body of the fallback") \
	KEY(FALLBACK, "file", TEXT, FIELD(fallback_parts, file), "", "", 0, 0, \
	    "file with the fallback's body, relative to the configuration's folder") \
	KEY(FALLBACK, "redirect", REDIRECT, FIELD(fallback_parts, redirect), "", "", 0, 0, "URL or path for the redirect") \
	KEY(FALLBACK, "upstream", UPSTREAM_OR_OFF, FIELD(fallback_parts, upstream), "", "off", 0, 0, \
	    "name of another upstream that the gateway asks first") \
	KEY(FALLBACK, "on_statuses", STATUSES, FIELD(fallback_parts, on_statuses), "", "[]", 300, 599, \
	    "statuses of upstream answers that the fallback replaces, from 300 to 599")

struct key {
	const char *name;
	enum key_scope scope, child; /* child: SCOPE_NONE unless a section */
	enum key_kind kind;
	size_t offset, size; /* of the field; size 0 = none */
	const char *words, *default_text;
	uint64_t least, most;
	const char *help;
};

/* The whole table, in the order of the file. */
const struct key *keys_all(size_t *count);
/* NULL when there is no such key at that place. */
const struct key *keys_find(enum key_scope scope, const char *name);
/* Is that place a section that takes on and off, too? */
bool keys_is_switch(enum key_scope scope);
/* The name at that place that Spring's means or that is nearest to what was written; NULL when none is near. */
const char *keys_suggest(enum key_scope scope, const char *name);
/* A mapping with the first key of that place, as in { attempts: 1 }. */
enum { KEY_EXAMPLE_MAX = 120 };
const char *keys_example(enum key_scope scope, char text[KEY_EXAMPLE_MAX]);
/* As in the file: "5s", "16KiB", "50%", "auto", "json". For kinds that are one number or word. */
enum { KEY_VALUE_TEXT_MAX = 32 };
const char *key_format(const struct key *key, uint64_t value, char text[KEY_VALUE_TEXT_MAX]);
/* The value of the field, of any width; `structure` is the one that FIELD() names. */
uint64_t key_load(const struct key *key, const void *structure);
void key_store(const struct key *key, void *structure, uint64_t value);

#endif
