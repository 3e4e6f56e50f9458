/* The ring of slices, by itself: what a time window and a count window still hold, and what another generation sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker/numbered.h"
#include "breaker/window.h"
#include "tests/unit/in_range.h"

static struct window window;

static void add(uint32_t generation, uint64_t now, int successes, int failures, int slow)
{
	for (int i = 0; i < successes; i++)
		window_add(&window, generation, now, false, i < slow);
	for (int i = 0; i < failures; i++)
		window_add(&window, generation, now, true, false);
}

static void expect(uint32_t generation, uint64_t now, uint32_t calls, uint32_t failures, uint32_t slow)
{
	struct window_sum sum = window_sum(&window, generation, now);

	assert_int_equal(sum.calls, calls);
	assert_int_equal(sum.failures, failures);
	assert_int_equal(sum.slow, slow);
}

/* A thread whose clock is behind the latest failure still has the one before in its window. */
static void test_a_thread_that_lags_behind_sees_what_it_knows(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_TIME, 10000);
	add(0, 5000, 1, 1, 0);
	add(0, 12000, 1, 0, 1);
	expect(0, 11999, 2, 1, 0);
	expect(0, 22000, 0, 0, 0);
}

static void test_time_window_looks_back_over_ten_slices(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_TIME, 10000);
	expect(0, 0, 0, 0, 0);
	add(0, 999, 3, 2, 1);
	expect(0, 999, 5, 2, 1);
	add(0, 1000, 1, 0, 0);
	expect(0, 9999, 6, 2, 1);
	expect(0, 10000, 1, 0, 0); /* slice 0 has left */
	expect(0, 10999, 1, 0, 0);
	expect(0, 11000, 0, 0, 0);
}

static uint32_t slow_failures(uint32_t generation, uint64_t now)
{
	struct window_sum sum = window_sum(&window, generation, now);

	assert_int_equal(sum.slow_failures, 0);
	window_sum_slow_failures(&window, generation, now, &sum);
	return sum.slow_failures;
}

static void test_calls_that_are_slow_and_fail(void **state)
{
	const uint64_t turn = WINDOW_RING * 1000;

	(void)state;
	window_init(&window, BREAKER_WINDOW_TIME, 10000);
	add(0, 999, 3, 2, 1);
	assert_int_equal(slow_failures(0, 999), 0);
	window_add(&window, 0, 999, true, true);
	window_add(&window, 0, 1000, true, true);
	expect(0, 1000, 7, 4, 3);
	assert_int_equal(slow_failures(0, 1000), 2);
	assert_int_equal(slow_failures(0, 10000), 1);
	assert_int_equal(slow_failures(1, 1000), 0); /* another generation has none */
	add(0, 999 + turn, 1, 1, 1); /* in the same slots */
	assert_int_equal(slow_failures(0, 1000 + turn), 0);
	window_add(&window, 0, 999 + turn, true, true);
	assert_int_equal(slow_failures(0, 1000 + turn), 1);
	window_init(&window, BREAKER_WINDOW_COUNT, 2);
	window_add(&window, 0, 0, true, true);
	window_add(&window, 0, 0, true, true);
	window_add(&window, 0, 0, true, false);
	assert_int_equal(slow_failures(0, 0), 1);
}

static void test_time_window_overwrites_a_slot_after_a_turn(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_TIME, 10000);
	add(0, 5000, 0, 7, 0);
	expect(0, 5000 + WINDOW_RING * 1000, 0, 0, 0);
	add(0, 5000 + WINDOW_RING * 1000, 2, 1, 0);
	expect(0, 5000 + WINDOW_RING * 1000, 3, 1, 0);
}

static void test_a_thread_a_whole_turn_behind_changes_nothing(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_TIME, 10000);
	add(0, 5000 + WINDOW_RING * 1000, 2, 1, 0);
	add(0, 5000, 0, 9, 0);
	expect(0, 5000 + WINDOW_RING * 1000, 3, 1, 0);
}

static void test_a_slightly_slow_clock_still_counts(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_TIME, 10000);
	add(0, 20000, 1, 0, 0);
	add(0, 19999, 0, 1, 0);
	expect(0, 20000, 2, 1, 0);
}

