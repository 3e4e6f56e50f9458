/* What the autoscaler makes of what Prometheus and Alertmanager send, and of what they never would. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deploy/autoscaler/alerts.h"

#define NOW_S 1767225600.0 /* 2026-01-01T00:00:00Z */
#define LATER "\"endsAt\": \"2026-01-01T00:01:00Z\""
#define BEFORE "\"endsAt\": \"2025-12-31T23:59:59.999Z\""

static struct wishes wishes;

static void take(const char *text)
{
	char error[160] = "";

	alerts_free(&wishes);
	if (!alerts_read(text, strlen(text), NOW_S, &wishes, error, sizeof error))
		fail_msg("%s: %s", text, error);
}

static void refuse(const char *text, const char *why)
{
	char error[160] = "";

	alerts_free(&wishes);
	assert_false(alerts_read(text, strlen(text), NOW_S, &wishes, error, sizeof error));
	assert_non_null(strstr(error, why));
}

static const struct wish *only(void)
{
	assert_int_equal(wishes.count, 1);
	return &wishes.list[0];
}

static void test_prometheus(void **state)
{
	(void)state;
	take("[]");
	assert_int_equal(wishes.count, 0);
	take("[{\"labels\": {\"alertname\": \"rate\", \"scale\": \"patient\"}, \"annotations\": {}, " LATER "}]");
	assert_string_equal(only()->service, "patient");
	assert_string_equal(only()->alert, "rate");
	assert_true(only()->is_firing);
	assert_int_equal(only()->told->fires_ms, 60000);
	assert_int_equal(only()->replicas, 0);
	take("[{\"labels\": {\"scale\": \"patient\"}, \"endsAt\": \"9999-01-01T00:00:00Z\"}]");
	assert_int_equal(only()->told->fires_ms, FIRES_MOST_MS);
	take("[{\"labels\": {\"scale\": \"patient\"}, \"endsAt\": \"2026-01-01T00:00:00.0001Z\"}]");
	assert_int_equal(only()->told->fires_ms, 1);
	take("[{\"labels\": {\"scale\": \"patient\"}, " LATER "}, {\"labels\": {\"scale\": \"patient\"}, "
	     "\"endsAt\": \"2026-01-01T00:00:30Z\"}]");
	assert_int_equal(only()->told->fires_ms, 60000);
	assert_int_equal(only()->told->next->fires_ms, 30000);
	assert_true(only()->told->next->alert == only()->told->alert && only()->told->next->next == NULL);
	take("[{\"labels\": {\"alertname\": \"rate\", \"scale\": \"patient\"}, " BEFORE "}]");
	assert_false(only()->is_firing);
	take("[{\"labels\": {\"scale\": \"patient\"}, \"endsAt\": \"0001-01-01T00:00:00Z\"}]");
	assert_true(only()->is_firing);
	take("[{\"labels\": {\"scale\": \"patient\"}}]");
	assert_true(only()->is_firing);
	take("[{\"labels\": {\"scale\": \"patient\"}, \"endsAt\": \"2026-01-01T01:00:30+01:00\"}]");
	assert_true(only()->is_firing);
	take("[{\"labels\": {\"scale\": \"patient\"}, \"endsAt\": \"2026-01-01T00:30:00.5+01:00\"}]");
	assert_false(only()->is_firing);
}

static void test_alertmanager(void **state)
{
	(void)state;
	take("{\"version\": \"4\", \"status\": \"firing\", \"alerts\": [{\"status\": \"firing\", "
	     "\"labels\": {\"scale\": \"hospital_patient\"}, "
	     "\"endsAt\": \"0001-01-01T00:00:00Z\"}]}");
	assert_true(only()->is_firing);
	assert_int_equal(only()->told->fires_ms, FIRES_MOST_MS);
	take("{\"alerts\": [{\"status\": \"resolved\", \"labels\": {\"scale\": \"patient\"}, " LATER "}]}");
	assert_false(only()->is_firing);
}

