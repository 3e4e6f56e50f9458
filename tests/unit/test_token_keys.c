/* Key sets: which keys may verify what, which are left out and why, and which one a token gets; and tokens that are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/jose/cache.h"
#include "gateway/jose/keys.h"
#include "tests/unit/in_range.h"

/* A number of so many bytes that begins and ends with these. */
static const char *number(size_t bytes, unsigned char first, unsigned char last)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	static char texts[4][2048];
	static unsigned turn;
	unsigned char raw[1200] = { 0 };
	char *text = texts[turn++ % 4], *to = text;

	memset(raw, 0x55, bytes);
	raw[0] = first;
	raw[bytes - 1] = last;
	for (size_t i = 0; i < bytes; i += 3) {
		unsigned bits = (unsigned)raw[i] << 16 | (unsigned)raw[i + 1] << 8 | raw[i + 2];

		for (size_t digit = 0; digit < (bytes - i >= 3 ? 4 : bytes - i + 1); digit++)
			*to++ = digits[bits >> (18 - 6 * digit) & 63];
	}
	*to = '\0';
	return text;
}

static struct key_set *read_one(const char *more, const char *n, const char *e)
{
	char text[8192];
	const char *why;
	struct key_set *keys;
	int length = snprintf(text, sizeof text, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}]}", n, e, more);

	keys = key_set_read(text, (size_t)length, &why);
	assert_non_null(keys);
	assert_int_equal(keys->count + keys->left_out, 1);
	return keys;
}

static void expect(const char *more, const char *n, const char *e, const char *why_left_out)
{
	struct key_set *keys = read_one(more, n, e);

	if (why_left_out == NULL)
		assert_null(keys->why_left_out);
	else
		assert_string_equal(keys->why_left_out, why_left_out);
	key_set_release(keys);
}

static void test_rsa(void **state)
{
	static const char few[] = "an RSA key has less than 2048 bits", many[] = "an RSA key has more than 4096 bits",
	                  no_e[] = "an RSA key's e is not an exponent", no_n[] = "an RSA key's n is not a modulus";
	char zeros[2048];

	(void)state;
	expect("", number(256, 0x80, 1), "AQAB", NULL);
	expect("", number(256, 0x7f, 1), "AQAB", few);
	expect("", number(512, 0xff, 1), "AQAB", NULL);
	expect("", number(513, 0x01, 1), "AQAB", many);
	expect("", number(900, 0xff, 1), "AQAB", no_n);
	expect("", number(256, 0x80, 2), "AQAB", no_n);
	expect("", "", "AQAB", no_n);
	expect("", "A", "AQAB", no_n);
	expect("", "AQAB=", "AQAB", no_n);
	expect("", number(256, 0x80, 1), "", no_e);
	expect("", number(256, 0x80, 1), "AQ", no_e);
	expect("", number(256, 0x80, 1), "Ag", no_e);
	expect("", number(256, 0x80, 1), number(9, 1, 1), no_e);
	snprintf(zeros, sizeof zeros, "AAAA%s", number(256, 0x80, 1));
	expect("", zeros, "AQAB", NULL); /* some issuers write a sign */
}

