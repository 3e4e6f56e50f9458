/*
 * An issuer's public keys (a JSON Web Key Set, RFC 7517), as far as they may verify tokens. The control thread reads them;
 * they never change, so all workers may use them; the owner of a pointer holds a reference.
 */
#ifndef GATEWAY_JOSE_KEYS_H
#define GATEWAY_JOSE_KEYS_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "routes/jwt.h"

enum { KEYS_BYTES_MAX = 256 * 1024, KEYS_MAX = 128, KEYS_RSA_BITS_LEAST = 2048, KEYS_RSA_BITS_MOST = 4096 };

struct key {
	const char *id;      /* its kid; NULL: it has none */
	uint32_t algorithms; /* JWT_BIT() of those that it may verify */
	json_t *jwk;         /* kty and the numbers of the public key, nothing else */
};

struct key_set {
	_Atomic unsigned references;
	uint64_t id; /* no two in the life of the process have the same */
	size_t count, left_out; /* keys that can't verify anything here are left out ... */
	const char *why_left_out; /* ... the last one for this reason; static; NULL: none is */
	json_t *root;
	struct key list[];
};

/* NULL: it is no key set, or memory is short; *why says so (static). A set may be empty: then no token is accepted. */
struct key_set *key_set_read(const char *text, size_t length, const char **why);
/* Verifies something with each algorithm that its keys have: signature_warm_up(). */
void key_set_warm_up(const struct key_set *keys);
struct key_set *key_set_reference(struct key_set *keys);
void key_set_release(struct key_set *keys);
/* Do they hold the same? Their ids differ anyway. */
bool key_set_equals(const struct key_set *a, const struct key_set *b);

/* The key that must have signed. `id` NULL: the token names none, and a key is found only if a single one fits. NULL: *why
 * says why there is none (static). */
const struct key *key_set_find(const struct key_set *keys, const char *id, enum jwt_algorithm algorithm, const char **why);

#endif
