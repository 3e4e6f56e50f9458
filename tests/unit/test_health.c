/* Results of health checks in a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker/health.h"

static const struct health_settings SETTINGS = {.enabled = true, .healthy = 2, .unhealthy = 3};
static const struct health_result GOOD = {.status = 204, .took_ms = 1}, BAD = {.status = 503},
                                  NONE = {.error = "no answer", .took_ms = 1000};

static bool take(struct health *health, const struct health_result *result)
{
	static uint64_t now_ms = 1000;

	return health_take(health, &SETTINGS, result, ++now_ms);
}

static void test_good_answers(void **state)
{
	(void)state;
	for (unsigned status = 0; status < 700; status++)
		assert_int_equal(health_is_good(&(struct health_result){.status = status}), status >= 200 && status < 300);
	assert_false(health_is_good(&(struct health_result){.status = 200, .error = "the answer is too large"}));
}

static void test_ill_after_failures_in_a_row(void **state)
{
	struct health health = {0};

	(void)state;
	assert_false(take(&health, &BAD));
	assert_false(take(&health, &NONE));
	assert_int_equal(health.state, HEALTH_UNCHECKED); /* it serves until it is known to be ill */
	assert_false(take(&health, &GOOD));
	assert_int_equal(health.state, HEALTH_HEALTHY);
	assert_false(take(&health, &BAD));
	assert_false(take(&health, &BAD));
	assert_false(take(&health, &GOOD)); /* begins anew */
	assert_false(take(&health, &BAD));
	assert_false(take(&health, &BAD));
	assert_int_equal(health.state, HEALTH_HEALTHY);
	assert_true(take(&health, &NONE));
	assert_int_equal(health.state, HEALTH_UNHEALTHY);
	assert_string_equal(health.last.error, "no answer");
	assert_false(take(&health, &BAD)); /* once only */
	assert_int_equal(health.checks_total, 10);
	assert_int_equal(health.failures_total, 8);
}

static void test_one_that_was_never_well(void **state)
{
	struct health health = {0};

	(void)state;
	assert_false(take(&health, &BAD));
	assert_false(take(&health, &BAD));
	assert_true(take(&health, &BAD));
	assert_int_equal(health.state, HEALTH_UNHEALTHY);
}

static void test_well_after_successes_in_a_row(void **state)
{
	struct health health = {.state = HEALTH_UNHEALTHY};

	(void)state;
	assert_false(take(&health, &GOOD));
	assert_false(take(&health, &BAD));
	assert_false(take(&health, &GOOD));
	assert_int_equal(health.state, HEALTH_UNHEALTHY);
	assert_true(take(&health, &GOOD));
	assert_int_equal(health.state, HEALTH_HEALTHY);
	assert_true(health.since_ms > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_answers),
		cmocka_unit_test(test_ill_after_failures_in_a_row),
		cmocka_unit_test(test_one_that_was_never_well),
		cmocka_unit_test(test_well_after_successes_in_a_row),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
