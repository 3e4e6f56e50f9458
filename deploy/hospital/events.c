#include "deploy/hospital/events.h"

#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MS = 200, AGAIN_US = 500 * 1000, END_WAIT_MS = 2000 };

struct events {
	struct events_settings settings;
	rd_kafka_t *producer, *consumer; /* consumer NULL: it hears nothing */
	rd_kafka_queue_t *reports;
	struct event *has_reports;
	int pipe[2]; /* librdkafka writes a byte when there are reports */
	pthread_t thread;
	atomic_bool is_ending;
	events_handle *handle;
	void *context;
};

/* One that was sent and of which Kafka has not said yet what became of it. */
struct sending {
	events_done *on_done;
	void *context;
};

static void on_report(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *context)
{
	struct sending *sending = message->_private;

	(void)kafka, (void)context;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		fprintf(stderr, "service: kafka: an event was not kept: %s\n", rd_kafka_err2str(message->err));
	sending->on_done(sending->context, message->err == RD_KAFKA_RESP_ERR_NO_ERROR);
	free(sending);
}

/* `pairs`: names and values of librdkafka's settings, ended by NULL. */
static rd_kafka_t *make(const struct events_settings *settings, rd_kafka_type_t type, const char *const *pairs)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char error[256] = "";
	rd_kafka_t *made = NULL;
	bool is_right = rd_kafka_conf_set(conf, "bootstrap.servers", settings->brokers, error, sizeof error) == RD_KAFKA_CONF_OK &&
	                rd_kafka_conf_set(conf, "client.id", settings->replica, error, sizeof error) == RD_KAFKA_CONF_OK;

	for (size_t i = 0; is_right && pairs[i] != NULL; i += 2)
		is_right = rd_kafka_conf_set(conf, pairs[i], pairs[i + 1], error, sizeof error) == RD_KAFKA_CONF_OK;
	if (type == RD_KAFKA_PRODUCER)
		rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	if (is_right)
		made = rd_kafka_new(type, conf, error, sizeof error);
	if (made != NULL)
		return made;
	fprintf(stderr, "service: kafka: %s\n", error);
	rd_kafka_conf_destroy(conf);
	return NULL;
}

/* Why no database ever takes this event; NULL: one does. */
static const char *flaw_of(const char *id, json_int_t patient_id)
{
	size_t length = id == NULL ? 0 : strlen(id);

	if (length == 0)
		return "it has no id";
	if (length > EVENT_ID_MAX)
		return "its id is too long";
	for (size_t i = 0; i < length; i++)
		if (id[i] <= ' ' || id[i] > '~')
			return "its id has characters other than printable ASCII";
	return patient_id < INT32_MIN || patient_id > INT32_MAX ? "its patientId is too large" : NULL;
}

/* ---- sending ------------------------------------------------------------------------------------------------------ */

static void on_reports(evutil_socket_t fd, short what, void *context)
{
	struct events *events = context;
	char bytes[64];

	(void)what;
	while (read(fd, bytes, sizeof bytes) > 0)
		;
	rd_kafka_poll(events->producer, 0);
}

bool events_send(struct events *events, const char *topic, const char *id, long patient_id, events_done *on_done, void *context)
{
	struct sending *sending = malloc(sizeof *sending);
	json_t *event = flaw_of(id, patient_id) == NULL ? json_pack("{s:s, s:I}", "id", id, "patientId", (json_int_t)patient_id) : NULL;
	char *text = json_dumps(event, JSON_COMPACT);
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__INVALID_ARG;

	if (sending != NULL && text != NULL) {
		*sending = (struct sending){ on_done, context };
		error = rd_kafka_producev(events->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY((void *)id, strlen(id)),
		                          RD_KAFKA_V_VALUE(text, strlen(text)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		                          RD_KAFKA_V_OPAQUE(sending), RD_KAFKA_V_END);
	}
	json_decref(event);
	free(text);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	fprintf(stderr, "service: kafka: an event can't be sent: %s\n", rd_kafka_err2str(error));
	free(sending);
	return false;
}

/* The thread of the consumer waits here while the loop serves the report. */
struct waiting {
	pthread_mutex_t mutex;
	pthread_cond_t over;
	int state; /* 0: under way, 1: kept, -1: lost */
};

static void on_waited(void *context, bool is_kept)
{
	struct waiting *waiting = context;

	pthread_mutex_lock(&waiting->mutex);
	waiting->state = is_kept ? 1 : -1;
	pthread_cond_signal(&waiting->over);
	pthread_mutex_unlock(&waiting->mutex);
}

bool events_send_now(struct events *events, const char *topic, const char *id, long patient_id)
{
	struct waiting waiting = { .mutex = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER };

	if (!events_send(events, topic, id, patient_id, on_waited, &waiting))
		return false;
	pthread_mutex_lock(&waiting.mutex);
	while (waiting.state == 0) /* message.timeout.ms ends it at the latest */
		pthread_cond_wait(&waiting.over, &waiting.mutex);
	pthread_mutex_unlock(&waiting.mutex);
	return waiting.state > 0;
}

/* ---- hearing ------------------------------------------------------------------------------------------------------- */

static void handle(struct events *events, rd_kafka_message_t *message)
{
	json_t *event = json_loadb(message->payload, message->len, 0, NULL);
	const char *topic = rd_kafka_topic_name(message->rkt), *id = json_string_value(json_object_get(event, "id"));
	json_int_t patient_id = json_integer_value(json_object_get(event, "patientId"));
	const char *flaw = flaw_of(id, patient_id);
	bool is_over = flaw != NULL;

	if (is_over)
		fprintf(stderr, "service: kafka: an event of %s is passed over: %s\n", topic, flaw);
	while (!is_over && !atomic_load(&events->is_ending)) {
		is_over = events->handle(events->context, topic, id, (long)patient_id);
		if (!is_over)
			usleep(AGAIN_US);
	}
	if (is_over)
		rd_kafka_commit_message(events->consumer, message, 0);
	json_decref(event);
}

static void *hear(void *context)
{
	struct events *events = context;

	while (!atomic_load(&events->is_ending)) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(events->consumer, POLL_MS);

		if (message == NULL)
			continue;
		if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			handle(events, message);
		else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF && message->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			fprintf(stderr, "service: kafka: %s\n", rd_kafka_message_errstr(message));
		rd_kafka_message_destroy(message);
	}
	rd_kafka_consumer_close(events->consumer);
	return NULL;
}

