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
#include "gateway/discovery/service.h"
#include "gateway/worker/snapshot.h"
#include "gateway/worker/worker.h"

/* The linker leads calloc() and realloc() here. How many still succeed; below 0: all. */
static int callocs_left = -1, reallocs_left = -1;

void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool is_short(int *left)
{
	return *left >= 0 && (*left)-- == 0;
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
	snapshot_take_endpoints(worker, &upstream, set);
	assert_int_equal(reallocs_left, -1);
	assert_true(worker->local_count == 0 || worker->locals[0].set != set);
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
		cmocka_unit_test(test_no_room_for_a_pool),
		cmocka_unit_test(test_an_inbox_that_could_not_be_made_is_left_alone),
	};

	return cmocka_run_group_tests_name("memory_short", tests, NULL, NULL);
}
