/*
 * Bearer tokens, with the attacks of RFC 8725. Each refused token is signed by the right key unless it says otherwise, so that it
 * is refused for what the table names and for nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/hmac.h>

#include "gateway/base/slice.h"
#include "gateway/jose/base64url.h"
#include "gateway/jose/signature.h"
#include "gateway/jose/token.h"
#include "tests/unit/signing.h"

enum { NOW_S = 1700000000 };

#define HEADER "{\"alg\":\"RS256\",\"kid\":\"r\"}"
#define TIMES "\"exp\":1700000300"
#define CLAIMS(more) "{\"iss\":\"http://issuer\",\"aud\":\"hospital\"," TIMES more "}"

static struct signing signing;
static struct key_set *keys;
static const char *const audiences[] = { "other", "hospital" };

static struct jwt_settings settings(void)
{
	return (struct jwt_settings){
		.id = 1,
		.issuer = "http://issuer",
		.audiences = audiences,
		.audience_count = 2,
		.algorithms = JWT_BIT(JWT_RS256) | JWT_BIT(JWT_ES256),
		.leeway_ms = 60000,
		.claims = { "sub", "roles", "n" },
		.claim_count = 3,
	};
}

static struct token_result verify_bytes(const char *token, size_t length)
{
	struct jwt_settings all = settings();
	char *exact = malloc(length > 0 ? length : 1); /* ASan sees who reads behind it */
	struct token_result result;

	memcpy(exact, token, length);
	result = token_verify(&all, keys, (struct slice){ exact, length }, (uint64_t)NOW_S * 1000);
	free(exact);
	return result;
}

static struct token_result verify(const char *token)
{
	return verify_bytes(token, strlen(token));
}

static void expect_refused(const char *token, const char *why)
{
	struct token_result result = verify(token);

	if (result.why == NULL || strcmp(result.why, why) != 0)
		fail_msg("%s: got \"%s\", not \"%s\"", token, result.why == NULL ? "good" : result.why, why);
	assert_int_not_equal(result.verdict, TOKEN_GOOD);
	assert_null(result.claims);
}

static void expect_good(const char *token)
{
	struct token_result result = verify(token);

	if (result.why != NULL)
		fail_msg("%s: %s", token, result.why);
	assert_int_equal(result.verdict, TOKEN_GOOD);
	claims_release(result.claims);
}

/* ---- headers --------------------------------------------------------------------------------------------------- */

static const char bad_alg[] = "the token's alg is not one that is accepted here", alg_kind[] = "the token's alg is not a text",
                  bad_typ[] = "the token's typ is not that of an access token", kid_kind[] = "the token's kid is not a text",
                  unknown[] = "the token was signed with a key that is not known",
                  mismatch[] = "the token's alg does not fit the key that it names",
                  no_header[] = "the token's header is not a JSON object, or has a name twice",
                  crit[] = "the token has critical extensions";

