/*
 * auth.jwt. Routes that ask the same of a token share one structure, as those do that inherit it from route_defaults: a token that
 * was verified for one of them is known to all, and a file of keys is read once.
 */
#include "routes/config/jwt.h"

#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#include "routes/config/complaints.h"
#include "routes/config/file.h"
#include "routes/config/headers.h"
#include "routes/config/keys.h"
#include "routes/config/section.h"
#include "routes/config/upstream.h"
#include "routes/config/value.h"

enum { AUDIENCES_MAX = 64, JWKS_BYTES_MAX = 256 * KIB };

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static bool take_audience(struct reader *reader, const struct yaml_node *item, const char *text, void *list, size_t count)
{
	const char **audiences = list;

	(void)item;
	audiences[count] = reader_copy(reader, text, strlen(text));
	return audiences[count] != NULL;
}

void read_audiences(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct jwt_settings *settings = into;

	if (node->kind == YAML_SEQUENCE && node->count == 0)
		reader_error(reader, node, "audiences is empty; leave it out to take tokens for any audience");
	else if (node->kind == YAML_SEQUENCE && node->count > AUDIENCES_MAX)
		reader_error(reader, node, "more than %d audiences", AUDIENCES_MAX);
	settings->audiences = reader_array(reader, key, node, true, sizeof(settings->audiences[0]), take_audience,
	                                   &settings->audience_count);
}

static void complain_of_algorithm(struct reader *reader, const struct yaml_node *node, const char *text)
{
	struct suggestion suggestion = suggestion_begin(text);

	for (unsigned i = 0; jwt_algorithm_name(i) != NULL; i++)
		suggestion_offer(&suggestion, jwt_algorithm_name(i));
	if (strcasecmp(text, "none") == 0)
		reader_error(reader, node, "algorithms: \"none\" would take tokens that nobody signed");
	else if (strncmp(text, "HS", 2) == 0)
		reader_error(reader, node, "algorithms: \"%.20s\" needs a shared secret, with which every verifier can also sign; the "
		                           "gateway takes RS, PS and ES algorithms only", text);
	else if (suggestion.best != NULL)
		reader_error(reader, node, "there is no algorithm \"%.20s\"; did you mean \"%s\"?", text, suggestion.best);
	else
		reader_error(reader, node, "algorithms are RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and ES512, not \"%.20s\"",
		             text);
}

void read_algorithms(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct jwt_settings *settings = into;
	size_t count;
	const struct yaml_node *item = reader_list(reader, node, key->name, false, &count);

	settings->algorithms = 0;
	if (count == 0 && node->kind == YAML_SEQUENCE)
		reader_error(reader, node, "algorithms is empty, so every token would be refused");
	for (; item != NULL; item = item->next) {
		const char *text = item->is_refused ? NULL : reader_text(reader, item, key->name);
		enum jwt_algorithm algorithm = text == NULL ? JWT_ALGORITHM_COUNT : jwt_algorithm_find(text);

		if (algorithm != JWT_ALGORITHM_COUNT)
			settings->algorithms |= JWT_BIT(algorithm);
		else if (text != NULL)
			complain_of_algorithm(reader, item, text);
	}
}

static bool is_named_before(const struct jwt_header *headers, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(headers[i].name, name) == 0)
			return true;
	return false;
}

