/*
 * Shared by the files of this folder while they turn gateway.yml into a struct config. Nobody else includes this.
 *
 * The way: config.c makes a reader and the tree, section.c walks it with the table of keys.h and calls one
 * read function per kind of key, which kinds.c lists; value.c has those for plain values, upstream.c and route.c those
 * for what is special there. Complaints never stop the reading; a value that was complained of keeps its default.
 * Memory: `memory` lives as long as the configuration, `scratch` as long as the reading. When memory is short, the flag
 * says so, read functions give up what they were doing, and config_parse() fails at the end.
 */
#ifndef ROUTES_CONFIG_READER_H
#define ROUTES_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/config/complaints.h"
#include "routes/config/settings.h"
#include "routes/config/yaml.h"

struct arena;
struct key;
struct reader;

enum {
	CONFIG_UPSTREAMS_MAX = 1000,
	CONFIG_ROUTES_MAX = 10000,
	CONFIG_EXPANDED_BYTES_MAX = 16 << 20,
	CONFIG_FALLBACK_BYTES_MAX = 1 << 20,
	CONFIG_HTPASSWD_BYTES_MAX = 4 << 20,
	CONFIG_ROUTE_NAME_MAX = 128,
	CONFIG_TOKEN_BYTES_LEAST = 16,
	CONFIG_TOKEN_BYTES_MAX = 4096,
};

typedef void key_read(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into);

struct reader {
	struct config *config;
	key_read *const *readers; /* by kind of key (kinds.h) */
	struct arena *memory, *scratch;
	struct complaints *complaints;
	const char *file;
	const struct yaml_node *root;
	bool is_memory_short;
	size_t expanded_bytes; /* what the environment has added so far */
	struct {               /* the one that was read last: routes that inherit one share it */
		const char *name, *body;
		size_t length;
	} fallback_file;
	struct { /* likewise */
		const char *name;
		struct htpasswd users;
	} htpasswd_file;
	struct jwt_settings *last_jwt, *last_limited_jwt; /* likewise */
};

/* ---- memory: given out, never given back, freed all at once ------------------------------------------------------ */
void *reader_allocate(struct reader *reader, size_t size); /* from `memory`; sets is_memory_short */
char *reader_copy(struct reader *reader, const char *text, size_t length);
void *reader_allocate_scratch(void *context, size_t size); /* for yaml_reading */

/* ---- complaints -------------------------------------------------------------------------------------------------- */
/* At the node; node NULL: the file as a whole. */
void reader_error(struct reader *reader, const struct yaml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void reader_warn(struct reader *reader, const struct yaml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void reader_complain_at(void *reader, size_t line, size_t column, const char *text); /* for yaml_reading */

/* ---- fallbacks --------------------------------------------------------------------------------------------------- */
struct fallback_parts {
	uint32_t status;
	const char *content_type, *body, *file, *redirect;
	const struct upstream_settings *upstream;
	uint64_t on_statuses[10];
};

#endif
