#include "gateway/worker/issuers.h"

#include <stdlib.h>

#include "gateway/base/container.h"
#include "gateway/base/log.h"
#include "routes/config/settings.h"

/* After an answer the keys are taken to be new for this long; after none has come for the second, the worker asks again. */
enum { ASK_GAP_MS = 1000, ASK_AGAIN_MS = 10000 };

static struct issuer_keys *find(const struct issuers *issuers, const struct key_source *source)
{
	for (size_t i = 0; i < issuers->count; i++)
		if (issuers->list[i].source == source)
			return &issuers->list[i];
	return NULL;
}

static void drop(struct issuer_keys *issuer)
{
	key_set_release(issuer->keys);
	key_source_release(issuer->source);
}

static bool add(struct issuers *issuers, struct key_source *source, struct key_set *keys)
{
	struct issuer_keys *list = realloc(issuers->list, (issuers->count + 1) * sizeof *list);

	if (list == NULL)
		return false;
	list[issuers->count++] = (struct issuer_keys){ .source = source, .keys = keys };
	issuers->list = list;
	return true;
}

static bool is_left(const struct issuers *issuers, const struct key_source *source)
{
	const struct issuer_keys *known = find(issuers, source);

	return known != NULL && known->is_left;
}

/* Those who wait for this source; NULL: for those that are left. One that on_keys() makes wait again waits for the next answer. */
static void wake(struct issuers *issuers, const struct key_source *source)
{
	struct ring woken;

	ring_init(&woken);
	for (struct ring *entry = issuers->waits.next, *next; entry != &issuers->waits; entry = next) {
		const struct key_source *awaited = container_of(entry, struct issuer_wait, entry)->source;

		next = entry->next;
		if (source != NULL ? awaited != source : !is_left(issuers, awaited))
			continue;
		ring_remove(entry);
		ring_append(&woken, entry);
	}
	while (!ring_is_empty(&woken)) {
		struct issuer_wait *wait = container_of(woken.next, struct issuer_wait, entry);

		ring_leave(&wait->entry);
		wait->on_keys(wait);
	}
}

void issuers_take_keys(struct issuers *issuers, struct key_source *source, struct key_set *keys)
{
	struct issuer_keys *known = find(issuers, source);

	if (known != NULL) {
		key_set_release(known->keys);
		known->keys = keys;
		known->is_asked = false;
		wake(issuers, source);
		key_source_release(source);
	} else if (!add(issuers, source, keys)) {
		log_error("out of memory: a worker does not get an issuer's keys");
		key_set_release(keys);
		key_source_release(source);
	}
}

static bool names(const struct config *config, const struct key_source *source)
{
	for (size_t i = 0; i < config->route_count; i++)
		if (config->routes[i].jwt != NULL && config->routes[i].jwt->source == source)
			return true;
	return false;
}

void issuers_take_config(struct issuers *issuers, const struct config *config)
{
	for (size_t i = 0; i < issuers->count; i++)
		issuers->list[i].is_left = !names(config, issuers->list[i].source);
	wake(issuers, NULL);
}

void issuers_drop_left(struct issuers *issuers)
{
	size_t kept = 0;

	for (size_t i = 0; i < issuers->count; i++) {
		if (!issuers->list[i].is_left)
			issuers->list[kept++] = issuers->list[i];
		else
			drop(&issuers->list[i]);
	}
	issuers->count = kept;
}

const struct key_set *issuers_find_keys(const struct issuers *issuers, const struct key_source *source)
{
	const struct issuer_keys *known;

	if (source->fixed != NULL)
		return source->fixed;
	known = find(issuers, source);
	return known == NULL ? NULL : known->keys;
}

bool issuers_await(struct issuers *issuers, struct issuer_wait *wait, uint64_t now_ms, bool *must_ask)
{
	struct issuer_keys *known = find(issuers, wait->source);
	bool is_fresh = known != NULL && known->asked_ms != 0 &&
	                now_ms - known->asked_ms < (known->is_asked ? ASK_AGAIN_MS : ASK_GAP_MS);

	*must_ask = false;
	if (known == NULL || known->is_left || (is_fresh && !known->is_asked))
		return false;
	if (!is_fresh) {
		known->asked_ms = now_ms;
		known->is_asked = *must_ask = true;
	}
	ring_append(&issuers->waits, &wait->entry);
	return true;
}

struct token_cache *issuers_tokens(struct issuers *issuers)
{
	if (issuers->tokens == NULL)
		issuers->tokens = token_cache_new();
	return issuers->tokens;
}

void issuers_destroy(struct issuers *issuers)
{
	for (size_t i = 0; i < issuers->count; i++)
		drop(&issuers->list[i]);
	free(issuers->list);
	token_cache_free(issuers->tokens);
}
