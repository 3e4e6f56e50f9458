/* What is told of a breaker's calls: how much of a storm, and what is kept of it. The clock is scripted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "breaker/event.h"
#include "gateway/control/event_log.h"

static unsigned told(struct breaker_quota *quota, unsigned calls, uint64_t now_ms, uint64_t *skipped)
{
	unsigned count = 0;

	for (unsigned i = 0; i < calls; i++) {
		if (breaker_quota_skips(quota, now_ms))
			continue;
		*skipped = breaker_quota_take(quota, now_ms);
		count++;
	}
	return count;
}

static void test_a_storm_is_told_of_once_a_second(void **state)
{
	struct breaker_quota quota = { 0 };
	uint64_t skipped = 77;

	(void)state;
	assert_int_equal(told(&quota, 1000, 0, &skipped), 10);
	assert_int_equal(skipped, 0);
	for (unsigned second = 1; second < 100; second++) {
		assert_int_equal(told(&quota, 100, second * 1000, &skipped), 1);
		assert_int_equal(skipped, second == 1 ? 990 : 99);
		assert_int_equal(told(&quota, 0, second * 1000 + 999, &skipped), 0);
	}
	assert_int_equal(told(&quota, 100, 103500, &skipped), 4); /* the seconds since have been saved ... */
	assert_int_equal(told(&quota, 100, 1000000, &skipped), 10); /* ... up to a burst */
}

/* ---- the log ---------------------------------------------------------------------------------------------------------- */

static struct {
	struct event_log log;
	unsigned counts[BREAKER_EVENT_COUNT];
	uint64_t slowest_ms, newest;
} world;

static void count_event(void *to, const struct admin_event *event)
{
	(void)to;
	world.counts[event->type]++;
	world.newest = event->number > world.newest ? event->number : world.newest;
	if (event->type != BREAKER_EVENT_STATE_TRANSITION && event->call.duration_ms > world.slowest_ms)
		world.slowest_ms = event->call.duration_ms;
}

static void count_all(void)
{
	memset(world.counts, 0, sizeof world.counts);
	world.slowest_ms = world.newest = 0;
	event_log_each(&world.log, count_event, NULL);
}

static void add_calls(const char *upstream, enum breaker_event event, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		event_log_add_call(&world.log, upstream,
		                   &(struct breaker_call){ .event = event, .outcome = "x", .why = "x", .duration_ms = i });
}

static void test_a_storm_pushes_nothing_else_out(void **state)
{
	(void)state;
	event_log_add_transition(&world.log, "patient", &(struct breaker_transition){ .to = BREAKER_OPEN }, false);
	add_calls("patient", BREAKER_EVENT_ERROR, 3);
	add_calls("reception", BREAKER_EVENT_ERROR, 1000);
	add_calls("patient", BREAKER_EVENT_NOT_PERMITTED, 1000);
	count_all();
	assert_int_equal(world.counts[BREAKER_EVENT_STATE_TRANSITION], 1);
	assert_int_equal(world.counts[BREAKER_EVENT_ERROR], 3 + EVENT_LOG_CALLS);
	assert_int_equal(world.counts[BREAKER_EVENT_NOT_PERMITTED], EVENT_LOG_CALLS);
	assert_int_equal(world.slowest_ms, 999);
	assert_int_equal(world.newest, 2003);
	for (unsigned i = 0; i < 1000; i++)
		event_log_add_transition(&world.log, "ward", &(struct breaker_transition){ .to = BREAKER_OPEN }, false);
	count_all();
	assert_int_equal(world.counts[BREAKER_EVENT_STATE_TRANSITION], EVENT_LOG_TRANSITIONS);
}

static void test_an_upstream_that_is_gone_is_forgotten(void **state)
{
	struct upstream_settings kept = { .name = "reception" };
	struct config config = { .upstreams = &kept, .upstream_count = 1 };
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "gone-%u", i);
		add_calls(name, BREAKER_EVENT_SLOW, 2);
	}
	event_log_keep(&world.log, &config);
	count_all();
	assert_int_equal(world.counts[BREAKER_EVENT_SLOW], 0);
	assert_int_equal(world.counts[BREAKER_EVENT_ERROR], EVENT_LOG_CALLS); /* reception's */
	assert_int_equal(world.log.call_count, 1);
	event_log_destroy(&world.log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_storm_is_told_of_once_a_second),
		cmocka_unit_test(test_a_storm_pushes_nothing_else_out),
		cmocka_unit_test(test_an_upstream_that_is_gone_is_forgotten),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
