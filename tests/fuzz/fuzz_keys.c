/*
 * What an issuer publishes as its keys. Must hold: what is refused has words; a key that is taken has numbers within bounds, only
 * what its type needs, and algorithms of its type; a token that such a key did not sign is never good, whatever the key is.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/jose/signature.h"
#include "gateway/jose/token.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/check_verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const struct key *key)
{
	bool is_rsa = strcmp(json_string_value(json_object_get(key->jwk, "kty")), "RSA") == 0;

	CHECK(json_object_size(key->jwk) == (is_rsa ? 3 : 4));
	CHECK(key->algorithms != 0 && (key->algorithms & ~jwt_algorithms_of(is_rsa ? "RSA" : "EC", is_rsa ? NULL
	                                     : json_string_value(json_object_get(key->jwk, "crv")))) == 0);
	CHECK(!is_rsa || json_string_length(json_object_get(key->jwk, "n")) <= 1024);
	/* José and OpenSSL get every key to see. */
	CHECK(signature_verify(key->jwk, is_rsa ? SLICE("eyJhbGciOiJSUzI1NiJ9") : SLICE("eyJhbGciOiJFUzI1NiJ9"), SLICE("e30"),
	                       SLICE("AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8AAQIDBAUGBwgJCgsMDQ4PAAECAwQFBgcICQoLDA0ODw")) ==
	      SIGNATURE_WRONG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_set *keys;
	const char *why = NULL;

	if (!check_can_verify())
		return 0;
	keys = key_set_read((const char *)data, size, &why);
	if (keys == NULL) {
		CHECK(why != NULL && why[0] != '\0');
		return 0;
	}
	CHECK(keys->count + keys->left_out <= KEYS_MAX && (keys->left_out > 0) == (keys->why_left_out != NULL));
	for (size_t i = 0; i < keys->count; i++) {
		check_key(&keys->list[i]);
		for (unsigned algorithm = 0; algorithm < JWT_ALGORITHM_COUNT; algorithm++) {
			const struct key *found = key_set_find(keys, keys->list[i].id, (enum jwt_algorithm)algorithm, &why);

			CHECK(found == NULL ? why != NULL : (found->algorithms & JWT_BIT(algorithm)) != 0);
		}
	}
	key_set_release(keys);
	return 0;
}
