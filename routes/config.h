/*
 * gateway.yml, read: one immutable tree that all threads may read without a lock.
 *
 * A reload builds a new one; exchanges under way keep theirs. Whoever keeps a pointer holds a reference
 * (config_reference/config_release, any thread). Everything below is in the configuration's own memory.
 * Names, kinds, units, defaults and limits of the keys: keys.h.
 */
#ifndef ROUTES_CONFIG_H
#define ROUTES_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "breaker/breaker.h"
#include "breaker/ejection.h"
#include "breaker/health.h"
#include "routes/address.h"
#include "routes/fallback.h"

struct route_index;
struct upstream;

enum access_log_target { ACCESS_LOG_OFF, ACCESS_LOG_STDOUT, ACCESS_LOG_FILE };
enum access_log_format { ACCESS_LOG_JSON, ACCESS_LOG_COMBINED };
enum config_log_level { CONFIG_LOG_ERROR, CONFIG_LOG_WARN, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };
enum balance { BALANCE_LEAST_REQUEST, BALANCE_ROUND_ROBIN };

struct limits {
	uint32_t connections;            /* 0 = auto (gateway/capacity.c) */
	uint32_t connections_per_client; /* 0 = none */
	uint64_t memory_bytes;           /* 0 = auto */
	uint32_t request_head_bytes;
	uint32_t request_fields;
	uint64_t request_body_bytes; /* UINT64_MAX = none */
	uint32_t head_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms;
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
	uint32_t retry_attempts;
	uint32_t retry_budget_percent;
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
	const char *written; /* the value before the environment was put in, for --print-config; NULL = it holds none of it */
};
struct header_edits {
	const struct header_edit *edits;
	size_t count;
};

struct route {
	const char *path; /* normalised prefix, "/" or without a slash at its end */
	size_t path_length;
	const char *host; /* lower case, without port; NULL = any */
	const char *const *methods; /* NULL = any */
	size_t method_count;
	const struct upstream_settings *upstream;
	const char *strip_prefix, *add_prefix; /* NULL = none */
	struct header_edits request_headers, response_headers;
	struct fallback fallback;
	uint64_t fallback_on_statuses[10]; /* as failure_statuses */
	bool has_fallback_on_statuses;
	uint64_t request_body_bytes; /* UINT64_MAX = none */
	size_t line;                 /* in the file, for messages */
	const char *log_names;       /* ,"route":"/patient","upstream":"patient" as lines of the access log have it */
	size_t log_names_length;
	void *counters;              /* metrics of this route; set by the control thread before workers see the config */
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
	enum config_log_level log_level;
	bool sandbox; /* false: off, for debuggers */
	const struct address *dns_servers; /* count 0: resolv.conf */
	size_t dns_server_count;
	uint32_t dns_refresh_ms, dns_timeout_ms, dns_tries;
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

/* Every complaint of one reading, in the order of the file. */
struct complaint {
	size_t line, column; /* from 1; 0 = the file as a whole */
	bool is_warning;
	char text[240];
};
struct complaints {
	struct complaint *list;
	size_t count, errors;
};

/* Reads and checks `file`. NULL when there is at least one error; complaints are filled in both cases and must be freed
 * with complaints_free(). Environment variables are read here and only here. */
struct config *config_read(const char *file, struct complaints *complaints);
/* The same, but in spite of errors: with the plain values that could be read, defaults for the rest, and no usable routes.
 * NULL: there was nothing to read. */
struct config *config_read_anyway(const char *file, struct complaints *complaints);
/* As config_read(), from memory; `file` is only a name for messages. */
struct config *config_parse(const char *file, const char *text, size_t length, struct complaints *complaints);
/* Each as one line: "file:line:col: error: text". */
typedef void complaints_teller(void *context, bool is_warning, const char *line);
void complaints_tell(const struct complaints *complaints, const char *file, complaints_teller *tell, void *context);
void complaints_print(const struct complaints *complaints, const char *file, FILE *to);
void complaints_free(struct complaints *complaints);

/* Is this peer believed in what it says of its own clients (trusted_proxies)? */
bool config_trusts(const struct config *config, const struct address *peer);

struct config *config_reference(struct config *config);
void config_release(struct config *config);

/* The effective configuration, defaults included, as YAML that config_parse() reads back to the same. */
void config_print(const struct config *config, FILE *to);

#endif