static void test_uses(void **state)
{
	static const char encrypts[] = "a key is not for signatures", bad_alg[] = "a key's alg is not one that its type can verify",
	                  kinds[] = "a key's kty, kid or alg is not a text";
	static const struct {
		const char *more, *why;
	} cases[] = {
		{ ",\"use\":\"sig\"", NULL },
		{ ",\"use\":\"enc\"", encrypts },
		{ ",\"use\":7", encrypts },
		{ ",\"key_ops\":[\"verify\"]", NULL },
		{ ",\"key_ops\":[\"sign\",\"verify\"]", NULL },
		{ ",\"key_ops\":[\"encrypt\"]", encrypts },
		{ ",\"key_ops\":[]", encrypts },
		{ ",\"key_ops\":\"verify\"", encrypts },
		{ ",\"alg\":\"PS256\"", NULL },
		{ ",\"alg\":\"ES256\"", bad_alg },
		{ ",\"alg\":\"HS256\"", bad_alg },
		{ ",\"alg\":\"RSA-OAEP\"", bad_alg },
		{ ",\"alg\":7", kinds },
		{ ",\"kid\":7", kinds },
		{ ",\"kid\":null", kinds },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		expect(cases[i].more, number(256, 0x80, 1), "AQAB", cases[i].why);
}

/* José gets nothing but the public key. */
static void test_private_parts_are_left_out(void **state)
{
	struct key_set *keys = read_one(",\"d\":\"AQ\",\"x5c\":[\"x\"],\"alg\":\"RS256\",\"kid\":\"k\"", number(256, 0x80, 1), "AQAB");

	(void)state;
	assert_int_equal(json_object_size(keys->list[0].jwk), 3);
	assert_int_equal(keys->list[0].algorithms, JWT_BIT(JWT_RS256));
	key_set_release(keys);
}

static void test_other_keys(void **state)
{
	static const struct {
		const char *key, *why;
		uint32_t algorithms;
	} cases[] = {
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}", NULL, JWT_BIT(JWT_ES256) },
		{ "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AQ\",\"y\":\"AQ\"}", NULL, JWT_BIT(JWT_ES384) },
		{ "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AQ\",\"y\":\"AQ\"}", NULL, JWT_BIT(JWT_ES512) },
		{ "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AQ\",\"y\":\"AQ\"}", "an EC key is not on P-256, P-384 or P-521", 0 },
		{ "{\"kty\":\"EC\",\"crv\":7,\"x\":\"AQ\",\"y\":\"AQ\"}", "an EC key is not on P-256, P-384 or P-521", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\"}", "an EC key has no point", 0 },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":[],\"y\":{}}", "an EC key has no point", 0 },
		{ "{\"kty\":\"oct\",\"k\":\"AQAB\",\"alg\":\"HS256\"}", "a key is neither RSA nor EC", 0 },
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"}", "a key is neither RSA nor EC", 0 },
		{ "{\"kty\":7}", "a key's kty, kid or alg is not a text", 0 },
		{ "{}", "a key's kty, kid or alg is not a text", 0 },
		{ "[]", "a key's kty, kid or alg is not a text", 0 },
		{ "null", "a key's kty, kid or alg is not a text", 0 },
		{ "\"RSA\"", "a key's kty, kid or alg is not a text", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[512];
		const char *why;
		struct key_set *keys;

		snprintf(text, sizeof text, "{\"keys\":[%s]}", cases[i].key);
		keys = key_set_read(text, strlen(text), &why);
		assert_non_null(keys);
		if (cases[i].why == NULL)
			assert_int_equal(keys->list[0].algorithms, cases[i].algorithms);
		else
			assert_string_equal(keys->why_left_out, cases[i].why);
		key_set_release(keys);
	}
}

static void test_no_key_sets(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "it is not JSON" },
		{ "<html>", "it is not JSON" },
		{ "{\"keys\":[]} x", "it is not JSON" },
		{ "{\"keys\":[],\"keys\":[]}", "it is not JSON" },
		{ "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}", "it is not JSON" },
		{ "[]", "it has no list \"keys\"" },
		{ "{}", "it has no list \"keys\"" },
		{ "{\"keys\":{}}", "it has no list \"keys\"" },
		{ "{\"keys\":null}", "it has no list \"keys\"" },
	};
	char *large = malloc(KEYS_BYTES_MAX + 1);
	const char *why;
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_null(key_set_read(cases[i].text, strlen(cases[i].text), &why));
		assert_string_equal(why, cases[i].why);
	}
	memset(large, ' ', KEYS_BYTES_MAX + 1);
	assert_null(key_set_read(large, KEYS_BYTES_MAX + 1, &why));
	assert_string_equal(why, "it is larger than 256 KiB");
	at = (size_t)sprintf(large, "{\"keys\":[{}");
	for (int i = 0; i < KEYS_MAX; i++)
		at += (size_t)sprintf(large + at, ",{}");
	at += (size_t)sprintf(large + at, "]}");
	assert_null(key_set_read(large, at, &why));
	assert_string_equal(why, "it has more than 128 keys");
	free(large);
}

static void test_find(void **state)
{
	char text[8192];
	const char *why, *n = number(256, 0x80, 1);
	struct key_set *keys;

	(void)state;
	snprintf(text, sizeof text,
	         "{\"keys\":[{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"},{\"kid\":\"b\",\"kty\":\"RSA\",\"n\":\"%s\","
	         "\"e\":\"AQAB\",\"alg\":\"RS512\"},{\"kid\":\"a\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}]}",
	         n, n);
	keys = key_set_read(text, strlen(text), &why);
	assert_ptr_equal(key_set_find(keys, "a", JWT_RS256, &why), &keys->list[0]);
	assert_ptr_equal(key_set_find(keys, "a", JWT_ES256, &why), &keys->list[2]);
	assert_ptr_equal(key_set_find(keys, "b", JWT_RS512, &why), &keys->list[1]);
	assert_null(key_set_find(keys, "b", JWT_RS256, &why));
	assert_string_equal(why, "the token's alg does not fit the key that it names");
	assert_null(key_set_find(keys, "c", JWT_RS256, &why));
	assert_string_equal(why, "the token was signed with a key that is not known");
	assert_ptr_equal(key_set_find(keys, NULL, JWT_RS256, &why), &keys->list[0]);
	assert_ptr_equal(key_set_find(keys, NULL, JWT_ES256, &why), &keys->list[2]);
	assert_null(key_set_find(keys, NULL, JWT_RS512, &why));
	assert_string_equal(why, "the token names no key, and more than one could be meant");
	assert_null(key_set_find(keys, NULL, JWT_ES384, &why));
	assert_string_equal(why, "the token names no key, and none fits its alg");
	key_set_release(keys);
}

