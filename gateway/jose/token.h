/*
 * One bearer token: a signed JSON Web Token (RFC 7519), judged as RFC 8725 advises. Pure, except for José's verification of
 * the signature; any thread.
 *
 * The checks, in this order, each with a reason of its own: three parts of base64url; a header that is an object without a
 * name twice, with `alg` among the route's algorithms, without `crit`, of a type for access; a key that `kid` names and that
 * verifies this `alg` and no other type; the signature; then, and only then, the claims.
 */
#ifndef GATEWAY_JOSE_TOKEN_H
#define GATEWAY_JOSE_TOKEN_H

#include "gateway/jose/claims.h"
#include "gateway/jose/keys.h"

enum { TOKEN_BYTES_MAX = 16 * 1024 };

enum token_verdict {
	TOKEN_GOOD,
	TOKEN_REFUSED,
	TOKEN_KEY_UNKNOWN, /* refused, and the issuer may have newer keys */
	TOKEN_NO_MEMORY,
};

struct token_result {
	enum token_verdict verdict;
	const char *why; /* static, without quotes; NULL when it is good */
	struct token_claims *claims; /* a use for the caller; NULL unless it is good */
};

struct token_result token_verify(const struct jwt_settings *settings, const struct key_set *keys, struct slice token,
                                 uint64_t wall_ms);

/* For the fuzzer: the part behind the signature. `payload` is what base64url encodes. */
struct token_result token_read_claims(const struct jwt_settings *settings, struct slice payload, uint64_t wall_ms);

#endif
