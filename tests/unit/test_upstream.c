/*
 * References, and what an upstream hands to its successor. AddressSanitizer sees what is freed too early or never.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "breaker/look.h"
#include "routes/upstream.h"
#include "tests/unit/breaker_usual.h"
#include "tests/unit/in_range.h"

static struct upstream_settings settings_of(const char *name, const char *host, uint16_t port)
{
	return (struct upstream_settings){
		.name = name,
		.host = host,
		.port = port,
		.breaker = {
			BREAKER_USUAL,
			.window = BREAKER_WINDOW_TIME,
			.window_size = 10000,
			.minimum_calls = 5,
		},
	};
}

static struct address address_of(const char *text)
{
	struct address address;

	assert_true(address_parse(&address, text, 0));
	return address;
}

static void fail_calls(struct upstream *upstream, const struct upstream_settings *settings, unsigned count,
                       uint64_t now_ms)
{
	for (unsigned i = 0; i < count; i++) {
		struct breaker_permit permit = {0};
		uint64_t retry_after_ms;

		assert_true(breaker_admit(upstream->breaker, &settings->breaker, now_ms, 1, &permit, &retry_after_ms));
		breaker_settle(upstream->breaker, &settings->breaker, now_ms, 1, &permit, BREAKER_FAILURE, 1);
	}
}

static void test_an_endpoint(void **state)
{
	struct address address = address_of("10.0.1.3:2222");
	struct endpoint *endpoint = endpoint_new(&address, 7, 1234, "dns");

	(void)state;
	assert_non_null(endpoint);
	assert_int_equal((uintptr_t)&endpoint->in_flight % 64, 0);
	assert_int_equal(endpoint->index, 7);
	assert_int_equal(endpoint->born_ms, 1234);
	assert_string_equal(endpoint->text, "10.0.1.3:2222");
	assert_int_equal(endpoint->text_length, strlen("10.0.1.3:2222"));
	assert_string_equal(endpoint->discovered_by, "dns");
	assert_true(address_equal(&endpoint->address, &address));
	assert_int_equal(atomic_load(&endpoint->in_flight), 0);
	assert_false(ejection_is_ejected(&endpoint->ejection, 0));
	assert_null(atomic_load(&endpoint->last_error));
	assert_ptr_equal(endpoint_reference(endpoint), endpoint);
	endpoint_release(endpoint);
	assert_int_equal(atomic_load(&endpoint->references), 1);
	endpoint_release(endpoint);
	endpoint_release(NULL);
}

/* The shortest life of an idle connection is believed for a minute after something like it was last seen. */
static void test_how_long_idle_connections_live(void **state)
{
	static const struct {
		uint32_t idle_ms;
		bool is_closed_by_it;
		uint64_t now_ms;
		uint32_t known_ms;
	} steps[] = {
		{ 1000, false, 1, 0 },      /* the gateway closed it: that says nothing */
		{ 30, true, 1000, 30 },
		{ 25, true, 2000, 25 },     /* shorter: at once */
		{ 700, true, 3000, 25 },    /* a busy endpoint is late */
		{ 50000, false, 4000, 25 },
		{ 40, true, 60000, 25 },    /* about the same: believed for another minute */
		{ 700, true, 119000, 25 },
		{ 20, false, 121000, 25 },  /* it would have lived for longer */
		{ 700, true, 121000, 700 }, /* nobody has seen the short ones for a minute */
		{ 50000, false, 200000, 50000 },
		{ 0, true, 200001, 1 },     /* 0 is: never seen */
	};
	struct address address = address_of("10.0.1.3:2222");
	struct endpoint *endpoint = endpoint_new(&address, 7, 0, "dns"), *next = endpoint_new(&address, 8, 0, "dns");

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		endpoint_note_idle(endpoint, steps[i].idle_ms, steps[i].is_closed_by_it, steps[i].now_ms);
		assert_int_equal(atomic_load(&endpoint->idle_ms), steps[i].known_ms);
	}
	atomic_store(&endpoint->ejected_ms, 4711);
	endpoint_take_over(next, endpoint, false);
	assert_int_equal(atomic_load(&next->idle_ms), 1);
	assert_int_equal(atomic_load(&next->ejected_ms), 4711);
	endpoint_release(endpoint);
	endpoint_release(next);
}

static void test_sets_share_endpoints(void **state)
{
	struct address addresses[] = {address_of("10.0.1.3:2222"), address_of("[fd00::1]:2222")};
	struct endpoint *endpoints[2];
	struct endpoint_set *old, *next;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		endpoints[i] = endpoint_new(&addresses[i], i, 0, "dns");
		assert_non_null(endpoints[i]);
	}
	old = endpoint_set_new(endpoints, 2);
	next = endpoint_set_new(endpoints + 1, 1);
	assert_non_null(old);
	assert_non_null(next);
	/* The maker lets go; the sets hold on. */
	endpoint_release(endpoints[0]);
	endpoint_release(endpoints[1]);
	assert_int_equal(atomic_load(&old->endpoints[1]->references), 2);
	assert_ptr_equal(old->endpoints[1], next->endpoints[0]);
	assert_ptr_equal(endpoint_set_reference(old), old);
	endpoint_set_release(old);
	assert_int_equal(old->count, 2);
	/* An exchange still uses what was withdrawn. */
	endpoint_reference(endpoints[0]);
	endpoint_set_release(old);
	assert_string_equal(endpoints[0]->text, "10.0.1.3:2222");
	assert_int_equal(atomic_load(&endpoints[0]->references), 1);
	assert_int_equal(atomic_load(&next->endpoints[0]->references), 1);
	endpoint_release(endpoints[0]);
	endpoint_set_release(next);
	endpoint_set_release(NULL);
}

