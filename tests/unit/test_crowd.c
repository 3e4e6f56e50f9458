/* Connections counted by client: exactly, by network, and whoever comes and goes in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/random.h"
#include "gateway/crowd.h"

static struct address address(const char *text)
{
	struct address address;

	assert_true(address_parse_ip(&address, text));
	return address;
}

static void counts_each_client(void **state)
{
	struct address a = address("192.0.2.1"), b = address("192.0.2.2");
	struct crowd crowd;

	(void)state;
	assert_true(crowd_init(&crowd, 10));
	assert_int_equal(crowd_enter(&crowd, &a), 1);
	assert_int_equal(crowd_enter(&crowd, &a), 2);
	assert_int_equal(crowd_enter(&crowd, &b), 1);
	crowd_leave(&crowd, &a);
	assert_int_equal(crowd_enter(&crowd, &a), 2);
	crowd_leave(&crowd, &b);
	assert_int_equal(crowd_enter(&crowd, &b), 1);
	crowd_destroy(&crowd);
}

static void an_ipv6_network_is_one_client(void **state)
{
	struct address a = address("2001:db8::1"), same = address("2001:db8::ffff:1"), other = address("2001:db8:0:1::1");
	struct crowd crowd;

	(void)state;
	assert_true(crowd_init(&crowd, 10));
	assert_int_equal(crowd_enter(&crowd, &a), 1);
	assert_int_equal(crowd_enter(&crowd, &same), 2);
	assert_int_equal(crowd_enter(&crowd, &other), 1);
	crowd_leave(&crowd, &a);
	assert_int_equal(crowd_enter(&crowd, &same), 2);
	crowd_destroy(&crowd);
}

static void families_are_not_mixed(void **state)
{
	struct address v4 = address("32.1.13.184"), v6 = address("2001:db8::"); /* the same first bytes */
	struct crowd crowd;

	(void)state;
	assert_true(crowd_init(&crowd, 10));
	assert_int_equal(crowd_enter(&crowd, &v4), 1);
	assert_int_equal(crowd_enter(&crowd, &v6), 1);
	crowd_destroy(&crowd);
}

/* A table of 256 places with 127 connections of up to 200 clients, against counters that can't be wrong. */
static void stays_right_through_a_long_life(void **state)
{
	enum { CLIENTS = 200, CONNECTIONS = 127, STEPS = 200000 };
	struct random random = { { 1, 2, 3, 4 } };
	unsigned expected[CLIENTS] = { 0 }, total = 0;
	struct crowd crowd;

	(void)state;
	assert_true(crowd_init(&crowd, CONNECTIONS));
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned who = (unsigned)(random_next(&random) % CLIENTS);
		struct address client = { .family = 4, .ip = { 10, 0, (uint8_t)(who * 7), (uint8_t)who } };

		if (total < CONNECTIONS && random_next(&random) % 2 == 0) {
			total++;
			assert_int_equal(crowd_enter(&crowd, &client), ++expected[who]);
		} else if (expected[who] > 0) {
			total--;
			expected[who]--;
			crowd_leave(&crowd, &client);
		}
	}
	crowd_destroy(&crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_each_client),
		cmocka_unit_test(an_ipv6_network_is_one_client),
		cmocka_unit_test(families_are_not_mixed),
		cmocka_unit_test(stays_right_through_a_long_life),
	};

	return cmocka_run_group_tests_name("crowd", tests, NULL, NULL);
}