static void test_headers(void **state)
{
	static const struct {
		const char *header, *why;
	} cases[] = {
		{ "{\"alg\":\"none\",\"kid\":\"r\"}", bad_alg },
		{ "{\"alg\":\"None\",\"kid\":\"r\"}", bad_alg },
		{ "{\"alg\":\"\",\"kid\":\"r\"}", bad_alg },
		{ "{\"alg\":\"HS256\",\"kid\":\"r\"}", bad_alg },
		{ "{\"alg\":\"rs256\",\"kid\":\"r\"}", bad_alg },
		{ "{\"alg\":\"RS256 \",\"kid\":\"r\"}", bad_alg },
		{ "{\"alg\":\"PS256\",\"kid\":\"r\"}", bad_alg }, /* the key could, the route does not accept it */
		{ "{\"alg\":\"ES256\",\"kid\":\"r\"}", mismatch },
		{ "{\"alg\":\"RS256\",\"kid\":\"e\"}", mismatch },
		{ "{\"kid\":\"r\"}", alg_kind },
		{ "{\"alg\":null,\"kid\":\"r\"}", alg_kind },
		{ "{\"alg\":7,\"kid\":\"r\"}", alg_kind },
		{ "{\"alg\":[\"RS256\"],\"kid\":\"r\"}", alg_kind },
		{ "{\"alg\":{\"RS256\":1},\"kid\":\"r\"}", alg_kind },
		{ "{\"alg\":true,\"kid\":\"r\"}", alg_kind },
		{ "{\"alg\":\"RS256\",\"kid\":\"x\"}", unknown },
		{ "{\"alg\":\"RS256\",\"kid\":\"\"}", unknown },
		{ "{\"alg\":\"RS256\",\"kid\":\"r' OR '1'='1\"}", unknown },
		{ "{\"alg\":\"RS256\",\"kid\":\"../../../dev/null\"}", unknown },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\\u0000x\"}", no_header },
		{ "{\"alg\":\"RS256\",\"kid\":7}", kid_kind },
		{ "{\"alg\":\"RS256\",\"kid\":null}", kid_kind },
		{ "{\"alg\":\"RS256\",\"kid\":[\"r\"]}", kid_kind },
		{ "{\"alg\":\"RS256\",\"kid\":{\"r\":1}}", kid_kind },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":[\"exp\"]}", crit },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":[]}", crit },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":null}", crit },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"b64\":false,\"crit\":[\"b64\"]}", crit },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"logout+jwt\"}", bad_typ },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"dpop+jwt\"}", bad_typ },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":7}", bad_typ },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":null}", bad_typ },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"alg\":\"RS256\"}", no_header },
		{ "{\"alg\":\"RS256\",\"kid\":\"x\",\"kid\":\"r\"}", no_header },
		{ "[\"alg\",\"RS256\"]", no_header },
		{ "\"RS256\"", no_header },
		{ "7", no_header },
		{ "null", no_header },
		{ "true", no_header },
		{ "", no_header },
		{ HEADER "x", no_header },
		{ "{\"alg\":\"RS256\",\"kid\":\"r\",\"x\":\"\xff\"}", no_header },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		expect_refused(signing_sign(&signing, cases[i].header, CLAIMS("")), cases[i].why);
	expect_good(signing_sign(&signing, HEADER, CLAIMS("")));
	expect_good(signing_sign(&signing, "{\"alg\":\"RS256\"}", CLAIMS(""))); /* one key alone verifies RS256 */
	expect_good(signing_sign(&signing, "{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"JWT\"}", CLAIMS("")));
	expect_good(signing_sign(&signing, "{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"application/AT+jwt\"}", CLAIMS("")));
	/* The token's own key, or where to fetch one, is never looked at. */
	expect_good(signing_sign(&signing, "{\"alg\":\"RS256\",\"kid\":\"r\",\"jku\":\"http://attacker\",\"jwk\":{\"kty\":\"RSA\"}}",
	                         CLAIMS("")));
}

/* ---- signatures and parts -------------------------------------------------------------------------------------- */

static const char wrong[] = "the token's signature is wrong", parts[] = "the token has not the three parts of a signed one";

/* The public key's text as the secret of HS256, with every header that a careless reader would fall for. */
static void test_public_key_as_secret(void **state)
{
	static const char *const headers[] = { "{\"alg\":\"HS256\",\"kid\":\"r\"}", HEADER };
	char token[SIGNING_TOKEN_MAX];
	unsigned char mac[EVP_MAX_MD_SIZE];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t at = signing_encode(headers[i], strlen(headers[i]), token);
		unsigned size;

		token[at++] = '.';
		at += signing_encode(CLAIMS(""), sizeof CLAIMS("") - 1, token + at);
		HMAC(EVP_sha256(), signing.rsa_jwk, (int)strlen(signing.rsa_jwk), (unsigned char *)token, at, mac, &size);
		token[at++] = '.';
		signing_encode(mac, size, token + at);
		expect_refused(token, i == 0 ? bad_alg : wrong);
	}
}

