/*
 * A bearer token, against a key whose private half nobody has any more. The first byte says what the rest is: 'T' a token, else
 * the claims of one whose signature was right. Must hold: a token is good only with the header and the claims that were signed (the
 * corpus has one); what is refused has words that may stand in a quoted string; what is kept of claims can stand in a field.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/characters.h"
#include "gateway/jose/cache.h"
#include "gateway/jose/token.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/check_verify.h"
#include "tests/fuzz/token_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const fuzz_audiences[] = { "hospital" };

static const struct jwt_settings *fuzz_settings(void)
{
	static const struct jwt_settings settings = {
		.id = 1,
		.issuer = "http://issuer",
		.audiences = fuzz_audiences,
		.audience_count = 1,
		.algorithms = JWT_BIT(JWT_RS256) | JWT_BIT(JWT_PS256) | JWT_BIT(JWT_ES256),
		.leeway_ms = 60000,
		.claims = { "sub", "roles", "n" },
		.claim_count = 3,
	};

	return &settings;
}

static void check_claims(const struct token_claims *claims)
{
	CHECK(claims->uses == 1 && claims->count == 3 && claims->from_ms <= FUZZ_NOW_MS && claims->until_ms > FUZZ_NOW_MS);
	for (size_t i = 0; i < claims->count; i++) {
		struct slice value = claims->values[i];

		CHECK(value.data == NULL || value.length > 0);
		for (size_t at = 0; at < value.length; at++)
			CHECK(char_is(value.data[at], CHAR_VALUE));
		CHECK(value.length == 0 || (value.data[0] != ' ' && value.data[value.length - 1] != ' '));
	}
}

static void check_result(struct token_result result)
{
	CHECK((result.verdict == TOKEN_GOOD) == (result.claims != NULL) && (result.verdict == TOKEN_GOOD) == (result.why == NULL));
	if (result.claims != NULL)
		check_claims(result.claims);
	else
		CHECK(result.why[0] != '\0' && strpbrk(result.why, "\"\\\r\n") == NULL && strlen(result.why) < 100);
}

/* Known again, and nothing else is. */
static void check_cache(const struct key_set *keys, struct slice token, struct token_claims *claims)
{
	static struct token_cache *cache;
	struct token_mark mark;

	if (cache == NULL)
		cache = token_cache_new();
	CHECK(cache != NULL);
	mark = token_cache_mark(cache, fuzz_settings(), keys, token);
	if (claims == NULL) {
		CHECK(token_cache_find(cache, &mark) == NULL);
		return;
	}
	token_cache_keep(cache, &mark, claims);
	CHECK(token_cache_find(cache, &mark) != NULL); /* an input may come twice */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct key_set *keys;
	struct token_result result;
	struct slice rest = { (const char *)data + 1, size - 1 };
	const char *why;

	if (size == 0 || !check_can_verify())
		return 0;
	if (keys == NULL) {
		keys = key_set_read(FUZZ_KEYS, sizeof FUZZ_KEYS - 1, &why);
		CHECK(keys != NULL && keys->count == 2);
	}
	if (data[0] == 'T') {
		result = token_verify(fuzz_settings(), keys, rest, FUZZ_NOW_MS);
		CHECK(result.verdict != TOKEN_GOOD || (rest.length >= sizeof FUZZ_SIGNED - 1 &&
		                                       memcmp(rest.data, FUZZ_SIGNED, sizeof FUZZ_SIGNED - 1) == 0));
		check_result(result);
		if (rest.length <= TOKEN_BYTES_MAX)
			check_cache(keys, rest, result.claims);
	} else {
		result = token_read_claims(fuzz_settings(), rest, FUZZ_NOW_MS);
		check_result(result);
	}
	claims_release(result.claims);
	return 0;
}