void read_claims(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct jwt_settings *settings = into;
	struct jwt_header *headers;
	size_t count = 0;

	if (reader_is_empty(node))
		return;
	if (node->kind != YAML_MAPPING) {
		reader_error(reader, node, "%s takes a mapping of header names to claims, as in { X-User: sub }", key->name);
		return;
	}
	headers = reader_allocate(reader, (node->count + 1) * sizeof(*headers));
	for (const struct yaml_node *value = node->first; value != NULL && headers != NULL; value = value->next) {
		const char *claim = value->is_refused ? NULL : reader_text(reader, value, value->key->text), *name = value->key->text;
		size_t index;

		if (claim == NULL || value->key->is_refused || !headers_may_be_written(reader, value->key, name))
			continue;
		claim = reader_copy(reader, claim, strlen(claim));
		index = claim == NULL ? 0 : jwt_keep_claim(settings, claim);
		if (is_named_before(headers, count, name))
			reader_error(reader, value->key, "claims_to_headers has \"%.60s\" twice", name);
		else if (index == JWT_CLAIMS_MAX)
			reader_error(reader, value, "claims_to_headers has more than %d claims", JWT_CLAIMS_MAX);
		else
			headers[count++] = (struct jwt_header){reader_copy(reader, name, strlen(name)), strlen(name), index};
	}
	settings->headers = headers;
	settings->header_count = count;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* "http" and "https", a host, a path. A user or a fragment has no business there. */
static void read_jwks_url(struct reader *reader, const struct yaml_node *node, const char *text, struct jwt_settings *settings)
{
	const char *begin = strstr(text, "://") + 3, *why;
	size_t length = strcspn(begin, "/?#");
	struct upstream_settings where = {0};
	char *host = reader_copy(reader, begin, length), *bracket;
	bool has_port;

	if (host == NULL)
		return;
	bracket = strchr(host, ']');
	has_port = strchr(bracket != NULL ? bracket : host, ':') != NULL;
	why = memchr(begin, '@', length) != NULL ? "a user" : strchr(begin, '#') != NULL ? "a fragment" : NULL;
	if (why == NULL)
		for (const char *at = text; *at != '\0'; at++)
			if (*at <= ' ' || *at > '~' || *at == '"' || *at == '\\')
				why = "a blank or a byte outside ASCII";
	if (why != NULL) {
		reader_error(reader, node, "jwks: the URL has %s: \"%.80s\"", why, text);
		return;
	}
	why = upstream_parse_authority(&where, host);
	if (why != NULL) {
		reader_error(reader, node, "jwks: %s: \"%.80s\"", why, text);
		return;
	}
	settings->jwks_url = reader_copy(reader, text, strlen(text));
	settings->jwks_host = where.host;
	settings->jwks_address = where.address;
	settings->jwks_address.port = has_port || strncmp(text, "https:", 6) != 0 ? where.port : 443;
}

void read_jwks(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct jwt_settings *settings = into;
	const struct jwt_settings *last = reader->last_jwt;
	const char *text = reader_text(reader, node, key->name);

	if (text == NULL)
		return;
	settings->jwks = reader_copy(reader, text, strlen(text));
	settings->line = node->line;
	settings->column = node->column;
	if (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) {
		read_jwks_url(reader, node, text, settings);
		return;
	}
	if (strstr(text, "://") != NULL) {
		reader_error(reader, node, "jwks takes http://..., https://... or a file, not \"%.80s\"", text);
		return;
	}
	if (last != NULL && last->jwks_text != NULL && strcmp(last->jwks, text) == 0) {
		settings->jwks_text = last->jwks_text;
		settings->jwks_length = last->jwks_length;
	} else {
		settings->jwks_text = reader_file(reader, node, text, JWKS_BYTES_MAX, &settings->jwks_length);
	}
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same(const struct jwt_settings *a, const struct jwt_settings *b)
{
	if (!is_same_text(a->issuer, b->issuer) || !is_same_text(a->jwks, b->jwks) || a->algorithms != b->algorithms ||
	    a->leeway_ms != b->leeway_ms || a->refresh_ms != b->refresh_ms || a->forward_token != b->forward_token ||
	    a->audience_count != b->audience_count || a->header_count != b->header_count || a->claim_count != b->claim_count)
		return false;
	for (size_t i = 0; i < a->audience_count; i++)
		if (!is_same_text(a->audiences[i], b->audiences[i]))
			return false;
	for (size_t i = 0; i < a->claim_count; i++)
		if (!is_same_text(a->claims[i], b->claims[i]))
			return false;
	for (size_t i = 0; i < a->header_count; i++)
		if (a->headers[i].claim != b->headers[i].claim || !is_same_text(a->headers[i].name, b->headers[i].name))
			return false;
	return true;
}

static uint64_t next_id(void)
{
	static _Atomic uint64_t last_id;

	return atomic_fetch_add(&last_id, 1) + 1;
}

static void check(struct reader *reader, const struct yaml_node *node, const struct jwt_settings *settings)
{
	if (yaml_find(node, "jwks") == NULL)
		reader_error(reader, node, "auth.jwt has no jwks, the URL or the file of the issuer's keys");
	if (settings->issuer == NULL)
		reader_warn(reader, node, "auth.jwt has no issuer: every token that one of these keys has signed is accepted");
	else if (settings->audience_count == 0)
		reader_warn(reader, node, "auth.jwt has no audiences: tokens are accepted that were made for other services");
}

void read_jwt(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct route *route = into;
	struct jwt_settings settings = {0}, *kept;
	const char *text;

	if (reader_is_empty(node))
		return;
	if (node->kind == YAML_SCALAR) {
		text = reader_text(reader, node, key->name);
		if (value_is_nothing(node) || (text != NULL && value_is_off(text)))
			route->jwt = NULL;
		else if (text != NULL)
			reader_error(reader, node, "jwt takes off or a mapping, as in { issuer: ..., jwks: ... }, not \"%.40s\"", text);
		return;
	}
	section_defaults(reader, SCOPE_JWT, &settings);
	section_read(reader, node, SCOPE_JWT, key->name, &settings);
	if (node->kind == YAML_MAPPING)
		check(reader, node, &settings);
	if (reader->last_jwt != NULL && is_same(reader->last_jwt, &settings)) {
		route->jwt = reader->last_jwt;
		return;
	}
	settings.id = next_id();
	kept = reader_allocate(reader, sizeof(*kept));
	if (kept != NULL)
		*kept = settings;
	route->jwt = reader->last_jwt = kept;
}

/* The route keeps one more claim. False: it keeps as many as it can. */
static bool keep(struct reader *reader, struct route *route, const char *claim)
{
	struct jwt_settings changed = *route->jwt, *kept;

	if (jwt_keep_claim(&changed, claim) == JWT_CLAIMS_MAX)
		return false;
	if (changed.claim_count == route->jwt->claim_count)
		return true;
	if (reader->last_limited_jwt != NULL && is_same(reader->last_limited_jwt, &changed)) {
		route->jwt = reader->last_limited_jwt;
		return true;
	}
	changed.id = next_id();
	kept = reader_allocate(reader, sizeof(*kept));
	if (kept == NULL)
		return true;
	*kept = changed;
	route->jwt = reader->last_limited_jwt = kept;
	return true;
}

void jwt_check(struct reader *reader, const struct yaml_node *auth, struct route *route)
{
	const struct rate_limit_settings *limit = &route->rate_limit;

	if (route->jwt == NULL)
		return;
	if (route->basic.enabled)
		reader_error(reader, auth, "auth has both jwt and basic, but a request has one Authorization field");
	if (limit->enabled && limit->key == RATE_LIMIT_JWT && limit->name != NULL && !keep(reader, route, limit->name))
		reader_error(reader, auth, "claims_to_headers and rate_limit take more than %d claims", JWT_CLAIMS_MAX);
}