static void test_signatures(void **state)
{
	struct signing other = signing_begin();
	char token[SIGNING_TOKEN_MAX], *dot;

	(void)state;
	expect_refused(signing_sign(&other, HEADER, CLAIMS("")), wrong);
	signing_end(&other);
	strcpy(token, signing_sign(&signing, HEADER, CLAIMS("")));
	dot = strrchr(token, '.');
	dot[1] = dot[1] == 'A' ? 'B' : 'A';
	expect_refused(token, wrong);
	dot[1] = '\0';
	expect_refused(token, wrong); /* none at all */
	strcpy(token, signing_sign(&signing, HEADER, CLAIMS("")));
	strchr(token, '.')[1] ^= 1; /* other claims under the same signature */
	assert_non_null(verify(token).why);
}

static void test_parts(void **state)
{
	char token[SIGNING_TOKEN_MAX], more[SIGNING_TOKEN_MAX + 8];

	(void)state;
	strcpy(token, signing_sign(&signing, HEADER, CLAIMS("")));
	for (size_t length = 0; length < strlen(token); length++) {
		struct token_result result = verify_bytes(token, length);

		assert_int_equal(result.verdict, TOKEN_REFUSED);
		assert_non_null(result.why);
	}
	expect_refused("", parts);
	expect_refused(".", parts);
	expect_refused("..", no_header);
	expect_refused("...", parts);
	snprintf(more, sizeof more, "%s.x.y", token);
	expect_refused(more, parts); /* five: it is encrypted */
	snprintf(more, sizeof more, "%s=", token);
	expect_refused(more, "the token's signature is not base64url");
	snprintf(more, sizeof more, "%s ", token);
	expect_refused(more, "the token's signature is not base64url");
	snprintf(more, sizeof more, "%s\n", token);
	expect_refused(more, "the token's signature is not base64url");
	snprintf(more, sizeof more, "=%s", token);
	expect_refused(more, "the token's header is not base64url");
	for (const char *byte = "=\x80\xff"; *byte != '\0'; byte++) { /* no memory is short, whatever jansson makes of it */
		strcpy(more, token);
		strchr(more, '.')[1] = *byte;
		expect_refused(more, "the token's claims are not base64url");
		assert_int_equal(verify(more).verdict, TOKEN_REFUSED);
	}
	memset(more, 'A', TOKEN_BYTES_MAX + 1);
	more[TOKEN_BYTES_MAX + 1] = '\0';
	expect_refused(more, "the token is larger than 16 KiB");
}

/* The same bytes have one text alone: bits at its end that mean nothing are 0. */
static void test_base64url(void **state)
{
	char to[16];
	size_t length;

	(void)state;
	assert_true(base64url_decode(SLICE("AQ"), to, &length));
	assert_int_equal(length, 1);
	assert_false(base64url_decode(SLICE("AR"), to, &length));
	assert_false(base64url_decode(SLICE("A"), to, &length));
	assert_false(base64url_decode(SLICE("AQ=="), to, &length));
	assert_false(base64url_decode(SLICE("A+/_"), to, &length));
	assert_true(base64url_decode(SLICE("-_8A"), to, &length));
	assert_memory_equal(to, "\xfb\xff\x00", 3);
}

/* ---- claims ---------------------------------------------------------------------------------------------------- */

static const char audience[] = "the token is for another audience", issuer[] = "the token is from another issuer",
                  expired[] = "the token has expired", early[] = "the token is not valid yet", no_exp[] = "the token has no exp",
                  no_time[] = "the token's exp, nbf or iat is not a time", text_kind[] = "the token's iss or sub is not a text",
                  no_claims[] = "the token's claims are not a JSON object, or have a name twice",
                  aud_kind[] = "the token's aud is neither a text nor a list",
                  aud_list[] = "the token's aud is a list of something else than texts",
                  field[] = "a claim that the route passes on can't stand in a field";

