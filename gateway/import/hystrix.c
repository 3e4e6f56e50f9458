/* Hystrix' settings of one command, of "default", and its own: 20 calls in 10 s, half of them failed, 5 s open, one
 * call half-open, 1 s for a call, ten calls at once. */
#include <string.h>

#include "gateway/import/hystrix.h"

static struct property *setting(struct import *import, const char *command, const char *name)
{
	struct property *commands = property_find(import->root, "hystrix.command"), *found = NULL;

	for (struct property *of = commands != NULL ? commands->first : NULL; of != NULL && found == NULL; of = of->next)
		if (strcmp(of->name, command) == 0)
			found = property_find(of, name);
	if (found == NULL)
		found = property_find(commands, LINE("default.%s", name));
	draft_use(import, import->reader, found);
	return found;
}

static void count(struct import *import, struct lines *lines, enum key_scope scope, const char *key,
                  struct property *at, const char *otherwise)
{
	if (at == NULL || !draft_count(import, lines, scope, key, at))
		draft_line(import, lines, NULL, LINE("%s: %s", key, otherwise));
}

static void duration(struct import *import, struct lines *lines, const char *key, struct property *at,
                     int64_t otherwise_ms)
{
	int64_t ms = otherwise_ms;

	if (at != NULL && (!value_duration(draft_text(import, at), 1, &ms) || ms < 0)) {
		verdict_refused(import->arena, at, "not a duration");
		ms = otherwise_ms;
	}
	if (strcmp(key, "window") == 0) {
		verdict_exact(import->arena, at);
		if (ms < 1000 || ms > 3600000)
			verdict_different(import->arena, at, "window is %s here", ms < 1000 ? "at least 1s" : "at most 1h");
		ms = ms < 1000 ? 1000 : ms > 3600000 ? 3600000 : ms;
		draft_line(import, lines, at, LINE("window: %s", value_ms(import->arena, (uint64_t)ms)));
	} else {
		draft_ms(import, lines, SCOPE_BREAKER, key, at, ms);
	}
}

static void breaker(struct import *import, const struct policy *policy, struct lines *lines)
{
	struct property *share = setting(import, policy->breaker, "circuitBreaker.errorThresholdPercentage");
	struct property *sleep = setting(import, policy->breaker, "circuitBreaker.sleepWindowInMilliseconds");
	struct property *buckets = setting(import, policy->breaker, "metrics.rollingStats.numBuckets");
	const char *text = draft_text(import, share);
	uint32_t bp = 5000;
	char rate[KEY_VALUE_TEXT_MAX];

	duration(import, lines, "window", setting(import, policy->breaker, "metrics.rollingStats.timeInMilliseconds"),
	         10000);
	verdict_different(import->arena, buckets, "always ten");
	count(import, lines, SCOPE_BREAKER, "minimum_calls",
	      setting(import, policy->breaker, "circuitBreaker.requestVolumeThreshold"), "20");
	if (share != NULL && (!value_share(text, &bp) || bp == 0)) {
		verdict_refused(import->arena, share, "not a share");
		bp = 5000;
	}
	verdict_exact(import->arena, share);
	draft_line(import, lines, share, LINE("failure_rate: %s", key_format(keys_find(SCOPE_BREAKER, "failure_rate"), bp, rate)));
	duration(import, lines, "open_for", sleep, 5000);
	draft_line(import, lines, NULL, LINE("open_for_max: %s", lines->last->text + strlen("open_for: ")));
	if (sleep != NULL && sleep->verdict == VERDICT_EXACT)
		verdict_different(import->arena, sleep,
		                  "up to 20 %% more or less, at random, so that gateways don't probe at once");
	draft_line(import, lines, NULL, "half_open_calls: 1");
}

/* Isolation by semaphore is what Spring Cloud Gateway used, whatever the strategy says. */
static void bulkhead_read(struct import *import, const struct policy *policy, struct lines *lines)
{
	struct property *most = setting(import, policy->breaker, "execution.isolation.semaphore.maxConcurrentRequests");

	count(import, lines, SCOPE_BULKHEAD, "max_in_flight", most, "10");
	draft_line(import, lines, most, "max_waiting: 0");
	if (most == NULL)
		verdict_different(import->arena, policy->breaker_at,
		                  "Hystrix lets ten calls in at once unless it is told otherwise, so "
		                  "bulkhead.max_in_flight is 10: check that this is meant");
}

static int64_t time_limit(struct import *import, const struct policy *policy)
{
	struct property *limit = setting(import, policy->breaker, "execution.isolation.thread.timeoutInMilliseconds");
	struct property *enabled = setting(import, policy->breaker, "execution.timeout.enabled");

	verdict_exact(import->arena, enabled);
	if (enabled != NULL && !value_is_true(draft_text(import, enabled))) {
		verdict_exact(import->arena, limit);
		return -1;
	}
	return draft_time_limit(import, limit, policy->breaker_at,
	                        "Hystrix ends a call after 1 s unless it is told otherwise, so "
	                        "timeouts.response is 1s: check that this is meant");
}

void hystrix_read(struct import *import, const struct policy *policy, struct lines *lines, struct lines *bulkhead,
                  int64_t *limit_ms)
{
	struct property *closed = setting(import, policy->breaker, "circuitBreaker.forceClosed");
	struct property *open = setting(import, policy->breaker, "circuitBreaker.forceOpen");
	struct property *enabled = setting(import, policy->breaker, "circuitBreaker.enabled");

	verdict_different(import->arena, closed, "POST .../actuator/circuitbreakers/NAME sets states");
	verdict_different(import->arena, open, "POST .../actuator/circuitbreakers/NAME sets states");
	verdict_exact(import->arena, setting(import, policy->breaker, "execution.isolation.strategy"));
	breaker(import, policy, lines);
	bulkhead_read(import, policy, bulkhead);
	*limit_ms = time_limit(import, policy);
	if ((enabled != NULL && !value_is_true(draft_text(import, enabled))) || value_is_true(draft_text(import, closed)))
		draft_line(import, lines, enabled, "mode: observe");
	verdict_exact(import->arena, enabled);
	verdict_below(import->arena, property_find(import->root, "hystrix.metrics"), VERDICT_EXACT, NULL);
}
