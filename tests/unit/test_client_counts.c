/* Connections counted by client: exactly, by network, and whoever comes and goes in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/random.h"
#include "gateway/worker/client_counts.h"

static struct address address(const char *text)
{
	struct address address;

	assert_true(address_parse_ip(&address, text));
	return address;
}

static void counts_each_client(void **state)
{
	struct address a = address("192.0.2.1"), b = address("192.0.2.2");
	struct client_counts counts;

	(void)state;
	assert_true(client_counts_init(&counts, 10));
	assert_int_equal(client_counts_enter(&counts, &a), 1);
	assert_int_equal(client_counts_enter(&counts, &a), 2);
	assert_int_equal(client_counts_enter(&counts, &b), 1);
	client_counts_leave(&counts, &a);
	assert_int_equal(client_counts_enter(&counts, &a), 2);
	client_counts_leave(&counts, &b);
	assert_int_equal(client_counts_enter(&counts, &b), 1);
	client_counts_destroy(&counts);
}

static void an_ipv6_network_is_one_client(void **state)
{
	struct address a = address("2001:db8::1"), same = address("2001:db8::ffff:1"), other = address("2001:db8:0:1::1");
	struct client_counts counts;

	(void)state;
	assert_true(client_counts_init(&counts, 10));
	assert_int_equal(client_counts_enter(&counts, &a), 1);
	assert_int_equal(client_counts_enter(&counts, &same), 2);
	assert_int_equal(client_counts_enter(&counts, &other), 1);
	client_counts_leave(&counts, &a);
	assert_int_equal(client_counts_enter(&counts, &same), 2);
	client_counts_destroy(&counts);
}

/* What a dual-stack listener reports. */
static void an_ipv4_client_is_one_however_it_is_written(void **state)
{
	struct address a = address("192.0.2.1"), same = address("::ffff:192.0.2.1"), other = address("::ffff:192.0.2.2");
	struct client_counts counts;

	(void)state;
	assert_true(client_counts_init(&counts, 10));
	assert_int_equal(client_counts_enter(&counts, &a), 1);
	assert_int_equal(client_counts_enter(&counts, &same), 2);
	assert_int_equal(client_counts_enter(&counts, &other), 1);
	client_counts_destroy(&counts);
}

static void families_are_not_mixed(void **state)
{
	struct address v4 = address("32.1.13.184"), v6 = address("2001:db8::"); /* the same first bytes */
	struct client_counts counts;

	(void)state;
	assert_true(client_counts_init(&counts, 10));
	assert_int_equal(client_counts_enter(&counts, &v4), 1);
	assert_int_equal(client_counts_enter(&counts, &v6), 1);
	client_counts_destroy(&counts);
}

/* A table of 256 places with 127 connections of up to 200 clients, against counters that can't be wrong. */
static void stays_right_through_a_long_life(void **state)
{
	enum { CLIENTS = 200, CONNECTIONS = 127, STEPS = 200000 };
	struct random random = { { 1, 2, 3, 4 } };
	unsigned expected[CLIENTS] = { 0 }, total = 0;
	struct client_counts counts;

	(void)state;
	assert_true(client_counts_init(&counts, CONNECTIONS));
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned who = (unsigned)(random_next(&random) % CLIENTS);
		struct address client = { .family = 4, .ip = { 10, 0, (uint8_t)(who * 7), (uint8_t)who } };

		if (total < CONNECTIONS && random_next(&random) % 2 == 0) {
			total++;
			assert_int_equal(client_counts_enter(&counts, &client), ++expected[who]);
		} else if (expected[who] > 0) {
			total--;
			expected[who]--;
			client_counts_leave(&counts, &client);
		}
	}
	client_counts_destroy(&counts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_each_client),
		cmocka_unit_test(an_ipv6_network_is_one_client),
		cmocka_unit_test(an_ipv4_client_is_one_however_it_is_written),
		cmocka_unit_test(families_are_not_mixed),
		cmocka_unit_test(stays_right_through_a_long_life),
	};

	return cmocka_run_group_tests_name("client_counts", tests, NULL, NULL);
}
