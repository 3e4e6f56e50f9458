/* What a service of the hospital hears of the events that it has sent. */
#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "deploy/hospital/events.h"

enum { GUARD_S = 60, HEAD_START_US = 300 * 1000 };

void __real_rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload, size_t size);
void __wrap_rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload, size_t size);

/* librdkafka's threads get a head start: they say that the broker does not answer before they are asked to wake anybody. */
void __wrap_rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload, size_t size)
{
	usleep(HEAD_START_US);
	__real_rd_kafka_queue_io_event_enable(queue, fd, payload, size);
}

struct told {
	struct event_base *base;
	int count;
	bool is_kept;
};

static void on_done(void *context, bool is_kept)
{
	struct told *told = context;

	told->count++;
	told->is_kept = is_kept;
	event_base_loopbreak(told->base);
}

static void a_report_arrives_though_trouble_came_first(void **state)
{
	const struct events_settings settings = { .brokers = "127.0.0.1:1", .service = "ward", .replica = "ward.1" };
	struct told told = { .base = event_base_new() };
	struct events *events = events_new(told.base, &settings);

	(void)state;
	assert_non_null(events);
	assert_true(events_send(events, "check_in_completed", "1", 1, on_done, &told));
	event_base_loopexit(told.base, &(struct timeval){ .tv_sec = GUARD_S });
	event_base_dispatch(told.base);
	assert_int_equal(told.count, 1);
	assert_false(told.is_kept);
	events_free(events);
	event_base_free(told.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_report_arrives_though_trouble_came_first) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
