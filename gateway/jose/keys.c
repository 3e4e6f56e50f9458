#include "gateway/jose/keys.h"

#include <stdlib.h>

#include "gateway/jose/base64url.h"
#include "gateway/jose/signature.h"

enum { EXPONENT_BYTES_MOST = 8 };

/* ---- one key --------------------------------------------------------------------------------------------------- */

static struct slice text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return (struct slice){ json_string_value(value), json_string_length(value) };
}

static bool is_text(const json_t *object, const char *name, const char *text)
{
	struct slice value = text_of(object, name);

	return value.data != NULL && slice_equal(value, (struct slice){ text, strlen(text) });
}

/* The significant bytes of a number: how many, the first and the last. 0: it is none, or too large. */
static size_t measure(const json_t *jwk, const char *name, unsigned char *first, unsigned char *last)
{
	char bytes[BASE64URL_BYTES(1024)], *at = bytes;
	struct slice text = text_of(jwk, name);
	size_t length;

	if (text.data == NULL || text.length > 1024 || !base64url_decode(text, bytes, &length))
		return 0;
	while (length > 0 && *at == 0) {
		at++;
		length--;
	}
	if (length > 0) {
		*first = (unsigned char)at[0];
		*last = (unsigned char)at[length - 1];
	}
	return length;
}

/* NULL: it is fine. */
static const char *dislike_rsa(const json_t *jwk)
{
	unsigned char first = 0, last = 0;
	size_t length = measure(jwk, "n", &first, &last), bits = length * 8;

	if (length == 0 || last % 2 == 0)
		return "an RSA key's n is not a modulus";
	while ((first & 0x80) == 0) {
		first = (unsigned char)(first << 1);
		bits--;
	}
	if (bits < KEYS_RSA_BITS_LEAST)
		return "an RSA key has less than 2048 bits";
	if (bits > KEYS_RSA_BITS_MOST)
		return "an RSA key has more than 4096 bits";
	length = measure(jwk, "e", &first, &last);
	if (length == 0 || length > EXPONENT_BYTES_MOST || last % 2 == 0 || (length == 1 && first == 1))
		return "an RSA key's e is not an exponent";
	return NULL;
}

static const char *dislike_ec(const json_t *jwk)
{
	unsigned char first, last;

	if (jwt_algorithms_of("EC", json_string_value(json_object_get(jwk, "crv"))) == 0)
		return "an EC key is not on P-256, P-384 or P-521";
	return measure(jwk, "x", &first, &last) == 0 || measure(jwk, "y", &first, &last) == 0 ? "an EC key has no point" : NULL;
}

static bool may_verify(const json_t *jwk)
{
	const json_t *use = json_object_get(jwk, "use"), *operations = json_object_get(jwk, "key_ops"), *operation;
	size_t i;

	if (use != NULL && !is_text(jwk, "use", "sig"))
		return false;
	json_array_foreach(operations, i, operation)
		if (json_is_string(operation) && strcmp(json_string_value(operation), "verify") == 0)
			return true;
	return operations == NULL;
}

/* Only what its type needs: a private part that somebody published by mistake, or a certificate, has no business here. */
static json_t *strip(const json_t *jwk, const char *type)
{
	static const char *const rsa[] = { "kty", "n", "e", NULL }, *const ec[] = { "kty", "crv", "x", "y", NULL };
	json_t *stripped = json_object();

	for (const char *const *name = strcmp(type, "RSA") == 0 ? rsa : ec; *name != NULL && stripped != NULL; name++)
		if (json_object_set(stripped, *name, json_object_get(jwk, *name)) != 0) {
			json_decref(stripped);
			return NULL;
		}
	return stripped;
}

