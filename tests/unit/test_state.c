/* The pure word: every field at its edges and round its corners. The life of a breaker is in test_breaker.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker/jitter.h"
#include "breaker/state.h"
#include "tests/unit/breaker_usual.h"

static const struct breaker_settings SETTINGS = {
	BREAKER_USUAL,
};

static uint64_t half_open_at(uint64_t now)
{
	uint64_t word = state_open(state_born(), 0, &SETTINGS, JITTER_NONE);

	word = state_admit(word, now, &SETTINGS);
	assert_int_equal(state_of(word), BREAKER_HALF_OPEN);
	return word;
}

static bool is_over(uint64_t word, uint64_t now, const struct breaker_settings *settings)
{
	enum breaker_reason reason;

	return state_review(word, now, settings, JITTER_NONE, &reason) != word;
}

static void test_a_word_says_what_went_in(void **state)
{
	uint64_t word = state_born();
	struct state_probes probes;

	(void)state;
	assert_int_equal(state_of(word), BREAKER_CLOSED);
	assert_int_equal(state_generation(word), 0);
	assert_true(state_admit(word, 1, &SETTINGS) == word);
	word = state_open(word, 1000, &SETTINGS, JITTER_NONE);
	assert_int_equal(state_of(word), BREAKER_OPEN);
	assert_int_equal(state_generation(word), 1);
	assert_int_equal(state_open_until(word), 6000);
	assert_true(state_admit(word, 5999, &SETTINGS) == word);
	word = state_admit(word, 6000, &SETTINGS);
	assert_int_equal(state_of(word), BREAKER_HALF_OPEN);
	assert_int_equal(state_generation(word), 2);
	word = state_admit(state_admit(word, 6000, &SETTINGS), 6000, &SETTINGS);
	word = state_settle(word, BREAKER_SUCCESS, true);
	word = state_settle(word, BREAKER_FAILURE, false);
	assert_int_equal(state_generation(word), 2);
	probes = state_probes(word);
	assert_int_equal(probes.sent, 3);
	assert_int_equal(probes.passed, 1);
	assert_int_equal(probes.failed, 1);
	assert_int_equal(probes.slow, 1);
	probes = state_probes(state_inherit(word));
	assert_int_equal(probes.sent, 2);
	word = state_settle(word, BREAKER_NEITHER, false);
	assert_int_equal(state_probes(word).sent, 2);
	/* Nothing in flight: a permit from 65536 generations ago spoils no field. */
	assert_true(state_settle(word, BREAKER_FAILURE, true) == word);
	assert_true(state_settle(word, BREAKER_NEITHER, true) == word);
}

static void test_a_hundred_probes_fill_no_other_field(void **state)
{
	struct breaker_settings settings = SETTINGS;
	uint64_t word = half_open_at(5000), next;
	enum breaker_reason reason;
	struct state_probes probes;

	(void)state;
	settings.half_open_calls = 1000; /* cut to what the word holds */
	for (int i = 1; i < STATE_PROBES_MAX; i++)
		word = state_admit(word, 5000, &settings);
	assert_true(state_admit(word, 5000, &settings) == word);
	for (int i = 0; i < STATE_PROBES_MAX; i++) {
		assert_true(state_review(word, 5000, &settings, 0, &reason) == word);
		word = state_settle(word, BREAKER_FAILURE, true);
	}
	probes = state_probes(word);
	assert_int_equal(probes.sent, 100);
	assert_int_equal(probes.passed, 0);
	assert_int_equal(probes.failed, 100);
	assert_int_equal(probes.slow, 100);
	assert_int_equal(state_generation(word), 2);
	next = state_review(word, 5000, &settings, JITTER_NONE, &reason);
	assert_int_equal(state_of(next), BREAKER_OPEN);
	assert_int_equal(state_reopenings(next), 1);
}

static void test_generation_wraps(void **state)
{
	uint64_t word = state_born();

	(void)state;
	for (uint32_t i = 1; i <= 3 * STATE_GENERATIONS; i++) {
		word = state_force(word, BREAKER_CLOSED);
		assert_int_equal(state_generation(word), i % STATE_GENERATIONS);
		assert_int_equal(state_of(word), BREAKER_CLOSED);
	}
	for (int i = 1; i < STATE_GENERATIONS; i++)
		word = state_force(word, BREAKER_CLOSED);
	word = state_open(word, 0, &SETTINGS, JITTER_NONE);
	assert_int_equal(state_generation(word), 0);
	assert_int_equal(state_of(word), BREAKER_OPEN);
}

