/*
 * Which endpoint next: shares are counted over many draws of a fixed sequence, so the bounds can be narrow without
 * ever failing by chance.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/balance.h"
#include "tests/unit/in_range.h"

enum { ENDPOINTS_MAX = 64, DRAWS = 60000, MOMENT_MS = 200 };

static const uint64_t NOW = 100000;

static struct {
	struct endpoint_set *set;
	struct upstream_settings settings;
	struct balance_avoid avoid;
	unsigned turn;
	uint64_t random;
	unsigned chosen[ENDPOINTS_MAX];
} world;

static void end(void)
{
	endpoint_set_release(world.set);
	memset(&world, 0, sizeof(world));
}

static void begin(unsigned count)
{
	struct endpoint *endpoints[ENDPOINTS_MAX];

	end();
	for (unsigned i = 0; i < count; i++) {
		struct address address = {.family = 4, .port = 80, .ip = {10, 0, 0, (uint8_t)i}};

		endpoints[i] = endpoint_new(&address, i, 0, "dns");
		assert_non_null(endpoints[i]);
	}
	world.set = endpoint_set_new(endpoints, count);
	assert_non_null(world.set);
	for (unsigned i = 0; i < count; i++)
		endpoint_release(endpoints[i]);
	world.settings.ejection = (struct ejection_settings){.enabled = true, .consecutive_failures = 5, .max_share_bp = 5000};
	world.random = 42;
}

static int teardown(void **state)
{
	(void)state;
	end();
	return 0;
}

static uint64_t draw(void)
{
	uint64_t random = world.random += 0x9e3779b97f4a7c15;

	random = (random ^ (random >> 30)) * 0xbf58476d1ce4e5b9;
	random = (random ^ (random >> 27)) * 0x94d049bb133111eb;
	return random ^ (random >> 31);
}

static void eject(unsigned index, uint64_t until_ms)
{
	atomic_store(&world.set->endpoints[index]->ejection.until_ms, until_ms);
}

static void busy(unsigned index, uint32_t in_flight)
{
	atomic_store(&world.set->endpoints[index]->in_flight, in_flight);
}

static void avoid(unsigned index)
{
	world.avoid.tried[world.avoid.count++] = world.set->endpoints[index];
}

static struct endpoint *choose(enum balance balance)
{
	world.settings.balance = balance;
	return balance_choose(world.set, &world.settings, NOW, draw(), &world.turn, &world.avoid);
}

static void count_draws(enum balance balance)
{
	memset(world.chosen, 0, sizeof(world.chosen));
	for (int i = 0; i < DRAWS; i++) {
		struct endpoint *endpoint = choose(balance);

		assert_non_null(endpoint);
		world.chosen[endpoint->index]++;
	}
}

/* Within 5 % of that many sixtieths of all draws; none at all when 0. */
static void expect_share(unsigned index, unsigned sixtieths)
{
	unsigned expected = DRAWS / 60 * sixtieths;

	assert_uint_in_range(world.chosen[index], expected - expected / 20, expected + expected / 20);
}

static void test_nobody(void **state)
{
	(void)state;
	begin(0);
	assert_null(choose(BALANCE_LEAST_REQUEST));
	assert_null(choose(BALANCE_ROUND_ROBIN));
	assert_null(balance_choose(NULL, &world.settings, NOW, 1, &world.turn, NULL));
}

static void test_the_only_one_serves_whatever_happened(void **state)
{
	(void)state;
	begin(1);
	eject(0, NOW + 1000);
	avoid(0);
	world.settings.ejection.max_share_bp = 10000;
	assert_ptr_equal(choose(BALANCE_LEAST_REQUEST), world.set->endpoints[0]);
	assert_ptr_equal(choose(BALANCE_ROUND_ROBIN), world.set->endpoints[0]);
	assert_ptr_equal(balance_choose(world.set, &world.settings, NOW, 1, NULL, NULL),
	                 world.set->endpoints[0]);
}

static void test_equal_shares(void **state)
{
	(void)state;
	begin(5);
	count_draws(BALANCE_LEAST_REQUEST);
	for (unsigned i = 0; i < 5; i++)
		expect_share(i, 12);
	begin(2);
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(0, 30);
	expect_share(1, 30);
}

