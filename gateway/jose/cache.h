/*
 * Tokens that one worker has verified lately. An entry holds a fingerprint, not the token: what is not kept can't be read out
 * of a core dump.
 *
 * A fingerprint is two universal hashes (NH, as in UMAC, RFC 4418) under a key of the kernel's random bytes. An attacker who
 * does not know the key finds another text of the same length with the same fingerprint with a probability of 1 in 2^128 for
 * each try. It costs a tenth of a cryptographic hash.
 *
 * An entry holds only for the settings and the keys with which the token was verified: both have numbers that are never used
 * again, so nothing has to be flushed. The number of entries is fixed, and so is the most memory that they take together.
 */
#ifndef GATEWAY_JOSE_CACHE_H
#define GATEWAY_JOSE_CACHE_H

#include "gateway/jose/token.h"

enum { TOKEN_CACHE_ENTRIES = 1024, TOKEN_CACHE_CLAIMS_BYTES = 1024 * 1024 };

struct token_cache;

struct token_mark {
	unsigned __int128 sums[2];
	uint64_t settings, keys; /* their ids */
	size_t length;
};

/* NULL: memory is short. */
struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *cache);
/* At most TOKEN_BYTES_MAX. */
struct token_mark token_cache_mark(const struct token_cache *cache, const struct jwt_settings *settings,
                                   const struct key_set *keys, struct slice token);
/* NULL: not known. Whether its time is over is the caller's question. */
struct token_claims *token_cache_find(const struct token_cache *cache, const struct token_mark *mark);
/* A use of them for the cache. */
void token_cache_keep(struct token_cache *cache, const struct token_mark *mark, struct token_claims *claims);

#endif
