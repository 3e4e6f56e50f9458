/* The issuers of tokens as a worker knows them: their keys, and the tokens that it has verified. For its own thread. */
#ifndef GATEWAY_WORKER_ISSUERS_H
#define GATEWAY_WORKER_ISSUERS_H

#include "gateway/jose/cache.h"
#include "gateway/jose/source.h"

struct config;

struct issuer_keys {
	struct key_source *source; /* a reference */
	struct key_set *keys;      /* a reference */
	uint64_t asked_ms;         /* when the worker last told the control thread about a token with an unknown key */
};

/* Zero-initialised: none. */
struct issuers {
	struct issuer_keys *list;
	size_t count;
	struct token_cache *tokens; /* NULL: there was none yet */
};

/* Takes both references. Without memory the old keys stay. */
void issuers_take_keys(struct issuers *issuers, struct key_source *source, struct key_set *keys);
/* A new configuration is in use: drops the keys of sources that it does not name. */
void issuers_take_config(struct issuers *issuers, const struct config *config);
/* Valid until the end of the loop iteration. NULL: there are none yet. */
const struct key_set *issuers_find_keys(const struct issuers *issuers, const struct key_source *source);
/* A token names a key that is not among them. Has the control thread to be told? Once a second at most. */
bool issuers_may_ask(struct issuers *issuers, const struct key_source *source, uint64_t now_ms);
/* NULL: memory is short. */
struct token_cache *issuers_tokens(struct issuers *issuers);
void issuers_destroy(struct issuers *issuers);

#endif