static void test_two_choices_the_less_busy_wins(void **state)
{
	(void)state;
	/* Two different ones of four: the busiest always loses, the idlest wins each pair it is in, 3 of 6. */
	begin(4);
	for (unsigned i = 0; i < 4; i++)
		busy(i, i);
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(0, 30);
	expect_share(1, 20);
	expect_share(2, 10);
	expect_share(3, 0);
	/* Of two the busy one is never taken: the two picks differ. */
	begin(2);
	busy(1, 1);
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(1, 0);
}

static void test_ejected_endpoints_are_passed_over_evenly(void **state)
{
	(void)state;
	begin(6);
	eject(0, NOW + 5000);
	eject(3, NOW + 1);
	eject(4, NOW); /* over */
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(0, 0);
	expect_share(3, 0);
	for (unsigned i = 0; i < 6; i++)
		if (i != 0 && i != 3)
			expect_share(i, 15);
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 0);
	expect_share(3, 0);
	for (unsigned i = 0; i < 6; i++)
		if (i != 0 && i != 3)
			expect_share(i, 15);
	/* Switched off by a reload: all are back. */
	world.settings.ejection.enabled = false;
	count_draws(BALANCE_ROUND_ROBIN);
	for (unsigned i = 0; i < 6; i++)
		expect_share(i, 10);
}

static void test_too_many_rest_the_first_return(void **state)
{
	(void)state;
	begin(4);
	for (unsigned i = 0; i < 4; i++)
		eject(i, NOW + 1000 * (4 - i)); /* 3 is back first */
	for (int balance = BALANCE_LEAST_REQUEST; balance <= BALANCE_ROUND_ROBIN; balance++) {
		count_draws((enum balance)balance);
		expect_share(0, 0);
		expect_share(1, 0);
		expect_share(2, 30);
		expect_share(3, 30);
	}
	/* All at the same moment: just as many return. */
	for (unsigned i = 0; i < 4; i++)
		eject(i, NOW + 1000);
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(0, 30);
	expect_share(1, 30);
	expect_share(2, 0);
	expect_share(3, 0);
}

static void test_the_share_is_rounded_down_and_one_always_serves(void **state)
{
	(void)state;
	begin(3); /* 50 % of 3: one may be ejected */
	eject(0, NOW + 3000);
	eject(1, NOW + 2000);
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(0, 0);
	expect_share(1, 30);
	expect_share(2, 30);
	world.settings.ejection.max_share_bp = 0; /* nobody may */
	count_draws(BALANCE_LEAST_REQUEST);
	for (unsigned i = 0; i < 3; i++)
		expect_share(i, 20);
	world.settings.ejection.max_share_bp = 10000; /* all but one */
	eject(2, NOW + 4000);
	for (int balance = BALANCE_LEAST_REQUEST; balance <= BALANCE_ROUND_ROBIN; balance++) {
		count_draws((enum balance)balance);
		expect_share(1, 60);
	}
}

/* Against sorting, for many shapes. */
static void test_returning_endpoints_against_a_reference(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		unsigned count = 2 + (unsigned)(draw() % 62), ejected = 0, may_be_ejected, returning, expected = 0;
		uint64_t seed;

		seed = draw();
		begin(count);
		world.random = seed;
		world.settings.ejection.max_share_bp = (uint32_t)(draw() % 10001);
		for (unsigned i = 0; i < count; i++)
			if (draw() % 3 != 0)
				eject(i, NOW + 1 + draw() % (round % 2 != 0 ? 10 : 300000)), ejected++;
		may_be_ejected = count * world.settings.ejection.max_share_bp / 10000;
		may_be_ejected = may_be_ejected >= count ? count - 1 : may_be_ejected;
		returning = ejected > may_be_ejected ? ejected - may_be_ejected : 0;
		/* Take each in turn by avoiding none and asking round robin often enough. */
		for (unsigned i = 0; i < count * count * 2; i++)
			world.chosen[choose(BALANCE_ROUND_ROBIN)->index]++;
		for (unsigned i = 0; i < count; i++) {
			uint64_t end_ms = atomic_load(&world.set->endpoints[i]->ejection.until_ms);
			unsigned earlier = 0;

			for (unsigned j = 0; j < count; j++) {
				uint64_t other_ms = atomic_load(&world.set->endpoints[j]->ejection.until_ms);

				earlier += other_ms > NOW && (other_ms < end_ms || (other_ms == end_ms && j < i));
			}
			if (end_ms <= NOW || earlier < returning) {
				assert_true(world.chosen[i] > 0);
				expected++;
			} else {
				assert_int_equal(world.chosen[i], 0);
			}
		}
		assert_true(expected > 0);
	}
}

