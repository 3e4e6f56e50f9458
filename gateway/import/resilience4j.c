/*
 * Resilience4j's settings of one breaker: those of its instance, of the configuration that the instance is based on, of
 * "default", and the library's own defaults. All of them are written out, because the gateway's defaults differ.
 */
#include <inttypes.h>
#include <string.h>

#include "gateway/import/resilience4j.h"

enum { CONFIGS_DEEP = 8, CALLS_MOST = 1000000 };

/* ---- where a setting is ------------------------------------------------------------------------------------- */

static struct property *child_called(struct property *parent, const char *name)
{
	for (struct property *child = parent != NULL ? parent->first : NULL; child != NULL; child = child->next)
		if (strcmp(child->name, name) == 0)
			return child;
	for (struct property *child = parent != NULL ? parent->first : NULL; child != NULL; child = child->next)
		if (property_is_named(child->name, name))
			return child;
	return NULL;
}

static struct property *setting(struct import *import, const char *module, const char *breaker, const char *name)
{
	struct property *of = property_find(import->root, LINE("resilience4j.%s", module));
	struct property *at = child_called(property_find(of, "instances"), breaker);

	if (at == NULL)
		at = child_called(property_find(of, "backends"), breaker);
	for (unsigned deep = 0; at != NULL && deep < CONFIGS_DEEP; deep++) {
		struct property *found = property_find(at, name), *base = property_find(at, "base-config");

		if (found != NULL && (found->value != NULL || found->first != NULL)) {
			draft_use(import, import->reader, found);
			return found;
		}
		if (base != NULL)
			verdict_exact(import->arena, base);
		draft_use(import, import->reader, base);
		at = base != NULL && base->value != NULL ? child_called(property_find(of, "configs"), base->value) : NULL;
	}
	at = property_find(of, LINE("configs.default.%s", name));
	draft_use(import, import->reader, at);
	return at;
}

/* ---- the breaker -------------------------------------------------------------------------------------------- */

static uint64_t number_of(struct import *import, struct property *at, uint64_t otherwise)
{
	const char *text = draft_text(import, at);
	uint64_t number;

	if (text == NULL)
		return otherwise;
	if (!value_count(text, &number)) {
		verdict_refused(import->arena, at, "not a number");
		return otherwise;
	}
	verdict_exact(import->arena, at);
	return number;
}

/* A number of calls from 1 to a million. */
static uint64_t calls_of(struct import *import, struct property *at, const char *key, uint64_t calls)
{
	if (calls >= 1 && calls <= CALLS_MOST)
		return calls;
	verdict_different(import->arena, at, calls == 0 ? "%s is at least 1 here" : "%s is at most 1000000 here", key);
	return calls == 0 ? 1 : CALLS_MOST;
}

static void window(struct import *import, const struct policy *policy, struct lines *lines)
{
	struct property *type_at = setting(import, "circuitbreaker", policy->breaker, "sliding-window-type");
	struct property *size_at = setting(import, "circuitbreaker", policy->breaker, "sliding-window-size");
	struct property *minimum_at = setting(import, "circuitbreaker", policy->breaker, "minimum-number-of-calls");
	const char *type = draft_text(import, type_at);
	bool is_time = type != NULL && property_is_named(type, "TIME_BASED");
	uint64_t size, minimum;

	if (size_at == NULL) /* the names of versions before 1.2 */
		size_at = setting(import, "circuitbreaker", policy->breaker, "ring-buffer-size-in-closed-state");
	size = number_of(import, size_at, 100);
	minimum = number_of(import, minimum_at, 100);
	verdict_exact(import->arena, type_at);
	if (!is_time && minimum > size) {
		verdict_different(import->arena, minimum_at, "more than the window holds: with %" PRIu64 " calls it is full",
		                  size);
		minimum = size;
	}
	if (is_time && size > 3600) {
		verdict_different(import->arena, size_at, "window is at most 1h here");
		size = 3600;
	}
	size = calls_of(import, size_at, "window", size);
	minimum = calls_of(import, minimum_at, "minimum_calls", minimum);
	draft_line(import, lines, size_at,
	           is_time ? LINE("window: %s", value_ms(import->arena, size * 1000))
	                   : LINE("window: %" PRIu64 " calls", size));
	draft_line(import, lines, minimum_at, LINE("minimum_calls: %" PRIu64, minimum));
}

