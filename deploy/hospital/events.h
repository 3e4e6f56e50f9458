/*
 * Events between the services, through Kafka. The room of librdkafka.
 *
 * An event is {"id": TEXT, "patientId": NUMBER}; its id is the message's key, so that events spread over a topic's partitions. Its
 * id has at most EVENT_ID_MAX characters of printable ASCII, and its patientId is an INT of SQL.
 * A service that hears events has a thread for them. An event is handled at least once: its place in the topic is only given
 * back to Kafka after the service has handled it, so when a replica dies in between, another handles it again.
 */
#ifndef HOSPITAL_EVENTS_H
#define HOSPITAL_EVENTS_H

#include <stdbool.h>

enum { EVENT_ID_MAX = 36 };

struct event_base;
struct events;

struct events_settings {
	const char *brokers;           /* host:port, comma separated */
	const char *service, *replica; /* the consumer group is the service's name... */
	bool has_no_group;             /* ... or each replica is a group of its own: then every replica hears every event */
};

/* NULL: it can't be had; said on stderr. */
struct events *events_new(struct event_base *base, const struct events_settings *settings);
/* The consumer leaves its group, so that the others take over at once. */
void events_free(struct events *events);

/* Sends one. `on_done` is called on the loop of `base` when Kafka has it for good, or won't have it. False: it is no such
   event, or no memory. */
typedef void events_done(void *context, bool is_kept);
bool events_send(struct events *events, const char *topic, const char *id, long patient_id, events_done *on_done, void *context);
/* On the thread of the consumer: sends one and waits. */
bool events_send_now(struct events *events, const char *topic, const char *id, long patient_id);

/* Hears these topics. `handle` is called on a thread of its own; while it returns false the event comes again. */
typedef bool events_handle(void *context, const char *topic, const char *id, long patient_id);
bool events_hear(struct events *events, const char *const *topics, events_handle *handle, void *context);

#endif
