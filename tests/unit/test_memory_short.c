/* Where memory ends in the middle of something, what was before stays whole, and the next occasion makes up for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/inbox.h"
#include "gateway/control/state.h"
#include "gateway/discovery/discovery.h"
#include "gateway/discovery/service.h"
#include "gateway/worker/snapshot.h"
#include "gateway/worker/worker.h"

/* The linker leads malloc(), calloc() and realloc() here. How many still succeed; below 0: all. */
static int mallocs_left = -1, callocs_left = -1, reallocs_left = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool is_short(int *left)
{
	return *left >= 0 && (*left)-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return is_short(&mallocs_left) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return is_short(&callocs_left) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return is_short(&reallocs_left) ? NULL : __real_realloc(old, size);
}

static int told;

static void on_endpoints(void *context, struct upstream *upstream, struct endpoint_set *set, bool none_failed)
{
	(void)context, (void)upstream, (void)none_failed;
	told += set->count == 1;
}

static void test_endpoints_that_could_not_be_told_are_told_with_the_next_answer(void **state)
{
	static const struct discovery_events events = { .on_endpoints = on_endpoints };
	struct discovery discovery = { .events = &events };
	char name[] = "patient";
	struct upstream upstream = { .name = name, .port = 80 };
	struct service service = { .discovery = &discovery, .upstream = &upstream };
	struct address address;

	(void)state;
	assert_true(address_parse(&address, "10.0.0.1:80", 0));
	callocs_left = 1; /* enough to know them, not for the set of those that serve */
	service_take_addresses(&service, &address, 1);
	assert_int_equal(told, 0);
	service_take_addresses(&service, &address, 1);
	service_take_addresses(&service, &address, 1);
	assert_int_equal(told, 1);
	assert_int_equal(service.set->count, 1);
	endpoint_set_release(service.set);
	endpoint_set_release(service.known);
	register_destroy(&discovery.endpoints);
}

/* A worker had no memory for the set of this upstream. */
static void fail_to_take(const struct discovery *discovery, const struct upstream *upstream)
{
	atomic_store(&discovery_look(discovery, upstream).set->must_renew, true);
}

static void on_prepared(void *context)
{
	(void)context;
}

/* Where the configuration has an address no answer comes: there a reload is the next occasion. */
static void test_endpoints_that_a_worker_could_not_take_are_told_again(void **state)
{
	static const struct discovery_events events = { .on_endpoints = on_endpoints, .on_prepared = on_prepared };
	char name[] = "patient", host[] = "10.0.0.1", error[200];
	struct upstream_settings settings = { .name = name, .host = host, .port = 80 };
	struct config config = { .upstreams = &settings, .upstream_count = 1, .dns_timeout_ms = 500, .dns_refresh_ms = 1000 };
	struct event_base *base = event_base_new();
	struct discovery *discovery = discovery_new(base, &events, NULL);

	(void)state;
	assert_non_null(discovery);
	assert_true(address_parse(&settings.address, "10.0.0.1:80", 0));
	told = 0;
	for (int i = 0; i < 3; i++) {
		assert_true(discovery_prepare(discovery, &config, error, sizeof error));
		discovery_commit(discovery);
		if (i == 0)
			fail_to_take(discovery, settings.upstream);
		upstream_release(settings.upstream);
		assert_int_equal(told, i == 0 ? 1 : 2);
	}
	discovery_free(discovery);
	event_base_free(base);
}

static void test_no_room_for_a_message(void **state)
{
	struct control *control = calloc(1, sizeof *control);
	struct worker *worker = calloc(1, sizeof *worker);
	char name[] = "patient";
	struct upstream upstream = { .references = 1, .name = name };
	struct endpoint_set *set = endpoint_set_new(NULL, 0);

	(void)state;
	assert_non_null(control);
	assert_non_null(worker);
	assert_non_null(set);
	control->workers = worker;
	control->worker_count = 1;
	mallocs_left = 0;
	control_send_endpoints(control, &upstream, set);
	assert_int_equal(mallocs_left, -1);
	assert_true(atomic_load(&set->must_renew));
	assert_int_equal(atomic_load(&upstream.references), 1);
	assert_int_equal(atomic_load(&set->references), 1);
	endpoint_set_release(set);
	free(worker);
	free(control);
}

static void test_no_room_for_a_pool(void **state)
{
	struct worker *worker = calloc(1, sizeof *worker);
	char name[] = "patient";
	struct upstream upstream = { .references = 2, .name = name };
	struct endpoint *endpoints[2];
	struct endpoint_set *set;
	struct address address;

	(void)state;
	assert_non_null(worker);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(address_parse(&address, i == 0 ? "10.0.0.1:80" : "10.0.0.2:80", 0));
		endpoints[i] = endpoint_new(&address, i * 40, 1, "dns"); /* the second is beyond the first growth */
		assert_non_null(endpoints[i]);
	}
	set = endpoint_set_new(endpoints, 2);
	reallocs_left = 2; /* for the upstream and for the first pool */
	snapshot_take_endpoints(worker, &upstream, endpoint_set_reference(set));
	assert_int_equal(reallocs_left, -1);
	assert_true(worker->local_count == 0 || worker->locals[0].set != set);
	assert_true(atomic_load(&set->must_renew));
	endpoint_set_release(set);
	/* The first pool, made for nothing. */
	for (struct deferred_free *deferred = worker->io.deferred, *next; deferred != NULL; deferred = next) {
		next = deferred->next;
		deferred->free(deferred);
	}
	for (int i = 0; i < 2; i++)
		endpoint_release(endpoints[i]);
	free(worker->pools);
	free(worker->locals);
	free(worker);
}

/* A gateway that ends before it came to make its inbox has zeros there, and 0 is somebody's descriptor. */
static void test_an_inbox_that_could_not_be_made_is_left_alone(void **state)
{
	struct inbox inbox = { .descriptor = dup(STDERR_FILENO) };
	int descriptor = inbox.descriptor;
	struct rlimit before, none;

	(void)state;
	assert_true(descriptor > STDERR_FILENO);
	inbox_destroy(&inbox);
	assert_int_equal(close(descriptor), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_false(inbox_init(&inbox));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	inbox_destroy(&inbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endpoints_that_could_not_be_told_are_told_with_the_next_answer),
		cmocka_unit_test(test_endpoints_that_a_worker_could_not_take_are_told_again),
		cmocka_unit_test(test_no_room_for_a_message),
		cmocka_unit_test(test_no_room_for_a_pool),
		cmocka_unit_test(test_an_inbox_that_could_not_be_made_is_left_alone),
	};

	return cmocka_run_group_tests_name("memory_short", tests, NULL, NULL);
}
