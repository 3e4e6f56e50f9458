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
	KEY(ROOT, "listen", LISTEN, NO_FIELD, "", "80", 0, 0, "port, address:port, [v6]:port, or a list of them") \
	GROUP(ROOT, "admin", ADMIN, ADMIN, NO_FIELD, "health, metrics, breakers") \
	KEY(ADMIN, "listen", ADMIN_LISTEN, NO_FIELD, "", "127.0.0.1:8081", 0, 0, "where it listens; off for nowhere") \
	KEY(ADMIN, "token_file", TOKEN_FILE, NO_FIELD, "", "off", 0, 0, "a file with the token that changes need") \
	KEY(ROOT, "workers", COUNT_OR_AUTO, FIELD(config, workers), "", "auto", 1, 256, "proxying threads") \
	GROUP(ROOT, "access_log", ACCESS_LOG, ACCESS_LOG, NO_FIELD, "one line for each request") \
	KEY(ACCESS_LOG, "to", LOG_TARGET, NO_FIELD, "", "stdout", 0, 0, "off, stdout or a file") \
	KEY(ACCESS_LOG, "format", CHOICE, FIELD(config, access_log_format), "json|combined", "json", 0, 0, \
	    "form of a line") \
	KEY(ACCESS_LOG, "when", LOG_WHEN, FIELD(config, access_log_when_ms), "", "all", 1, HOUR, \
	    "all, failures, or a duration: failures and slower requests") \
	KEY(ROOT, "log_level", CHOICE, FIELD(config, log_level), "error|warn|info|debug", "info", 0, 0, \
	    "least severe level that goes to stderr") \
	KEY(ROOT, "sandbox", CHOICE, FIELD(config, sandbox), "off|on", "on", 0, 0, \
	    "drops all privileges that serving does not need") \
	GROUP(ROOT, "metrics", SECTION, METRICS, NO_FIELD, "metrics for dashboards") \
	KEY(METRICS, "names", CHOICE, FIELD(config, metrics_names), "boot3|boot2", "boot3", 0, 0, \
	    "labels as Spring Boot 3 has them, or 2") \
	KEY(METRICS, "tags", TAGS, NO_FIELD, "", "", 0, 0, "labels that every series gets") \
	GROUP(ROOT, "cluster", SECTION, CLUSTER, NO_FIELD, "the gateways that show one page and share overrides") \
	KEY(CLUSTER, "peers", PEERS, NO_FIELD, "", "off", 0, 0, \
	    "a name of the gateways' admin listeners, as in tasks.gateway:8081") \
	KEY(CLUSTER, "refresh", DURATION, FIELD(config, peers.refresh_ms), "", "1s", 250, MINUTE, \
	    "how often the gateway asks each of them") \
	GROUP(ROOT, "dns", SECTION, DNS, NO_FIELD, "how names become endpoints") \
	KEY(DNS, "servers", DNS_SERVERS, NO_FIELD, "", "[]", 0, 0, "address[:port]; none: those of resolv.conf") \
	KEY(DNS, "refresh", DURATION, FIELD(config, dns_refresh_ms), "", "1s", 100, HOUR, \
	    "how often the gateway asks for a name") \
	KEY(DNS, "timeout", DURATION, FIELD(config, dns_timeout_ms), "", "500ms", 10, MINUTE, "for one try") \
	KEY(DNS, "tries", COUNT, FIELD(config, dns_tries), "", "2", 1, 10, \
	    "failures in a row after which the gateway asks less often") \
	KEY(DNS, "grace", DURATION, FIELD(config, dns_grace_ms), "", "10s", 0, HOUR, \
	    "how long endpoints that respond stay after a DNS answer without addresses") \
	KEY(DNS, "verify_service", CHOICE, FIELD(config, dns_verify_service), "off|on", "on", 0, 0, \
	    "addresses of tasks.NAME must not belong to another service") \
	GROUP(ROOT, "limits", SECTION, LIMITS, NO_FIELD, "what clients may do") \
	KEY(LIMITS, "connections", COUNT_OR_AUTO, FIELD(config, limits.connections), "", "auto", 1, 10000000, \
	    "client connections at once") \
	KEY(LIMITS, "connections_per_client", COUNT_OR_NONE, FIELD(config, limits.connections_per_client), "", "none", 1, \
	    10000000, "of one IPv4 address or IPv6 /64, trusted_proxies excepted") \
	KEY(LIMITS, "memory", SIZE_OR_AUTO, FIELD(config, limits.memory_bytes), "", "auto", MIB, 1024 * GIB, \
	    "memory that all peers together may occupy") \
	KEY(LIMITS, "request_head", SIZE, FIELD(config, limits.request_head_bytes), "", "16KiB", KIB, MIB, \
	    "request line and fields") \
	KEY(LIMITS, "request_fields", COUNT, FIELD(config, limits.request_fields), "", "100", 1, 1000, "number of fields") \
	KEY(LIMITS, "request_body", SIZE_OR_NONE, FIELD(config, limits.request_body_bytes), "", "none", 0, 1024 * GIB, \
	    "largest request body") \
	KEY(LIMITS, "head_timeout", DURATION, FIELD(config, limits.head_timeout_ms), "", "10s", 1, HOUR, \
	    "first byte to end of the head") \
	KEY(LIMITS, "body_timeout", DURATION, FIELD(config, limits.body_timeout_ms), "", "30s", 1, HOUR, \
	    "between two reads of a request body") \
	KEY(LIMITS, "idle_timeout", DURATION, FIELD(config, limits.idle_timeout_ms), "", "60s", 1, 24 * HOUR, \
	    "keep-alive connection without a request") \
	KEY(LIMITS, "write_timeout", DURATION, FIELD(config, limits.write_timeout_ms), "", "30s", 1, HOUR, \
	    "a client that stops reading") \
	GROUP(ROOT, "drain", SECTION, DRAIN, NO_FIELD, "after SIGTERM") \
	KEY(DRAIN, "delay", DURATION, FIELD(config, drain_delay_ms), "", "2s", 0, HOUR, \
	    "readiness fails, connections are still accepted") \
	KEY(DRAIN, "timeout", DURATION, FIELD(config, drain_timeout_ms), "", "7s", 0, HOUR, \
	    "then: how long requests in flight may take") \
	KEY(ROOT, "trusted_proxies", PREFIXES, NO_FIELD, "", "[]", 0, 0, \
	    "peers whose X-Forwarded fields the gateway believes") \
	GROUP(ROOT, "defaults", LATER, DEFAULTS, NO_FIELD, "inherited by every upstream") \
	GROUP(ROOT, "upstreams", LATER, UPSTREAMS, NO_FIELD, "services by name") \
	KEY(UPSTREAM, "url", URL, NO_FIELD, "", "", 0, 0, "http://host:port") \
	KEY(UPSTREAM, "balance", CHOICE, FIELD(upstream_settings, balance), "least_request|round_robin", "least_request", \
	    0, 0, "which endpoint next") \
	GROUP(UPSTREAM, "timeouts", SECTION, TIMEOUTS, NO_FIELD, "how long an upstream may take") \
	KEY(TIMEOUTS, "connect", DURATION, FIELD(upstream_settings, connect_timeout_ms), "", "1s", 1, 10 * MINUTE, \
	    "to be connected") \
	KEY(TIMEOUTS, "response", DURATION, FIELD(upstream_settings, response_timeout_ms), "", "5s", 1, 24 * HOUR, \
	    "request sent to response head") \
	KEY(TIMEOUTS, "total", DURATION, FIELD(upstream_settings, total_timeout_ms), "", "15s", 1, 24 * HOUR, \
	    "request received to response head, over all waits and tries") \
	KEY(TIMEOUTS, "idle", DURATION, FIELD(upstream_settings, idle_timeout_ms), "", "60s", 1, 24 * HOUR, \
	    "between two reads of a response body or a tunnel") \
	GROUP(UPSTREAM, "breaker", SWITCH, BREAKER, FIELD(upstream_settings, breaker.enabled), "the circuit breaker") \
	KEY(BREAKER, "window", WINDOW, NO_FIELD, "", "10s", 0, 0, "calls it decides on: 10s, or 100 calls") \
	KEY(BREAKER, "minimum_calls", COUNT, FIELD(upstream_settings, breaker.minimum_calls), "", "20", 1, 1000000, \
	    "with fewer calls it never opens") \
	KEY(BREAKER, "failure_rate", PERCENT, FIELD(upstream_settings, breaker.failure_rate_bp), "", "50%", 1, 10000, \
	    "at or above: open") \
	KEY(BREAKER, "slow_call", DURATION_OR_OFF, FIELD(upstream_settings, breaker.slow_call_ms), "", "off", 1, HOUR, \
	    "slower than this to the response head is slow") \
	KEY(BREAKER, "slow_rate", PERCENT, FIELD(upstream_settings, breaker.slow_rate_bp), "", "80%", 1, 10000, \
	    "at or above: open") \
	KEY(BREAKER, "failure_statuses", STATUSES, FIELD(upstream_settings, failure_statuses), "", "[500, 502, 503, 504]", \
	    300, 599, "answers that count as failures") \
	KEY(BREAKER, "open_for", DURATION, FIELD(upstream_settings, breaker.open_for_ms), "", "5s", 10, HOUR, \
	    "first stay in open, doubled by each re-opening") \
	KEY(BREAKER, "open_for_max", DURATION, FIELD(upstream_settings, breaker.open_for_max_ms), "", "60s", 10, \
	    24 * HOUR, "longest stay in open; each stay varies by up to 20% at random") \
	KEY(BREAKER, "half_open_calls", COUNT, FIELD(upstream_settings, breaker.half_open_calls), "", "5", 1, 100, \
	    "calls let through while half-open") \
	KEY(BREAKER, "half_open_timeout", DURATION, FIELD(upstream_settings, breaker.half_open_timeout_ms), "", "30s", \
	    100, 30 * MINUTE, "if a call takes longer while half-open, the others decide") \
	KEY(BREAKER, "mode", CHOICE, FIELD(upstream_settings, breaker.observe), "enforce|observe", "enforce", 0, 0, \
	    "observe: counts and reports, never rejects") \
	GROUP(UPSTREAM, "ejection", SWITCH, EJECTION, FIELD(upstream_settings, ejection.enabled), \
	        "takes a failing endpoint out of use for a while") \
	KEY(EJECTION, "consecutive_failures", COUNT, FIELD(upstream_settings, ejection.consecutive_failures), "", "5", 1, \
	    1000000, "failures in a row that eject") \
	KEY(EJECTION, "for", DURATION, FIELD(upstream_settings, ejection.for_ms), "", "10s", 10, HOUR, \
	    "times the number of ejections") \
	KEY(EJECTION, "for_max", DURATION, FIELD(upstream_settings, ejection.for_max_ms), "", "300s", 10, 24 * HOUR, \
	    "longest ejection") \
	KEY(EJECTION, "max_share", PERCENT, FIELD(upstream_settings, ejection.max_share_bp), "", "50%", 0, 10000, \
	    "so many endpoints may be ejected at once") \
	GROUP(UPSTREAM, "bulkhead", SECTION, BULKHEAD, NO_FIELD, "limits of requests in flight, exact over all workers") \
	KEY(BULKHEAD, "max_in_flight", COUNT, FIELD(upstream_settings, bulkhead_max_in_flight), "", "1024", 1, 1000000, \
	    "requests in flight to the upstream") \
	KEY(BULKHEAD, "max_waiting", COUNT, FIELD(upstream_settings, bulkhead_max_waiting), "", "256", 0, 1000000, \
	    "requests that wait for a place") \
	KEY(BULKHEAD, "max_wait", DURATION, FIELD(upstream_settings, bulkhead_max_wait_ms), "", "1s", 1, HOUR, \
	    "how long they wait") \
	KEY(BULKHEAD, "max_streams", COUNT_OR_NONE, FIELD(upstream_settings, bulkhead_max_streams), "", "none", 1, 1000000, \
	    "tunnels and event streams, which are not in flight after their head") \
	GROUP(UPSTREAM, "retry", SECTION, RETRY, NO_FIELD, "further tries") \
	KEY(RETRY, "attempts", COUNT, FIELD(upstream_settings, retry_attempts), "", "1", 0, 7, \
	    "further tries of a request") \
	KEY(RETRY, "budget", PERCENT, FIELD(upstream_settings, retry_budget_bp), "", "20%", 0, 10000, \
	    "of the requests in the last 10 s") \
	GROUP(UPSTREAM, "pool", SECTION, POOL, NO_FIELD, "idle connections to the upstream") \
	KEY(POOL, "max_idle", COUNT, FIELD(upstream_settings, pool_max_idle), "", "64", 0, 100000, \
	    "per endpoint and worker") \
	KEY(POOL, "idle_timeout", DURATION, FIELD(upstream_settings, pool_idle_timeout_ms), "", "50s", 1, 24 * HOUR, \
	    "how long one may be idle") \
	KEY(POOL, "max_age", DURATION, FIELD(upstream_settings, pool_max_age_ms), "", "5m", 1, 24 * HOUR, \
	    "how old one may become") \
	KEY(UPSTREAM, "slow_start", DURATION_OR_OFF, FIELD(upstream_settings, slow_start_ms), "", "10s", 1, HOUR, \
	    "how long the share of a new endpoint grows") \
	GROUP(UPSTREAM, "health_check", OPTION, HEALTH_CHECK, FIELD(upstream_settings, health.enabled), \
	        "regular health checks of each endpoint") \
	KEY(HEALTH_CHECK, "path", PATH, FIELD(upstream_settings, health_path), "", "/actuator/health", 0, 0, \
	    "answers 2xx if all is well") \
	KEY(HEALTH_CHECK, "interval", DURATION, FIELD(upstream_settings, health_interval_ms), "", "2s", 100, HOUR, \
	    "how often") \
	KEY(HEALTH_CHECK, "timeout", DURATION, FIELD(upstream_settings, health_timeout_ms), "", "1s", 10, 10 * MINUTE, \
	    "for the whole answer") \
	KEY(HEALTH_CHECK, "healthy", COUNT, FIELD(upstream_settings, health.healthy), "", "2", 1, 100, \
	    "good answers in a row, then it serves again") \
	KEY(HEALTH_CHECK, "unhealthy", COUNT, FIELD(upstream_settings, health.unhealthy), "", "3", 1, 100, \
	    "bad answers in a row, then it gets no requests") \
	GROUP(ROOT, "route_defaults", LATER, ROUTE_DEFAULTS, NO_FIELD, "inherited by every route: any key below rewrite") \
	GROUP(ROOT, "routes", LATER, ROUTES, NO_FIELD, "which request goes where") \
	KEY(ROUTE, "name", ROUTE_NAME, FIELD(route, name), "", "", 0, 0, "in metrics, log and actuator; its path if not given") \
	KEY(ROUTE, "path", PATHS, NO_FIELD, "", "", 0, 0, "prefix that ends on a segment border, or a list of them; * is one segment") \
	KEY(ROUTE, "exact", CHOICE, FIELD(route, exact), "off|on", "off", 0, 0, "the path alone, not what is below it") \
	KEY(ROUTE, "host", HOST, FIELD(route, host), "", "", 0, 0, "only requests for this host") \
	KEY(ROUTE, "methods", METHODS, NO_FIELD, "", "", 0, 0, "only these methods; others get 405") \
	KEY(ROUTE, "upstream", UPSTREAM_NAME, FIELD(route, upstream), "", "", 0, 0, "name of the upstream") \
	GROUP(ROUTE, "rewrite", SECTION, REWRITE, NO_FIELD, "the path the upstream sees") \
	KEY(REWRITE, "strip_prefix", STRIP_PREFIX, FIELD(route, strip_prefix), "", "", 0, 0, "removed from the front of the path") \
	KEY(REWRITE, "add_prefix", PATH, FIELD(route, add_prefix), "", "", 0, 0, "then put in front of it") \
	KEY(REWRITE, "regex", TEXT, FIELD(route, regex), "", "", 0, 0, "instead: an expression (PCRE2); each match is replaced") \
	KEY(REWRITE, "replacement", RAW_TEXT, FIELD(route, replacement), "", "", 0, 0, "by this, with ${name} or $1 for its groups") \
	GROUP(ROUTE, "request_headers", HEADERS, HEADERS, FIELD(route, request_headers), "changes to the upstream's request") \
	GROUP(ROUTE, "response_headers", HEADERS, HEADERS, FIELD(route, response_headers), "changes to the client's response") \
	KEY(HEADERS, "set", HEADER_VALUES, NO_FIELD, "", "", 0, 0, "replaced or added") \
	KEY(HEADERS, "add", HEADER_VALUES, NO_FIELD, "", "", 0, 0, "added to those that are there") \
	KEY(HEADERS, "remove", HEADER_NAMES, NO_FIELD, "", "", 0, 0, "removed") \
	GROUP(ROUTE, "cors", CORS, CORS, NO_FIELD, "what pages of other origins may do") \
	KEY(CORS, "origins", ORIGINS, FIELD(cors, origins), "", "", 0, 0, \
	    "whose pages may use the route, as in https://app.example; or *") \
	KEY(CORS, "origin_patterns", ORIGIN_PATTERNS, NO_FIELD, "", "", 0, 0, "the same with * in it, as in https://*.example.com") \
	KEY(CORS, "methods", CORS_METHODS, FIELD(cors, methods), "", "[GET, HEAD]", 0, 0, "with these methods; or *") \
	KEY(CORS, "headers", FIELD_NAMES, FIELD(cors, headers), "", "", 0, 0, "with these request headers; or *") \
	KEY(CORS, "expose", FIELD_NAMES, FIELD(cors, expose), "", "", 0, 0, "response headers that a page's script may read; or *") \
	KEY(CORS, "credentials", CHOICE, FIELD(cors, credentials), "off|on", "off", 0, 0, "with the user's cookies and certificates") \
	KEY(CORS, "max_age", DURATION, FIELD(cors, max_age_ms), "", "10m", 0, 24 * HOUR, "how long browsers keep the answer") \
	KEY(ROUTE, "request_body", SIZE_OR_NONE, FIELD(route, request_body_bytes), "", "", 0, 1024 * GIB, \
	    "largest request body; as limits.request_body if not given") \
	KEY(ROUTE, "response_body", SIZE_OR_NONE, FIELD(route, response_body_bytes), "", "none", 0, 1024 * GIB, \
	    "largest response body: above it 502, or an early end if the head is out") \
	GROUP(ROUTE, "rate_limit", OPTION, RATE_LIMIT, FIELD(route, rate_limit.enabled), "how many requests a client may send") \
	KEY(RATE_LIMIT, "rate", RATE, NO_FIELD, "", "", 0, 0, "calls in a time, as in 10/s, 600/m, 5000/h, 100/d") \
	KEY(RATE_LIMIT, "burst", COUNT_OR_AUTO, FIELD(route, rate_limit.burst), "", "auto", 1, 1000000, \
	    "so many at once; auto: those of a second") \
	KEY(RATE_LIMIT, "key", LIMIT_KEY, NO_FIELD, "", "client", 0, 0, "which requests count together") \
	KEY(RATE_LIMIT, "status", COUNT, FIELD(route, rate_limit.status), "", "429", 400, 599, "the status of a refusal") \
	KEY(RATE_LIMIT, "headers", CHOICE, FIELD(route, rate_limit.headers), "off|on", "off", 0, 0, \
	    "RateLimit and RateLimit-Policy in responses") \
	KEY(RATE_LIMIT, "dry_run", CHOICE, FIELD(route, rate_limit.dry_run), "off|on", "off", 0, 0, \
	    "counts and logs what it would refuse, but refuses nothing") \
	KEY(RATE_LIMIT, "store", STORE, NO_FIELD, "", "off", 0, 0, "redis://host:6379: one limit for all gateways") \
	GROUP(ROUTE, "auth", SECTION, AUTH, NO_FIELD, "who may send requests") \
	GROUP(AUTH, "jwt", JWT, JWT, NO_FIELD, "requests with a token that an issuer has signed") \
	KEY(JWT, "issuer", TEXT, FIELD(jwt_settings, issuer), "", "", 0, 0, "the token's iss must equal it") \
	KEY(JWT, "audiences", AUDIENCES, NO_FIELD, "", "", 0, 0, "the token's aud must contain one of them") \
	KEY(JWT, "jwks", JWKS, NO_FIELD, "", "", 0, 0, "the issuer's keys: a URL, or a file") \
	KEY(JWT, "algorithms", ALGORITHMS, NO_FIELD, "", "[RS256, ES256]", 0, 0, "algorithms that may sign tokens") \
	KEY(JWT, "leeway", DURATION, FIELD(jwt_settings, leeway_ms), "", "60s", 0, HOUR, \
	    "how far clocks may differ: for exp, nbf and iat") \
	KEY(JWT, "claims_to_headers", CLAIMS, NO_FIELD, "", "", 0, 0, "claims that the service gets as fields") \
	KEY(JWT, "forward_token", CHOICE, FIELD(jwt_settings, forward_token), "off|on", "on", 0, 0, \
	    "whether the service gets the token, too") \
	KEY(JWT, "refresh", DURATION, FIELD(jwt_settings, refresh_ms), "", "10m", SECOND, 24 * HOUR, \
	    "how often the keys of a URL are fetched again") \
	GROUP(AUTH, "basic", OPTION, BASIC, FIELD(route, basic.enabled), "a name and a password, as browsers ask for them") \
	KEY(BASIC, "file", HTPASSWD, FIELD(route, basic.file), "", "", 0, 0, "the users, as htpasswd -B writes them") \
	KEY(BASIC, "realm", REALM, FIELD(route, basic.realm), "", "gateway", 0, 0, "the name that browsers show with the question") \
	GROUP(AUTH, "forward", OPTION, FORWARD, FIELD(route, forward.enabled), \
	      "another upstream decides which requests pass") \
	KEY(FORWARD, "upstream", UPSTREAM_NAME, FIELD(route, forward.upstream), "", "", 0, 0, \
	    "the upstream to ask, with its own breaker and timeouts") \
	KEY(FORWARD, "path", PATH, FIELD(route, forward.path), "", "", 0, 0, "the path to ask for; 2xx lets the request pass") \
	KEY(FORWARD, "request_headers", FIELD_NAMES, FIELD(route, forward.request_headers), "", "[Authorization, Cookie]", 0, 0, \
	    "fields of the request that it gets") \
	KEY(FORWARD, "response_headers", FIELD_NAMES, FIELD(route, forward.response_headers), "", "", 0, 0, \
	    "fields of its answer that the upstream gets, never from the client") \
	GROUP(ROUTE, "fallback", FALLBACK, FALLBACK, NO_FIELD, "the answer when the upstream gives none") \
	KEY(FALLBACK, "status", COUNT, FIELD(fallback_parts, status), "", "503", 200, 599, "its status") \
	KEY(FALLBACK, "content_type", TEXT, FIELD(fallback_parts, content_type), "", "", 0, 0, "its Content-Type") \
	KEY(FALLBACK, "body", TEXT, FIELD(fallback_parts, body), "", "", 0, 0, "its body") \
	KEY(FALLBACK, "file", TEXT, FIELD(fallback_parts, file), "", "", 0, 0, "a file with its body") \
	KEY(FALLBACK, "redirect", REDIRECT, FIELD(fallback_parts, redirect), "", "", 0, 0, "a URL to send the client to instead") \
	KEY(FALLBACK, "upstream", UPSTREAM_OR_OFF, FIELD(fallback_parts, upstream), "", "off", 0, 0, \
	    "another upstream that answers first") \
	KEY(FALLBACK, "on_statuses", STATUSES, FIELD(fallback_parts, on_statuses), "", "[]", 300, 599, \
	    "statuses of upstream answers that it replaces, too")

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
/* The name at that place that is nearest to what was written; NULL when none is near. */
const char *keys_suggest(enum key_scope scope, const char *name);

/* As in the file: "5s", "16KiB", "50%", "auto", "json". For kinds that are one number or word. */
enum { KEY_VALUE_TEXT_MAX = 32 };
const char *key_format(const struct key *key, uint64_t value, char text[KEY_VALUE_TEXT_MAX]);
/* The value of the field, of any width; `structure` is the one that FIELD() names. */
uint64_t key_load(const struct key *key, const void *structure);
void key_store(const struct key *key, void *structure, uint64_t value);

#endif
