/* Tokens with any header and any claims, rightly signed, and the key set that verifies them. For the tests of gateway/jose. */
#ifndef TESTS_UNIT_SIGNING_H
#define TESTS_UNIT_SIGNING_H

#include <jansson.h>
#include <jose/openssl.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNING_TOKEN_MAX = 64 * 1024 };

struct signing {
	EVP_PKEY *rsa, *ec;
	char *rsa_jwk, *ec_jwk; /* public, as JSON without the brackets around it */
};

static inline size_t signing_encode(const void *bytes, size_t length, char *to)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *from = bytes;
	char *begin = to;

	for (size_t i = 0; i < length; i += 3) {
		unsigned bits = (unsigned)from[i] << 16 | (i + 1 < length ? (unsigned)from[i + 1] << 8 : 0) |
		                (i + 2 < length ? (unsigned)from[i + 2] : 0);

		for (size_t digit = 0; digit < (length - i >= 3 ? 4 : length - i + 1); digit++)
			*to++ = digits[bits >> (18 - 6 * digit) & 63];
	}
	*to = '\0';
	return (size_t)(to - begin);
}

static inline char *signing_publish(EVP_PKEY *key, const char *type)
{
	json_t *jwk = jose_openssl_jwk_from_EVP_PKEY(NULL, key);
	char *text;

	for (const char *const *name = (const char *const[]){ "d", "p", "q", "dp", "dq", "qi", NULL }; *name != NULL; name++)
		json_object_del(jwk, *name);
	text = json_dumps(jwk, JSON_COMPACT);
	json_decref(jwk);
	if (text == NULL || strstr(text, type) == NULL)
		abort();
	memmove(text, text + 1, strlen(text));
	text[strlen(text) - 1] = '\0';
	return text;
}

static inline struct signing signing_begin(void)
{
	struct signing signing = { .rsa = EVP_RSA_gen(2048), .ec = EVP_EC_gen("P-256") };

	if (signing.rsa == NULL || signing.ec == NULL)
		abort();
	signing.rsa_jwk = signing_publish(signing.rsa, "RSA");
	signing.ec_jwk = signing_publish(signing.ec, "EC");
	return signing;
}

static inline void signing_end(struct signing *signing)
{
	EVP_PKEY_free(signing->rsa);
	EVP_PKEY_free(signing->ec);
	free(signing->rsa_jwk);
	free(signing->ec_jwk);
}

/* With PKCS #1 and SHA-256, whatever the header says. The text is good until the next call. */
static inline const char *signing_sign_bytes(const struct signing *signing, const char *header, size_t header_length,
                                             const char *claims, size_t claims_length)
{
	static char token[SIGNING_TOKEN_MAX];
	unsigned char signature[1024];
	size_t at = signing_encode(header, header_length, token), size = sizeof signature;
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	token[at++] = '.';
	at += signing_encode(claims, claims_length, token + at);
	if (context == NULL || EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signing->rsa) != 1 ||
	    EVP_DigestSign(context, signature, &size, (unsigned char *)token, at) != 1)
		abort();
	EVP_MD_CTX_free(context);
	token[at++] = '.';
	signing_encode(signature, size, token + at);
	return token;
}

static inline const char *signing_sign(const struct signing *signing, const char *header, const char *claims)
{
	return signing_sign_bytes(signing, header, strlen(header), claims, strlen(claims));
}

#endif
