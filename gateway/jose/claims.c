/*
 * Values go into fields of requests, so each is written in one way only: a text as it is, if it can stand in a field and no
 * reader would trim it; a number or a truth value as in JSON; a list or an object as JSON in ASCII. A token with any other
 * text is refused: a user's name with a line break must not become a field of its own, and without the field the request
 * would look like somebody else's.
 */
#include "gateway/jose/claims.h"

#include <stdlib.h>

#include "gateway/http/characters.h"

/* ---- what they must say ---------------------------------------------------------------------------------------- */

static bool is_one_of(const json_t *text, const struct jwt_settings *settings)
{
	for (size_t i = 0; i < settings->audience_count; i++)
		if (strcmp(json_string_value(text), settings->audiences[i]) == 0)
			return true;
	return false;
}

/* A text, or a list of texts (RFC 7519 section 4.1.3). */
static const char *judge_audience(const json_t *audience, const struct jwt_settings *settings)
{
	const json_t *one;
	bool is_meant = false;
	size_t i;

	if (json_is_string(audience))
		is_meant = is_one_of(audience, settings);
	else if (audience != NULL && !json_is_array(audience))
		return "the token's aud is neither a text nor a list";
	json_array_foreach(audience, i, one) {
		if (!json_is_string(one))
			return "the token's aud is a list of something else than texts";
		is_meant = is_meant || is_one_of(one, settings);
	}
	return is_meant || settings->audience_count == 0 ? NULL : "the token is for another audience";
}

static bool is_time_or_absent(const json_t *value)
{
	return value == NULL || (json_is_number(value) && json_number_value(value) >= 0);
}

const char *claims_judge(const json_t *all, const struct jwt_settings *settings)
{
	const json_t *issuer = json_object_get(all, "iss"), *subject = json_object_get(all, "sub");

	if ((issuer != NULL && !json_is_string(issuer)) || (subject != NULL && !json_is_string(subject)))
		return "the token's iss or sub is not a text";
	if (settings->issuer != NULL && (issuer == NULL || strcmp(json_string_value(issuer), settings->issuer) != 0))
		return "the token is from another issuer";
	if (json_object_get(all, "exp") == NULL)
		return "the token has no exp";
	if (!is_time_or_absent(json_object_get(all, "exp")) || !is_time_or_absent(json_object_get(all, "nbf")) ||
	    !is_time_or_absent(json_object_get(all, "iat")))
		return "the token's exp, nbf or iat is not a time";
	return judge_audience(json_object_get(all, "aud"), settings);
}

/* ---- what is kept of them -------------------------------------------------------------------------------------- */

/* In milliseconds, rounded down. A time in the far future is cut to the largest one. */
static uint64_t time_of(const json_t *value)
{
	static const double most_s = 1e15;
	double seconds = json_number_value(value); /* 0 when there is none */

	return (uint64_t)((seconds < most_s ? seconds : most_s) * 1000);
}

static bool can_stand_in_field(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!char_is(text[i], CHAR_VALUE))
			return false;
	return length == 0 || (text[0] != ' ' && text[0] != '\t' && text[length - 1] != ' ' && text[length - 1] != '\t');
}

/* malloc'ed; NULL: *why, as claims_keep() has it. */
static char *write_value(const json_t *value, const char **why)
{
	static const char unfit[] = "a claim that the route passes on can't stand in a field";
	char *text;

	*why = NULL;
	if (json_is_string(value)) {
		if (can_stand_in_field(json_string_value(value), json_string_length(value)))
			return strdup(json_string_value(value));
		*why = unfit;
		return NULL;
	}
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
	if (text != NULL && !can_stand_in_field(text, strlen(text))) { /* it has a DEL, which JSON does not escape */
		free(text);
		*why = unfit;
		return NULL;
	}
	return text;
}

/* A claim that is null or an empty text is none. */
static bool is_there(const json_t *value)
{
	return value != NULL && !json_is_null(value) && !(json_is_string(value) && json_string_length(value) == 0);
}

static struct token_claims *copy(char *const *texts, const struct jwt_settings *settings, const char **why)
{
	size_t length = 0, head = sizeof(struct token_claims) + settings->claim_count * sizeof(struct slice);
	struct token_claims *claims;
	char *to;

	for (size_t i = 0; i < settings->claim_count; i++)
		length += texts[i] == NULL ? 0 : strlen(texts[i]);
	*why = length > CLAIMS_BYTES_MAX ? "the claims that the route keeps are larger than 4 KiB" : NULL;
	claims = length > CLAIMS_BYTES_MAX ? NULL : malloc(head + length);
	if (claims == NULL)
		return NULL;
	*claims = (struct token_claims){ .uses = 1, .bytes = head + length, .count = settings->claim_count };
	to = (char *)claims + head;
	for (size_t i = 0; i < settings->claim_count; i++) {
		claims->values[i] = (struct slice){ texts[i] == NULL ? NULL : to, texts[i] == NULL ? 0 : strlen(texts[i]) };
		if (texts[i] != NULL)
			to = mempcpy(to, texts[i], claims->values[i].length);
	}
	return claims;
}

struct token_claims *claims_keep(json_t *all, const struct jwt_settings *settings, const char **why)
{
	uint64_t from_ms = time_of(json_object_get(all, "nbf")), issued_ms = time_of(json_object_get(all, "iat"));
	struct token_claims *claims = NULL;
	char *texts[JWT_CLAIMS_MAX] = { NULL };
	bool is_fine = true;

	for (size_t i = 0; i < settings->claim_count && is_fine; i++) {
		const json_t *value = json_object_get(all, settings->claims[i]);

		if (is_there(value))
			is_fine = (texts[i] = write_value(value, why)) != NULL;
	}
	if (is_fine)
		claims = copy(texts, settings, why);
	for (size_t i = 0; i < settings->claim_count; i++)
		free(texts[i]);
	if (claims == NULL)
		return NULL;
	from_ms = issued_ms > from_ms ? issued_ms : from_ms;
	claims->from_ms = from_ms > settings->leeway_ms ? from_ms - settings->leeway_ms : 0;
	claims->until_ms = time_of(json_object_get(all, "exp")) + settings->leeway_ms;
	return claims;
}

/* ---- later ----------------------------------------------------------------------------------------------------- */

const char *claims_judge_time(const struct token_claims *claims, uint64_t wall_ms)
{
	if (wall_ms >= claims->until_ms)
		return "the token has expired";
	return wall_ms < claims->from_ms ? "the token is not valid yet" : NULL;
}

void claims_release(struct token_claims *claims)
{
	if (claims != NULL && --claims->uses == 0)
		free(claims);
}