bool events_hear(struct events *events, const char *const *topics, events_handle *handler, void *context)
{
	const char *group = events->settings.has_no_group ? events->settings.replica : events->settings.service;
	const char *const pairs[] = { "group.id", group, "enable.auto.commit", "false", "auto.offset.reset", "earliest",
		                      "session.timeout.ms", "6000", "heartbeat.interval.ms", "1000",
		                      "topic.metadata.refresh.interval.ms", "2000", "allow.auto.create.topics", "true", NULL };
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
	rd_kafka_resp_err_t error;

	events->handle = handler;
	events->context = context;
	events->consumer = make(&events->settings, RD_KAFKA_CONSUMER, pairs);
	if (events->consumer == NULL)
		return false;
	rd_kafka_poll_set_consumer(events->consumer);
	for (size_t i = 0; topics[i] != NULL; i++)
		rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
	error = rd_kafka_subscribe(events->consumer, list);
	rd_kafka_topic_partition_list_destroy(list);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR && pthread_create(&events->thread, NULL, hear, events) == 0;
}

/* ---- its life ------------------------------------------------------------------------------------------------------- */

static bool begin(struct events *events, struct event_base *base)
{
	/* The gateway waits five seconds for a check-in's answer, and librdkafka looks for late messages only once a second. */
	static const char *const pairs[] = { "acks", "all", "enable.idempotence", "true", "message.timeout.ms", "3000",
		                             "linger.ms", "0", NULL };

	events->producer = make(&events->settings, RD_KAFKA_PRODUCER, pairs);
	if (events->producer == NULL || pipe2(events->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	events->reports = rd_kafka_queue_get_main(events->producer);
	rd_kafka_queue_io_event_enable(events->reports, events->pipe[1], "!", 1);
	events->has_reports = event_new(base, events->pipe[0], EV_READ | EV_PERSIST, on_reports, events);
	if (events->has_reports == NULL || event_add(events->has_reports, NULL) != 0)
		return false;
	/* librdkafka writes only when something is queued on an empty queue, which this may be no more: it says there, too, that no
	   broker answers yet. */
	event_active(events->has_reports, EV_READ, 0);
	return true;
}

struct events *events_new(struct event_base *base, const struct events_settings *settings)
{
	struct events *events = calloc(1, sizeof *events);

	if (events == NULL)
		return NULL;
	events->settings = *settings;
	if (begin(events, base))
		return events;
	free(events); /* the service ends: what else was made ends with it */
	return NULL;
}

void events_free(struct events *events)
{
	if (events == NULL)
		return;
	atomic_store(&events->is_ending, true);
	/* The consumer's thread may wait for a report, which is served here now that the loop is over. */
	if (events->consumer != NULL) {
		while (pthread_tryjoin_np(events->thread, NULL) != 0)
			rd_kafka_poll(events->producer, POLL_MS);
		rd_kafka_destroy(events->consumer);
	}
	rd_kafka_flush(events->producer, END_WAIT_MS);
	event_free(events->has_reports);
	rd_kafka_queue_destroy(events->reports);
	rd_kafka_destroy(events->producer);
	free(events);
}