static void test_reopenings_stop(void **state)
{
	struct breaker_settings settings = SETTINGS;
	uint64_t word = half_open_at(5000);
	uint64_t now = 5000;

	(void)state;
	settings.open_for_ms = 1;
	settings.open_for_max_ms = UINT32_MAX;
	for (uint32_t i = 1; i < 40; i++) {
		uint32_t expected = i < STATE_REOPENINGS_MAX ? i : STATE_REOPENINGS_MAX;

		word = state_open(word, now, &settings, JITTER_NONE);
		assert_int_equal(state_reopenings(word), expected);
		assert_int_equal(state_open_until(word) - now, UINT64_C(1) << expected);
		now = state_open_until(word);
		word = state_admit(word, now, &settings);
		assert_int_equal(state_of(word), BREAKER_HALF_OPEN);
		assert_int_equal(state_reopenings(word), expected);
	}
	assert_int_equal(state_reopenings(state_force(word, BREAKER_CLOSED)), 0);
}

static void test_open_time_edges(void **state)
{
	struct breaker_settings settings = SETTINGS;
	uint64_t far = (UINT64_C(1) << 40) - 10;
	uint64_t word;

	(void)state;
	assert_int_equal(state_open_until(state_open(state_born(), 0, &SETTINGS, 0)), 4000);
	assert_int_equal(state_open_until(state_open(state_born(), 0, &SETTINGS, UINT32_MAX)), 6000);
	settings.open_for_ms = 0; /* never 0, or open would not be a state */
	settings.open_for_max_ms = 0;
	assert_int_equal(state_open_until(state_open(state_born(), 7, &settings, 0)), 8);
	settings.open_for_ms = 5000; /* a limit below the first stay does not shorten it */
	assert_int_equal(state_open_until(state_open(state_born(), 0, &settings, JITTER_NONE)), 5000);
	settings.open_for_ms = UINT32_MAX;
	settings.open_for_max_ms = UINT32_MAX;
	assert_int_equal(state_open_until(state_open(state_born(), 0, &settings, JITTER_NONE)), UINT32_MAX);
	word = state_open(state_born(), far, &SETTINGS, JITTER_NONE); /* 34 years on, it stops instead of spilling */
	assert_int_equal(state_of(word), BREAKER_OPEN);
	assert_int_equal(state_generation(word), 1);
	assert_int_equal(state_open_until(word), (UINT64_C(1) << 40) - 1);
}

static void test_timeout_wherever_the_ticks_are(void **state)
{
	static const uint64_t circle = UINT64_C(64) << 15;

	(void)state;
	for (uint64_t begun = 5000; begun < 3 * circle; begun += 7919) {
		uint64_t word = half_open_at(begun);

		assert_false(is_over(word, begun, &SETTINGS));
		assert_false(is_over(word, begun + 29999, &SETTINGS));
		assert_true(is_over(word, begun + 30000 + 2 * STATE_TICK_MS, &SETTINGS));
		assert_true(is_over(word, begun + circle / 2, &SETTINGS));
		/* A clock read earlier on another thread. */
		assert_false(is_over(word, begun > 30000 ? begun - 30000 : 0, &SETTINGS));
	}
}

static void test_timeout_edges(void **state)
{
	struct breaker_settings settings = SETTINGS;
	uint64_t word = half_open_at(5000);

	(void)state;
	settings.half_open_timeout_ms = UINT32_MAX; /* cut to half an hour */
	assert_false(is_over(word, 5000 + STATE_HALF_OPEN_TIMEOUT_MAX_MS - 1, &settings));
	assert_true(is_over(word, 5000 + STATE_HALF_OPEN_TIMEOUT_MAX_MS + 2 * STATE_TICK_MS, &settings));
	settings.half_open_timeout_ms = 1;
	assert_false(is_over(word, 5000, &settings));
	assert_true(is_over(word, 5001 + 2 * STATE_TICK_MS, &settings));
}

static void test_rates(void **state)
{
	(void)state;
	assert_true(state_reaches(1, 2, 5000));
	assert_false(state_reaches(49, 99, 5000));
	assert_true(state_reaches(1, 8, 1250)); /* 12.5% */
	assert_false(state_reaches(12, 97, 1250));
	assert_false(state_reaches(0, 10, 0)); /* nothing is never enough */
	assert_true(state_reaches(UINT32_MAX, UINT32_MAX, 10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_word_says_what_went_in),
		cmocka_unit_test(test_a_hundred_probes_fill_no_other_field),
		cmocka_unit_test(test_generation_wraps),
		cmocka_unit_test(test_reopenings_stop),
		cmocka_unit_test(test_open_time_edges),
		cmocka_unit_test(test_timeout_wherever_the_ticks_are),
		cmocka_unit_test(test_timeout_edges),
		cmocka_unit_test(test_rates),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
