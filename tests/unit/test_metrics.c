/*
 * Counters of one route: sums that hold, and labels that a client can't make endless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/telemetry/metrics.h"

static uint64_t total(const struct route_metrics *metrics, unsigned shard)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < metrics->shards[shard].count; i++)
		sum += counter_read(&metrics->shards[shard].series[i]->count);
	return sum;
}

static const struct series *only(const struct route_metrics *metrics)
{
	assert_int_equal(metrics->shards[0].count, 1);
	return metrics->shards[0].series[0];
}

static void test_one_series(void **state)
{
	struct route_metrics *metrics = metrics_new(1);
	const struct series *series;

	(void)state;
	assert_non_null(metrics);
	metrics_count(metrics, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 500);
	metrics_count(metrics, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 501);
	metrics_count(metrics, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 11000000);
	metrics_count(metrics, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 0);
	series = only(metrics);
	assert_int_equal(series->method, METHOD_GET);
	assert_int_equal(series->status, 200);
	assert_int_equal(series->outcome, OUTCOME_ANSWERED);
	assert_int_equal(counter_read(&series->count), 4);
	assert_int_equal(counter_read(&series->sum_us), 11001001);
	assert_int_equal(counter_read(&series->max_us), 11000000);
	assert_int_equal(counter_read(&series->buckets[0]), 2); /* a bound belongs to its bucket */
	assert_int_equal(counter_read(&series->buckets[1]), 1);
	for (unsigned i = 2; i < METRICS_BUCKETS; i++)
		assert_int_equal(counter_read(&series->buckets[i]), 0);
	metrics_free(metrics);
}

/* Also of the last series that a shard has room for. */
static void test_a_turn_forgets_the_oldest_maximum(void **state)
{
	struct route_metrics *metrics = metrics_new(2);
	const struct series *series;

	(void)state;
	assert_non_null(metrics);
	for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++)
		for (unsigned status = 0; status < 1000; status += 10)
			metrics_count(metrics, 1, METHOD_GET, status, outcome, 7);
	for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++)
		metrics_count(metrics, 1, METHOD_OTHER, 0, outcome, 7);
	assert_int_equal(metrics->shards[1].count, METRICS_SERIES_MAX);
	series = metrics->shards[1].series[METRICS_SERIES_MAX - 1];
	metrics_turn(metrics);
	assert_int_equal(counter_read(&series->max_us), 0);
	assert_int_equal(series->max_before_us[0], 7);
	metrics_turn(metrics);
	assert_int_equal(series->max_before_us[0], 0);
	assert_int_equal(series->max_before_us[1], 7);
	metrics_turn(metrics);
	assert_int_equal(series->max_before_us[1], 0);
	metrics_free(metrics);
}

static void test_bounds_rise(void **state)
{
	(void)state;
	for (unsigned i = 1; i < METRICS_BUCKETS; i++)
		assert_true(metrics_bucket_us[i] > metrics_bucket_us[i - 1]);
}

static void test_series_differ_by_each_label(void **state)
{
	struct route_metrics *metrics = metrics_new(2);

	(void)state;
	assert_non_null(metrics);
	metrics_count(metrics, 0, METHOD_GET, 200, OUTCOME_ANSWERED, 1);
	metrics_count(metrics, 0, METHOD_PUT, 200, OUTCOME_ANSWERED, 1);
	metrics_count(metrics, 0, METHOD_GET, 201, OUTCOME_ANSWERED, 1);
	metrics_count(metrics, 0, METHOD_GET, 200, OUTCOME_UPGRADED, 1);
	metrics_count(metrics, 1, METHOD_GET, 200, OUTCOME_ANSWERED, 1);
	assert_int_equal(metrics->shards[0].count, 4);
	assert_int_equal(metrics->shards[1].count, 1);
	metrics_free(metrics);
}

/* Upstreams choose statuses and clients choose methods: whatever they do, memory ends and the sums hold. */
static void test_labels_run_out(void **state)
{
	struct route_metrics *metrics = metrics_new(1);
	uint64_t counted = 0;
	bool has_rest = false;

	(void)state;
	assert_non_null(metrics);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned status = 100; status < 1000; status++) {
			metrics_count(metrics, 0, METHOD_GET, status, status % OUTCOME_COUNT, 1000);
			counted++;
		}
	}
	for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
		metrics_count(metrics, 0, METHOD_OTHER, 0, outcome, 1000);
		counted++;
	}
	assert_true(metrics->shards[0].count <= METRICS_SERIES_MAX);
	assert_int_equal(counter_read(&metrics->shards[0].lost), 0);
	assert_int_equal(total(metrics, 0), counted);
	for (unsigned i = 0; i < metrics->shards[0].count; i++)
		has_rest = has_rest || metrics->shards[0].series[i]->status == 0;
	assert_true(has_rest);
	metrics_free(metrics);
}

/* The rest is made first, and only later are there too many labels: its places must still suffice. */
static void test_the_rest_came_first(void **state)
{
	struct route_metrics *metrics = metrics_new(1);

	(void)state;
	assert_non_null(metrics);
	for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++)
		metrics_count(metrics, 0, METHOD_OTHER, 0, outcome, 1);
	for (unsigned status = 100; status < 600; status++)
		metrics_count(metrics, 0, METHOD_POST, status, OUTCOME_ANSWERED, 1);
	assert_true(metrics->shards[0].count <= METRICS_SERIES_MAX);
	assert_int_equal(total(metrics, 0), OUTCOME_COUNT + 500);
	metrics_free(metrics);
}

static void test_nothing(void **state)
{
	(void)state;
	metrics_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_series),
		cmocka_unit_test(test_a_turn_forgets_the_oldest_maximum),
		cmocka_unit_test(test_bounds_rise),
		cmocka_unit_test(test_series_differ_by_each_label),
		cmocka_unit_test(test_labels_run_out),
		cmocka_unit_test(test_the_rest_came_first),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
