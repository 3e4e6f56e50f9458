#include "gateway/jose/source.h"

#include <stdlib.h>

/* A set of a URL may become empty, as its issuer takes its keys back; a file without a key is a mistake. */
static struct key_set *read_file(const struct jwt_settings *settings, const char **why)
{
	struct key_set *keys = key_set_read(settings->jwks_text, settings->jwks_length, why);

	if (keys == NULL || keys->count > 0)
		return keys;
	*why = keys->why_left_out != NULL ? keys->why_left_out : "it has no key";
	key_set_release(keys);
	return NULL;
}

struct key_source *key_source_new(const struct jwt_settings *settings, const char **why)
{
	struct key_set *fixed = settings->jwks_text == NULL ? NULL : read_file(settings, why);
	struct key_source *source;

	if (fixed == NULL && settings->jwks_text != NULL)
		return NULL;
	*why = "memory is short";
	source = calloc(1, sizeof *source);
	if (source == NULL) {
		key_set_release(fixed);
		return NULL;
	}
	atomic_init(&source->references, 1);
	source->fixed = fixed;
	if (fixed != NULL)
		key_set_warm_up(fixed);
	return source;
}

struct key_source *key_source_reference(struct key_source *source)
{
	atomic_fetch_add_explicit(&source->references, 1, memory_order_relaxed);
	return source;
}

void key_source_release(struct key_source *source)
{
	if (atomic_fetch_sub_explicit(&source->references, 1, memory_order_acq_rel) != 1)
		return;
	key_set_release(source->fixed);
	free(source);
}

/* Most routes that have tokens have the same settings; others may stand between them. */
static bool is_checked(const struct config *config, size_t route)
{
	size_t before = route;

	while (before > 0 && config->routes[before - 1].jwt == NULL)
		before--;
	return before > 0 && config->routes[before - 1].jwt == config->routes[route].jwt;
}

size_t key_source_check(const struct config *config, size_t from, const char **why)
{
	for (size_t i = from; i < config->route_count; i++) {
		const struct jwt_settings *settings = config->routes[i].jwt;
		struct key_set *keys;

		if (settings == NULL || settings->jwks_text == NULL || is_checked(config, i))
			continue;
		keys = read_file(settings, why);
		if (keys == NULL)
			return i;
		key_set_release(keys);
	}
	return config->route_count;
}
