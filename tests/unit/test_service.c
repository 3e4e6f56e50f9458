/* What the autoscaler decides for a swarm service: never above its maximum, never in the middle of a rollout. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deploy/autoscaler/service.h"

static struct service service;

/* `labels` without braces; `extra` behind the Spec. */
static void have(unsigned replicas, const char *labels, const char *extra)
{
	char text[1000];
	json_t *answer;

	snprintf(text, sizeof text,
	         "{\"ID\": \"x1\", \"Version\": {\"Index\": 42}, \"Spec\": {\"Name\": \"patient\", \"Labels\": {%s}, "
	         "\"Mode\": {\"Replicated\": {\"Replicas\": %u}}}%s}",
	         labels, replicas, extra);
	answer = json_loads(text, 0, NULL);
	assert_non_null(answer);
	service_finish(&service);
	assert_true(service_read(answer, &service));
	json_decref(answer);
}

static struct decision decide(uint64_t wanted, uint64_t scaled_ms, uint64_t now_ms)
{
	const struct wish wish = { .is_firing = true, .replicas = wanted, .wants_step = wanted == 0 };

	return service_decide(&service, &wish, &(struct past){ .fired_ms = 1, .scaled_ms = scaled_ms }, now_ms);
}

static void expect(struct decision decision, enum verdict verdict, uint64_t replicas)
{
	assert_string_equal(service_verdict_name(decision.verdict), service_verdict_name(verdict));
	assert_int_equal(decision.replicas, replicas);
	assert_true(decision.why[0] != '\0');
}

static void test_steps_and_bounds(void **state)
{
	const struct wish resolved = { .is_firing = false, .replicas = 8 };
	struct wish both = { .is_firing = true, .replicas = 2, .wants_step = true };

	(void)state;
	have(2, "\"autoscale.max\": \"5\"", "");
	expect(decide(0, 0, 100), VERDICT_SCALE, 3);
	expect(decide(4, 0, 100), VERDICT_SCALE, 4);
	expect(decide(400, 0, 100), VERDICT_SCALE, 5);
	expect(decide(1, 0, 100), VERDICT_AT_BOUND, 0); /* fewer is never an alert's matter */
	have(5, "\"autoscale.max\": \"5\"", "");
	expect(decide(0, 0, 100), VERDICT_AT_BOUND, 0);
	have(9, "\"autoscale.max\": \"5\"", ""); /* by hand */
	expect(decide(0, 0, 100), VERDICT_AT_BOUND, 0);
	have(0, "\"autoscale.max\": \"5\", \"autoscale.min\": \"2\"", "");
	expect(decide(0, 0, 100), VERDICT_SCALE, 2);
	have(2, "\"autoscale.max\": \"9\", \"autoscale.step\": \"3\"", "");
	expect(decide(0, 0, 100), VERDICT_SCALE, 5);
	have(3, "\"autoscale.max\": \"9\"", "");
	expect(service_decide(&service, &both, &(struct past){ .fired_ms = 1 }, 100), VERDICT_SCALE, 4);
	both.replicas = 6;
	expect(service_decide(&service, &both, &(struct past){ .fired_ms = 1 }, 100), VERDICT_SCALE, 6);
	expect(service_decide(&service, &resolved, &(struct past){ .fired_ms = 1 }, 100), VERDICT_RESOLVED, 0);
}

static void test_left_alone(void **state)
{
	static const char *const states[] = { "updating", "paused", "rollback_started", "rollback_paused" };

	(void)state;
	have(2, "", "");
	expect(decide(0, 0, 100), VERDICT_NO_MAX, 0);
	for (size_t i = 0; i < 4; i++) {
		char extra[80];

		snprintf(extra, sizeof extra, ", \"UpdateStatus\": {\"State\": \"%s\"}", states[i]);
		have(2, "\"autoscale.max\": \"5\"", extra);
		expect(decide(0, 0, 100), VERDICT_ROLLOUT, 0);
	}
	have(2, "\"autoscale.max\": \"5\"", ", \"UpdateStatus\": {\"State\": \"completed\"}");
	expect(decide(0, 0, 100), VERDICT_SCALE, 3);
	have(2, "\"autoscale.max\": \"5\", \"autoscale.cooldown\": \"1m\"", ", \"UpdateStatus\": {}");
	expect(decide(0, 100000, 159999), VERDICT_COOLDOWN, 0);
	expect(decide(0, 100000, 160000), VERDICT_SCALE, 3);
}

static void test_bad_labels(void **state)
{
	static const char *const bad[] = {
		"\"autoscale.max\": \"many\"", "\"autoscale.max\": \"-1\"", "\"autoscale.max\": \"\"", "\"autoscale.max\": \"99999999\"",
		"\"autoscale.max\": \"5\", \"autoscale.min\": \"6\"", "\"autoscale.max\": \"5\", \"autoscale.step\": \"0\"",
		"\"autoscale.max\": \"5\", \"autoscale.cooldown\": \"soon\"", "\"autoscale.max\": \"5\", \"autoscale.down\": \"0s\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		have(2, bad[i], "");
		expect(decide(0, 0, 100), VERDICT_BAD_LABEL, 0);
	}
}

