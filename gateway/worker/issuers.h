/* The issuers of tokens as a worker knows them: their keys, and the tokens that it has verified. For its own thread. */
#ifndef GATEWAY_WORKER_ISSUERS_H
#define GATEWAY_WORKER_ISSUERS_H

#include "gateway/base/ring.h"
#include "gateway/jose/cache.h"
#include "gateway/jose/source.h"

struct config;

struct issuer_keys {
	struct key_source *source; /* a reference */
	struct key_set *keys;      /* a reference */
	uint64_t asked_ms;         /* when the worker last told the control thread about a token with an unknown key */
	bool is_asked;             /* the control thread has not answered yet */
	bool is_left;              /* only requests that run with an earlier configuration need it; nobody fetches its keys */
};

/* A request whose token names an unknown key, until the control thread knows of newer keys, or that there are none. */
struct issuer_wait {
	struct ring entry; /* of issuers.waits; ring_leave() ends the wait */
	const struct key_source *source; /* only compared */
	void (*on_keys)(struct issuer_wait *wait); /* no longer in the list */
};

/* Zero-initialised but for `waits`: none. */
struct issuers {
	struct issuer_keys *list;
	size_t count;
	struct token_cache *tokens; /* NULL: there was none yet */
	struct ring waits;
};

/* The control thread's answer, or keys that it fetched anyway: takes both references, then calls on_keys() of those who wait.
 * Without memory the old keys stay. */
void issuers_take_keys(struct issuers *issuers, struct key_source *source, struct key_set *keys);
/* A new configuration is in use. Sources that it does not name get no more keys: calls on_keys() of those who wait for these. */
void issuers_take_config(struct issuers *issuers, const struct config *config);
/* No request runs with an earlier configuration: drops the keys that only such needed. */
void issuers_drop_left(struct issuers *issuers);
/* Valid until the end of the loop iteration. NULL: there are none yet. */
const struct key_set *issuers_find_keys(const struct issuers *issuers, const struct key_source *source);
/* A token names a key that is not among them. False: they are as new as they can be. True: the request waits, and if *must_ask
 * the caller has to tell the control thread. Only the caller's own deadline helps against an answer that does not come. */
bool issuers_await(struct issuers *issuers, struct issuer_wait *wait, uint64_t now_ms, bool *must_ask);
/* NULL: memory is short. */
struct token_cache *issuers_tokens(struct issuers *issuers);
void issuers_destroy(struct issuers *issuers);

#endif
