/*
 * A token comes in one Authorization field and nowhere else: a query would end up in logs. A request without a token gets a
 * challenge with the scheme; one with a bad token also gets the reason (RFC 6750 section 3).
 *
 * Most tokens come again and again, so the worker remembers verified ones for a while (gateway/jose/cache.h). If the gateway
 * has never had the issuer's keys, no request passes: 503. A request whose token names an unknown key waits while the control
 * thread looks for newer keys, so that no client notices that the issuer changed its key.
 */
#include "gateway/filter/jwt.h"

#include "gateway/base/container.h"
#include "gateway/base/text.h"
#include "gateway/worker/issuers.h"

#define INVALID "Bearer error=\"invalid_token\", error_description=\""
#define AUTHENTICATE SLICE("WWW-Authenticate")

/* A token with an unknown key does not wait longer, though a fetch may take longer (gateway/control/issuer.h). */
enum { KEYS_TIMEOUT_MS = 5000 };

struct state {
	struct token_claims *claims; /* a use; NULL: none is verified */
	struct filter_run *run;
	struct issuer_wait wait;
	bool has_waited;
};

enum found { FOUND_NONE, FOUND_ONE, FOUND_MANY };

static const void *settings_of(const struct route *route)
{
	return route->jwt;
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

static enum filter_verdict refuse(struct filter_run *run, const char *why)
{
	size_t length = strlen(why);
	char *text = filter_room(run, sizeof INVALID + length), *end;

	if (text != NULL) {
		end = text_put_literal(text_put_bytes(text_put_literal(text, INVALID), why, length), "\"");
		filter_add_response_field(run, AUTHENTICATE, (struct slice){ text, (size_t)(end - text) });
	}
	return filter_answer(run, OUTCOME_UNAUTHORIZED, why);
}

static enum filter_verdict refuse_without_token(struct filter_run *run)
{
	filter_add_response_field(run, AUTHENTICATE, SLICE("Bearer"));
	return filter_answer(run, OUTCOME_UNAUTHORIZED, "the request has no bearer token");
}

static enum filter_verdict refuse_many(struct filter_run *run)
{
	filter_add_response_field(run, AUTHENTICATE, SLICE("Bearer error=\"invalid_request\""));
	return filter_answer(run, OUTCOME_REQUEST_REFUSED, "the request has more than one Authorization field");
}

static enum filter_verdict refuse_without_keys(struct filter_run *run)
{
	filter_set_response_field(run, SLICE("Retry-After"), SLICE("1"));
	return filter_answer(run, OUTCOME_AUTH_UNAVAILABLE, "the keys of the tokens' issuer are not known yet");
}

/* ---- the token ------------------------------------------------------------------------------------------------- */

/* Another scheme is not a bearer token. */
static enum found find_token(const struct request *request, struct slice *token)
{
	const struct slice scheme = SLICE("Bearer ");
	bool are_several;
	const struct field *field = filter_find_field(&request->fields, SLICE("Authorization"), &are_several);

	if (are_several)
		return FOUND_MANY;
	if (field == NULL || field->value.length < scheme.length ||
	    !slice_equal_nocase((struct slice){ field->value.data, scheme.length }, scheme))
		return FOUND_NONE;
	*token = (struct slice){ field->value.data + scheme.length, field->value.length - scheme.length };
	for (; token->length > 0 && token->data[0] == ' '; token->length--)
		token->data++;
	return FOUND_ONE;
}

static uint64_t wall_ms(struct worker *worker)
{
	const struct wall *wall = worker_wall(worker);

	return wall->s * 1000 + wall->ms;
}

/* A token that the worker does not know. */
static struct token_result verify(struct worker *worker, const struct jwt_settings *settings, const struct key_set *keys,
                                  struct slice token, const struct token_mark *mark)
{
	struct token_result result = token_verify(settings, keys, token, wall_ms(worker));

	if (result.verdict == TOKEN_GOOD)
		token_cache_keep(issuers_tokens(&worker->issuers), mark, result.claims);
	return result;
}

/* Claims: a use for the caller. */
static struct token_result judge(struct worker *worker, const struct jwt_settings *settings, const struct key_set *keys,
                                 struct slice token)
{
	struct token_cache *cache = issuers_tokens(&worker->issuers);
	struct token_result result = { .verdict = TOKEN_REFUSED };
	struct token_mark mark;

	if (cache == NULL)
		return (struct token_result){ .verdict = TOKEN_NO_MEMORY };
	if (token.length > TOKEN_BYTES_MAX)
		return token_verify(settings, keys, token, 0); /* the challenge already gives the reason */
	mark = token_cache_mark(cache, settings, keys, token);
	result.claims = token_cache_find(cache, &mark);
	if (result.claims == NULL)
		return verify(worker, settings, keys, token, &mark);
	result.why = claims_judge_time(result.claims, wall_ms(worker));
	if (result.why != NULL) {
		result.claims = NULL;
		return result;
	}
	result.claims->uses++;
	result.verdict = TOKEN_GOOD;
	return result;
}

/* ---- an unknown key -------------------------------------------------------------------------------------------- */

static void on_keys(struct issuer_wait *wait)
{
	filter_resume(container_of(wait, struct state, wait)->run);
}

/* False: the keys are as new as they can be. */
static bool await_keys(struct filter_run *run, struct state *state, struct key_source *source)
{
	struct worker *worker = run->origin.worker;
	bool must_ask;

	if (state->has_waited)
		return false;
	state->wait = (struct issuer_wait){ .source = source, .on_keys = on_keys };
	if (!issuers_await(&worker->issuers, &state->wait, worker_now_ms(worker), &must_ask))
		return false;
	if (must_ask && !inbox_send(&worker->shared->control, CONTROL_KEYS, key_source_reference(source), NULL))
		key_source_release(source);
	state->run = run;
	state->has_waited = true;
	return true;
}

/* ---- hooks ----------------------------------------------------------------------------------------------------- */

/* The service must get these names from the gateway only. */
static void pass_claims_on(struct filter_run *run, const struct jwt_settings *settings, const struct token_claims *claims)
{
	for (size_t i = 0; i < settings->header_count; i++) {
		const struct jwt_header *header = &settings->headers[i];
		struct slice name = { header->name, header->name_length }, value = claims->values[header->claim];

		if (value.data == NULL)
			filter_remove_request_field(run, name);
		else
			filter_set_request_field(run, name, value);
	}
	if (!settings->forward_token)
		filter_remove_request_field(run, SLICE("Authorization"));
}

static enum filter_verdict on_request(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	const struct jwt_settings *settings = filter->settings;
	struct worker *worker = run->origin.worker;
	struct state *state = filter_state(run, filter);
	const struct key_set *keys;
	struct token_result result;
	struct slice token = { NULL, 0 };
	enum found found = find_token(request, &token);

	if (found != FOUND_ONE)
		return found == FOUND_NONE ? refuse_without_token(run) : refuse_many(run);
	keys = issuers_find_keys(&worker->issuers, settings->source);
	if (keys == NULL)
		return refuse_without_keys(run);
	result = judge(worker, settings, keys, token);
	if (result.verdict == TOKEN_NO_MEMORY)
		return filter_answer(run, OUTCOME_OUT_OF_MEMORY, NULL);
	if (result.verdict == TOKEN_KEY_UNKNOWN && await_keys(run, state, settings->source))
		return filter_wait(run, KEYS_TIMEOUT_MS);
	if (result.verdict != TOKEN_GOOD)
		return refuse(run, result.why);
	state->claims = result.claims;
	pass_claims_on(run, settings, result.claims);
	return FILTER_CONTINUE;
}

static void on_give_up(struct filter_run *run, const struct filter *filter, bool is_late)
{
	(void)is_late;
	ring_leave(&((struct state *)filter_state(run, filter))->wait.entry);
}

static void on_end(struct filter_run *run, const struct filter *filter)
{
	claims_release(((struct state *)filter_state(run, filter))->claims);
}

const struct filter_type filter_jwt = {
	.name = "jwt",
	.state_size = sizeof(struct state),
	.settings_of = settings_of,
	.on_request = on_request,
	.on_resume = on_request,
	.on_give_up = on_give_up,
	.on_end = on_end,
};

struct slice jwt_claim(struct filter_run *run, const char *name)
{
	const struct state *state = filter_state_of(run, &filter_jwt);
	const struct jwt_settings *settings = run->origin.route->jwt;

	for (size_t i = 0; state != NULL && state->claims != NULL && i < settings->claim_count; i++)
		if (strcmp(settings->claims[i], name) == 0)
			return state->claims->values[i];
	return (struct slice){ NULL, 0 };
}