static bool share(struct import *import, struct lines *lines, const char *key, struct property *at,
                  const char *otherwise)
{
	const char *text = draft_text(import, at);
	char percent[KEY_VALUE_TEXT_MAX];
	uint32_t bp = 0;

	if (at != NULL && (!value_share(text, &bp) || bp == 0))
		verdict_refused(import->arena, at, "not a share between 0 and 100");
	else
		verdict_exact(import->arena, at);
	if (at != NULL && bp > 0)
		otherwise = key_format(keys_find(SCOPE_BREAKER, key), bp, percent);
	if (otherwise != NULL)
		draft_line(import, lines, at, LINE("%s: %s", key, otherwise));
	return otherwise != NULL;
}

static void open_time(struct import *import, const struct policy *policy, struct lines *lines)
{
	struct property *wait = setting(import, "circuitbreaker", policy->breaker, "wait-duration-in-open-state");
	struct property *grows = setting(import, "circuitbreaker", policy->breaker, "enable-exponential-backoff");
	struct property *most =
		setting(import, "circuitbreaker", policy->breaker, "exponential-max-wait-duration-in-open-state");
	const char *text = draft_text(import, wait);
	int64_t wait_ms = 60000, most_ms;

	if (wait != NULL && (!value_duration(text, 1, &wait_ms) || wait_ms < 10)) {
		verdict_refused(import->arena, wait, "not a duration of 10ms at least");
		wait_ms = 60000;
	}
	draft_ms(import, lines, SCOPE_BREAKER, "open_for", wait, wait_ms);
	wait_ms = wait_ms > 3600000 ? 3600000 : wait_ms;
	if (wait != NULL && wait->verdict == VERDICT_EXACT)
		verdict_different(import->arena, wait,
		                  "up to 20 %% more or less, at random, so that gateways don't probe at once");
	if (!value_is_true(draft_text(import, grows))) {
		draft_line(import, lines, grows, LINE("open_for_max: %s", value_ms(import->arena, (uint64_t)wait_ms)));
		verdict_exact(import->arena, grows);
		return;
	}
	verdict_different(import->arena, grows,
	                  "it doubles each time it opens again, whatever exponentialBackoffMultiplier says");
	if (!value_duration(draft_text(import, most), 1, &most_ms) || most_ms < wait_ms)
		most_ms = wait_ms < 60000 ? 60000 : wait_ms;
	draft_ms(import, lines, SCOPE_BREAKER, "open_for_max", most, most_ms);
}

/* The settings without a counterpart, each with its reason. */
static void rest(struct import *import, const struct policy *policy)
{
	static const struct {
		const char *name;
		enum verdict verdict;
		const char *why;
	} OTHERS[] = {
		{ "register-health-indicator", VERDICT_EXACT, NULL },
		{ "automatic-transition-from-open-to-half-open-enabled", VERDICT_DIFFERENT,
		  "it is half-open with the first request "
		  "after the open time" },
		{ "event-consumer-buffer-size", VERDICT_DIFFERENT, "the last 100 events are kept" },
		{ "allow-health-indicator-to-fail", VERDICT_DIFFERENT, "an open breaker never makes the gateway DOWN" },
		{ "writable-stack-trace-enabled", VERDICT_EXACT, NULL },
		{ "record-exceptions", VERDICT_REFUSED, "exceptions are Java's: timeouts, resets and failure_statuses count" },
		{ "ignore-exceptions", VERDICT_REFUSED, "exceptions are Java's: timeouts, resets and failure_statuses count" },
		{ "record-failure-predicate", VERDICT_REFUSED, "it lives in Java" },
		{ "record-result-predicate", VERDICT_REFUSED, "it lives in Java" },
		{ "ignore-exception-predicate", VERDICT_REFUSED, "it lives in Java" },
		{ "exponential-backoff-multiplier", VERDICT_DIFFERENT, "it doubles" },
		{ "enable-randomized-wait", VERDICT_DIFFERENT, "always: 20 % more or less" },
		{ "randomized-wait-factor", VERDICT_DIFFERENT, "20 %" },
	};

	for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++)
		verdict_below(import->arena, setting(import, "circuitbreaker", policy->breaker, OTHERS[i].name),
		              OTHERS[i].verdict, OTHERS[i].why);
}