static void test_down(void **state)
{
	(void)state;
	have(4, "\"autoscale.max\": \"5\", \"autoscale.min\": \"2\", \"autoscale.down\": \"10s\", \"autoscale.step\": \"3\"", "");
	expect(service_decide_down(&service, &(struct past){ .fired_ms = 1000 }, 10999), VERDICT_RESOLVED, 0);
	expect(service_decide_down(&service, &(struct past){ .fired_ms = 1000 }, 11000), VERDICT_SCALE, 2);
	expect(service_decide_down(&service, &(struct past){ .fired_ms = 1000, .scaled_ms = 10000 }, 41000), VERDICT_SCALE, 2);
	have(2, "\"autoscale.max\": \"5\", \"autoscale.min\": \"2\", \"autoscale.down\": \"10s\"", "");
	expect(service_decide_down(&service, &(struct past){ .fired_ms = 1000 }, 11000), VERDICT_AT_BOUND, 0);
	have(4, "\"autoscale.max\": \"5\", \"autoscale.down\": \"10s\", \"autoscale.cooldown\": \"1s\"",
	     ", \"UpdateStatus\": {\"State\": \"updating\"}");
	expect(service_decide_down(&service, &(struct past){ .fired_ms = 1000 }, 11000), VERDICT_ROLLOUT, 0);
	have(4, "\"autoscale.max\": \"5\", \"autoscale.down\": \"10s\", \"autoscale.cooldown\": \"1s\"", "");
	expect(service_decide_down(&service, &(struct past){ .fired_ms = 1000, .scaled_ms = 15000 }, 24999), VERDICT_COOLDOWN, 0);
	have(4, "\"autoscale.max\": \"5\", \"autoscale.down\": \"off\"", "");
	expect(service_decide_down(&service, &(struct past){ .fired_ms = 1000 }, 1000000), VERDICT_RESOLVED, 0);
}

static void tell(struct past *past, uint64_t which, uint64_t fires_ms, uint64_t now_ms)
{
	past_note(past, &(struct told){ .alert = which, .fires_ms = fires_ms }, now_ms);
}

static void test_no_shrinking_while_an_alert_fires(void **state)
{
	struct past past = past_begin(1000), stacks = past_begin(1000), both;

	(void)state;
	have(4, "\"autoscale.max\": \"5\", \"autoscale.down\": \"10s\"", "");
	tell(&past, 1, 240000, 5000); /* and nothing comes after it */
	expect(service_decide_down(&service, &past, 16000), VERDICT_RESOLVED, 0);
	expect(service_decide_down(&service, &past, 254999), VERDICT_RESOLVED, 0);
	expect(service_decide_down(&service, &past, 255000), VERDICT_SCALE, 3);
	tell(&past, 1, 0, 20000);
	expect(service_decide_down(&service, &past, 29999), VERDICT_RESOLVED, 0);
	expect(service_decide_down(&service, &past, 30000), VERDICT_SCALE, 3);
	tell(&past, 1, 0, 25000); /* once more: it ended before */
	expect(service_decide_down(&service, &past, 30000), VERDICT_SCALE, 3);
	/* Under its other name an alert of its own fires and is resolved. */
	tell(&stacks, 2, 240000, 25000);
	both = past;
	past_share(&both, &stacks);
	expect(service_decide_down(&service, &both, 100000), VERDICT_RESOLVED, 0);
	tell(&stacks, 2, 0, 26000);
	both = past;
	past_share(&both, &stacks);
	expect(service_decide_down(&service, &both, 35999), VERDICT_RESOLVED, 0);
	expect(service_decide_down(&service, &both, 36000), VERDICT_SCALE, 3);
}

static void test_each_alert_ends_by_itself(void **state)
{
	struct past past = past_begin(1000);

	(void)state;
	tell(&past, 1, 240000, 5000);
	tell(&past, 2, 240000, 6000);
	tell(&past, 3, 0, 7000); /* nobody told that it fires */
	tell(&past, 2, 0, 8000);
	assert_int_equal(past_fired_ms(&past), 245000);
	tell(&past, 2, 0, 9000); /* once more */
	assert_int_equal(past_fired_ms(&past), 245000);
	tell(&past, 1, 60000, 10000); /* the last word: it may end sooner */
	assert_int_equal(past_fired_ms(&past), 70000);
	past.scaled_ms = 11000;
	past_renew(&past, 12000); /* the service is a new one, the alert is not */
	assert_int_equal(past.scaled_ms, 0);
	assert_int_equal(past_fired_ms(&past), 70000);
	tell(&past, 1, 0, 13000);
	assert_int_equal(past_fired_ms(&past), 13000);
}

