#include "gateway/jose/token.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/jose/base64url.h"
#include "gateway/jose/claims.h"
#include "gateway/jose/signature.h"

static struct token_result refuse(const char *why)
{
	return (struct token_result){ .verdict = TOKEN_REFUSED, .why = why };
}

static struct token_result have_no_memory(void)
{
	return (struct token_result){ .verdict = TOKEN_NO_MEMORY, .why = "memory is short" };
}

/* An object. NULL: what it is else is in *result, for which `why` has the words. */
static json_t *read_object(const char *text, size_t length, const char *why, struct token_result *result)
{
	json_error_t error;
	json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(object))
		return object;
	*result = object == NULL && json_error_code(&error) == json_error_out_of_memory ? have_no_memory() : refuse(why);
	json_decref(object);
	return NULL;
}

/* ---- the header ------------------------------------------------------------------------------------------------ */

/* "application/" may be left out (RFC 7515 section 4.1.9). A token that says that it is for something else, for a logout or a
 * proof of possession, is none for access (RFC 8725 section 3.11). */
static bool is_for_access(const json_t *type)
{
	static const char prefix[] = "application/";
	const char *text = json_string_value(type);

	if (text == NULL)
		return type == NULL;
	if (strncasecmp(text, prefix, sizeof prefix - 1) == 0)
		text += sizeof prefix - 1;
	return strcasecmp(text, "JWT") == 0 || strcasecmp(text, "at+jwt") == 0;
}

/* NULL: the header is fine, and *key has to have signed. Its jku, jwk and x5c are never looked at. */
static const char *read_header(const json_t *header, const struct jwt_settings *settings, const struct key_set *keys,
                               const struct key **key, enum token_verdict *verdict)
{
	const json_t *name = json_object_get(header, "alg"), *id = json_object_get(header, "kid");
	enum jwt_algorithm algorithm;
	const char *why;

	if (!json_is_string(name))
		return "the token's alg is not a text";
	algorithm = jwt_algorithm_find(json_string_value(name));
	if (algorithm == JWT_ALGORITHM_COUNT || (settings->algorithms & JWT_BIT(algorithm)) == 0)
		return "the token's alg is not one that is accepted here";
	if (json_object_get(header, "crit") != NULL)
		return "the token has critical extensions";
	if (!is_for_access(json_object_get(header, "typ")))
		return "the token's typ is not that of an access token";
	if (id != NULL && !json_is_string(id))
		return "the token's kid is not a text";
	*key = key_set_find(keys, json_string_value(id), algorithm, &why);
	if (*key != NULL)
		return NULL;
	*verdict = TOKEN_KEY_UNKNOWN;
	return why;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static bool cut(struct slice *rest, struct slice *part)
{
	const char *dot = memchr(rest->data, '.', rest->length);

	if (dot == NULL)
		return false;
	*part = (struct slice){ rest->data, (size_t)(dot - rest->data) };
	*rest = (struct slice){ dot + 1, rest->length - part->length - 1 };
	return true;
}

static struct token_result judge(const struct jwt_settings *settings, const struct key_set *keys, const struct slice parts[3],
                                 char *room, uint64_t wall_ms)
{
	enum token_verdict verdict = TOKEN_REFUSED;
	struct token_result result;
	const struct key *key = NULL;
	const char *why;
	json_t *header;
	size_t length;

	if (!base64url_decode(parts[2], room, &length))
		return refuse("the token's signature is not base64url");
	/* The verifier takes texts, and jansson makes none of bytes that are not UTF-8. The claims are read when it trusts them. */
	if (!base64url_decode(parts[1], room, &length))
		return refuse("the token's claims are not base64url");
	if (!base64url_decode(parts[0], room, &length))
		return refuse("the token's header is not base64url");
	header = read_object(room, length, "the token's header is not a JSON object, or has a name twice", &result);
	if (header == NULL)
		return result;
	why = read_header(header, settings, keys, &key, &verdict);
	json_decref(header);
	if (why != NULL)
		return (struct token_result){ .verdict = verdict, .why = why };
	switch (signature_verify(key->jwk, parts[0], parts[1], parts[2])) {
	case SIGNATURE_RIGHT:
		break;
	case SIGNATURE_WRONG:
		return refuse("the token's signature is wrong");
	case SIGNATURE_NO_MEMORY:
		return have_no_memory();
	}
	if (!base64url_decode(parts[1], room, &length))
		return refuse("the token's claims are not base64url");
	return token_read_claims(settings, (struct slice){ room, length }, wall_ms);
}

struct token_result token_verify(const struct jwt_settings *settings, const struct key_set *keys, struct slice token,
                                 uint64_t wall_ms)
{
	struct token_result result;
	struct slice parts[3], rest = token;
	char *room;

	if (token.length > TOKEN_BYTES_MAX)
		return refuse("the token is larger than 16 KiB");
	if (token.length == 0 || !cut(&rest, &parts[0]) || !cut(&rest, &parts[1]) || memchr(rest.data, '.', rest.length) != NULL)
		return refuse("the token has not the three parts of a signed one");
	parts[2] = rest;
	room = malloc(BASE64URL_BYTES(token.length));
	if (room == NULL)
		return have_no_memory();
	result = judge(settings, keys, parts, room, wall_ms);
	free(room);
	return result;
}

struct token_result token_read_claims(const struct jwt_settings *settings, struct slice payload, uint64_t wall_ms)
{
	struct token_result result = { .verdict = TOKEN_REFUSED };
	json_t *all = read_object(payload.data, payload.length, "the token's claims are not a JSON object, or have a name twice",
	                          &result);

	if (all == NULL)
		return result;
	result.why = claims_judge(all, settings);
	if (result.why == NULL)
		result.claims = claims_keep(all, settings, &result.why);
	json_decref(all);
	if (result.claims == NULL)
		return result.why == NULL ? have_no_memory() : result;
	result.why = claims_judge_time(result.claims, wall_ms);
	if (result.why == NULL) {
		result.verdict = TOKEN_GOOD;
		return result;
	}
	claims_release(result.claims);
	result.claims = NULL;
	return result;
}