static void test_tried_endpoints_are_avoided_while_there_is_another(void **state)
{
	(void)state;
	begin(4);
	avoid(1);
	for (int balance = BALANCE_LEAST_REQUEST; balance <= BALANCE_ROUND_ROBIN; balance++) {
		count_draws((enum balance)balance);
		expect_share(0, 20);
		expect_share(1, 0);
		expect_share(2, 20);
		expect_share(3, 20);
	}
	busy(3, 1000);
	avoid(0);
	avoid(2);
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(3, 60);
	avoid(3);
	busy(3, 0);
	count_draws(BALANCE_LEAST_REQUEST);
	for (unsigned i = 0; i < 4; i++)
		expect_share(i, 15);
}

static void test_resting_rather_than_tried(void **state)
{
	(void)state;
	for (int balance = BALANCE_LEAST_REQUEST; balance <= BALANCE_ROUND_ROBIN; balance++) {
		begin(3);
		eject(0, NOW + 1000);
		avoid(1);
		count_draws((enum balance)balance);
		expect_share(2, 60);
		avoid(2);
		count_draws((enum balance)balance);
		expect_share(0, 60);
		/* When all were tried those who serve are asked again. */
		avoid(0);
		count_draws((enum balance)balance);
		expect_share(1, 30);
		expect_share(2, 30);
	}
}

/* So many requests since its last answer, which was at that time. */
static void silent(unsigned index, uint32_t unanswered, uint64_t heard_ms)
{
	struct endpoint *endpoint = world.set->endpoints[index];

	endpoint_heard(endpoint, heard_ms);
	atomic_fetch_add(&endpoint->requests_total, unanswered);
	busy(index, unanswered);
}

static void test_a_silent_endpoint_is_passed_over(void **state)
{
	(void)state;
	for (int balance = BALANCE_LEAST_REQUEST; balance <= BALANCE_ROUND_ROBIN; balance++) {
		begin(3);
		silent(0, 5, NOW - 3000);
		for (unsigned i = 1; i < 3; i++)
			busy(i, 100); /* they answer, so this is just work */
		count_draws((enum balance)balance);
		expect_share(0, 0);
		expect_share(1, 30);
		expect_share(2, 30);
		/* Held up for a moment, each: better than the one that hangs, though it has less to do. */
		silent(1, 50, NOW - MOMENT_MS);
		silent(2, 50, NOW - 10);
		count_draws((enum balance)balance);
		expect_share(0, 0);
		expect_share(1, 30);
		expect_share(2, 30);
	}
}

static void test_four_unanswered_are_not_silence(void **state)
{
	(void)state;
	begin(2);
	silent(0, 4, NOW - 3000);
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 30);
	silent(0, 5, NOW - 3000);
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 0);
	/* Four have timed out: the last one may well eject it. */
	busy(0, 1);
	atomic_store(&world.set->endpoints[0]->ejection.failures, 4);
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 0);
	/* Nobody waits for it any more, so somebody has to try. */
	busy(0, 0);
	atomic_store(&world.set->endpoints[0]->ejection.failures, 7);
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 30);
	atomic_store(&world.set->endpoints[0]->ejection.failures, 0);
	busy(0, 4); /* one was given up by its client */
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 30);
	busy(0, 5);
	world.settings.ejection.enabled = false;
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 30);
}

static void test_when_all_are_silent_all_serve(void **state)
{
	(void)state;
	begin(3);
	for (unsigned i = 0; i < 3; i++)
		silent(i, 5, NOW - 1000 * (i + 1));
	count_draws(BALANCE_LEAST_REQUEST);
	for (unsigned i = 0; i < 3; i++)
		expect_share(i, 20);
	/* A silent one that was not tried is still better than one that was. */
	silent(0, 0, NOW);
	avoid(0);
	silent(1, 0, NOW);
	avoid(1);
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(2, 60);
}