static void test_small_time_windows_round_up(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_TIME, 15); /* slices of 2 ms */
	add(0, 1, 0, 1, 0);
	expect(0, 19, 1, 1, 0);
	expect(0, 20, 0, 0, 0);
	window_init(&window, BREAKER_WINDOW_TIME, 0); /* nonsense, but no division by zero */
	add(0, 1, 0, 1, 0);
	expect(0, 1, 1, 1, 0);
}

static void test_a_generation_sees_only_its_own(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_TIME, 10000);
	add(1, 500, 0, 5, 0);
	expect(2, 500, 0, 0, 0);
	add(2, 500, 2, 1, 1);
	expect(2, 500, 3, 1, 1);
	/* A straggler of the generation before neither adds nor takes the slot away. */
	add(1, 500, 1, 1, 1);
	expect(2, 500, 3, 1, 1);
	expect(1, 500, 0, 0, 0);
}

static void test_count_window_is_exact_up_to_a_hundred(void **state)
{
	static const uint32_t sizes[] = {1, 2, 9, 10, 99, 100};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t size = sizes[i];

		window_init(&window, BREAKER_WINDOW_COUNT, size);
		add(0, 0, 0, 1, 0); /* one failure, then successes push it out */
		for (uint32_t n = 1; n < 3 * size; n++) {
			expect(0, 0, n < size ? n : size, n <= size ? 1 : 0, 0);
			add(0, 0, 1, 0, 0);
		}
	}
}

static void test_count_window_keeps_the_size_and_less_than_two_slices_more(void **state)
{
	static const uint32_t sizes[] = {101, 150, 199, 200, 250, 1000, 12345};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t size = sizes[i];
		uint32_t slice = (size + 99) / 100;

		window_init(&window, BREAKER_WINDOW_COUNT, size);
		for (uint32_t n = 1; n < 2 * size + 3; n++) {
			struct window_sum sum;

			add(0, 0, 1, 0, 0);
			sum = window_sum(&window, 0, 0);
			if (n <= size)
				assert_int_equal(sum.calls, n);
			assert_uint_in_range(sum.calls, n < size ? n : size, size + 2 * slice - 2);
		}
	}
}

static void test_count_window_knows_no_time(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_COUNT, 10);
	add(0, 0, 5, 2, 3);
	expect(0, 1000000000, 7, 2, 3);
}

static void test_count_window_begins_again_with_each_generation(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_COUNT, 10);
	add(3, 0, 0, 8, 0);
	expect(4, 0, 0, 0, 0);
	add(4, 0, 1, 0, 0);
	expect(4, 0, 1, 0, 0);
	add(3, 0, 0, 5, 0); /* too late for any figure */
	expect(4, 0, 1, 0, 0);
	expect(3, 0, 0, 0, 0);
	add(4, 0, 0, 9, 0);
	expect(4, 0, 10, 9, 0);
}

static void test_generations_wrap(void **state)
{
	(void)state;
	window_init(&window, BREAKER_WINDOW_COUNT, 10);
	add(65535, 0, 0, 3, 0);
	expect(65535, 0, 3, 3, 0);
	add(0, 0, 1, 0, 0);
	expect(0, 0, 1, 0, 0);
	add(65535, 0, 0, 1, 0);
	expect(0, 0, 1, 0, 0);
	window_init(&window, BREAKER_WINDOW_TIME, 1000);
	add(4095, 50, 0, 3, 0);
	add(4096, 50, 2, 1, 0);
	expect(4096, 50, 3, 1, 0);
}

static void test_slice_numbers_wrap(void **state)
{
	const uint64_t turn = UINT64_C(1000) << 26;

	(void)state;
	window_init(&window, BREAKER_WINDOW_TIME, 10000);
	for (int second = -5; second < 0; second++)
		add(7, turn + (uint64_t)(1000 * second), 1, 1, 0);
	expect(7, turn - 1, 10, 5, 0);
	add(7, turn, 1, 0, 0);
	expect(7, turn, 11, 5, 0);
	expect(7, turn + 9000, 1, 0, 0);
	/* Two years without a call, and the slots of before the wrap are the past, not the future. */
	add(7, turn + 123000, 0, 1, 0);
	expect(7, turn + 123000, 1, 1, 0);
}

static void add_from(uint64_t position, int successes, int failures)
{
	atomic_store(&window.position, UINT64_C(3) << 48 | position);
	add(3, 0, successes, failures, 0);
}