static void test_claims(void **state)
{
#define BASE "{\"iss\":\"http://issuer\","
	static const struct {
		const char *claims, *why;
	} cases[] = {
		{ "{\"aud\":\"hospital\"," TIMES "}", issuer },
		{ "{\"iss\":\"http://issuer/\",\"aud\":\"hospital\"," TIMES "}", issuer },
		{ "{\"iss\":[\"http://issuer\"],\"aud\":\"hospital\"," TIMES "}", text_kind },
		{ "{\"iss\":null,\"aud\":\"hospital\"," TIMES "}", text_kind },
		{ CLAIMS(",\"sub\":7"), text_kind },
		{ CLAIMS(",\"sub\":{}"), text_kind },
		{ BASE TIMES "}", audience },
		{ BASE "\"aud\":\"Hospital\"," TIMES "}", audience },
		{ BASE "\"aud\":[]," TIMES "}", audience },
		{ BASE "\"aud\":[\"x\",\"y\"]," TIMES "}", audience },
		{ BASE "\"aud\":7," TIMES "}", aud_kind },
		{ BASE "\"aud\":null," TIMES "}", aud_kind },
		{ BASE "\"aud\":{\"hospital\":1}," TIMES "}", aud_kind },
		{ BASE "\"aud\":[\"hospital\",7]," TIMES "}", aud_list },
		{ BASE "\"aud\":[[\"hospital\"]]," TIMES "}", aud_list },
		{ BASE "\"aud\":\"hospital\"}", no_exp },
		{ BASE "\"aud\":\"hospital\",\"exp\":null}", no_time },
		{ BASE "\"aud\":\"hospital\",\"exp\":\"1700000300\"}", no_time },
		{ BASE "\"aud\":\"hospital\",\"exp\":[1700000300]}", no_time },
		{ BASE "\"aud\":\"hospital\",\"exp\":true}", no_time },
		{ BASE "\"aud\":\"hospital\",\"exp\":-1}", no_time },
		{ BASE "\"aud\":\"hospital\",\"exp\":99999999999999999999}", no_claims },
		{ BASE "\"aud\":\"hospital\",\"exp\":0}", expired },
		{ BASE "\"aud\":\"hospital\",\"exp\":1699999940}", expired }, /* the leeway is over */
		{ CLAIMS(",\"nbf\":1700000061"), early },
		{ CLAIMS(",\"iat\":1700000061"), early },
		{ CLAIMS(",\"nbf\":\"1\""), no_time },
		{ CLAIMS(",\"nbf\":-1"), no_time },
		{ CLAIMS(",\"iat\":{}"), no_time },
		{ CLAIMS(",\"exp\":1700000300"), no_claims },
		{ CLAIMS(",\"aud\":\"other\""), no_claims },
		{ CLAIMS(",\"sub\":\"a\",\"sub\":\"b\""), no_claims },
		{ CLAIMS(",\"x\":{\"y\":1,\"y\":2}"), no_claims },
		{ CLAIMS(",\"sub\":\"a\\u0000b\""), no_claims },
		{ CLAIMS(",\"sub\":\"a\\r\\nX-Admin: 1\""), field },
		{ CLAIMS(",\"sub\":\"a\\u007f\""), field },
		{ CLAIMS(",\"roles\":[\"a\",\"b\\u007f\"]"), field },
		{ CLAIMS(",\"roles\":{\"\\u007f\":1}"), field },
		{ CLAIMS(",\"sub\":\" root\""), field },
		{ CLAIMS(",\"sub\":\"root\\t\""), field },
		{ "[]", no_claims },
		{ "\"x\"", no_claims },
		{ "7", no_claims },
		{ "null", no_claims },
		{ "", no_claims },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		expect_refused(signing_sign(&signing, HEADER, cases[i].claims), cases[i].why);
	expect_good(signing_sign(&signing, HEADER, BASE "\"aud\":[\"x\",\"hospital\"]," TIMES "}"));
	expect_good(signing_sign(&signing, HEADER, BASE "\"aud\":\"other\",\"exp\":1699999941}"));
	expect_good(signing_sign(&signing, HEADER, CLAIMS(",\"nbf\":1700000060,\"iat\":1700000059.5")));
	expect_good(signing_sign(&signing, HEADER, BASE "\"aud\":\"other\",\"exp\":1e300}"));
}

static void test_a_nul_in_the_claims(void **state)
{
	static const char claims[] = CLAIMS("") "\0{\"x\":1}";
	const char *token = signing_sign_bytes(&signing, HEADER, sizeof HEADER - 1, claims, sizeof claims - 1);

	(void)state;
	expect_refused(token, no_claims);
}

static void test_kept_claims(void **state)
{
	struct token_result result =
		verify(signing_sign(&signing, HEADER, CLAIMS(",\"sub\":\"J\\u00fcrgen\",\"roles\":[\"a\\nb\",\"c,d\"],\"n\":12.5")));

	(void)state;
	assert_int_equal(result.verdict, TOKEN_GOOD);
	assert_int_equal(result.claims->count, 3);
	assert_true(slice_equal(result.claims->values[0], SLICE("J\xc3\xbcrgen")));
	assert_true(slice_equal(result.claims->values[1], SLICE("[\"a\\nb\",\"c,d\"]")));
	assert_true(slice_equal(result.claims->values[2], SLICE("12.5")));
	assert_true(result.claims->from_ms == 0);
	assert_true(result.claims->until_ms == UINT64_C(1700000360000));
	claims_release(result.claims);
	result = verify(signing_sign(&signing, HEADER, CLAIMS(",\"sub\":\"\",\"roles\":null,\"n\":true")));
	assert_null(result.claims->values[0].data);
	assert_null(result.claims->values[1].data);
	assert_true(slice_equal(result.claims->values[2], SLICE("true")));
	claims_release(result.claims);
}

static void test_large_claims(void **state)
{
	char claims[2 * CLAIMS_BYTES_MAX];
	int at = snprintf(claims, sizeof claims, BASE "\"aud\":\"other\"," TIMES ",\"sub\":\"");

	(void)state;
	memset(claims + at, 'x', CLAIMS_BYTES_MAX + 1);
	strcpy(claims + at + CLAIMS_BYTES_MAX + 1, "\"}");
	expect_refused(signing_sign(&signing, HEADER, claims), "the claims that the route keeps are larger than 4 KiB");
	strcpy(claims + at + CLAIMS_BYTES_MAX, "\"}");
	expect_good(signing_sign(&signing, HEADER, claims));
}

static int begin(void **state)
{
	char text[8192], error[200];
	const char *why;

	(void)state;
	signing = signing_begin();
	snprintf(text, sizeof text, "{\"keys\":[{\"kid\":\"r\",%s},{\"kid\":\"e\",\"alg\":\"ES256\",\"use\":\"sig\",%s}]}",
	         signing.rsa_jwk, signing.ec_jwk);
	keys = key_set_read(text, strlen(text), &why);
	return keys == NULL || keys->count != 2 || !signature_load(error, sizeof error);
}

static int end(void **state)
{
	(void)state;
	key_set_release(keys);
	signing_end(&signing);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),     cmocka_unit_test(test_public_key_as_secret), cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_parts),       cmocka_unit_test(test_base64url),            cmocka_unit_test(test_claims),
		cmocka_unit_test(test_kept_claims), cmocka_unit_test(test_large_claims),         cmocka_unit_test(test_a_nul_in_the_claims),
	};

	return cmocka_run_group_tests_name("token", tests, begin, end);
}