static void test_no_more_are_passed_over_for_silence_than_may_be_ejected(void **state)
{
	(void)state;
	begin(3); /* one may be ejected */
	silent(0, 5, NOW - 900);
	silent(1, 5, NOW - 5000);
	busy(2, 5);
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(0, 30);
	expect_share(1, 0);
	expect_share(2, 30);
	eject(2, NOW + 1000); /* it is ejected, so no other may be passed over */
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(0, 30);
	expect_share(1, 30);
	eject(2, 0);
	world.settings.ejection.max_share_bp = 0;
	count_draws(BALANCE_LEAST_REQUEST);
	for (unsigned i = 0; i < 3; i++)
		expect_share(i, 20);
	world.settings.ejection.max_share_bp = 10000;
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(2, 60);
}

static void test_many_sent_in_one_turn_are_no_silence(void **state)
{
	(void)state;
	begin(2);
	silent(0, 50, NOW - 3);
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 30);
	silent(0, 50, NOW + 1); /* another worker's clock was read later */
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 30);
}

static void test_slow_uploads_are_no_silence(void **state)
{
	(void)state;
	begin(2);
	silent(0, 9, NOW - 5000);
	for (int i = 0; i < 5; i++)
		endpoint_excuse(world.set->endpoints[0]);
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(0, 30);
}

static bool is_passed_over(unsigned index)
{
	return balance_is_passed_over(world.set, &world.settings.ejection, NOW, world.set->endpoints[index]);
}

static void test_endpoints_that_are_passed_over(void **state)
{
	(void)state;
	begin(2);
	assert_false(is_passed_over(0));
	eject(0, NOW + 1000);
	assert_true(is_passed_over(0));
	assert_false(is_passed_over(1));
	eject(1, NOW + 2000); /* one of two may be ejected: the other returns */
	assert_false(is_passed_over(0));
	assert_true(is_passed_over(1));
	eject(1, NOW);
	world.settings.ejection.enabled = false;
	assert_false(is_passed_over(0));
	begin(1); /* the last one serves, whatever it did */
	eject(0, NOW + 1000);
	assert_false(is_passed_over(0));
}

static void test_a_full_list_of_tried(void **state)
{
	(void)state;
	begin(12);
	for (unsigned i = 0; i < BALANCE_AVOID_MAX; i++)
		avoid(i);
	world.avoid.count = 1000; /* no reason to read beyond it */
	count_draws(BALANCE_LEAST_REQUEST);
	for (unsigned i = 0; i < 12; i++)
		expect_share(i, i < BALANCE_AVOID_MAX ? 0 : 15);
}

static void test_round_robin_in_turn(void **state)
{
	(void)state;
	begin(3);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(choose(BALANCE_ROUND_ROBIN)->index, i % 3);
	world.turn = UINT32_MAX; /* it wraps */
	assert_non_null(choose(BALANCE_ROUND_ROBIN));
	assert_int_equal(choose(BALANCE_ROUND_ROBIN)->index, 0);
}

/* ---- slow start ------------------------------------------------------------------------------------------------ */

static void join(unsigned index, uint64_t age_ms)
{
	world.settings.slow_start_ms = 10000;
	world.set->endpoints[index]->joined_ms = NOW - age_ms;
}

/* Of four, each gets fifteen sixtieths; a new one gets its age's share of that. */
static void test_a_new_one_begins_with_a_tenth(void **state)
{
	static const enum balance balances[] = {BALANCE_LEAST_REQUEST, BALANCE_ROUND_ROBIN};

	(void)state;
	for (size_t i = 0; i < sizeof(balances) / sizeof(balances[0]); i++) {
		begin(4);
		join(2, 0);
		count_draws(balances[i]);
		assert_uint_in_range(world.chosen[2], DRAWS / 80, DRAWS / 20);
	}
}

static void test_its_share_grows_to_full(void **state)
{
	unsigned before = 0;

	(void)state;
	begin(4);
	for (unsigned age_ms = 0; age_ms <= 10000; age_ms += 2500) {
		join(2, age_ms);
		count_draws(BALANCE_ROUND_ROBIN);
		assert_true(world.chosen[2] > before);
		before = world.chosen[2];
	}
	expect_share(2, 15);
	for (unsigned i = 0; i < 4; i++)
		busy(i, 1);
	count_draws(BALANCE_LEAST_REQUEST);
	expect_share(2, 15);
}

