/* What a service of the hospital sends and hears, and what becomes of it. librdkafka plays Kafka, and the test the database. */
#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "deploy/hospital/clinic.h"
#include "deploy/hospital/events.h"
#include "deploy/hospital/metrics.h"
#include "deploy/hospital/records.h"

#define CHECK_IN "check_in_completed"

enum { PRODUCE = 0 /* Kafka's number */, GUARD_S = 60, GATEWAY_WAITS_S = 5, HEAD_START_US = 300 * 1000 };

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

/* ---- sending ------------------------------------------------------------------------------------------------------- */

static void a_report_arrives_before_the_gateway_gives_up(void **state)
{
	const struct events_settings settings = { .brokers = "127.0.0.1:1", .service = "ward", .replica = "ward.1" };
	struct told told = { .base = event_base_new() };
	struct events *events = events_new(told.base, &settings);

	(void)state;
	assert_non_null(events);
	assert_true(events_send(events, CHECK_IN, "1", 1, on_done, &told));
	event_base_loopexit(told.base, &(struct timeval){ .tv_sec = GATEWAY_WAITS_S });
	event_base_dispatch(told.base);
	assert_int_equal(told.count, 1);
	assert_false(told.is_kept);
	events_free(events);
	event_base_free(told.base);
}

static void an_event_that_nobody_would_take_is_not_sent(void **state)
{
	const struct events_settings settings = { .brokers = "127.0.0.1:1", .service = "ward", .replica = "ward.1" };
	struct told told = { .base = event_base_new() };
	struct events *events = events_new(told.base, &settings);
	char id[300] = "";

	(void)state;
	memset(id, '7', sizeof id - 1);
	assert_false(events_send(events, CHECK_IN, id, 1, on_done, &told));
	assert_false(events_send(events, CHECK_IN, "a\nb", 1, on_done, &told));
	assert_false(events_send(events, CHECK_IN, "a", 1L << 31, on_done, &told));
	events_free(events);
	assert_int_equal(told.count, 0);
	event_base_free(told.base);
}

/* ---- hearing ------------------------------------------------------------------------------------------------------- */

/* A Kafka with one partition for each topic, and a service that hears it. */
struct world {
	rd_kafka_t *kafka;
	struct event_base *base;
	struct events *events;
	sem_t heard;
	char ids[200];
	bool asks_for_an_invoice;
};

static void begin(struct world *world)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char error[200];

	rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", error, sizeof error);
	world->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
	assert_non_null(world->kafka);
	rd_kafka_mock_topic_create(rd_kafka_handle_mock_cluster(world->kafka), CHECK_IN, 1, 1);
	rd_kafka_mock_topic_create(rd_kafka_handle_mock_cluster(world->kafka), "open_invoice", 1, 1);
	world->base = event_base_new();
	sem_init(&world->heard, 0, 0);
}

static struct events_settings settings_of(struct world *world)
{
	return (struct events_settings){ .brokers = rd_kafka_mock_cluster_bootstraps(rd_kafka_handle_mock_cluster(world->kafka)),
		                         .service = "ward", .replica = "ward.1" };
}

static void end(struct world *world)
{
	rd_kafka_destroy(world->kafka);
	event_base_free(world->base);
	sem_destroy(&world->heard);
}

static void put(struct world *world, const char *text)
{
	assert_int_equal(rd_kafka_producev(world->kafka, RD_KAFKA_V_TOPIC(CHECK_IN), RD_KAFKA_V_VALUE((void *)text, strlen(text)),
	                                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END), 0);
	assert_int_equal(rd_kafka_flush(world->kafka, GUARD_S * 1000), 0);
}

static void await(sem_t *semaphore)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GUARD_S;
	assert_int_equal(sem_timedwait(semaphore, &until), 0);
}

/* How far the group has told Kafka that it got. */
static int64_t committed(struct world *world)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	struct events_settings settings = settings_of(world);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *consumer;
	char error[200];
	int64_t offset;

	rd_kafka_conf_set(conf, "bootstrap.servers", settings.brokers, error, sizeof error);
	rd_kafka_conf_set(conf, "group.id", settings.service, error, sizeof error);
	consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
	rd_kafka_topic_partition_list_add(list, CHECK_IN, 0);
	assert_int_equal(rd_kafka_committed(consumer, list, GUARD_S * 1000), 0);
	offset = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(consumer);
	return offset;
}

static bool on_event(void *context, const char *topic, const char *id, long patient_id)
{
	struct world *world = context;
	size_t length = strlen(world->ids);

	(void)topic;
	snprintf(world->ids + length, sizeof world->ids - length, "%s:%ld ", id, patient_id);
	sem_post(&world->heard);
	/* Only events_free() serves the report: so the service is told to end before this returns. */
	return !world->asks_for_an_invoice || events_send_now(world->events, "open_invoice", id, patient_id);
}

static void hear(struct world *world)
{
	static const char *const topics[] = { CHECK_IN, NULL };
	struct events_settings settings = settings_of(world);

	world->events = events_new(world->base, &settings);
	assert_non_null(world->events);
	assert_true(events_hear(world->events, topics, on_event, world));
}

static void an_event_that_no_database_takes_is_passed_over(void **state)
{
	struct world world = { 0 };

	(void)state;
	begin(&world);
	put(&world, "no JSON");
	put(&world, "{\"id\":\"0123456789012345678901234567890123456\",\"patientId\":1}");
	put(&world, "{\"id\":\"a\\u0001\",\"patientId\":1}");
	put(&world, "{\"id\":\"a\",\"patientId\":2147483648}");
	put(&world, "{\"id\":\"a\",\"patientId\":-2147483649}");
	put(&world, "{\"id\":\"012345678901234567890123456789012345\",\"patientId\":2147483647}");
	hear(&world);
	await(&world.heard);
	events_free(world.events);
	assert_string_equal(world.ids, "012345678901234567890123456789012345:2147483647 ");
	assert_int_equal(committed(&world), 6);
	end(&world);
}