/* An alert is what its labels are, in any order; annotations and times say nothing about which it is. */
static void test_which_alert_it_is(void **state)
{
	const struct told *told;

	(void)state;
	take("[{\"labels\": {\"scale\": \"a\", \"alertname\": \"load\"}, " LATER "}, {\"labels\": {\"scale\": \"b\"}}, "
	     "{\"labels\": {\"alertname\": \"load\", \"scale\": \"a\"}, \"annotations\": {\"replicas\": \"3\"}, " BEFORE "}, "
	     "{\"labels\": {\"scale\": \"a\", \"alertname\": \"latency\"}, " BEFORE "}]");
	assert_int_equal(wishes.count, 2);
	told = wishes.list[0].told;
	assert_int_equal(told->fires_ms, 60000);
	assert_int_equal(told->next->fires_ms, 0);
	assert_true(told->next->alert == told->alert);
	assert_true(told->next->next->alert != told->alert);
	assert_null(told->next->next->next);
	assert_null(wishes.list[1].told->next);
}

static void test_one_wish_for_a_service(void **state)
{
	(void)state;
	take("[{\"labels\": {\"scale\": \"a\", \"alertname\": \"old\"}, " BEFORE "}, {\"labels\": {\"scale\": \"b\"}, " BEFORE "}, "
	     "{\"labels\": {\"scale\": \"a\", \"alertname\": \"new\"}, \"annotations\": {\"replicas\": \"3\"}, " LATER "}, "
	     "{\"labels\": {\"scale\": \"a\", \"alertname\": \"third\"}, \"annotations\": {\"replicas\": \"2\"}, " LATER "}, "
	     "{\"labels\": {\"scale\": \"a\"}, " BEFORE "}, {\"labels\": {}}, {\"labels\": {\"scale\": \"a/b\"}}, "
	     "{\"labels\": {\"scale\": 7}}]");
	assert_int_equal(wishes.count, 2);
	assert_true(wishes.list[0].is_firing);
	assert_string_equal(wishes.list[0].alert, "new");
	assert_int_equal(wishes.list[0].replicas, 3);
	assert_false(wishes.list[0].wants_step);
	assert_false(wishes.list[1].is_firing);
	assert_int_equal(wishes.unnamed, 1);
	assert_int_equal(wishes.misnamed, 2);
}

static void test_replicas(void **state)
{
	static const struct {
		const char *text;
		uint64_t replicas;
	} cases[] = {
		{ "4", 4 }, { "4.0000001", 5 }, { "3.2e0", 4 }, { "", 0 }, { "NaN", 0 }, { "+Inf", 0 }, { "-3", 0 }, { "0", 0 },
		{ "four", 0 }, { "0x10", 0 }, { "4 ", 0 }, { "1e300", REPLICAS_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[200];

		snprintf(text, sizeof text, "[{\"labels\": {\"scale\": \"a\"}, \"annotations\": {\"replicas\": \"%s\"}, " LATER "}]",
		         cases[i].text);
		take(text);
		assert_int_equal(only()->replicas, cases[i].replicas);
		assert_int_equal(only()->wants_step, cases[i].replicas == 0);
	}
	take("[{\"labels\": {\"scale\": \"a\"}, " LATER "}, "
	     "{\"labels\": {\"scale\": \"a\"}, \"annotations\": {\"replicas\": \"2\"}, " LATER "}]");
	assert_int_equal(only()->replicas, 2);
	assert_true(only()->wants_step);
}

static void test_refused(void **state)
{
	char *large = malloc(ALERTS_BODY_MAX + 2);

	(void)state;
	refuse("", "not JSON");
	refuse("{", "not JSON");
	refuse("7", "not JSON");
	refuse("\"text\"", "not JSON");
	refuse("{}", "neither");
	refuse("{\"alerts\": {}}", "neither");
	refuse("[7]", "no object");
	memset(large, ' ', ALERTS_BODY_MAX + 1);
	large[ALERTS_BODY_MAX + 1] = '\0';
	refuse(large, "1 MiB");
	memset(large, '[', ALERTS_BODY_MAX);
	large[ALERTS_BODY_MAX] = '\0';
	refuse(large, "more objects and lists");
	free(large);
}

/* A megabyte of empty objects would be 80 of them as a tree, so they are counted before that. */
static void test_many_are_refused_before_they_are_parsed(void **state)
{
	static const char one[] = "{\"labels\": {\"a\": \"{\"}, \"annotations\": {}}";
	char *text = malloc((ALERTS_MAX + 1) * sizeof one + 2), *end = text;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i <= ALERTS_MAX; i++) {
		*end = i == 0 ? '[' : ',';
		memcpy(end + 1, one, sizeof one);
		end += sizeof one;
		if (i == ALERTS_MAX - 1) {
			strcpy(end, "]");
			take(text);
			assert_int_equal(wishes.unnamed, ALERTS_MAX);
		}
	}
	memcpy(end, "]", 2);
	refuse(text, "more than 4096 alerts");
	free(text);
	text = malloc(3 * ALERTS_OPENINGS_MAX + 3);
	assert_non_null(text);
	for (size_t i = 0; i < ALERTS_OPENINGS_MAX; i++)
		memcpy(text + 3 * i, i == 0 ? "[{}" : ",{}", 3);
	memcpy(text + 3 * ALERTS_OPENINGS_MAX, "]", 2);
	refuse(text, "more objects and lists");
	free(text);
}

