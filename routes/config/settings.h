/* gateway.yml as data: struct config and everything that hangs on it. config.h says how it is read and how long it lives. */
#ifndef ROUTES_CONFIG_SETTINGS_H
#define ROUTES_CONFIG_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "breaker/breaker.h"
#include "breaker/ejection.h"
#include "breaker/health.h"
#include "routes/address.h"
#include "routes/basic.h"
#include "routes/cors.h"
#include "routes/fallback.h"
#include "routes/forward.h"
#include "routes/jwt.h"
#include "routes/rate_limit.h"

struct filter_list;
struct route_index;
struct upstream;

enum access_log_target { ACCESS_LOG_OFF, ACCESS_LOG_STDOUT, ACCESS_LOG_FILE };
/* access_log.when in milliseconds; 0: all requests. */
#define CONFIG_WHEN_FAILURES UINT32_MAX
/* A request is slow that takes so long to the head of its response, or breaker.slow_call where that is shorter. */
enum { CONFIG_SLOW_MS = 1000 };
enum access_log_format { ACCESS_LOG_JSON, ACCESS_LOG_COMBINED };
enum config_log_level { CONFIG_LOG_ERROR, CONFIG_LOG_WARN, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };
enum metrics_names { METRICS_BOOT3, METRICS_BOOT2 };
enum balance { BALANCE_LEAST_REQUEST, BALANCE_ROUND_ROBIN };

enum { METRICS_TAGS_MAX = 8, METRICS_TAG_VALUE_MAX = 256 };
struct metrics_tag {
	const char *name, *value;
};

struct limits {
	uint32_t connections;            /* 0 = auto (gateway/control/capacity.c) */
	uint32_t connections_per_client; /* 0 = none */
	uint64_t memory_bytes;           /* 0 = auto */
	uint32_t request_head_bytes;
	uint32_t request_fields;
	uint64_t request_body_bytes; /* UINT64_MAX = none */
	uint32_t head_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms;
};

/* cluster.peers: where the admin listeners of the other gateways are. */
struct peers_settings {
	const char *written; /* NULL = off */
	const char *host;    /* a name, or an IP address without brackets */
	uint16_t port;
	struct address address; /* family 0 when host is a name */
	uint32_t refresh_ms;
};

struct upstream_settings {
	const char *name;
	const char *url;  /* as written */
	const char *host; /* a name, or an IP address without brackets */
	uint16_t port;
	struct address address; /* family 0 when host is a name */
	enum balance balance;
	uint32_t connect_timeout_ms, response_timeout_ms, total_timeout_ms, idle_timeout_ms;
	struct breaker_settings breaker;
	uint64_t failure_statuses[10]; /* bit (status % 64) of word (status / 64) */
	struct ejection_settings ejection;
	uint32_t slow_start_ms; /* 0: off */
	struct health_settings health;
	const char *health_path;
	uint32_t health_interval_ms, health_timeout_ms;
	uint32_t bulkhead_max_in_flight, bulkhead_max_waiting, bulkhead_max_wait_ms;
	uint32_t bulkhead_max_streams; /* 0: none */
	uint32_t retry_attempts;
	uint32_t retry_budget_bp;
	uint32_t pool_max_idle, pool_idle_timeout_ms, pool_max_age_ms;

	struct upstream *upstream; /* what lives on over reloads; set by the control thread before workers see the config */
};

static inline bool upstream_settings_is_failure_status(const struct upstream_settings *settings, unsigned status)
{
	return status < 640 && (settings->failure_statuses[status / 64] >> (status % 64) & 1);
}

enum header_edit_kind { HEADER_SET, HEADER_ADD, HEADER_REMOVE };
struct header_edit {
	enum header_edit_kind kind;
	const char *name, *value; /* value NULL for remove */
	size_t name_length, value_length;
	bool is_name_odd; /* it holds more than letters, digits and '-' */
	const char *written; /* the value before the environment was put in, for --print-config; NULL = it holds none of it */
};
struct header_edits {
	const struct header_edit *edits;
	size_t count;
};

