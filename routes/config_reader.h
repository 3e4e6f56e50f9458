/*
 * What the files config_*.c share while they turn gateway.yml into a struct config. Nobody else includes this.
 *
 * The way: config.c makes a reader and the tree, config_section.c walks it with the table of keys.h and calls one
 * read function per kind of key; config_value.c has those for plain values, config_upstream.c and config_route.c those
 * for what is special there. Complaints never stop the reading; a value that was complained of keeps its default.
 * Memory: `memory` lives as long as the configuration, `scratch` as long as the reading. When memory is short, the flag
 * says so, read functions give up what they were doing, and config_parse() fails at the end.
 */
#ifndef ROUTES_CONFIG_READER_H
#define ROUTES_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "routes/config.h"
#include "routes/keys.h"
#include "routes/yaml.h"

enum {
	CONFIG_UPSTREAMS_MAX = 1000,
	CONFIG_ROUTES_MAX = 10000,
	CONFIG_COMPLAINTS_MAX = 1000,
	CONFIG_EXPANDED_BYTES_MAX = 16 << 20,
	CONFIG_FALLBACK_BYTES_MAX = 1 << 20,
	CONFIG_TOKEN_BYTES_LEAST = 16,
	CONFIG_TOKEN_BYTES_MAX = 4096,
};

/* ---- memory: given out, never given back, freed all at once ------------------------------------------------------ */
struct arena;
struct arena *arena_new(void);
/* Aligned for anything, zeroed. NULL: memory is short. A `void *` so that it fits yaml_reading and fallback_build(). */
void *arena_allocate(void *context, size_t size);
void arena_free(struct arena *arena);

struct reader {
	struct config *config;
	struct arena *memory, *scratch;
	struct complaints *complaints;
	const char *file;
	const struct yaml_node *root;
	bool is_memory_short;
	size_t expanded_bytes; /* what the environment has added so far */
};

void *reader_allocate(struct reader *reader, size_t size); /* from `memory`; sets is_memory_short */
char *reader_copy(struct reader *reader, const char *text, size_t length);
void *reader_allocate_scratch(void *context, size_t size); /* for yaml_reading */

/* ---- complaints -------------------------------------------------------------------------------------------------- */
/* At the node; node NULL: the file as a whole. Control characters and cut UTF-8 never reach the terminal. */
void reader_error(struct reader *reader, const struct yaml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void reader_warn(struct reader *reader, const struct yaml_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void reader_complain_at(void *reader, size_t line, size_t column, const char *text); /* for yaml_reading */
void complaints_add(struct complaints *complaints, size_t line, size_t column, bool is_warning, const char *text);
void complaints_sort(struct complaints *complaints);

/* The candidate nearest to `name`, if it is near enough to be what was meant. Feed all, then ask `best`. */
struct suggestion {
	const char *name, *best;
	size_t distance;
};
struct suggestion suggestion_begin(const char *name);
void suggestion_offer(struct suggestion *suggestion, const char *candidate);

/* ---- scalars ----------------------------------------------------------------------------------------------------- */
/* The text of a scalar with the environment put in; NULL after a complaint. Never empty unless quoted. */
const char *reader_text(struct reader *reader, const struct yaml_node *node, const char *what);
/* All of a file, in the configuration's memory and with a NUL behind it; its path is relative to the folder of the
 * configuration. NULL after a complaint. (config_file.c) */
char *reader_file(struct reader *reader, const struct yaml_node *node, const char *file, size_t most_bytes,
                  size_t *read_bytes);
/* Nothing was written after the colon. */
bool reader_is_empty(const struct yaml_node *node);
/* A list, or one value in its place when `may_be_scalar`. Returns the first node, *count of them that are scalars;
 * NULL and 0 after a complaint or when empty. */
const struct yaml_node *reader_list(struct reader *reader, const struct yaml_node *node, const char *what,
                                    bool may_be_scalar, size_t *count);

/* ---- keys -------------------------------------------------------------------------------------------------------- */
typedef void key_read(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into);

void key_store(const struct key *key, void *structure, uint64_t value);
/* The keys of a mapping into the structure that the scope's fields belong to. `what` is its name in messages. */
void section_read(struct reader *reader, const struct yaml_node *node, enum key_scope scope, const char *what,
                  void *into);
/* Every default of the scope and of the sections in it, read in the same way as a written value. */
void section_defaults(struct reader *reader, enum key_scope scope, void *into);

key_read read_number, read_choice, read_statuses, read_plain_text;                        /* config_value.c */
key_read read_listen, read_admin, read_log_target, read_dns_servers, read_prefixes;       /* config_listen.c */
key_read read_token_file;                                                                 /* likewise */
key_read read_url, read_window;                                                           /* config_upstream.c */
key_read read_path, read_host, read_methods, read_upstream_name;                          /* config_route.c */
key_read read_headers, read_header_values, read_header_names;                             /* config_headers.c */
key_read read_fallback;                                                                   /* config_fallback.c */

void defaults_read(struct reader *reader, struct upstream_settings *defaults);
void upstreams_read(struct reader *reader, const struct upstream_settings *defaults);
void routes_read(struct reader *reader);

/* ---- fallbacks --------------------------------------------------------------------------------------------------- */
struct fallback_parts {
	uint32_t status;
	const char *content_type, *body, *file;
	uint64_t on_statuses[10];
};
/* The fallback of a route that names none. */
void fallback_default(struct reader *reader, struct route *route);
/* When the whole route is read: what response_headers sets and adds is on the fallback, too. */
void fallback_add_headers(struct reader *reader, struct route *route);

#endif
