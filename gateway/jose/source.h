/*
 * The source of a route's keys. Keys of a URL change while the configuration stays: the control thread fetches them and sends
 * them to the workers, for which the source is a name. Keys of a file are as old as the configuration, and part of the
 * source.
 */
#ifndef GATEWAY_JOSE_SOURCE_H
#define GATEWAY_JOSE_SOURCE_H

#include "gateway/jose/keys.h"
#include "routes/config/config.h"

struct key_source {
	_Atomic unsigned references;
	struct key_set *fixed; /* of a file; NULL: they are sent */
};

/* The control thread, after signature_load(). With the keys of the file, where the settings name one. NULL: it has none that can be
 * used, or memory is short; *why (static). */
struct key_source *key_source_new(const struct jwt_settings *settings, const char **why);
struct key_source *key_source_reference(struct key_source *source);
void key_source_release(struct key_source *source);

/* Before a start, and for --check: the first route at or behind `from` whose file has no key that can be used; *why (static).
 * route_count: there is none. */
size_t key_source_check(const struct config *config, size_t from, const char **why);

#endif
