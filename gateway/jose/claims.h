/* The claims of a token whose signature is right (RFC 7519 section 4): what they must say, and what is kept of them. */
#ifndef GATEWAY_JOSE_CLAIMS_H
#define GATEWAY_JOSE_CLAIMS_H

#include <jansson.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "routes/jwt.h"

enum { CLAIMS_BYTES_MAX = 4 * 1024 }; /* of the values that are kept */

/* Those of one token. It belongs to one thread, whose users count. */
struct token_claims {
	unsigned uses;
	uint64_t from_ms, until_ms; /* by the wall clock, leeway included: good when from <= now < until */
	size_t bytes;               /* of memory, in all */
	size_t count;
	struct slice values[]; /* by index in jwt_settings.claims; data NULL: the token does not have it */
};

/* Do kinds, issuer and audience fit? NULL, or why not (static). */
const char *claims_judge(const json_t *all, const struct jwt_settings *settings);
/* The times, and the values of settings->claims as texts that may stand in a field. NULL: *why (static), which is NULL when memory
 * is short. */
struct token_claims *claims_keep(json_t *all, const struct jwt_settings *settings, const char **why);
/* Is the token good at this time? NULL, or why not. */
const char *claims_judge_time(const struct token_claims *claims, uint64_t wall_ms);
void claims_release(struct token_claims *claims); /* NULL: nothing */

#endif