static void breaker(struct import *import, const struct policy *policy, struct lines *lines)
{
	struct property *probes =
		setting(import, "circuitbreaker", policy->breaker, "permitted-number-of-calls-in-half-open-state");
	struct property *slow = setting(import, "circuitbreaker", policy->breaker, "slow-call-duration-threshold");
	struct property *half = setting(import, "circuitbreaker", policy->breaker, "max-wait-duration-in-half-open-state");
	int64_t half_ms;

	window(import, policy, lines);
	share(import, lines, "failure_rate", setting(import, "circuitbreaker", policy->breaker, "failure-rate-threshold"),
	      "50%");
	if (slow != NULL)
		draft_duration(import, lines, SCOPE_BREAKER, "slow_call", slow);
	share(import, lines, "slow_rate", setting(import, "circuitbreaker", policy->breaker, "slow-call-rate-threshold"),
	      slow != NULL ? "100%" : NULL);
	open_time(import, policy, lines);
	if (probes == NULL)
		probes = setting(import, "circuitbreaker", policy->breaker, "ring-buffer-size-in-half-open-state");
	if (probes == NULL || !draft_count(import, lines, SCOPE_BREAKER, "half_open_calls", probes))
		draft_line(import, lines, NULL, "half_open_calls: 10");
	if (half != NULL && value_duration(draft_text(import, half), 1, &half_ms) && half_ms > 0)
		draft_ms(import, lines, SCOPE_BREAKER, "half_open_timeout", half, half_ms);
	else
		verdict_different(import->arena, half, "30 s, and only while a call is under way: then the others decide");
	rest(import, policy);
}

/* ---- what stands around it ---------------------------------------------------------------------------------- */

static int64_t time_limit(struct import *import, const struct policy *policy)
{
	struct property *limit = setting(import, "timelimiter", policy->breaker, "timeout-duration");
	struct property *off = property_find(import->root, "spring.cloud.circuitbreaker.resilience4j.disable-time-limiter");
	struct property *cancel = setting(import, "timelimiter", policy->breaker, "cancel-running-future");

	draft_use(import, import->reader, off);
	verdict_exact(import->arena, off);
	verdict_exact(import->arena, cancel);
	if (value_is_true(draft_text(import, off))) {
		verdict_below(import->arena, limit, VERDICT_EXACT, NULL);
		return -1;
	}
	return draft_time_limit(import, limit, policy->breaker_at,
	                        "Resilience4j's time limiter ends a call after 1 s unless it is told "
	                        "otherwise, so timeouts.response is 1s: check that this is meant");
}

static void bulkhead_read(struct import *import, const struct policy *policy, struct lines *lines)
{
	struct property *calls = setting(import, "bulkhead", policy->breaker, "max-concurrent-calls");
	struct property *wait = setting(import, "bulkhead", policy->breaker, "max-wait-duration");
	int64_t wait_ms = 0;

	if (calls == NULL || !draft_count(import, lines, SCOPE_BULKHEAD, "max_in_flight", calls))
		return;
	if (wait != NULL && (!value_duration(draft_text(import, wait), 1, &wait_ms) || wait_ms < 0))
		verdict_refused(import->arena, wait, "not a duration");
	else if (wait_ms > 0)
		draft_ms(import, lines, SCOPE_BULKHEAD, "max_wait", wait, wait_ms);
	if (wait_ms <= 0) {
		draft_line(import, lines, wait, "max_waiting: 0");
		verdict_exact(import->arena, wait);
	}
}

void resilience4j_read(struct import *import, const struct policy *policy, struct lines *lines, struct lines *bulkhead,
                       int64_t *limit_ms)
{
	breaker(import, policy, lines);
	bulkhead_read(import, policy, bulkhead);
	*limit_ms = time_limit(import, policy);
}