/* One of the paths that a route takes: normalised; without a slash at its end but for the root and what is exact. */
struct route_path {
	const char *text;
	size_t length;
	uint64_t wild;     /* which of the segments are "*", the first in the highest bit */
	unsigned segments; /* of the root none */
	size_t line, column; /* in the file, for messages */
};

struct route {
	const char *name; /* as written; NULL = none */
	const char *id;   /* the name, or the path; "GET,HEAD api.example/patient" where another route has that (route_names.h) */
	const char *path; /* the first of them, which stands for all in log and metrics */
	const struct route_path *paths;
	size_t path_count;
	bool exact; /* only these paths, not what is below them */
	const char *host; /* lower case, without port; NULL = any */
	const char *const *methods; /* NULL = any */
	size_t method_count;
	const struct upstream_settings *upstream;
	struct route *detour; /* the same, but to fallback.upstream, and without a detour; NULL = none */
	const char *strip_prefix, *add_prefix; /* NULL = none */
	unsigned strip_segments; /* so many has strip_prefix */
	bool has_wild_strip;     /* some of them "*" */
	const char *regex, *replacement; /* as written; NULL = none */
	const struct expression *expression; /* made of both; NULL = none */
	struct jwt_settings *jwt; /* NULL = tokens are not asked for; other routes may have the same */
	struct header_edits request_headers, response_headers;
	struct rate_limit_settings rate_limit;
	struct basic_settings basic; /* auth.basic */
	struct forward_settings forward; /* auth.forward */
	const struct cors *cors; /* NULL = off */
	struct fallback fallback;
	uint64_t fallback_on_statuses[10]; /* as failure_statuses */
	bool has_fallback_on_statuses;
	const struct upstream_settings *fallback_upstream; /* NULL = off */
	uint64_t request_body_bytes, response_body_bytes; /* UINT64_MAX = none */
	size_t line;                 /* in the file, for messages */
	const char *log_names;       /* ,"route":"/patient","upstream":"patient" as lines of the access log have it */
	size_t log_names_length;
	struct filter_list *filters; /* what it does to requests; NULL = nothing. Set by the control thread, as the next */
	void *counters;              /* metrics of this route; set by the control thread before workers see the config */
	void *detoured;              /* likewise: of its calls before those of the detour; NULL = it has none */
};

struct config {
	_Atomic unsigned references;
	const char *file; /* its path, for messages */
	const struct address *listen;
	size_t listen_count;
	struct address admin; /* family 0 = off */
	const char *admin_token_file; /* as written; NULL = none */
	char *admin_token;            /* what it holds; NULL = none. Not printed, not logged, wiped in the end */
	uint32_t workers;     /* 0 = auto */
	enum access_log_target access_log;
	enum access_log_format access_log_format;
	const char *access_log_path;
	uint32_t access_log_when_ms; /* requests that did not fail have a line when they took so long */
	enum config_log_level log_level;
	enum metrics_names metrics_names;
	const struct metrics_tag *metrics_tags; /* on every series; sorted by name */
	size_t metrics_tag_count;
	uint32_t slow_ms; /* the shortest time that is slow with any upstream */
	struct peers_settings peers;
	bool sandbox; /* false: off, for debuggers */
	const struct address *dns_servers; /* count 0: resolv.conf */
	size_t dns_server_count;
	uint32_t dns_refresh_ms, dns_timeout_ms, dns_tries, dns_grace_ms;
	bool dns_verify_service;
	struct limits limits;
	uint32_t drain_delay_ms, drain_timeout_ms;
	const struct prefix *trusted_proxies;
	size_t trusted_proxy_count;
	struct upstream_settings *upstreams;
	size_t upstream_count;
	struct route *routes; /* in the order of the file */
	size_t route_count;
	const struct route_index *index; /* for route_find() */
	void *memory;                    /* owns all of the above */
	void (*on_free)(struct config *config); /* called before the memory goes; NULL = nothing to do */
};

#endif
