/* What must hold for every row of the table of outcomes, and that README explains each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/exchange/outcome.h"

static void test_names_are_different(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(outcome_table[i].name, outcome_table[j].name);
}

/* An attacker, a slow client or a full gateway must never open the breaker of a service. */
static void test_only_upstreams_fail(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++)
		if (outcome_table[i].verdict == BREAKER_FAILURE)
			assert_int_equal(outcome_table[i].fault, FAULT_UPSTREAM);
}

/* Or what the gateway could not even send, for want of a port. */
static void test_only_failures_are_tried_again(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++)
		if (outcome_table[i].retry != RETRY_NEVER && i != OUTCOME_NO_FREE_PORT)
			assert_int_equal(outcome_table[i].verdict, BREAKER_FAILURE);
	assert_int_equal(outcome_table[OUTCOME_NO_FREE_PORT].retry, RETRY_UNSENT);
}

/* What the gateway says itself has a status and a reason for Proxy-Status, except that a replaced answer has its own. */
static void test_own_answers_say_why(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_row *row = &outcome_table[i];

		if ((row->answer != ANSWER_FALLBACK && row->answer != ANSWER_ERROR) || i == OUTCOME_REPLACED)
			continue;
		assert_true(row->status >= 400);
		assert_non_null(row->proxy_error);
	}
}

static void test_readme_explains_each(void **state)
{
	static char text[256 * 1024];
	FILE *file = fopen("README.md", "r");

	(void)state;
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		char quoted[64];

		snprintf(quoted, sizeof(quoted), "`%s`", outcome_table[i].name);
		if (strstr(text, quoted) == NULL)
			fail_msg("README.md does not explain the outcome %s", quoted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_different),
		cmocka_unit_test(test_only_upstreams_fail),
		cmocka_unit_test(test_only_failures_are_tried_again),
		cmocka_unit_test(test_own_answers_say_why),
		cmocka_unit_test(test_readme_explains_each),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
