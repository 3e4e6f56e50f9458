/* Filters that bound or repeat: Retry, RequestSize, RequestRateLimiter. */
#include <inttypes.h>
#include <string.h>

#include "gateway/import/limits.h"

static void retry(struct import *import, const struct definition *filter, struct policy *policy)
{
	const struct key *key = keys_find(SCOPE_RETRY, "attempts");
	struct property *at;
	const char *text = definition_argument(import, filter, 0, "retries", &at);
	uint64_t retries = 3;

	if (text != NULL && !value_count(text, &retries))
		verdict_refused(import->arena, at, "not a number");
	else if (at != filter->origin)
		verdict_exact(import->arena, at);
	if (retries > key->most)
		verdict_different(import->arena, at, "attempts is at most %" PRIu64 " here", key->most);
	retries = retries > key->most ? key->most : retries;
	verdict_different(import->arena, filter->origin,
	                  "requests that may be repeated (GET, PUT ...; small bodies) are tried again, at another replica, "
	                  "after a "
	                  "failed connection, a reset, 502, 503 or 504, within retry.budget");
	verdict_below(import->arena, filter->args, VERDICT_REFUSED,
	              "the gateway itself decides which requests it repeats, and when: only retries has a counterpart");
	policy->retry = filter->origin;
	policy->retry_attempts = LINE("attempts: %" PRIu64, retries);
}

static void request_size(struct import *import, struct draft_route *route, const struct definition *filter)
{
	struct property *at;
	const char *text = definition_argument(import, filter, 0, "max-size", &at);
	uint64_t bytes = 5 << 20;

	if (text != NULL && !value_size(text, &bytes)) {
		verdict_refused(import->arena, at, "not a size");
		return;
	}
	verdict_different(import->arena, filter->origin, "a body without Content-Length is bounded, too");
	verdict_below(import->arena, filter->args, VERDICT_EXACT, NULL);
	draft_line(import, &route->lines, at, LINE("request_body: %s", value_bytes(import->arena, bytes)));
}

/* Spring fills a bucket with `replenish` tokens a second, and each request takes `tokens` of them: in which time is that a whole
 * number of requests? Else the next smaller one in an hour. */
static const char *rate_of(struct import *import, struct property *at, uint64_t replenish, uint64_t tokens)
{
	static const struct {
		uint64_t seconds;
		const char *unit;
	} PERIODS[] = { { 1, "s" }, { 60, "m" }, { 3600, "h" }, { 86400, "d" } };
	uint64_t an_hour = replenish * 3600 / tokens;

	for (size_t i = 0; i < sizeof(PERIODS) / sizeof(PERIODS[0]); i++)
		if (replenish * PERIODS[i].seconds % tokens == 0)
			return LINE("%" PRIu64 "/%s", replenish * PERIODS[i].seconds / tokens, PERIODS[i].unit);
	verdict_different(import->arena, at, "the rate is a whole number of requests an hour");
	return LINE("%" PRIu64 "/h", an_hour == 0 ? 1 : an_hour);
}

/* An argument that is a number from 1 to `most`. */
static uint64_t count_of(struct import *import, const struct definition *filter, unsigned position, const char *name,
                         uint64_t most, uint64_t otherwise)
{
	struct property *at;
	uint64_t count;

	if (!value_count(definition_argument(import, filter, position, name, &at), &count) || count == 0)
		return otherwise;
	if (count > most)
		verdict_different(import->arena, at, "%s is at most %" PRIu64 " here", name, most);
	return count > most ? most : count;
}

/* Where Redis is: spring.data.redis, or spring.redis of Boot 2. NULL: nothing says it, or it takes what does not belong here. */
static const char *redis_of(struct import *import)
{
	static const char *const PLACES[] = { "spring.data.redis", "spring.redis" };

	for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
		struct property *host = property_find(import->root, LINE("%s.host", PLACES[i]));
		struct property *port = property_find(import->root, LINE("%s.port", PLACES[i]));
		struct property *password = property_find(import->root, LINE("%s.password", PLACES[i]));
		const char *name = draft_text(import, host), *number = draft_text(import, port);
		uint64_t count = 6379;

		if (name == NULL || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] != '\0' ||
		    (number != NULL && (!value_count(number, &count) || count == 0 || count > UINT16_MAX)))
			continue;
		draft_use(import, import->reader, host);
		draft_use(import, import->reader, port);
		draft_use(import, import->reader, password);
		verdict_exact(import->arena, host);
		if (port != NULL)
			verdict_exact(import->arena, port);
		if (password != NULL)
			verdict_different(import->arena, password, "in the environment: REDIS_PASSWORD, percent-encoded");
		return LINE("redis://%s%s:%" PRIu64, password == NULL ? "" : ":${REDIS_PASSWORD:-}@", name, count);
	}
	return NULL;
}

/* The key resolver is a bean in Java; what it most often asks for is the client. */
static void rate_limit(struct import *import, struct draft_route *route, const struct definition *filter)
{
	enum { CALLS_MAX = 1000000, WITHOUT_POSITION = 9 };
	uint64_t replenish = count_of(import, filter, 0, "redis-rate-limiter.replenish-rate", CALLS_MAX, 10);
	uint64_t capacity = count_of(import, filter, 1, "redis-rate-limiter.burst-capacity", CALLS_MAX, replenish);
	uint64_t tokens = count_of(import, filter, 2, "redis-rate-limiter.requested-tokens", CALLS_MAX, 1);
	uint64_t status = count_of(import, filter, WITHOUT_POSITION, "status-code", 599, 429);
	uint64_t burst = capacity / tokens == 0 ? 1 : capacity / tokens;
	const char *rate = rate_of(import, filter->origin, replenish, tokens);
	const char *store = redis_of(import), *shape = status == 429 || status < 400 ? "" : LINE(", status: %" PRIu64, status);

	draft_line(import, &route->lines, filter->origin,
	           LINE("rate_limit: { rate: %s, burst: %" PRIu64 ", key: client%s%s }", rate, burst, shape,
	                store == NULL ? "" : LINE(", store: \"%s\"", store)));
	draft_remark(import, &route->lines, "the Java key resolver decides which requests count together; choose key: client, "
	                                    "header:NAME, jwt:CLAIM or route");
	if (store == NULL)
		draft_remark(import, &route->lines, "each gateway counts by itself, unless it has store: \"redis://HOST:6379\"");
	verdict_different(import->arena, filter->origin,
	                  "counted by client, as the key resolver lives in Java%s; a refusal says Retry-After",
	                  store == NULL ? ", and in each gateway by itself, as no spring.data.redis.host says where Redis is" : "");
	verdict_below(import->arena, filter->args, VERDICT_DIFFERENT, "see the filter");
}

void limits_apply(struct import *import, struct draft_route *route, const struct definition *filter,
                  struct policy *policy)
{
	if (property_is_named(filter->name, "Retry"))
		retry(import, filter, policy);
	else if (property_is_named(filter->name, "RequestSize"))
		request_size(import, route, filter);
	else
		rate_limit(import, route, filter);
}