/* 67 million calls later, with a slice for each call: failures of then are none of now, and none of now is lost to them. */
static void test_failures_of_a_count_window_do_not_come_round(void **state)
{
	(void)state;
	for (uint64_t later = 500; later <= 1000; later += 500) {
		window_init(&window, BREAKER_WINDOW_COUNT, 100);
		add_from(1000, 0, 100);
		add_from(1100, 300, 0);
		add_from(UINT64_C(1) << 25, 200, 0); /* on the way every slot is used */
		add_from((UINT64_C(1) << 26) + later, 100, 0);
		assert_int_equal(window_sum(&window, 3, 0).failures, 0);
		add(3, 0, 0, 100, 0);
		expect(3, 0, 100, 100, 0);
	}
}

static void test_numbered_words(void **state)
{
	_Atomic uint64_t word = 0;

	(void)state;
	assert_int_equal(numbered_add(&word, 5), 1);
	assert_int_equal(numbered_add(&word, 5), 2);
	assert_int_equal(numbered_count(&word, 5), 2);
	assert_int_equal(numbered_count(&word, 6), 0);
	numbered_take_back(&word, 6);
	numbered_take_back(&word, 5);
	assert_int_equal(numbered_count(&word, 5), 1);
	assert_int_equal(numbered_add(&word, 4), 0); /* the word is ahead */
	assert_int_equal(numbered_count(&word, 5), 1);
	numbered_take_back(&word, 5);
	numbered_take_back(&word, 5); /* never below nothing */
	assert_int_equal(numbered_count(&word, 5), 0);
	assert_int_equal(numbered_add(&word, 4), 1); /* nothing is never ahead */
	/* Far ahead is the past, left from before the numbers went round. */
	word = (UINT64_C(20000) + NUMBERED_SLICES_AHEAD) << NUMBERED_COUNT_BITS | 1;
	assert_int_equal(numbered_add(&word, 20000), 0);
	assert_int_equal(numbered_add(&word, 19999), 1);
	word = (uint64_t)NUMBERED_EPOCHS_AHEAD << (NUMBERED_COUNT_BITS + NUMBERED_SLICE_BITS) | 1;
	assert_int_equal(numbered_add(&word, 20000), 0);
	word += UINT64_C(1) << (NUMBERED_COUNT_BITS + NUMBERED_SLICE_BITS);
	assert_int_equal(numbered_add(&word, 20000), 1);
	/* Full: the count stays, and the number is not disturbed. */
	word = UINT64_C(9) << NUMBERED_COUNT_BITS | NUMBERED_COUNT_MAX;
	assert_int_equal(numbered_add(&word, 9), 0);
	assert_int_equal(numbered_count(&word, 9), NUMBERED_COUNT_MAX);
	assert_int_equal(numbered_add(&word, 10), 1);
	/* The highest number is followed by the lowest. */
	word = NUMBERED_NUMBER_MASK << NUMBERED_COUNT_BITS | 3;
	assert_int_equal(numbered_add(&word, NUMBERED_NUMBER_MASK + 1), 1);
	assert_int_equal(numbered_add(&word, NUMBERED_NUMBER_MASK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_thread_that_lags_behind_sees_what_it_knows),
		cmocka_unit_test(test_time_window_looks_back_over_ten_slices),
		cmocka_unit_test(test_time_window_overwrites_a_slot_after_a_turn),
		cmocka_unit_test(test_a_thread_a_whole_turn_behind_changes_nothing),
		cmocka_unit_test(test_a_slightly_slow_clock_still_counts),
		cmocka_unit_test(test_calls_that_are_slow_and_fail),
		cmocka_unit_test(test_small_time_windows_round_up),
		cmocka_unit_test(test_a_generation_sees_only_its_own),
		cmocka_unit_test(test_count_window_is_exact_up_to_a_hundred),
		cmocka_unit_test(test_count_window_keeps_the_size_and_less_than_two_slices_more),
		cmocka_unit_test(test_count_window_knows_no_time),
		cmocka_unit_test(test_count_window_begins_again_with_each_generation),
		cmocka_unit_test(test_generations_wrap),
		cmocka_unit_test(test_slice_numbers_wrap),
		cmocka_unit_test(test_failures_of_a_count_window_do_not_come_round),
		cmocka_unit_test(test_numbered_words),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