static void test_an_empty_set(void **state)
{
	struct endpoint_set *set = endpoint_set_new(NULL, 0);

	(void)state;
	assert_non_null(set);
	assert_int_equal(set->count, 0);
	endpoint_set_release(set);
	assert_null(endpoint_set_new(NULL, SIZE_MAX / 4));
}

static void test_an_upstream_copies_its_names(void **state)
{
	char name[] = "patient", host[] = "tasks.patient";
	struct upstream_settings settings = settings_of(name, host, 2222);
	struct upstream *upstream = upstream_new(&settings, 3, 0, NULL, NULL);

	(void)state;
	assert_non_null(upstream);
	memset(name, 'x', sizeof(name) - 1);
	memset(host, 'x', sizeof(host) - 1);
	assert_string_equal(upstream->name, "patient");
	assert_string_equal(upstream->host, "tasks.patient");
	assert_int_equal(upstream->port, 2222);
	assert_int_equal(upstream->index, 3);
	assert_ptr_equal(upstream_reference(upstream), upstream);
	upstream_release(upstream);
	assert_string_equal(upstream->name, "patient");
	upstream_release(upstream);
	upstream_release(NULL);
}

static void test_settings_that_fit(void **state)
{
	struct upstream_settings born = settings_of("patient", "tasks.patient", 2222), other = born;
	struct upstream *upstream = upstream_new(&born, 0, 0, NULL, NULL);

	(void)state;
	assert_non_null(upstream);
	assert_true(upstream_fits(upstream, &other, &born.breaker));
	/* What is asked for at each call may change. */
	other.breaker.minimum_calls = 100;
	other.breaker.failure_rate_bp = 1000;
	other.breaker.enabled = false;
	other.bulkhead_max_in_flight = 1;
	assert_true(upstream_fits(upstream, &other, &born.breaker));
	other = settings_of("reception", "tasks.patient", 2222);
	assert_false(upstream_fits(upstream, &other, &born.breaker));
	other = settings_of("patient", "tasks.other", 2222);
	assert_false(upstream_fits(upstream, &other, &born.breaker));
	other = settings_of("patient", "tasks.patient", 2223);
	assert_false(upstream_fits(upstream, &other, &born.breaker));
	other = born;
	other.breaker.window_size = 20000;
	assert_false(upstream_fits(upstream, &other, &born.breaker));
	other = born;
	other.breaker.window = BREAKER_WINDOW_COUNT;
	assert_false(upstream_fits(upstream, &other, &born.breaker));
	upstream_release(upstream);
}

/* The successor has no endpoint yet; it is told when it gets some. */
static void test_since_when_a_successor_is_empty(void **state)
{
	struct upstream_settings settings = settings_of("patient", "tasks.patient", 2222);

	(void)state;
	for (unsigned had_some = 0; had_some < 2; had_some++) {
		struct upstream *old = upstream_new(&settings, 0, 1000, NULL, NULL), *next = upstream_new(&settings, 1, 2000, NULL, NULL);

		assert_non_null(old);
		assert_non_null(next);
		if (had_some)
			old->empty_ms = 0;
		upstream_take_over(next, old);
		assert_int_equal(next->empty_ms, had_some ? 2000 : 1000);
		upstream_release(old);
		upstream_release(next);
	}
}

static void test_a_successor_takes_over(void **state)
{
	struct upstream_settings settings = settings_of("patient", "tasks.patient", 2222), wider = settings;
	struct upstream *old = upstream_new(&settings, 0, 1000, NULL, NULL), *next;
	struct breaker_view view;

	(void)state;
	assert_non_null(old);
	fail_calls(old, &settings, 5, 1000);
	assert_int_equal(breaker_look(old->breaker, &settings.breaker, 1000).state, BREAKER_OPEN);
	assert_true(bulkhead_enter(&old->bulkhead, 1));
	assert_false(bulkhead_enter(&old->bulkhead, 1));

	wider.breaker.window_size = 60000;
	next = upstream_new(&wider, 1, 2000, NULL, NULL);
	assert_non_null(next);
	upstream_take_over(next, old);
	view = breaker_look(next->breaker, &wider.breaker, 2000);
	assert_int_equal(view.state, BREAKER_OPEN);
	assert_uint_in_range(view.open_for_ms, 1, 5000);
	assert_int_equal(view.failures_total, 5);
	/* The call under way leaves the old bulkhead; the total goes on. */
	assert_int_equal(bulkhead_in_flight(&next->bulkhead), 0);
	assert_int_equal(atomic_load(&next->bulkhead.rejected_total), 1);
	bulkhead_leave(&old->bulkhead);
	upstream_release(old);
	assert_int_equal(breaker_look(next->breaker, &wider.breaker, 2000).state, BREAKER_OPEN);
	upstream_release(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_endpoint),
		cmocka_unit_test(test_how_long_idle_connections_live),
		cmocka_unit_test(test_sets_share_endpoints),
		cmocka_unit_test(test_an_empty_set),
		cmocka_unit_test(test_an_upstream_copies_its_names),
		cmocka_unit_test(test_settings_that_fit),
		cmocka_unit_test(test_since_when_a_successor_is_empty),
		cmocka_unit_test(test_a_successor_takes_over),
	};

	return cmocka_run_group_tests_name("upstream", tests, NULL, NULL);
}