static void an_id_arrives_as_it_was_sent(void **state)
{
	struct told told = { 0 };
	struct world world = { 0 };

	(void)state;
	begin(&world);
	hear(&world);
	told.base = world.base;
	assert_true(events_send(world.events, CHECK_IN, "a\"b\\c", 7, on_done, &told));
	event_base_loopexit(world.base, &(struct timeval){ .tv_sec = GUARD_S });
	event_base_dispatch(world.base);
	assert_true(told.is_kept);
	await(&world.heard);
	events_free(world.events);
	assert_string_equal(world.ids, "a\"b\\c:7 ");
	end(&world);
}

static void an_event_that_was_handled_at_the_end_is_committed(void **state)
{
	struct world world = { .asks_for_an_invoice = true };

	(void)state;
	begin(&world);
	put(&world, "{\"id\":\"a\",\"patientId\":1}");
	hear(&world);
	await(&world.heard);
	events_free(world.events);
	assert_int_equal(committed(&world), 1);
	end(&world);
}

/* ---- the clinic ---------------------------------------------------------------------------------------------------- */

struct records {
	bool is_away;
	char ids[200];
	atomic_bool has_last;
};
static struct records database;
static atomic_int counted;

void metrics_count_event(const char *topic)
{
	(void)topic;
	counted++;
}

struct records *records_new(const char *url)
{
	(void)url;
	return &database;
}

void records_free(struct records *records)
{
	(void)records;
}

bool records_prepare(struct records *records)
{
	return records != NULL;
}

bool records_are_there(struct records *records)
{
	return records != NULL;
}

json_t *records_patient(struct records *records, long id)
{
	(void)records, (void)id;
	return NULL;
}

json_t *records_patients(struct records *records)
{
	(void)records;
	return NULL;
}

json_t *records_events(struct records *records)
{
	(void)records;
	return NULL;
}

enum records_outcome records_add_event(struct records *records, const char *topic, const char *id, long patient_id,
                                       const char *replica)
{
	size_t length = strlen(records->ids);

	(void)topic, (void)patient_id, (void)replica;
	snprintf(records->ids + length, sizeof records->ids - length, "%s ", id);
	atomic_store(&records->has_last, strcmp(id, "last") == 0);
	return records->is_away ? RECORDS_AWAY : strcmp(id, "refused") == 0 ? RECORDS_REFUSED : RECORDS_KEPT;
}

static void on_checked_in(void *context, int status, json_t *value)
{
	json_decref(value);
	*(int *)context = status;
}

static void a_check_in_is_on_record_before_it_is_sent(void **state)
{
	const struct clinic_settings settings = {
		.service = "reception", .replica = "reception.1", .database = "", .brokers = "127.0.0.1:1"
	};
	struct event_base *base = event_base_new();
	struct clinic *clinic = clinic_new(base, &settings);
	struct clinic_answer answer;
	int status = 0;

	(void)state;
	database = (struct records){ .is_away = true };
	assert_true(clinic_ask(clinic, "/reception/check_in_patient", 1, &answer, on_checked_in, &status));
	assert_int_equal(answer.status, 503);
	json_decref(answer.value);
	database = (struct records){ .is_away = false };
	assert_true(clinic_ask(clinic, "/reception/check_in_patient", 1, &answer, on_checked_in, &status));
	assert_int_equal(answer.status, 0);
	assert_int_equal(strlen(database.ids), 33);
	while (status == 0)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(status, 503);
	clinic_free(clinic);
	event_base_free(base);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	if (atomic_load(&database.has_last))
		event_base_loopbreak(context);
}

/* Its first invoice is refused by Kafka, so its event comes again. */
static void a_ward_counts_an_event_once_and_passes_over_a_refused_one(void **state)
{
	struct clinic_settings settings = { .service = "ward", .replica = "ward.1", .database = "" };
	struct world world = { 0 };
	struct clinic *clinic;
	struct event *tick;

	(void)state;
	database = (struct records){ .is_away = false };
	begin(&world);
	settings.brokers = settings_of(&world).brokers;
	put(&world, "{\"id\":\"first\",\"patientId\":1}");
	put(&world, "{\"id\":\"refused\",\"patientId\":1}");
	put(&world, "{\"id\":\"last\",\"patientId\":1}");
	rd_kafka_mock_push_request_errors(rd_kafka_handle_mock_cluster(world.kafka), PRODUCE, 1,
	                                  RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
	clinic = clinic_new(world.base, &settings);
	tick = event_new(world.base, -1, EV_PERSIST, on_tick, world.base);
	event_add(tick, &(struct timeval){ .tv_usec = 10 * 1000 });
	event_base_loopexit(world.base, &(struct timeval){ .tv_sec = GUARD_S });
	event_base_dispatch(world.base);
	event_free(tick);
	clinic_free(clinic);
	assert_string_equal(database.ids, "first first refused last ");
	assert_int_equal(committed(&world), 3);
	assert_int_equal(counted, 2);
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_arrives_before_the_gateway_gives_up),
		cmocka_unit_test(an_event_that_nobody_would_take_is_not_sent),
		cmocka_unit_test(an_event_that_no_database_takes_is_passed_over),
		cmocka_unit_test(an_id_arrives_as_it_was_sent),
		cmocka_unit_test(an_event_that_was_handled_at_the_end_is_committed),
		cmocka_unit_test(a_check_in_is_on_record_before_it_is_sent),
		cmocka_unit_test(a_ward_counts_an_event_once_and_passes_over_a_refused_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