static void test_more_alerts_than_are_remembered(void **state)
{
	struct past past = past_begin(1000);

	(void)state;
	for (uint64_t i = 1; i <= FIRES_REMEMBERED; i++)
		tell(&past, i, 100000 + i, 1000);
	tell(&past, 99, 5000, 1000); /* ends first: none gives way to it */
	assert_int_equal(past.fired_ms, 6000);
	tell(&past, 100, 200000, 1000); /* the first that ends gives way, but its end is kept */
	assert_int_equal(past.fired_ms, 101001);
	for (uint64_t i = 1; i <= 100; i++)
		tell(&past, i, 0, 2000);
	assert_int_equal(past_fired_ms(&past), 101001);
	/* Those that ended give way, and leave nothing behind. */
	for (uint64_t i = 1; i <= FIRES_REMEMBERED; i++)
		tell(&past, 1000 + i, 300000, 3000);
	for (uint64_t i = 1; i <= FIRES_REMEMBERED; i++)
		tell(&past, 1000 + i, 0, 102000);
	assert_int_equal(past_fired_ms(&past), 102000);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = { { "250ms", 250 }, { "30s", 30000 }, { "5m", 300000 }, { "1h30m", 5400000 }, { "0s", 0 } };
	static const char *const bad[] = { "", "5", "s", "5 s", "-5s", "5d", "1000000000s", "9999h", "5s5", "5sm" };
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(service_parse_duration(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(service_parse_duration(bad[i], &ms));
}

/* Fields that nobody here knows come back as they were, in their order. */
static void test_the_spec_is_kept(void **state)
{
	static const char before[] = "{\"ID\":\"x\",\"Version\":{\"Index\":9223372036854775807},\"Spec\":";
	static const char spec[] = "{\"Name\":\"patient\",\"Labels\":{\"autoscale.max\":\"5\"},\"TaskTemplate\":{\"Resources\":"
	                           "{\"Limits\":{\"NanoCPUs\":1500000000,\"MemoryBytes\":9007199254740993}},\"ForceUpdate\":0,"
	                           "\"New\":[null,true,\"\xc3\xa4\",{}]},"
	                           "\"Mode\":{\"Replicated\":{\"Replicas\":2}},\"UpdateConfig\":{\"MaxFailureRatio\":0.25}}";
	char text[1000], *written;
	json_t *answer;

	(void)state;
	snprintf(text, sizeof text, "%s%s}", before, spec);
	answer = json_loads(text, 0, NULL);
	service_finish(&service);
	assert_true(service_read(answer, &service));
	json_decref(answer);
	assert_true(service.version == INT64_MAX);
	written = service_spec_with(&service, 2);
	assert_string_equal(written, spec);
	free(written);
	written = service_spec_with(&service, 3);
	assert_non_null(strstr(written, "{\"Replicas\":3}"));
	free(written);
}

static void test_answers_that_are_no_service(void **state)
{
	static const char *const answers[] = {
		"{}", "[]", "7", "{\"ID\": \"x\", \"Version\": {\"Index\": 1}}", "{\"ID\": \"x\", \"Spec\": {\"Name\": \"a\"}}",
		"{\"ID\": \"../x\", \"Version\": {\"Index\": 1}, \"Spec\": {\"Name\": \"a\"}}",
		"{\"ID\": 7, \"Version\": {\"Index\": 1}, \"Spec\": {\"Name\": \"a\"}}",
		"{\"ID\": \"x\", \"Version\": {\"Index\": -1}, \"Spec\": {\"Name\": \"a\"}}",
	};
	json_t *global = json_loads("{\"ID\": \"x\", \"Version\": {\"Index\": 1}, \"Spec\": {\"Name\": \"a\", "
	                            "\"Labels\": {\"autoscale.max\": \"3\"}, \"Mode\": {\"Global\": {}}}}", 0, NULL);

	(void)state;
	service_finish(&service);
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		json_t *answer = json_loads(answers[i], 0, NULL);

		assert_false(service_read(answer, &service));
		json_decref(answer);
	}
	assert_true(service_read(global, &service));
	json_decref(global);
	expect(decide(0, 0, 100), VERDICT_NOT_REPLICATED, 0);
}

static int teardown(void **state)
{
	(void)state;
	service_finish(&service);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_and_bounds), cmocka_unit_test(test_left_alone), cmocka_unit_test(test_bad_labels),
		cmocka_unit_test(test_down),             cmocka_unit_test(test_durations),  cmocka_unit_test(test_the_spec_is_kept),
		cmocka_unit_test(test_answers_that_are_no_service), cmocka_unit_test(test_no_shrinking_while_an_alert_fires),
		cmocka_unit_test(test_each_alert_ends_by_itself), cmocka_unit_test(test_more_alerts_than_are_remembered),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, teardown);
}