/* ---- the cache ------------------------------------------------------------------------------------------------- */

static struct token_claims *make_claims(size_t bytes)
{
	struct token_claims *claims = calloc(1, sizeof *claims);

	claims->uses = 1;
	claims->bytes = bytes;
	return claims;
}

static struct token_mark mark_of(const struct token_cache *cache, uint64_t settings, uint64_t keys, struct slice token)
{
	struct jwt_settings asked = { .id = settings };
	struct key_set known = { .id = keys };

	return token_cache_mark(cache, &asked, &known, token);
}

static void keep(struct token_cache *cache, const struct token_mark *mark, size_t bytes)
{
	struct token_claims *claims = make_claims(bytes);

	token_cache_keep(cache, mark, claims);
	claims_release(claims);
}

static void test_cache(void **state)
{
	struct token_cache *cache = token_cache_new(), *other = token_cache_new();
	struct token_mark mark = mark_of(cache, 1, 1, SLICE("abcdefghijklmnopqrstuvwxyz")), changed, again;
	char token[] = "abcdefghijklmnopqrstuvwxyz";

	(void)state;
	assert_null(token_cache_find(cache, &mark));
	keep(cache, &mark, 10);
	assert_non_null(token_cache_find(cache, &mark));
	/* One byte, the settings or the keys are others. */
	for (size_t i = 0; i < sizeof token - 1; i++) {
		token[i] ^= 1;
		changed = mark_of(cache, 1, 1, (struct slice){ token, sizeof token - 1 });
		assert_null(token_cache_find(cache, &changed));
		token[i] ^= 1;
	}
	changed = mark_of(cache, 2, 1, SLICE("abcdefghijklmnopqrstuvwxyz"));
	assert_null(token_cache_find(cache, &changed));
	changed = mark_of(cache, 1, 2, SLICE("abcdefghijklmnopqrstuvwxyz"));
	assert_null(token_cache_find(cache, &changed));
	changed = mark_of(cache, 1, 1, SLICE("abcdefghijklmnopqrstuvwxyz\0"));
	assert_null(token_cache_find(cache, &changed));
	/* Another process has another key. */
	again = mark_of(other, 1, 1, SLICE("abcdefghijklmnopqrstuvwxyz"));
	assert_true(again.sums[0] != mark.sums[0] && again.sums[1] != mark.sums[1]);
	token_cache_free(other);
	token_cache_free(cache);
}

/* However many tokens there are, entries and bytes are bounded, and what was kept last is found. */
static void test_cache_is_bounded(void **state)
{
	struct token_cache *cache = token_cache_new();
	struct token_claims *held = make_claims(4096);
	struct token_mark first = mark_of(cache, 1, 1, SLICE("held")), mark;
	size_t found = 0;
	char token[16];

	(void)state;
	token_cache_keep(cache, &first, held);
	for (int i = 0; i < 5000; i++) {
		mark = mark_of(cache, 1, 1, (struct slice){ token, (size_t)sprintf(token, "%d", i) });
		keep(cache, &mark, i % 2 == 0 ? 4096 : 100);
		assert_non_null(token_cache_find(cache, &mark));
	}
	for (int i = 0; i < 5000; i++) {
		mark = mark_of(cache, 1, 1, (struct slice){ token, (size_t)sprintf(token, "%d", i) });
		found += token_cache_find(cache, &mark) != NULL;
	}
	assert_uint_in_range(found, 1, TOKEN_CACHE_ENTRIES);
	assert_int_equal(held->uses, 1); /* the request that uses it still has it */
	claims_release(held);
	token_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsa),        cmocka_unit_test(test_uses),        cmocka_unit_test(test_private_parts_are_left_out),
		cmocka_unit_test(test_other_keys), cmocka_unit_test(test_no_key_sets), cmocka_unit_test(test_find),
		cmocka_unit_test(test_cache),      cmocka_unit_test(test_cache_is_bounded),
	};

	return cmocka_run_group_tests_name("token keys", tests, NULL, NULL);
}