static void test_odd_kinds(void **state)
{
	static const char *const values[] = { "null", "7", "[]", "{}", "\"x\"", "\"\\u0000\"", "\"a\\u0000b\"", "true" };

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		static const char *const forms[] = {
			"[{\"labels\": %s}]", "[{\"labels\": {\"scale\": \"a\", \"alertname\": %s}}]",
			"[{\"labels\": {\"scale\": \"a\"}, \"endsAt\": %s}]", "[{\"labels\": {\"scale\": \"a\"}, \"annotations\": %s}]",
			"[{\"labels\": {\"scale\": \"a\"}, \"annotations\": {\"replicas\": %s}}]",
			"[{\"labels\": {\"scale\": \"a\"}, \"status\": %s}]", "[{\"labels\": {\"scale\": %s}}]",
		};

		for (size_t form = 0; form < sizeof forms / sizeof forms[0]; form++) {
			char text[200];

			snprintf(text, sizeof text, forms[form], values[i]);
			take(text);
			assert_int_equal(wishes.alerts, 1);
		}
	}
}

static void test_times(void **state)
{
	static const char *const bad[] = {
		"", "2026", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+24:00", "x026-01-01T00:00:00Z",
	};
	double seconds;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(alerts_parse_time(bad[i], &seconds));
	assert_true(alerts_parse_time("1970-01-01T00:00:01.25Z", &seconds));
	assert_true(seconds == 1.25);
	assert_true(alerts_parse_time("1970-01-01t01:00:00-01:30", &seconds));
	assert_true(seconds == 9000);
	assert_true(alerts_parse_time("0001-01-01T00:00:00Z", &seconds));
	assert_true(seconds < 0);
}

static void test_names(void **state)
{
	char longest[SERVICE_NAME_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof longest);
	assert_true(alerts_is_service_name("hospital_patient-1.x", 20));
	assert_false(alerts_is_service_name("", 0));
	assert_false(alerts_is_service_name("../x", 4));
	assert_false(alerts_is_service_name("-x", 2));
	assert_false(alerts_is_service_name("a?b", 3));
	assert_true(alerts_is_service_name(longest, SERVICE_NAME_MAX));
	assert_false(alerts_is_service_name(longest, SERVICE_NAME_MAX + 1));
}

static int teardown(void **state)
{
	(void)state;
	alerts_free(&wishes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prometheus), cmocka_unit_test(test_alertmanager), cmocka_unit_test(test_one_wish_for_a_service),
		cmocka_unit_test(test_replicas),   cmocka_unit_test(test_refused),      cmocka_unit_test(test_odd_kinds),
		cmocka_unit_test(test_times),      cmocka_unit_test(test_names),
		cmocka_unit_test(test_many_are_refused_before_they_are_parsed), cmocka_unit_test(test_which_alert_it_is),
	};

	return cmocka_run_group_tests_name("alerts", tests, NULL, teardown);
}