/* Why it is left out; NULL: it is not. */
static const char *read_key(const json_t *jwk, struct key *key)
{
	const json_t *id = json_object_get(jwk, "kid"), *algorithm = json_object_get(jwk, "alg");
	const char *type = json_string_value(json_object_get(jwk, "kty")), *why;

	if (type == NULL || (id != NULL && !json_is_string(id)) || (algorithm != NULL && !json_is_string(algorithm)))
		return "a key's kty, kid or alg is not a text";
	if (!may_verify(jwk))
		return "a key is not for signatures";
	if (strcmp(type, "RSA") == 0)
		why = dislike_rsa(jwk);
	else if (strcmp(type, "EC") == 0)
		why = dislike_ec(jwk);
	else
		why = "a key is neither RSA nor EC";
	if (why != NULL)
		return why;
	key->id = json_string_value(id);
	key->algorithms = jwt_algorithms_of(type, strcmp(type, "EC") == 0 ? json_string_value(json_object_get(jwk, "crv")) : NULL);
	if (algorithm != NULL) {
		enum jwt_algorithm only = jwt_algorithm_find(json_string_value(algorithm));

		key->algorithms &= only == JWT_ALGORITHM_COUNT ? 0 : JWT_BIT(only);
	}
	if (key->algorithms == 0)
		return "a key's alg is not one that its type can verify";
	key->jwk = strip(jwk, type);
	return key->jwk == NULL ? "memory is short" : NULL;
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

struct key_set *key_set_read(const char *text, size_t length, const char **why)
{
	static _Atomic uint64_t last_id;
	json_t *root = length > KEYS_BYTES_MAX ? NULL : json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL), *jwk;
	const json_t *list = json_object_get(root, "keys");
	struct key_set *keys = NULL;
	size_t i;

	*why = length > KEYS_BYTES_MAX ? "it is larger than 256 KiB" : root == NULL ? "it is not JSON" : "it has no list \"keys\"";
	if (json_is_array(list)) {
		*why = json_array_size(list) > KEYS_MAX ? "it has more than 128 keys" : "memory is short";
		keys = json_array_size(list) > KEYS_MAX ? NULL : calloc(1, sizeof *keys + json_array_size(list) * sizeof(struct key));
	}
	if (keys == NULL) {
		json_decref(root);
		return NULL;
	}
	atomic_init(&keys->references, 1);
	keys->id = atomic_fetch_add(&last_id, 1) + 1;
	keys->root = root;
	json_array_foreach(list, i, jwk) {
		const char *dislike = read_key(jwk, &keys->list[keys->count]);

		if (dislike == NULL) {
			keys->count++;
			continue;
		}
		keys->left_out++;
		keys->why_left_out = dislike;
	}
	return keys;
}

void key_set_warm_up(const struct key_set *keys)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < keys->count; i++)
		for (unsigned algorithm = 0; algorithm < JWT_ALGORITHM_COUNT; algorithm++) {
			if ((keys->list[i].algorithms & ~seen & JWT_BIT(algorithm)) == 0)
				continue;
			seen |= JWT_BIT(algorithm);
			signature_warm_up(keys->list[i].jwk, jwt_algorithm_name(algorithm));
		}
}

struct key_set *key_set_reference(struct key_set *keys)
{
	atomic_fetch_add_explicit(&keys->references, 1, memory_order_relaxed);
	return keys;
}

void key_set_release(struct key_set *keys)
{
	if (keys == NULL || atomic_fetch_sub_explicit(&keys->references, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < keys->count; i++)
		json_decref(keys->list[i].jwk);
	json_decref(keys->root);
	free(keys);
}

bool key_set_equals(const struct key_set *a, const struct key_set *b)
{
	return json_equal(a->root, b->root);
}

const struct key *key_set_find(const struct key_set *keys, const char *id, enum jwt_algorithm algorithm, const char **why)
{
	const struct key *found = NULL;
	bool is_known = false;

	for (size_t i = 0; i < keys->count; i++) {
		const struct key *key = &keys->list[i];

		if (id != NULL && (key->id == NULL || strcmp(key->id, id) != 0))
			continue;
		is_known = true;
		if ((key->algorithms & JWT_BIT(algorithm)) == 0)
			continue;
		if (found != NULL && id == NULL) {
			*why = "the token names no key, and more than one could be meant";
			return NULL;
		}
		if (found == NULL)
			found = key;
	}
	*why = id != NULL && is_known ? "the token's alg does not fit the key that it names"
	       : id != NULL           ? "the token was signed with a key that is not known"
	                              : "the token names no key, and none fits its alg";
	return found;
}
