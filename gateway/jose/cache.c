#include "gateway/jose/cache.h"

#include <stdlib.h>
#include <sys/random.h>

enum { WAYS = 4, SETS = TOKEN_CACHE_ENTRIES / WAYS, WORDS = TOKEN_BYTES_MAX / sizeof(uint64_t) };

struct entry {
	struct token_mark mark;
	struct token_claims *claims; /* NULL: free */
};

struct token_cache {
	uint64_t key[WORDS + 2]; /* the second sum uses it from the third word on */
	size_t claims_bytes;
	unsigned next; /* the way that is given up next */
	struct entry entries[SETS][WAYS];
};

struct token_cache *token_cache_new(void)
{
	struct token_cache *cache = calloc(1, sizeof *cache);
	char *to = cache == NULL ? NULL : (char *)cache->key;

	for (size_t got = 0; cache != NULL && got < sizeof cache->key;) {
		ssize_t more = getrandom(to + got, sizeof cache->key - got, 0);

		if (more < 0) {
			free(cache);
			return NULL;
		}
		got += (size_t)more;
	}
	return cache;
}

static void clear(struct token_cache *cache, struct entry *entry)
{
	if (entry->claims == NULL)
		return;
	cache->claims_bytes -= entry->claims->bytes;
	claims_release(entry->claims);
	entry->claims = NULL;
}

static void clear_all(struct token_cache *cache)
{
	for (size_t i = 0; i < SETS; i++)
		for (size_t way = 0; way < WAYS; way++)
			clear(cache, &cache->entries[i][way]);
}

void token_cache_free(struct token_cache *cache)
{
	if (cache == NULL)
		return;
	clear_all(cache);
	free(cache);
}

static void add_words(struct token_mark *mark, const uint64_t *key, uint64_t first, uint64_t second)
{
	mark->sums[0] += (unsigned __int128)(first + key[0]) * (second + key[1]);
	mark->sums[1] += (unsigned __int128)(first + key[2]) * (second + key[3]);
}

struct token_mark token_cache_mark(const struct token_cache *cache, const struct jwt_settings *settings,
                                   const struct key_set *keys, struct slice token)
{
	struct token_mark mark = { .settings = settings->id, .keys = keys->id, .length = token.length };
	const uint64_t *key = cache->key;
	const char *at = token.data;
	size_t left = token.length;
	uint64_t words[2];

	for (; left >= sizeof words; left -= sizeof words) {
		memcpy(words, at, sizeof words);
		add_words(&mark, key, words[0], words[1]);
		at += sizeof words;
		key += 2;
	}
	if (left == 0)
		return mark;
	memset(words, 0, sizeof words);
	memcpy(words, at, left);
	add_words(&mark, key, words[0], words[1]);
	return mark;
}

/* By the upper half of a sum: the lower bits of a product depend on the lower bits of its factors alone. */
static size_t set_of(const struct token_mark *mark)
{
	return (size_t)(mark->sums[0] >> 64) % SETS;
}

static bool is_same(const struct token_mark *a, const struct token_mark *b)
{
	return a->sums[0] == b->sums[0] && a->sums[1] == b->sums[1] && a->length == b->length && a->settings == b->settings &&
	       a->keys == b->keys;
}

struct token_claims *token_cache_find(const struct token_cache *cache, const struct token_mark *mark)
{
	const struct entry *set = cache->entries[set_of(mark)];

	for (size_t way = 0; way < WAYS; way++)
		if (set[way].claims != NULL && is_same(&set[way].mark, mark))
			return set[way].claims;
	return NULL;
}

/* One that is free; else any. */
static struct entry *choose(struct token_cache *cache, struct entry *set)
{
	for (size_t way = 0; way < WAYS; way++)
		if (set[way].claims == NULL)
			return &set[way];
	return &set[cache->next++ % WAYS];
}

void token_cache_keep(struct token_cache *cache, const struct token_mark *mark, struct token_claims *claims)
{
	struct entry *entry;

	if (cache->claims_bytes + claims->bytes > TOKEN_CACHE_CLAIMS_BYTES)
		clear_all(cache);
	entry = choose(cache, cache->entries[set_of(mark)]);
	clear(cache, entry);
	*entry = (struct entry){ .mark = *mark, .claims = claims };
	claims->uses++;
	cache->claims_bytes += claims->bytes;
}