/* Though it picks two new ones of six most of the time. */
static void test_many_new_ones_leave_most_to_the_old_one(void **state)
{
	(void)state;
	begin(6);
	for (unsigned i = 1; i < 6; i++)
		join(i, 0);
	count_draws(BALANCE_LEAST_REQUEST);
	assert_true(world.chosen[0] > DRAWS / 2);
}

static void test_new_ones_among_themselves_share(void **state)
{
	(void)state;
	begin(3);
	for (unsigned i = 0; i < 3; i++) {
		join(i, 0);
		busy(i, 1);
	}
	count_draws(BALANCE_LEAST_REQUEST);
	for (unsigned i = 0; i < 3; i++)
		expect_share(i, 20);
}

/* As when it comes in place of the one that rests. */
static void test_a_new_one_begins_slowly_beside_one_that_rests(void **state)
{
	static const enum balance balances[] = {BALANCE_LEAST_REQUEST, BALANCE_ROUND_ROBIN};

	(void)state;
	for (size_t i = 0; i < sizeof(balances) / sizeof(balances[0]); i++) {
		begin(4);
		eject(0, NOW + 1000);
		join(1, 0);
		count_draws(balances[i]);
		assert_uint_in_range(world.chosen[1], DRAWS / 60, DRAWS / 15);
		assert_uint_in_range(world.chosen[2], DRAWS / 5 * 2, DRAWS / 2);
		assert_uint_in_range(world.chosen[3], DRAWS / 5 * 2, DRAWS / 2);
	}
}

/* The turn of a worker began before the control thread let it join. */
static void test_an_endpoint_that_joins_a_moment_later_than_now_is_brand_new(void **state)
{
	(void)state;
	begin(4);
	join(2, 0);
	world.set->endpoints[2]->joined_ms = NOW + 1;
	count_draws(BALANCE_ROUND_ROBIN);
	assert_uint_in_range(world.chosen[2], DRAWS / 80, DRAWS / 20);
}

static void test_no_slow_start(void **state)
{
	(void)state;
	begin(4);
	join(2, 0);
	world.settings.slow_start_ms = 0;
	count_draws(BALANCE_ROUND_ROBIN);
	expect_share(2, 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_the_only_one_serves_whatever_happened),
		cmocka_unit_test(test_equal_shares),
		cmocka_unit_test(test_two_choices_the_less_busy_wins),
		cmocka_unit_test(test_ejected_endpoints_are_passed_over_evenly),
		cmocka_unit_test(test_too_many_rest_the_first_return),
		cmocka_unit_test(test_the_share_is_rounded_down_and_one_always_serves),
		cmocka_unit_test(test_returning_endpoints_against_a_reference),
		cmocka_unit_test(test_tried_endpoints_are_avoided_while_there_is_another),
		cmocka_unit_test(test_resting_rather_than_tried),
		cmocka_unit_test(test_a_silent_endpoint_is_passed_over),
		cmocka_unit_test(test_four_unanswered_are_not_silence),
		cmocka_unit_test(test_when_all_are_silent_all_serve),
		cmocka_unit_test(test_no_more_are_passed_over_for_silence_than_may_be_ejected),
		cmocka_unit_test(test_many_sent_in_one_turn_are_no_silence),
		cmocka_unit_test(test_slow_uploads_are_no_silence),
		cmocka_unit_test(test_endpoints_that_are_passed_over),
		cmocka_unit_test(test_a_full_list_of_tried),
		cmocka_unit_test(test_round_robin_in_turn),
		cmocka_unit_test(test_a_new_one_begins_with_a_tenth),
		cmocka_unit_test(test_its_share_grows_to_full),
		cmocka_unit_test(test_many_new_ones_leave_most_to_the_old_one),
		cmocka_unit_test(test_new_ones_among_themselves_share),
		cmocka_unit_test(test_a_new_one_begins_slowly_beside_one_that_rests),
		cmocka_unit_test(test_an_endpoint_that_joins_a_moment_later_than_now_is_brand_new),
		cmocka_unit_test(test_no_slow_start),
	};

	return cmocka_run_group_tests_name("balance", tests, NULL, teardown);
}
